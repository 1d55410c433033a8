"""Reads the examples of a page, runs them in order, and holds what they print against what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Mapping
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: Path) -> list[tuple[str, str, str | None]]:
    """List the blocks that run: language, code, and the output that stands right behind, if any."""
    text = page.read_text("utf-8")
    blocks = list(_FENCE.finditer(text))
    found = []
    for block, following in zip_longest(blocks, blocks[1:]):
        if block[1] in ("sh", "python"):
            shown = following and following[1] == "text" and not text[block.end() : following.start()].strip()
            found.append((block[1], block[2], following[2] if shown else None))
    return found


def run_page(
    page: Path, directory: Path, more: Mapping[str, str] | None = None, descriptors: Collection[int] = ()
) -> None:
    """Run a page in a directory that has the service's commands under ``.venv/bin``.

    They may need more in their environment, and descriptors that are open in them.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAPSVC_")}
    environment |= {"XDG_CONFIG_HOME": str(directory / "config"), **(more or {})}
    run = {"sh": ["bash", "-c"], "python": [str(directory / ".venv/bin/python"), "-W", "error", "-c"]}
    for language, code, shown in examples(page):
        done = subprocess.run(
            [*run[language], code], cwd=directory, env=environment, timeout=60, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, pass_fds=descriptors,
        )  # fmt: skip
        if shown is None:
            assert done.returncode == 0, (code, done.stdout)
        else:
            assert _matches(shown, done.stdout), (code, done.stdout)


def _matches(shown: str, printed: str) -> bool:
    """Compare output with what the page shows, in which … stands for anything on one line."""
    return bool(re.fullmatch(re.escape(shown.strip()).replace("…", "[^\n]*"), printed.strip()))
