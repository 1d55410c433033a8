"""The picture of outcomes: the last hours minute by minute, as what a template draws and lists beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capsvc.outcomes import OUTCOMES, Counts, no_counts
from caveats import time_text

MINUTES = 180
STEP, HEIGHT = 4, 160
_QUARTER, _HALF_HOUR, _MARGIN = 15, 30, 5


@dataclass(frozen=True, slots=True)
class Span:
    """What happened from one moment to another, both as ``HH:MM`` in UTC."""

    begins: str
    ends: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Picture:
    """Bars stacked by outcome, as paths in units of the drawing; the same as quarters of hours; and the day.

    ``ticks`` are positions with their moments, ``highest`` the most in one minute, ``total`` that of the
    whole picture.
    """

    bars: dict[str, str]
    ticks: list[tuple[int, str]]
    highest: int
    total: Counts
    quarters: list[Span]
    day: Counts


def draw(minutes: Mapping[int, Counts], last: int) -> Picture:
    """Draw the minutes that end with a last one, counted since 1970."""
    shown = range(last - MINUTES + 1, last + 1)
    quiet = no_counts()
    columns = [minutes.get(minute, quiet) for minute in shown]
    highest = max(sum(column.values()) for column in columns)
    quarters: dict[int, list[Counts]] = {}
    for minute, column in zip(shown, columns, strict=True):
        quarters.setdefault(minute // _QUARTER, []).append(column)
    spans = [
        Span(_moment(quarter * _QUARTER), _moment((quarter + 1) * _QUARTER), _sum(of_quarter))
        for quarter, of_quarter in reversed(quarters.items())
    ]
    inside = range(_MARGIN, MINUTES - _MARGIN)  # where there is room for the text of a moment
    ticks = [(_middle(each), _moment(shown[each])) for each in inside if not shown[each] % _HALF_HOUR]
    return Picture(_bars(columns, highest), ticks, highest, _sum(columns), spans, _sum(minutes.values()))


def _bars(columns: list[Counts], highest: int) -> dict[str, str]:
    drawn: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
    for position, column in enumerate(columns):
        bottom = float(HEIGHT)
        for outcome, count in column.items():
            if count:
                height = count / highest * HEIGHT
                drawn[outcome].append(f"M{_middle(position)} {bottom:.1f}v-{height:.1f}")
                bottom -= height
    return {outcome: "".join(parts) for outcome, parts in drawn.items()}


def _middle(position: int) -> int:
    return position * STEP + STEP // 2


def _moment(minute: int) -> str:
    return time_text(minute * 60)[11:16]


def _sum(columns: Iterable[Counts]) -> Counts:
    total = no_counts()
    for column in columns:
        for outcome, count in column.items():
            total[outcome] += count
    return total
