"""The table of requests that were let in, in an SQLite file of its own beside the store.

Of its own, because every commit raises the file's change counter (:mod:`capsvc.stores.counter`): in the
store's file, each guarded request would empty what is remembered of salts.
"""

from __future__ import annotations

import threading
from pathlib import Path

from capsvc.errors import Replayed, StoreUnavailable
from capsvc.stores.connection import Connections

REPLAYS = 100_000
"""So many requests are held at once; beyond, nothing more is let in until some expire."""

# No migrations: a row lives for a minute, so that another shape of the table would take another name.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS replays_1 (nonce TEXT NOT NULL, request TEXT NOT NULL, ends TEXT NOT NULL,"
    " PRIMARY KEY (nonce, request)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS replays_1_ends ON replays_1 (ends)",
    "CREATE TABLE IF NOT EXISTS held_1 (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO held_1 VALUES (1, 0)",
)


class Replays:
    """Which requests were let in and can still be presented, shared by all workers on this machine."""

    def __init__(self, path: Path, most: int = REPLAYS) -> None:
        """Open the file, or make it. Raises StoreUnavailable."""
        self._most = most
        try:
            path.touch(mode=0o600)
        except OSError as wrong:
            raise StoreUnavailable(f"the table of replays {path} cannot be made: {wrong.strerror}") from None
        self._connections = Connections(path)
        self._one_by_one = threading.Lock()
        try:
            with self._connections.writing() as connection:
                for statement in _TABLES:
                    connection.execute(statement)
        except BaseException:
            self._connections.close()
            raise

    def record(self, nonce: str, request: str, ends: str, forgotten: str) -> None:
        """Record a request, durably, and forget those that ended before an instant.

        Raises Replayed where it stands there already; StoreUnavailable where the table is full: what can
        still be presented is never forgotten to make room.
        """
        # Threads wait in line here: those that wait for SQLite's lock are let in by chance, and give up in the end.
        with self._one_by_one, self._connections.writing() as connection:
            gone = connection.execute("DELETE FROM replays_1 WHERE ends < ?", (forgotten,)).rowcount
            found = connection.execute(
                "SELECT 1 FROM replays_1 WHERE nonce = ? AND request = ?", (nonce, request)
            ).fetchone()
            if found is not None:
                raise Replayed("this request was let in before")
            (held,) = connection.execute("SELECT count FROM held_1").fetchone()
            if held - gone >= self._most:
                raise StoreUnavailable(f"the table of replays holds {held - gone} requests and is full")
            connection.execute("INSERT INTO replays_1 VALUES (?, ?, ?)", (nonce, request, ends))
            connection.execute("UPDATE held_1 SET count = ?", (held - gone + 1,))

    def close(self) -> None:
        """Let go of the file."""
        self._connections.close()
