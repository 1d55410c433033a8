"""The store on PostgreSQL, or on an engine that speaks its protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from capsvc.stores import Column, Recovery
from capsvc.stores.column import lost, recover
from capsvc.stores.copy import Bulk
from capsvc.stores.postgresql.following import Following
from capsvc.stores.postgresql.server import Server
from capsvc.stores.postgresql.tables import bring_up_to_date, make_room
from capsvc.stores.postgresql.transactions import CERTAIN, Transaction
from capsvc.stores.sql import SQLStore, repeated
from caveats.memo import Tally


class PostgreSQLStore(SQLStore):
    """A :class:`capsvc.stores.Store` on PostgreSQL.

    Who writes raises a count in the one row of state first. That locks the row until the commit is
    durable, so that changes become visible in the order of their revisions; and it makes every
    acknowledgement wait for the standby, that of a change which was made before too: it may have been
    left there by somebody whose wait was cancelled.

    A look that has to be certain writes as well, in a row of its own: a server that was deposed while it
    looked cannot commit that.
    """

    def __init__(self, url: str) -> None:
        """Open a database and bring its tables up to date. Raises SettingsError, StoreUnavailable."""
        self.server = Server(url)
        self.tally: Tally = [0, 0]
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

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self.server.transaction("BEGIN ISOLATION LEVEL READ COMMITTED") as transaction:
            if not transaction.execute("UPDATE state SET writes = writes + 1").rowcount:
                raise lost()
            yield transaction
        self.server.notify()

    @contextmanager
    def snapshot(self) -> Iterator[Bulk]:
        with self.server.bulk("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as transaction:
            yield transaction

    @contextmanager
    def _writing_much(self) -> Iterator[Transaction]:
        with self.server.bulk("BEGIN ISOLATION LEVEL READ COMMITTED") as transaction:
            if not transaction.execute("UPDATE state SET writes = writes + 1").rowcount:
                raise lost()
            yield transaction

    def recover(self, above: int, retired: Collection[str], now: str) -> Recovery:
        with self._writing_much() as transaction:
            return recover(transaction, above, retired, now)

    def demand_writable(self) -> None:
        with self._writing():
            pass

    @contextmanager
    def filling(self) -> Iterator[Bulk]:
        with self._writing_much() as transaction:
            yield transaction
            # A change is as old as its instant says, which was written by the one machine that there was.
            transaction.execute("UPDATE changes SET recorded = CAST(instant AS TIMESTAMPTZ)")

    def follow(self, freshness: float) -> Column:
        following = Following(self, freshness)
        self._followings.append(following)
        return following

    def close(self) -> None:
        for following in self._followings:
            following.close()
        self.server.close()
