"""The store on PostgreSQL, or on an engine that speaks its protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from capsvc.stores import Column, Recovery
from capsvc.stores.column import lost, recover, revision
from capsvc.stores.copy import Bulk
from capsvc.stores.history import History
from capsvc.stores.postgresql.following import Following
from capsvc.stores.postgresql.server import Server
from capsvc.stores.postgresql.tables import bring_up_to_date, make_room
from capsvc.stores.postgresql.transactions import CERTAIN, Transaction
from capsvc.stores.repetition import repeated
from capsvc.stores.sql import SQLStore
from capsvc.stores.subjects import bar

_WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED"
_HISTORY_WORDS = "CAST(EXTRACT(EPOCH FROM recorded) AS BIGINT)", "CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)"
_FRESH_SALT = "decode(replace(CAST(gen_random_uuid() AS TEXT), '-', ''), 'hex')"
"""122 of its 128 bits are random, from the server's source for secrets, in every engine without an extension."""


class PostgreSQLStore(SQLStore):
    """A :class:`capsvc.stores.Store` on PostgreSQL.

    Who writes raises a count in the one row of state first. That locks the row until the commit is
    durable, so that changes become visible in the order of their revisions; and it makes every
    acknowledgement wait for the standby, that of a change which was made before too: it may have been
    left there by somebody whose wait was cancelled.

    A look that has to be certain writes as well, in a row of its own: a server that was deposed while it
    looked cannot commit that.

    So a revision that is lower than one that was seen before is held against the database only once the
    transaction that read it was acknowledged: a deposed server has lower ones too.
    """

    def __init__(self, url: str) -> None:
        """Open a database and bring its tables up to date. Raises SettingsError, StoreUnavailable."""
        super().__init__(History(*_HISTORY_WORDS))
        self.server = Server(url)
        self._followings: list[Following] = []
        try:
            self._open()
        except BaseException:
            self.server.close()
            raise

    @repeated
    def _open(self) -> None:
        with self.server.transaction() as transaction:
            make_room(transaction)
        with self.server.transaction() as transaction:
            bring_up_to_date(transaction)

    def _reading(self, patient: bool = True) -> AbstractContextManager[Transaction]:
        return self.server.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", patient)

    @contextmanager
    def _certain(self, patient: bool = True) -> Iterator[Transaction]:
        with self.server.transaction(CERTAIN, patient) as transaction:
            yield transaction
            transaction.beat()

    def _consistent(self) -> AbstractContextManager[Transaction]:
        return self._certain()

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        seen = self.onward.seen
        with self.server.transaction(_WRITING) as transaction:
            _demand_alone(transaction)
            yield transaction
            committed = revision(transaction)
        self.server.notify()
        self.onward.demand(committed, seen)

    @contextmanager
    def snapshot(self) -> Iterator[Bulk]:
        with self.server.bulk("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as transaction:
            yield transaction

    @contextmanager
    def filling(self) -> Iterator[Bulk]:
        with self.server.bulk(_WRITING) as transaction:
            _demand_alone(transaction)
            yield transaction
            # A change is as old as its instant says, which was written by the one machine that there was.
            transaction.execute("UPDATE changes SET recorded = CAST(instant AS TIMESTAMPTZ)")

    def follow(self, freshness: float) -> Column:
        following = Following(self, freshness)
        self._followings.append(following)
        return following

    @repeated
    def recover(self, above: int, retired: Collection[str], now: str) -> Recovery:
        with self.server.bulk(_WRITING) as transaction:
            _demand_alone(transaction)
            bar(transaction, now)
            recovery = recover(transaction, _FRESH_SALT, above, retired, now)
        self.server.notify()
        return recovery

    def demand_writable(self) -> None:
        with self._certain():
            pass

    def close(self) -> None:
        for following in self._followings:
            following.close()
        self.server.close()


def _demand_alone(transaction: Transaction) -> None:
    """Keep others from writing until the transaction is over. Raises StoreUnavailable."""
    if not transaction.execute("UPDATE state SET writes = writes + 1").rowcount:
        raise lost()
