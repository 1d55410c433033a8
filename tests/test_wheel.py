"""The wheel, built and installed into an empty environment, serves the story too."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

from tests.examples import ROOT, run_page
from tests.serving import Server


def test_the_wheel_in_an_empty_environment_serves_the_readmes_story(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"caveats", "capsvc"}
    assert "caveats/py.typed" in names
    assert "capsvc/py.typed" in names
    console = ("templates/base.html", "static/style.css", "static/core/index.js", "static/page/qr_code.js")
    assert {f"capsvc/console/{each}" for each in console} <= set(names)
    assert "capsvc/console/static/vendor/LICENSE.txt" in names
    venv.create(tmp_path / ".venv", with_pip=True)
    python = tmp_path / ".venv/bin/python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[service]"],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    with Server(tmp_path / "var", command=tmp_path / ".venv/bin/capsvc"):
        run_page(ROOT / "README.md", tmp_path)
