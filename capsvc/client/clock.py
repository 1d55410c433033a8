"""The clocks of servers, as far as they are known to differ from ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from capsvc.client.origin import Origin

FARTHEST_SECONDS = 300
"""A server whose clock is further away than that is not followed: whose clock is wrong, nobody knows."""

_WORTH_A_RETRY = 2


class Clocks:
    """Tells the time as each origin has it; ours, until it was refused and said another."""

    def __init__(self, ours: Callable[[], float] = time.time) -> None:
        self._ours = ours
        self._offsets: dict[Origin, float] = {}

    def now(self, origin: Origin) -> float:
        """Return the time at an origin, in seconds since the epoch."""
        return self._ours() + self._offsets.get(origin, 0.0)

    def learn(self, origin: Origin, date: str | None) -> bool:
        """Learn from the ``Date`` of a refusal; tell whether that changes what time it is there."""
        if date is None or not origin.tells_time:
            return False
        try:
            offset = parsedate_to_datetime(date).timestamp() - self._ours()
        except (ValueError, OverflowError, TypeError):
            return False
        if abs(offset) > FARTHEST_SECONDS or abs(offset - self._offsets.get(origin, 0.0)) < _WORTH_A_RETRY:
            return False
        self._offsets[origin] = offset
        return True
