"""Interleaved rounds: every contender once a round, so that a machine that drifts drifts for all of them.

A ratio is the median of the ratios of each round; contenders in a process of their own are compared by
their minima.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_WARMING = 100


@dataclass(slots=True)
class Contender:
    """One way to do one thing: ``prepare(n)`` makes n inputs, outside of the time; ``run`` takes one."""

    name: str
    prepare: Callable[[int], list[Any]]
    run: Callable[[Any], object]
    seconds: list[float] = field(default_factory=list)

    def measure(self, n: int) -> None:
        """Time n runs, after a few that are not timed; keep the seconds for one.

        Without those the first runs of each contender pay for the code of the one before, which is still
        in the processor's caches: the shorter the work, the larger its share.
        """
        inputs, run = self.prepare(n + _WARMING), self.run
        gc.collect()
        gc.disable()
        try:
            for each in inputs[:_WARMING]:
                run(each)
            inputs = inputs[_WARMING:]
            start = time.perf_counter()
            for each in inputs:
                run(each)
            self.seconds.append((time.perf_counter() - start) / n)
        finally:
            gc.enable()

    @property
    def microseconds(self) -> float:
        """The median of all rounds, for one run."""
        return statistics.median(self.seconds) * 1e6


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio with its spread (the quartiles), the bar that it is held to, and both times in µs."""

    what: str
    against: str
    ratio: float
    low: float
    high: float
    bar: float
    ours: float
    theirs: float

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its bar."""
        return self.ratio <= self.bar


def run_rounds(contenders: list[Contender], rounds: int, n: int, outside: Callable[[int], None] | None = None) -> None:
    """Measure all contenders once a round, in turn."""
    for _ in range(rounds):
        for contender in contenders:
            contender.measure(n)
        if outside is not None:
            outside(n)


def compare(what: str, ours: Contender, theirs: Contender, bar: float) -> Figure:
    """Compare two contenders of one process, round by round."""
    ratios = sorted(a / b for a, b in zip(ours.seconds, theirs.seconds, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return Figure(what, theirs.name, statistics.median(ratios), low, high, bar, ours.microseconds, theirs.microseconds)


def compare_minima(what: str, ours: Contender, name: str, theirs: list[float], bar: float) -> Figure:
    """Compare with a contender in another process."""
    ratio = min(ours.seconds) / min(theirs)
    return Figure(what, name, ratio, ratio, ratio, bar, min(ours.seconds) * 1e6, min(theirs) * 1e6)
