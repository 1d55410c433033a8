"""A PostgreSQL server, behind one address or several, and the connections to it.

No message of the driver goes further than this, and none into a log: an address may hold a password.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from capsvc.errors import SettingsError
from capsvc.stores.postgresql import transactions
from capsvc.stores.postgresql.transactions import (
    Connection,
    NotAcknowledged,
    TooSlow,
    Transaction,
    configure,
    transaction_on,
    translated,
)

CHANNEL = "capsvc_changes"
_CONNECT_SECONDS = 2
_CONNECTIONS = 8
_CONNECTING = {
    "client_encoding": "utf8",
    "application_name": "capsvc",
    "connect_timeout": _CONNECT_SECONDS,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    # Of several hosts any one that takes writes: were they tried in turn, a deposed primary would always be the first.
    "target_session_attrs": "read-write",
    "load_balance_hosts": "random",
}
# The pool says on its own logger why it cannot connect, in words that may hold an address.
for _name in ("psycopg", "psycopg.pool"):
    # Whoever configures logging enables again what was disabled before, as uvicorn does. A filter stays.
    logging.getLogger(_name).addFilter(lambda record: False)


def connecting(url: str) -> dict[str, Any]:
    """Read an address, and add what every connection needs. Raises SettingsError, which does not repeat it."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise SettingsError("store is no address like postgresql://user@host/database") from None
    return {**_CONNECTING, **{name: value for name, value in given.items() if value is not None}}


class Server:
    """The server behind one address, and a pool of connections to it."""

    def __init__(self, url: str) -> None:
        """Connect once. Raises SettingsError for an address or a server that will not do; StoreUnavailable."""
        self.connecting = connecting(url)
        self._notifies = True
        with translated(), self.connected():
            pass
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            kwargs=self.connecting,
            configure=configure,
            min_size=1,
            max_size=_CONNECTIONS,
            max_idle=60.0,
            max_lifetime=86400.0,
            timeout=transactions.PATIENCE_SECONDS,
            reconnect_timeout=transactions.PATIENCE_SECONDS,
            open=True,
        )

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Give a connection beside the pool, and close it."""
        connection = Connection.connect(**self.connecting)
        try:
            configure(connection)
            yield connection
        finally:
            connection.close()

    @contextmanager
    def transaction(self, begin: str = "BEGIN", patient: bool = True) -> Iterator[Transaction]:
        """Give a transaction that is committed durably, or rolled back.

        Raises StoreBusy where a lock is held for too long (at once unless ``patient``), Conflict where it
        was rolled back for another's sake, NotAcknowledged, StoreUnavailable.
        """
        with translated(), self._pool.connection() as connection:
            try:
                with transaction_on(connection, begin, patient) as transaction:
                    yield transaction
            except (NotAcknowledged, TooSlow):
                self._forget_connections(connection)
                raise

    @contextmanager
    def bulk(self, begin: str) -> Iterator[Transaction]:
        """Give a transaction of many rows, on a connection of its own; it may take its time."""
        with translated(), self.connected() as connection, transaction_on(connection, begin) as transaction:
            connection.ends = math.inf
            yield transaction

    def notify(self) -> None:
        """Wake whoever listens. That only shortens a wait, so it does not matter where an engine has no such thing."""
        if self._notifies:
            try:
                with self._pool.connection() as connection:
                    connection.ends = monotonic() + transactions.PATIENCE_SECONDS
                    connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
            except (errors.FeatureNotSupported, errors.UndefinedFunction):
                self._notifies = False
            except psycopg.Error:
                return

    def _forget_connections(self, connection: Connection) -> None:
        """Let all of them go: they lead to the same server, and another may be the primary by now."""
        connection.close()
        with suppress(psycopg.Error):
            self._pool.drain()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close(timeout=transactions.PATIENCE_SECONDS)
