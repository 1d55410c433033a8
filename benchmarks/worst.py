"""``python -m benchmarks.worst``: what the most costly eight kibibytes cost, beside the usual ones.

Each reader of strangers' bytes gets inputs of one size in many shapes, honest and hostile. A reader's ratio is the
time of its worst input over the median of all of its inputs; its bar is 20. Beside it stand how much more time and
memory the worst input takes than one of half the size in the same shape: about twice, where cost is linear.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.hostile import READERS, Reader

BYTES, BAR = 8192, 20.0
_ROUNDS, _LEAST_SECONDS = 7, 0.005


class Worst(NamedTuple):
    """The worst input of a reader: its shape, µs, the ratio to the median, and what twice the size costs."""

    reader: str
    shape: str
    microseconds: float
    ratio: float
    twice_the_time: float
    twice_the_memory: float


def main() -> None:
    """Print a table; with ``--strict``, exit code 1 where a bar does not hold."""
    found = [worst(name, reader) for name, reader in READERS.items()]
    print(f"| reader | worst {BYTES} bytes | µs | over the median (at most {BAR:g}) | time, twice | memory, twice |")
    print("|---|---|---|---|---|---|")
    for each in sorted(found, key=lambda each: -each.ratio):
        print(
            f"| {each.reader} | {each.shape} | {each.microseconds:.0f} | {each.ratio:.1f}"
            f" | {each.twice_the_time:.1f} | {each.twice_the_memory:.1f} |"
        )
    if "--strict" in sys.argv and any(each.ratio > BAR for each in found):
        sys.exit("a bar does not hold")


def worst(name: str, reader: Reader) -> Worst:
    """Time every input of a reader, and look at the worst once more."""
    inputs = {shape: make(BYTES) for shape, make in reader.shapes.items()}
    times = {shape: seconds(reader.read, data) for shape, data in inputs.items()}
    shape = max(times, key=times.__getitem__)
    half = reader.shapes[shape](BYTES // 2)
    return Worst(
        name,
        shape,
        times[shape] * 1e6,
        times[shape] / statistics.median(times.values()),
        times[shape] / seconds(reader.read, half),
        peak(reader.read, inputs[shape]) / peak(reader.read, half),
    )


def seconds(read: Callable[[bytes], object], data: bytes) -> float:
    """The least time of the processor that one reading takes: others who compute meanwhile do not count."""
    read(data)
    found = []
    gc.disable()
    for _ in range(_ROUNDS):
        count, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < _LEAST_SECONDS:
            read(data)
            count += 1
        found.append(spent / count)
    gc.enable()
    return min(found)


def peak(read: Callable[[bytes], object], data: bytes) -> int:
    """The most bytes that one reading holds at once."""
    read(data)
    gc.disable()  # else it counts whether the collector came by
    tracemalloc.start()
    try:
        read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


if __name__ == "__main__":
    main()
