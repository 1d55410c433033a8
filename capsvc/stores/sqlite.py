"""The store on one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any

from capsvc.errors import SettingsError
from capsvc.stores import ASKED, FROM_MEMORY, Column, Reading, Recovery
from capsvc.stores.backup import BACKUP
from capsvc.stores.column import Transaction, look, look_at_all, recover, revision
from capsvc.stores.connection import Connections
from capsvc.stores.copy import Bulk
from capsvc.stores.history import History
from capsvc.stores.readings import FEW_ROWS, REMEMBERED, Readings
from capsvc.stores.sql import SQLStore
from capsvc.stores.steps import missing_steps
from capsvc.stores.subjects import bar
from caveats.opaque import SALT_BYTES

_HISTORY_WORDS = "CAST(strftime('%s', instant) AS INTEGER)", "CAST(strftime('%s', 'now') AS INTEGER)"


class SQLiteStore(SQLStore):
    """A :class:`capsvc.stores.Store` on SQLite; on the verification path it asks SQLite once after each commit.

    What was read is remembered, within a bound, while the file's mark stays the same
    (:mod:`capsvc.stores.counter`). A reading from memory is never busy.
    """

    def __init__(self, path: Path, remembered: int = REMEMBERED) -> None:
        """Open an existing database and bring its tables up to date. Raises StoreUnavailable.

        With ``remembered=0`` every look asks SQLite; the answers are the same.
        """
        if not path.is_file():
            raise SettingsError(f"there is no database {path}: run `capsvc init` first")
        super().__init__(History(*_HISTORY_WORDS))
        self._readings = Readings(remembered)
        self._connections = Connections(path)
        try:
            with self._connections.reading(patient=True) as connection:
                if connection.execute("PRAGMA application_id").fetchone()[0] == BACKUP:
                    raise SettingsError(f"{path} is a backup as it was written: run `capsvc recover`")
                if missing_steps(connection):
                    from capsvc.stores.migrations import bring_up_to_date  # which takes as long to load as all else

                    bring_up_to_date(connection)
        except BaseException:
            self._connections.close()
            raise

    @classmethod
    def create(cls, path: Path, remembered: int = REMEMBERED) -> SQLiteStore:
        """Make a new database, readable by its owner alone. Raises FileExistsError where there is one."""
        path.touch(mode=0o600, exist_ok=False)
        return cls(path, remembered)

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        mark = self._connections.mark()
        held = self._readings.held  # Readings.find for a user with few rows, written out: there is one a request
        found = held.readings.get(user) if held.mark == mark else None
        if found is None:
            found = self._readings.find(mark, user, names)
        if found is not None:
            self.tally[FROM_MEMORY] += 1
            return found
        self.tally[ASKED] += 1
        if not self._readings.are_kept(mark):
            seen = self.onward.seen
            with self._connections.reading(patient) as connection:
                reading = look(connection, user, names)
            self.onward.demand(reading.revision, seen)
            return reading
        seen = self.onward.seen
        with self._connections.snapshot(patient) as connection:
            # The mark is read after the rows and inside their transaction: only then is it theirs.
            whole = look_at_all(connection, user, FEW_ROWS)
            if whole is not None:
                self.onward.demand(whole.revision, seen)
                self._readings.keep_column(self._connections.mark(), user, whole)
                return whole
            reading = look(connection, user, names)
            self.onward.demand(reading.revision, seen)
            self._readings.keep_look(self._connections.mark(), user, names, reading)
            return reading

    def _reading(self, patient: bool = True) -> AbstractContextManager[Transaction]:
        return self._connections.reading(patient)

    def _certain(self, patient: bool = True) -> AbstractContextManager[Transaction]:
        return self._connections.reading(patient)

    def _consistent(self) -> AbstractContextManager[Transaction]:
        return self._connections.snapshot(patient=True)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction that writes. While it lasts nobody else commits, so that what was seen is not ahead."""
        with self._connections.writing() as connection:
            self.onward.demand(revision(connection), self.onward.seen)
            yield connection
            committed = revision(connection)
        self.onward.demand(committed, 0)

    @contextmanager
    def snapshot(self) -> Iterator[Bulk]:
        with self._connections.snapshot(patient=True) as connection:
            yield _Bulk(connection)

    @contextmanager
    def filling(self) -> Iterator[Bulk]:
        with self._connections.writing() as connection:
            yield _Bulk(connection)

    def follow(self, freshness: float) -> Column:
        return self

    def recover(self, above: int, retired: Collection[str], now: str) -> Recovery:
        with self._connections.writing() as connection:
            # SQLite's own random numbers are not made for secrets.
            connection.create_function("fresh_salt", 0, lambda: token_bytes(SALT_BYTES))
            bar(connection, now)
            return recover(connection, "fresh_salt()", above, retired, now)

    def demand_writable(self) -> None:
        with self._connections.writing():
            pass

    def close(self) -> None:
        self._connections.close()


class _Bulk:
    """A transaction through which many rows go."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def stream(self, statement: str) -> Iterator[Any]:
        return self._connection.execute(statement)

    def fill(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(statement, rows)
