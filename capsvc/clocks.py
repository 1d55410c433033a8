"""Clocks beside that of the day."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

boot_time: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
