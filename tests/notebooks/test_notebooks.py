"""The notebooks run from a clean kernel, top to bottom, and what is committed is what they print, in kind."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_CELL_SECONDS = 120
_LARGEST_BYTES = 600_000


def _named(path: Path) -> str:
    return path.stem


def _read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(cell: Any) -> tuple[set[str], int]:
    """What a cell shows: its streams, which come in pieces, and the richest form of each other output; how many."""
    streams = {each.name for each in cell.outputs if each.output_type == "stream"}
    others = [_richest(each.data) for each in cell.outputs if each.output_type != "stream"]
    return {*streams, *others}, len(others)


def _richest(forms: Any) -> str:
    """The form that a page shows: text only where there is no other, beside which it is left out."""
    return max({*forms} - {"text/plain"}, default="text/plain")


def test_there_are_six() -> None:
    assert [path.stem[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_named)
def test_a_notebook_runs_from_a_clean_kernel_and_shows_what_is_committed(path: Path) -> None:
    committed, running = _read(path), _read(path)
    for cell in _code(running):
        cell.outputs, cell.execution_count = [], None
    NotebookClient(
        running, timeout=_CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    for position, (cell, again) in enumerate(zip(_code(committed), _code(running), strict=True), 1):
        assert cell.execution_count == position, "committed as it was run, in order, from a clean kernel"
        assert _kinds(cell) == _kinds(again), f"the committed output of cell {position} is stale: make notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_named)
def test_a_committed_notebook_has_no_errors_and_reads_well_on_a_page(path: Path) -> None:
    notebook = _read(path)
    assert path.stat().st_size < _LARGEST_BYTES
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in _code(notebook):
        assert not [each for each in cell.outputs if each.output_type == "error" or each.get("name") == "stderr"]
    assert not re.search(r"/(?:root|home|tmp|work|Users)/", path.read_text("utf-8"))
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    exercises = re.split(r"^## Exercises\s*$", notebook.cells[-1].source, flags=re.MULTILINE)
    assert len(re.findall(r"^\d\. ", exercises[-1], re.MULTILINE)) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_named)
def test_a_notebook_uses_public_names_only(path: Path) -> None:
    tree = ast.parse("\n".join(cell.source for cell in _code(_read(path)) if not cell.source.startswith("%")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert not re.match(r"_(?!_)", node.attr) or node.attr.startswith("_repr_"), node.attr
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("caveats", "capsvc"):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert not alias.name.startswith("_")
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
