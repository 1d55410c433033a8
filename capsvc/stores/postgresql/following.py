"""Following: a node verifies from memory, and proves again and again that what it knows is fresh.

Once a revocation is acknowledged, no node accepts what it revoked more than Δ later. Why:

1. A round notes the time, t, then opens one transaction: it reads the feed, and it beats, that is, writes
   a row. Only where its commit was acknowledged does the round count. The commit is acknowledged as a
   revocation's is: once the standby has it.
2. A revocation that was acknowledged before t stands on the standby, and is visible to a snapshot of the
   primary that was taken after t.
3. Was the server that was read still the primary? Whoever takes over was its standby, and receives nothing
   from it any more. It received the beat, which was written after the snapshot was taken. So it took over
   later than that, and whatever was acknowledged before t was acknowledged by the server that was read, or
   stood on it when it became the primary itself.
4. So a round that counts knows all that was acknowledged before t, and its stamp is t: not when the answer
   came, which may have been on its way for long.
5. Who sees the revision go back in a round that counts sees a database that was put back from a copy: nothing is
   believed of that until it was recovered.
6. A verification looks at the clock first, and refuses where the stamp is older than Δ. The clock goes on
   while a process is stopped, and while the machine sleeps. So whatever is accepted at some time was held
   against all that had been acknowledged Δ before.

A round takes place each second, and at once after a wake-up; to lose those costs that second and nothing
else. The thread that follows shares nothing with verifications but what it swaps in whole.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from capsvc.clocks import boot_time
from capsvc.errors import CapsvcError, StoreBusy, StoreUnavailable
from capsvc.logs import logger
from capsvc.stores import ASKED, FROM_MEMORY, Reading, StoredKey
from capsvc.stores.postgresql import feed, transactions
from capsvc.stores.postgresql.memory import Memory
from capsvc.stores.postgresql.server import CHANNEL
from capsvc.stores.postgresql.transactions import CERTAIN, Connection, transaction_on, translated
from caveats import Salts, time_text
from caveats.memo import Tally

if TYPE_CHECKING:
    from capsvc.stores.postgresql import PostgreSQLStore

ROUND_SECONDS = 1.0
_LOAD_SECONDS = 300.0
_BETWEEN_SECONDS = 0.02
_SWEEP_SECONDS = 3600
_READINGS = 4096


class _Held:
    """What verifications read: one state of knowledge, and until when it may be read.

    Only ``until`` changes afterwards, when a round finds the same state again. The memory may run ahead of
    the rest, never behind it: it is changed first.
    """

    __slots__ = ("known", "memory", "readings", "unchanged", "until")

    def __init__(self, known: feed.Known, memory: Memory, until: float) -> None:
        self.known = known
        self.memory = memory
        self.until = until
        self.readings: dict[str, Reading] = {}
        self.unchanged = self._reading({})

    def _reading(self, rows: dict[str, bytes | None]) -> Reading:
        horizon = time_text(self.memory.since + self.known.longest)
        return Reading(Salts(rows, self.known.panic, horizon), self.known.revision, self.known.ring)

    def reading_of(self, user: str) -> Reading:
        """Make the reading of a user who is in memory, and remember it as long as this state is held."""
        if len(self.readings) >= _READINGS:
            self.readings.clear()
        try:
            found = self.readings[user] = self._reading(self.memory.rows(user))
        except KeyError:  # forgotten meanwhile
            return self.unchanged
        return found


class Following:
    """A :class:`capsvc.stores.Column` in memory, which follows a PostgreSQL store."""

    def __init__(self, store: PostgreSQLStore, freshness: float, clock: Callable[[], float] = boot_time) -> None:
        """Load what can matter, and go on following on a thread. Raises StoreUnavailable.

        ``freshness`` is Δ, in seconds.
        """
        self._store = store
        self._freshness = freshness
        self._clock = clock
        self.tally: Tally = [0, 0]
        self._every = min(ROUND_SECONDS, freshness / 3)
        self._held: _Held | None = None
        self._why = ""
        self._begun = self._ended = 0
        self._turn = threading.Condition()
        self._closing = False
        self._wakes, self._waker = socket.socketpair()
        self._wakes.setblocking(False)
        self._swept = 0
        self._thread = threading.Thread(target=self._follow, name="capsvc following", daemon=True)
        self._thread.start()
        with self._turn:
            self._turn.wait_for(lambda: self._held is not None or self._why, _LOAD_SECONDS)
        if self._held is None:
            self.close()
            raise StoreUnavailable(self._why or "the database takes too long to load from")

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        held = self._held
        if held is None or self._clock() > held.until:
            raise self._stale()
        self.tally[FROM_MEMORY] += 1
        if user not in held.memory.columns:
            return held.unchanged
        return held.readings.get(user) or held.reading_of(user)

    def catch_up(self, revision: int, *, patient: bool = True) -> None:
        held = self._held
        if held is None or held.known.revision >= revision:
            return
        if not patient:
            raise StoreBusy(f"this node has not seen revision {revision} yet: it has to ask the database")
        self.tally[ASKED] += 1
        with self._turn:
            wanted = self._begun + 1
            self._wake()
            self._turn.wait_for(lambda: self._ended >= wanted or self._closing, transactions.PATIENCE_SECONDS)

    def longest(self, lifetime: int) -> int:
        return self._store.longest(lifetime)

    def keys(self, *, patient: bool = True) -> tuple[int, list[StoredKey]]:
        held = self._held
        if held is None or self._clock() > held.until:
            raise self._stale()
        return held.known.ring, held.known.keys

    def close(self) -> None:
        """Stop following. Idempotent."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._wake()
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._held = None
        self._wakes.close()
        self._waker.close()

    def _stale(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"this node cannot prove that it has seen every revocation of {self._freshness:g} seconds ago"
            + (f": {self._why}" if self._why else "")
        )

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"w", socket.MSG_DONTWAIT)

    def _follow(self) -> None:
        while not self._closing:
            try:
                with translated(), self._store.server.connected() as connection:
                    _listen(connection)
                    while not self._closing:
                        self._round(connection)
                        self._wait(connection)
            except CapsvcError as wrong:
                self._failed(str(wrong))
            except Exception as wrong:  # it has to go on, and what it does not know is refused meanwhile
                self._failed(f"{type(wrong).__name__} while following")
            if not self._closing:
                self._wait(None)

    def _failed(self, why: str) -> None:
        if not self._why:
            logger().warning("following interrupted", reason=why)
        with self._turn:
            self._why, self._ended = why, self._begun
            self._turn.notify_all()

    def _round(self, connection: Connection) -> None:
        """Ask once. What was learnt counts only once the commit is acknowledged, and as of when it was asked."""
        with self._turn:
            self._begun += 1
        asked, held, seen = self._clock(), self._held, self._store.onward.seen
        try:
            if held is None:
                known, memory = self._load(connection)
            else:
                with transaction_on(connection, CERTAIN) as transaction:
                    known, changes = feed.follow(transaction, held.known)
                    transaction.beat()
                memory = held.memory
                for user, recorded, column in changes:
                    memory.put(user, recorded, column)
        except feed.Broken:
            logger().error("feed broken", revision=held.known.revision if held else 0)
            self._held = None
            return
        except feed.Outgrown:
            known, memory = self._load(connection)
        self._store.onward.demand(known.revision, seen)
        self._learn(known, memory, asked + self._freshness)

    def _load(self, connection: Connection) -> tuple[feed.Known, Memory]:
        with transaction_on(connection, CERTAIN) as transaction:
            connection.ends += _LOAD_SECONDS
            loaded = feed.load(transaction)
            transaction.beat()
            connection.ends = time.monotonic() + transactions.PATIENCE_SECONDS
        return loaded

    def _learn(self, known: feed.Known, memory: Memory, until: float) -> None:
        """Let verifications see what is known, all at once."""
        held, swept = self._held, known.told - self._swept >= _SWEEP_SECONDS
        if swept:
            self._swept, memory.since = known.told, max(memory.since, known.window_begins)
        if held is not None and held.memory is memory and held.known.says_the_same(known) and not swept:
            held.until = until
        else:
            self._held = _Held(known, memory, until)
        if swept:  # only now: until then somebody may look with the horizon of before
            memory.forget()
        if self._why:
            logger().info("following again", revision=known.revision)
        with self._turn:
            self._why, self._ended = "", self._begun
            self._turn.notify_all()

    def _wait(self, connection: Connection | None) -> None:
        """Wait for the next round: until it is due, or somebody wakes us."""
        time.sleep(_BETWEEN_SECONDS)
        held = self._held
        if connection is not None and (held is None or self._clock() > held.until):
            return
        with selectors.PollSelector() as sources:  # needs no descriptor, of which there may be none left
            sources.register(self._wakes, selectors.EVENT_READ)
            if connection is not None:
                sources.register(connection, selectors.EVENT_READ)
            sources.select(self._every)
        with suppress(BlockingIOError):
            self._wakes.recv(4096)


def _listen(connection: Connection) -> None:
    """Be woken by changes, on an engine that can; what wakes us says nothing that we believe."""
    connection.add_notify_handler(lambda notification: None)
    with suppress(psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError):
        connection.execute(f"LISTEN {CHANNEL}".encode())
