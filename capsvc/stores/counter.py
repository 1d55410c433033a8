"""The change counter of an SQLite file: tells whether anybody has committed anything since.

In rollback mode SQLite raises a counter in the file's header with every transaction that changes the
file, whoever commits it (https://www.sqlite.org/fileformat.html#file_change_counter). SQLite keeps its
own page cache from one transaction to the next on that evidence. The *mark* is the rest of the header
from the journal's versions on, with the counter, the size and the schema in it.

Why a reading that was made under a mark is current while the mark is still there:

1. The mark of a reading is read inside its transaction. A writer changes the header under the EXCLUSIVE
   lock alone, which nobody gets while we hold SHARED, and a header that a crash left half-way is rolled
   back before SHARED is given. So it is the mark of a committed state, the one that was read.
2. A commit writes the new header into the file, then ends the journal, then is acknowledged. The kernel
   shows a written page to every process at once. So whoever looks after an acknowledgement sees another
   mark and asks SQLite.
3. Between the two, a header half written equals the old mark or does not. If it does, nothing is
   acknowledged yet, and the old reading is a right answer. If not, SQLite is asked: it waits, says busy,
   or rolls back what a crash left, which brings the old mark back and with it the old content.
4. A connection that keeps EXCLUSIVE raises the counter only once; until it lets go, nobody reads.

In WAL the header stands still while others commit: such a mark tells nothing (:func:`tells`). A file
that is copied over the database in place has another mark, unless its history parted from ours and has
come to the same count: a database is restored with the service stopped.
"""

from __future__ import annotations

import os
import threading
from mmap import ACCESS_READ, mmap
from pathlib import Path
from time import monotonic

from capsvc.errors import StoreUnavailable

_HEADER_BYTES = 100
_MARK, _MARK_BYTES = slice(18, _HEADER_BYTES), 82
_ROLLBACK = b"\x01\x01"
"""The versions at the mark's beginning; 2 is WAL (https://www.sqlite.org/fileformat.html#file_format_version_numbers)."""

FileId = tuple[int, int]
"""Device and inode: one file, whatever its path."""


def tells(mark: bytes) -> bool:
    """Whether a mark changes with every commit: that of a whole header, in rollback mode."""
    return len(mark) == _MARK_BYTES and mark.startswith(_ROLLBACK)


class ChangeCounter:
    """Shows the mark of the file that a path led to when it was made.

    The page is mapped: to read it costs a worker a fifteenth of a system call, and no wait for other
    threads. A mapped page of a file that somebody empties ends the process (SIGBUS), so the path is
    looked at, with its size, at every use of a connection and every LOOK_SECONDS: emptied for longer
    than that, it is refused.
    """

    LOOK_SECONDS = 0.001
    """So long a deleted, moved or replaced database may answer from memory."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises StoreUnavailable."""
        self._path = path
        self._shared: _Shared | None = _take(path)
        self._file = self._shared.file
        self._page: mmap | bytes = self._shared.page()
        self._look_again = 0.0

    def mark(self) -> bytes:
        """Return the mark as it is now, whatever it is. Raises StoreUnavailable."""
        now = monotonic()
        if now >= self._look_again:
            self.demand_same_file()
            self._look_again = now + self.LOOK_SECONDS
        return self._page[_MARK]

    def demand_same_file(self) -> None:
        """Raise StoreUnavailable unless the path still leads to the file, and the file is not emptied."""
        if self._shared is None:
            raise StoreUnavailable("the store was closed")
        file, size = _file_at(self._path)
        if file != self._file:
            raise StoreUnavailable(f"the database {self._path} was replaced while in use: start again")
        if not self._page:
            self._page = self._shared.page()
        elif size < _HEADER_BYTES:
            raise StoreUnavailable(f"the database {self._path} was emptied while in use: restore it from its backup")

    def close(self) -> None:
        """Let go of the file, once every connection of the same owner to it is closed. Idempotent."""
        shared, self._shared = self._shared, None
        self._page, self._look_again = b"", 0.0
        if shared is not None:
            _let_go(shared)


class _Shared:
    """One file, as all of this process share it: its descriptor, its first page, and how many use it."""

    __slots__ = ("_page", "descriptor", "file", "users")

    def __init__(self, file: FileId, descriptor: int) -> None:
        self.file = file
        self.descriptor = descriptor
        self.users = 0
        self._page: mmap | None = None

    def page(self) -> mmap | bytes:
        """Map the header, or return nothing while the file has none."""
        if self._page is None and os.fstat(self.descriptor).st_size >= _HEADER_BYTES:
            self._page = mmap(self.descriptor, _HEADER_BYTES, access=ACCESS_READ)
        return self._page or b""

    def close(self) -> None:
        """Unmap the page and close the descriptor."""
        if self._page is not None:
            self._page.close()
        os.close(self.descriptor)


# Closing any descriptor of a file drops all POSIX locks that the process holds on it, those of SQLite's
# connections among them; a map holds one too. So a file has one of each here, which the last to let go closes.
_LOCK = threading.Lock()
_OPEN: dict[FileId, _Shared] = {}


def _take(path: Path) -> _Shared:
    with _LOCK:
        file, _ = _file_at(path)
        shared = _OPEN.get(file)
        if shared is None:
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except OSError as wrong:
                raise StoreUnavailable(f"the database {path} cannot be opened: {wrong.strerror}") from None
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != file:
                # Left open: it may be a file in which somebody here holds locks.
                raise StoreUnavailable(f"the database {path} was replaced while it was opened: start again")
            shared = _OPEN[file] = _Shared(file, descriptor)
        shared.users += 1
        return shared


def _let_go(shared: _Shared) -> None:
    with _LOCK:
        shared.users -= 1
        if not shared.users:
            del _OPEN[shared.file]
            shared.close()


def _file_at(path: Path) -> tuple[FileId, int]:
    """Return which file a path leads to, and its size. Raises StoreUnavailable where it leads to none."""
    try:
        found = path.stat()
    except OSError:
        raise StoreUnavailable(f"the database {path} is gone: put it back and start again") from None
    return (found.st_dev, found.st_ino), found.st_size
