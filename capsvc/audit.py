"""The audit log: a file with one JSON object a line for each act, which workers and commands write together.

Each line is one write to a file that is opened for it: lines never mix, and whoever rotates the file need not tell
anybody. It is on the disk when :meth:`AuditFile.append` returns.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from capsvc.acts import Act
from capsvc.request_id import request_id
from caveats import time_text


class AuditFile:
    """The file of one home. ``clock`` tells seconds since 1970."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock

    def append(self, act: Act) -> None:
        """Write one act, durably. Raises OSError."""
        described = {"time": time_text(self._clock()), **msgspec.to_builtins(act)}
        asked = request_id()
        if asked is not None:
            described["request_id"] = asked
        line = json.dumps(described, separators=(",", ":")).encode("ascii") + b"\n"
        descriptor = self._open()
        try:
            if not _ends_a_line(descriptor):
                line = b"\n" + line  # after one that a full disk cut off
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def demand_writable(self) -> None:
        """Raise OSError where nothing can be written: to this file, or beside it because the disk is full."""
        os.close(self._open())
        probe = self.path.with_suffix(f".{os.getpid()}.probe")
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _LONGEST_LINE)
        finally:
            os.close(descriptor)
            probe.unlink()

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


_LONGEST_LINE = 16 * 1024
"""So much room there has to be: more than any act is long."""


def _ends_a_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
