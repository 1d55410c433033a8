"""The wheel, built and installed into an empty environment with what it asks for, serves the story too."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.examples import ROOT, run_page
from tests.serving import Server, run


def _asked_for(distribution_: Distribution, extras: set[str], found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Find what a distribution with these extras asks for, and what that asks for, each with the extras of it."""
    for line in distribution_.requires or []:
        asked = Requirement(line)
        if asked.marker and not any(asked.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        if asked.name == distribution_.name:
            _asked_for(distribution_, set(asked.extras), found)
            continue
        here = distribution(asked.name)
        assert asked.specifier.contains(here.version, prereleases=True), line
        if asked.name not in found or not asked.extras <= found[asked.name]:
            found[asked.name] = found.get(asked.name, set()) | asked.extras
            _asked_for(here, {"", *asked.extras}, found)
    return found


def _link(names: set[str], packages: Path) -> None:
    """Put distributions of the environment of the tests into another, as pip would, without fetching them again."""
    for name in names:
        here = distribution(name)
        for top in {file.parts[0] for file in here.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(here.locate_file(top))))


def test_the_wheel_in_an_empty_environment_serves_the_readmes_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # the wheel alone
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
    venv.create(tmp_path / ".venv")
    python, command = tmp_path / ".venv/bin/python", tmp_path / ".venv/bin/capsvc"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    (packages,) = (tmp_path / ".venv/lib").glob("python*/site-packages")
    (told,) = packages.glob("capsvc-*.dist-info")
    installed = Distribution.at(told)
    _link({*_asked_for(installed, {""}, {})}, packages)
    subprocess.run([python, "-W", "error", "-c", "import caveats"], check=True, cwd=tmp_path, timeout=60)
    refused = run(tmp_path / "var", "init", command=command)
    assert (refused.returncode, "pip install 'capsvc[service]'" in refused.stderr) == (1, True), refused.stderr
    _link({*_asked_for(installed, {"edge"}, {})}, packages)
    edge = (
        "import capsvc.guards, capsvc.resource_server, capsvc.wsgi; from capsvc.http import problems as p;"
        "p.problem_of(capsvc.errors.StoreUnavailable('its relay is silent')).response()"
    )
    subprocess.run([python, "-W", "error", "-c", edge], check=True, cwd=tmp_path, timeout=60)
    _link({*_asked_for(installed, {"service"}, {})}, packages)
    with Server(tmp_path / "var", command=command):
        run_page(ROOT / "README.md", tmp_path)
