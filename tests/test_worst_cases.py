"""No reader of strangers' bytes takes more than its share: steps and memory grow as the input does."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from benchmarks.hostile import READERS, Reader
from benchmarks.worst import peak

SMALL = 2048
CASES = [(name, shape) for name, reader in READERS.items() for shape in reader.shapes]


def _lines_run(reader: Reader, data: bytes) -> int:
    """Count the lines of Python that reading runs, the second time."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    reader.read(data)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        reader.read(data)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_twice_the_input_takes_about_twice_the_steps_and_memory(name: str, shape: str) -> None:
    reader = READERS[name]
    once, twice = reader.shapes[shape](SMALL), reader.shapes[shape](2 * SMALL)
    assert len(once) <= SMALL
    assert len(once) <= len(twice) <= 2 * SMALL
    assert _lines_run(reader, twice) <= 2.5 * _lines_run(reader, once) + 2_000
    assert (
        peak(reader.read, twice) <= 3 * peak(reader.read, once) + 100_000
    )  # tuples that Python keeps for reuse are not seen
