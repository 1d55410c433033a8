"""Transactions on PostgreSQL: nobody waits on one for ever, and its commit counts once a standby has it.

An acknowledgement has to outlive the server that gave it. So ``synchronous_commit`` is set on each
connection, at least ``on``, and a COMMIT counts only if it came back without a warning: where a wait for
the standby is cancelled, the server warns, and then reports the commit as done although it alone has it.
A commit whose answer never came is not acknowledged either. Both are safe to repeat.

A server that is stopped or cut off answers nothing at all, and no setting of its own ends that wait: the
deadline is kept here.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from secrets import token_hex
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed, PoolTimeout

from capsvc.errors import CapsvcError, SettingsError, StoreBusy, StoreUnavailable
from capsvc.stores.column import Rows
from capsvc.stores.repetition import Conflict

PATIENCE_SECONDS = 2.0
"""So long one transaction may take; half of that it waits for a lock."""

CERTAIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
_DURABLE = ("on", "remote_apply")
_SETTINGS = """
    SELECT current_setting('synchronous_commit', true), current_setting('fsync', true),
        current_setting('full_page_writes', true)
"""
_T = TypeVar("_T")


class TooSlow(psycopg.OperationalError):
    """The deadline has passed."""


class NotAcknowledged(StoreUnavailable):
    """A change may have been made or not, and nothing was promised: to repeat it is safe."""

    def __init__(self) -> None:
        super().__init__("the database did not confirm that the change is durable: it may be made or not, repeat it")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection with a deadline (``ends``, monotonic seconds) and a name of its own for its beats."""

    ends = math.inf

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.beats_as = token_hex(8)
        self.warnings = 0
        self.add_notice_handler(self._notice)

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        # Any warning: its text comes in the server's language.
        self.warnings += diagnostic.severity_nonlocalized == "WARNING"

    def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
        """Wait for the server, until the deadline at most."""
        return super().wait(_until(gen, lambda: self.ends), *arguments, **named)

    def commit_durably(self) -> None:
        """Commit. Raises NotAcknowledged unless the server says, without a warning, that it is done."""
        self.warnings = 0
        try:
            said = self.execute("COMMIT").statusmessage
        except (errors.SerializationFailure, errors.DeadlockDetected):
            raise
        except psycopg.Error:
            self._give_up()
            raise NotAcknowledged from None
        if said != "COMMIT" or self.warnings:
            raise NotAcknowledged

    def _give_up(self) -> None:
        """Have the server stop waiting for its standby, if it still listens: it would hold its locks for so long."""
        with suppress(psycopg.Error):
            self.cancel_safe(timeout=0.5)
        self.close()


def _until(gen: Generator[Any, Any, _T], ends: Any) -> Generator[Any, Any, _T]:
    """Pass on what a driver's generator waits for, and give up after a deadline; it is asked ten times a second."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and monotonic() > ends():
                raise TooSlow
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # what psycopg's generator returns


class Transaction:
    """A transaction on a server, in the words of :mod:`capsvc.stores.column`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Run one statement."""
        return self.connection.execute(statement.replace("?", "%s").encode(), parameters)

    def stream(self, statement: str, parameters: Sequence[Any] = (), /) -> Iterator[Any]:
        """Run one statement whose rows come one by one."""
        return self.connection.cursor().stream(statement.replace("?", "%s").encode(), parameters)

    def fill(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each of some rows."""
        self.connection.cursor().executemany(statement.replace("?", "%s").encode(), rows)

    def beat(self) -> None:
        """Write something, in a row of this connection's own, so that the commit has to be durable."""
        self.execute(
            "INSERT INTO beats (node, beat) VALUES (?, 1) ON CONFLICT (node) DO UPDATE SET beat = beats.beat + 1",
            (self.connection.beats_as,),
        )


def configure(connection: Connection) -> None:
    """Prepare a new connection. Raises SettingsError where the server forgets what it has acknowledged."""
    connection.autocommit = True
    connection.ends = monotonic() + PATIENCE_SECONDS
    commit, sync, whole = connection.execute(_SETTINGS).fetchone() or (None, None, None)
    if commit not in (*_DURABLE, None):
        raise SettingsError(f"the database has synchronous_commit = {commit}: set it to on, and start again")
    for name, value in (("fsync", sync), ("full_page_writes", whole)):
        if value == "off":
            raise SettingsError(f"the database has {name} = off: set it to on, and start again")
    patience = int(PATIENCE_SECONDS * 500)
    wanted = {"lock_timeout": f"{patience}", "client_min_messages": "warning"}
    if commit is not None:
        wanted["synchronous_commit"] = commit  # of this session from now on, whatever others set
    for name, value in wanted.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))


@contextmanager
def transaction_on(connection: Connection, begin: str, patient: bool = True) -> Iterator[Transaction]:
    """Give a transaction on a connection, commit it durably, or roll it back. Raises psycopg.Error, NotAcknowledged."""
    connection.ends = monotonic() + PATIENCE_SECONDS
    try:
        connection.execute(begin.encode())
        if not patient:
            connection.execute("SET LOCAL lock_timeout = 1")
        yield Transaction(connection)
        connection.commit_durably()
    finally:
        _roll_back(connection)


def _roll_back(connection: Connection) -> None:
    if connection.closed or connection.pgconn.transaction_status == TransactionStatus.IDLE:
        return
    try:
        connection.ends = monotonic() + PATIENCE_SECONDS
        connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()


@contextmanager
def translated() -> Iterator[None]:
    """Say in our own words what goes wrong at a server."""
    try:
        yield
    except CapsvcError:
        raise
    except (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation):
        raise Conflict("the database has others to serve first: try again") from None
    except errors.LockNotAvailable:
        raise StoreBusy("the database is locked by another transaction: try again") from None
    except PoolClosed:
        raise StoreUnavailable("the store was closed") from None
    except PoolTimeout:
        raise StoreUnavailable("the database does not answer: no connection to it is free or can be made") from None
    except psycopg.Error as wrong:
        raise StoreUnavailable(f"the database does not answer: {type(wrong).__name__.strip('_')}") from None
