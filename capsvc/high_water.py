"""The high water: the highest revision that was acknowledged, and which keys were retired, beside the key share.

A database that is put back from a copy knows nothing of what was revoked since. This file does, and no
backup holds it. It is written after the commit and before the acknowledgement, so that it is never ahead
of a database that only crashed.

Two slots are written in turn, each with a count and a checksum: a write that was torn leaves the other slot. They are
written in place, since that takes one sync and no room on a full disk (a new file takes two and some).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from capsvc.disk import write_private
from capsvc.errors import SettingsError, StoreBusy

SLOT_BYTES = 64 * 1024
"""Room for ten thousand key ids; only as much as there is to say is written."""

_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A revision, and the ids of keys that were retired. ``written`` counts how often the file was."""

    revision: int = 0
    retired: frozenset[str] = frozenset()
    written: int = 0

    def above(self, revision: int, retired: Collection[str]) -> Mark:
        """Return the mark that holds all of this one and of what is given: itself, if there is nothing new."""
        if revision <= self.revision and self.retired.issuperset(retired):
            return self
        return Mark(max(revision, self.revision), self.retired.union(retired), self.written + 1)


@dataclass(frozen=True, slots=True)
class HighWater:
    """The file at a path, shared by all processes of this machine."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether there is a file, whatever stands in it."""
        return self.path.exists()

    def create(self, revision: int = 0, retired: Collection[str] = ()) -> None:
        """Write a new file, in the place of one that is damaged or of another home. Raises OSError."""
        line = _line(Mark(revision, frozenset(retired), 1))
        write_private(
            self.path, line.ljust(SLOT_BYTES, b"\0") + line
        )  # both slots, so that no later write finds no room

    def read(self) -> Mark:
        """Return what was recorded. Raises SettingsError where the file is missing, unreadable or damaged."""
        try:
            with self.path.open("rb") as file:
                return self._newest(file.fileno())
        except FileNotFoundError:
            raise SettingsError(
                f"{self.path} is missing, so that nobody knows whether the database went back: run `capsvc recover`"
            ) from None
        except OSError as wrong:
            raise SettingsError(f"{self.path} cannot be read: {wrong.strerror}") from None

    def record(self, revision: int, retired: Collection[str] = ()) -> Mark:
        """Record a revision and retired keys durably, and return what stands there then; nothing is ever lowered.

        Raises SettingsError as :meth:`read` does, OSError where it cannot be written, and StoreBusy.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            return self.read()
        try:
            with _locked(descriptor):
                mark = self._newest(descriptor)
                wanted = mark.above(revision, retired)
                if wanted is not mark:
                    _write(descriptor, wanted)
                return wanted
        finally:
            os.close(descriptor)

    def demand_writable(self) -> None:
        """Raise OSError where it cannot be opened to be written. Changes nothing."""
        os.close(os.open(self.path, os.O_RDWR))

    def _newest(self, descriptor: int) -> Mark:
        found = [_mark(os.pread(descriptor, SLOT_BYTES, slot * SLOT_BYTES)) for slot in (0, 1)]
        marks = [mark for mark in found if mark is not None]
        if not marks:
            raise SettingsError(f"{self.path} is damaged: run `capsvc recover`")
        return max(marks, key=lambda mark: mark.written)


def _write(descriptor: int, mark: Mark) -> None:
    line = _line(mark)
    if os.pwrite(descriptor, line, mark.written % 2 * SLOT_BYTES) < len(line):
        raise OSError(0, "only a part was written")
    os.fdatasync(descriptor)


def _line(mark: Mark) -> bytes:
    told = {"revision": mark.revision, "retired": sorted(mark.retired), "written": mark.written}
    text = json.dumps(told).encode()
    line = sha256(text).hexdigest().encode() + b" " + text + b"\n"
    if len(line) > SLOT_BYTES:
        raise SettingsError(f"{len(mark.retired)} retired keys are more than the high water has room for")
    return line


def _mark(slot: bytes) -> Mark | None:
    """Read a slot; None where it was never written, or not to its end."""
    check, _, text = slot.partition(b"\n")[0].partition(b" ")
    with suppress(ValueError, KeyError, TypeError):
        if sha256(text).hexdigest().encode() == check:
            told = json.loads(text)
            return Mark(int(told["revision"]), frozenset(map(str, told["retired"])), int(told["written"]))
    return None


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Keep other threads and processes out; the lock goes with the descriptor."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreBusy("another process holds the high water: try again") from None
            time.sleep(0.001)
    yield
