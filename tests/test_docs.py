"""Every example in README.md and docs/ is run, word for word, against a server in another process.

Its commands are forked; those of README.md are run from their start too, by test_wheel.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.examples import PAGES, ROOT, examples, run_page
from tests.forks import commands
from tests.serving import Server


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda page: page.name)
def test_every_example_of_a_page_runs_and_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    environment, descriptor = commands(tmp_path / ".venv" / "bin")
    for name in ("lib", "pyvenv.cfg"):
        (tmp_path / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    with Server(tmp_path / "var"):
        run_page(page, tmp_path, environment, [descriptor])


def test_the_readme_names_the_two_commands_and_tells_the_story() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "make run" in text
    assert "make test" in text
    assert len(examples(ROOT / "README.md")) >= 5


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(((?!https?:)[^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
