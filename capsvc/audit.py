"""The audit log: a file with one JSON object a line for each act, which workers and commands write together.

Each line is one write to a file that is opened and locked for it: lines never mix, and whoever rotates the file need
not tell anybody. It is on the disk when :meth:`AuditFile.append` returns.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from capsvc.acts import Act
from capsvc.request_id import request_id
from caveats import time_text

_LONGEST_LINE = 16 * 1024
"""So much room there has to be: more than any act is long."""

_LATE = 1000
"""So many acts that could not be written are kept to be written later; all of them are in the log."""


class AuditFile:
    """The file of one home. ``clock`` tells seconds since 1970."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._late: deque[bytes] = deque(maxlen=_LATE)

    def append(self, act: Act) -> None:
        """Write one act, durably. Raises OSError; then :meth:`demand_writable` writes it as soon as that goes."""
        described = {"time": time_text(self._clock()), **msgspec.to_builtins(act)}
        asked = request_id()
        if asked is not None:
            described["request_id"] = asked
        line = json.dumps(described, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            self._write(line)
        except OSError:
            self._late.append(line)
            raise

    def demand_writable(self) -> None:
        """Write what could not be written before. Raises OSError where nothing can be.

        That is so of this file, or because the disk has no room for an act.
        """
        while self._late:
            self._write(self._late[0])
            self._late.popleft()
        os.close(self._open())
        probe = self.path.with_suffix(f".{os.getpid()}.probe")
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _LONGEST_LINE)
        finally:
            os.close(descriptor)
            probe.unlink()

    def _write(self, line: bytes) -> None:
        descriptor = self._open()
        try:
            # A line grows in steps as its writer writes it: without the lock, others would take it for one cut off.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _ends_a_line(descriptor):
                line = b"\n" + line  # after one that a full disk cut off
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # one sync serves all that wait for theirs
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _ends_a_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
