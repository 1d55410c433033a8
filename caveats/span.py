"""A span: how far apart two moments are, and that in words. Moments are texts as ``time_text`` writes them."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def seconds(earlier: str, later: str) -> int:
    """Count the seconds from one moment to another; fewer than none where that one comes first."""
    return round((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())


def in_words(length: int) -> str:
    """Say a span in its largest unit and the one below: ``2 h 14 min``, and ``3 d`` where the hours are none."""
    for (size, unit), (smaller, below) in pairwise(_UNITS):
        if length >= size:
            rest = length % size // smaller
            return f"{length // size} {unit}{f' {rest} {below}' if rest else ''}"
    return f"{length} s"


def left(expires: str, now: str) -> str:
    """Say what time is left before an end, or how long ago that was."""
    length = seconds(now, expires)
    return f"{in_words(length)} left" if length > 0 else f"expired {in_words(-length)} ago"
