"""The process: what whoever holds keys and passwords in memory gives up and asks for before it opens a home.

The limits and the mode mask pass on to workers. Linux forgets at each exec that a process is not to be dumped, so a
worker asks for that again.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4
"""From ``linux/prctl.h``."""

_NICER = 19
_COLLECT_AFTER = 20_000, 20, 20
"""So many objects more than went before a search for garbage; then how many searches before a deeper one."""


def harden() -> None:
    """Keep memory out of core dumps and away from debuggers, and new files from everybody else.

    A limit of 0 forbids a core file. It does not stop a core that goes to a program (``core_pattern`` with a pipe);
    a process that cannot be dumped does, and no other process of the same user can read its memory (prctl(2)).
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_descriptors() -> int:
    """Raise how many files may be open to what the system lets us; return how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def step_back() -> None:
    """Leave the processor to whoever else wants it.

    A lower priority alone (``nice``) would not do on Linux: whoever slept and wakes up may keep the processor for some
    milliseconds before one of a higher priority gets it. Who is idle by policy (sched(7)) gives way at once.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(_NICER)


def give_way() -> None:
    """Have the calling thread take the processor from nobody as it wakes up; it still gets its share.

    Whoever wakes another up is otherwise often put aside for it. An event loop that lets go of Python's lock then waits
    for the whole turn of the thread that waited for it, up to a millisecond, while another core has nothing to do.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a service that was told to be idle may not be more, and that costs time alone
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def settle() -> None:
    """Leave what start-up made out of every later search for garbage, and search more rarely.

    A search of everything takes 100 ms, in which nobody is answered, and a flood brings one on: what waits looks like
    what stays. Nearly all that a request leaves behind goes without a search.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
