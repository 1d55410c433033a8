"""Counters: what a process counts as it serves, and shows to every process of the home in a page of numbers.

A process counts in lists, the cheapest there is, and writes them into a page of its own: every second, when it is
asked for sums, and at its end. Whoever sums reads pages alone. Who ends lets go of the page, and who starts next
goes on from what stands there. So there are no more pages than there were workers at once, and no sum ever goes back:
kill -9 loses what was counted within the last second, which nobody was shown.

To add one is a read and a write between which CPython does not switch threads, so no lock is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from secrets import token_hex
from typing import Self

from capsvc.acts import ACTS
from capsvc.errors import SettingsError
from capsvc.outcomes import OUTCOMES
from caveats.memo import Tally

VERIFYING_NS = tuple(tenths * 100_000 for tenths in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000))
HASHING_NS = tuple(hundredths * 10_000_000 for hundredths in (1, 2, 3, 5, 7, 10, 20, 30, 50, 100, 200))
"""Up to how many nanoseconds each bucket of a histogram counts; one more counts what is over."""

PROOFS, READINGS = ("whole", "root", "none"), ("memory", "store")
"""What of a chain was remembered when it was proven; where the salt column was read."""

LOGINS, ANSWERS = ("accepted", "refused"), ("1xx", "2xx", "3xx", "4xx", "5xx")
ACCEPTED, REFUSED = range(len(LOGINS))
WAITING, RUNNING = QUEUE = range(2)
"""Places in the queue of hashes."""

LAYOUT = {
    "outcomes": len(OUTCOMES),
    "verifying": len(VERIFYING_NS) + 2,
    "proofs": len(PROOFS),
    "readings": len(READINGS),
    "hashing": len(HASHING_NS) + 2,
    "turned_away": 1,
    "logins": len(LOGINS),
    "acts": len(ACTS),
    "unrecorded": 1,
    "answers": len(ANSWERS),
    "queue": len(QUEUE),
}
"""How many cells each group has, in the order in which they stand. A histogram's last one sums nanoseconds."""

_CELLS = sum(LAYOUT.values())
_BYTES = _CELLS * array("q").itemsize
_NAME = hashlib.sha256(repr((LAYOUT, ACTS)).encode()).hexdigest()[:8]  # another version's page is not read as ours
WRITE_SECONDS = 1.0

Sums = Mapping[str, Sequence[int]]
"""The cells of each group, summed over pages."""


class Counters:
    """The groups of cells that one process counts in. ``queue`` says what is now; all others only grow."""

    def __init__(self, cells: Sequence[int] = (0,) * _CELLS, directory: Path | None = None, page: int = -1) -> None:
        """Go on from some cells, in the page of a descriptor; by default from nothing, and nobody else sees it."""
        parts = _parts(cells)
        self._groups = parts
        self._directory = directory
        self._page = page
        self.outcomes: Tally = parts["outcomes"]
        self.verifying: Tally = parts["verifying"]
        self.proofs: Tally = parts["proofs"]
        self.readings: Tally = parts["readings"]
        self.hashing: Tally = parts["hashing"]
        self.turned_away: Tally = parts["turned_away"]
        self.logins: Tally = parts["logins"]
        self.acts: Tally = parts["acts"]
        self.unrecorded: Tally = parts["unrecorded"]
        self.answers: Tally = parts["answers"]
        self.queue: Tally = parts["queue"]

    @classmethod
    def take(cls, directory: Path) -> Self:
        """Take a page of a directory that nobody counts in, or make one. Raises SettingsError."""
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            while True:
                for path in (*_pages(directory), directory / f"{_NAME}-{token_hex(8)}.page"):
                    page = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                    if _locked(page, fcntl.LOCK_EX):
                        counters = cls(_read(page), directory, page)
                        counters.queue[WAITING] = counters.queue[RUNNING] = 0
                        counters.write()
                        return counters
                    os.close(page)
        except OSError as wrong:
            raise SettingsError(f"nothing can be counted in {directory}: {wrong.strerror}") from None

    def write(self) -> None:
        """Show the others what was counted. Raises OSError."""
        if self._page >= 0:
            os.pwrite(self._page, array("q", chain.from_iterable(self._groups.values())).tobytes(), 0)

    def sums(self) -> tuple[Sums, int]:
        """Sum all pages, and count those that a process counts in. What cannot be read is left out.

        Raises OSError where our own cannot be written.
        """
        if self._directory is None:
            return self._groups, 1
        self.write()
        total, processes = [0] * _CELLS, 0
        for path in _pages(self._directory):
            with suppress(OSError), path.open("rb") as file:
                # For this moment a process that starts takes the page for another's, and takes another.
                is_counting = not _locked(file.fileno(), fcntl.LOCK_SH)
                found = _read(file.fileno())
                if not is_counting:  # where a process was killed, nothing waits
                    found[-len(QUEUE) :] = array("q", [0] * len(QUEUE))
                total = [each + more for each, more in zip(total, found, strict=True)]
                processes += is_counting
        return _parts(total), processes

    def close(self) -> None:
        """Write what was counted, and let the next one go on from there. Idempotent."""
        if self._page >= 0:
            with suppress(OSError):
                self.write()
            os.close(self._page)
            self._page = -1


def count_span(cells: Tally, bounds: Sequence[int], nanoseconds: int) -> None:
    """Count how long something took, in the cells of a histogram."""
    cells[bisect_left(bounds, nanoseconds)] += 1
    cells[len(bounds) + 1] += nanoseconds


def _parts(cells: Sequence[int]) -> dict[str, list[int]]:
    parts, at = {}, 0
    for name, size in LAYOUT.items():
        parts[name] = list(cells[at : at + size])
        at += size
    return parts


def _pages(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{_NAME}-*.page"))


def _read(page: int) -> array[int]:
    """Read the cells of a page; all zero in one that is new, or was cut off."""
    raw = os.pread(page, _BYTES, 0)
    return array("q", raw if len(raw) == _BYTES else bytes(_BYTES))


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
