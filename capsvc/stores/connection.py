"""Connections to one SQLite file: opened the same way everywhere, checked, and one a thread.

``synchronous=FULL`` always. The journal is WAL only where SQLite's WAL-reset bug is fixed (3.51.3, and
3.50.7 and 3.44.6 in their branches; https://www.sqlite.org/wal.html), else the rollback journal in its
TRUNCATE form, whose commit point is itself synced: deleting a journal is not, and a power cut could
bring it back.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capsvc.errors import StoreBusy, StoreUnavailable
from capsvc.stores.counter import ChangeCounter

PATIENCE_SECONDS = 2.0
_FULL = 2


def journal_mode(version: tuple[int, int, int]) -> str:
    """Choose the journal for a version of SQLite."""
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    return "wal" if fixed else "truncate"


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreBusy or StoreUnavailable for what SQLite raises."""
    try:
        yield
    except sqlite3.OperationalError as wrong:
        if getattr(wrong, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusy("the database is locked by another process: try again") from None
        raise StoreUnavailable(f"the database does not answer: {wrong}") from None
    except sqlite3.DatabaseError as wrong:
        raise StoreUnavailable(f"the database does not answer: {wrong}") from None


class _Held:
    """A thread's connection, closed with its thread and not whenever the collector comes by."""

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


def demand_durable(connection: sqlite3.Connection) -> None:
    """Set the journal and full syncing on a connection. Raises StoreUnavailable where SQLite does not take them."""
    mode = journal_mode(sqlite3.sqlite_version_info[:3])
    connection.execute("PRAGMA synchronous = FULL")
    found = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
    full = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (found, full) != (mode, _FULL):
        raise StoreUnavailable(f"SQLite did not take journal_mode={mode} and synchronous=FULL")


class Connections:
    """Hands each thread its own connection to one file, and notices when the file is not the same any more.

    A deleted database would go on answering through its open descriptor, and a revocation written to
    its successor would never be seen. So every use of a connection looks whether the path still leads to
    the file that was opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._closed = False
        self._counter = ChangeCounter(path)
        self.mark = self._counter.mark
        """Returns the file's mark as it is now; see :mod:`capsvc.stores.counter`. Raises StoreUnavailable."""

    @contextmanager
    def snapshot(self, patient: bool) -> Iterator[sqlite3.Connection]:
        """Give a connection inside a transaction that only reads, with SHARED held from its first SELECT on.

        Raises StoreBusy at once unless patient.
        """
        with self.reading(patient) as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def reading(self, patient: bool) -> Iterator[sqlite3.Connection]:
        """Give a connection for reading; raises StoreBusy at once unless patient."""
        with translated():
            yield self._connection(patient)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside BEGIN IMMEDIATE; commit at the end, durably, or roll back."""
        with translated():
            connection = self._connection(patient=True)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every thread's connection; nothing is opened afterwards."""
        with self._lock:
            self._closed = True
            for held in list(self._open):
                held.connection.close()
            self._open.clear()
            self._local = threading.local()
            self._counter.close()

    def _connection(self, patient: bool) -> sqlite3.Connection:
        self._counter.demand_same_file()
        name = "patient" if patient else "hasty"
        held: _Held | None = getattr(self._local, name, None)
        if held is None:
            held = self._connect(PATIENCE_SECONDS if patient else 0.0)
            setattr(self._local, name, held)
        return held.connection

    def _connect(self, timeout: float) -> _Held:
        connection = sqlite3.connect(
            f"{self._path.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            demand_durable(connection)
        except BaseException:
            connection.close()
            raise
        held = _Held(connection)
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store was closed")
            self._open.add(held)
        return held
