"""The feed of changes: what a node asks the database for, each time in one transaction.

The counter is raised under the lock of its row, which is held until the commit is durable. So changes
become visible in the order of their revisions, and none is skipped: each revision has rows in the feed,
and where one has none, or the feed went back, it is not the feed that was followed until now.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from capsvc.stores import StoredKey
from capsvc.stores.column import lost
from capsvc.stores.postgresql.memory import Memory
from capsvc.stores.postgresql.transactions import Transaction
from capsvc.stores.sql import look_at_keys

MOST_CHANGES = 20_000
"""So many change rows are followed at once; beyond, everything is loaded anew."""

_DAY = 24 * 3600
_STATE = "SELECT revision, panic, ring, longest, CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) FROM state"
_LAST = 'SELECT "user", name, salt, instant FROM changes WHERE revision = ? ORDER BY "user", name LIMIT 1'
_CHANGES = """
    SELECT revision, "user", CAST(EXTRACT(EPOCH FROM recorded) AS BIGINT) FROM changes
    WHERE revision > ? ORDER BY revision LIMIT ?
"""
_COLUMNS = 'SELECT "user", name, salt FROM salts WHERE "user" = ANY(?) ORDER BY "user"'
_WINDOW = """
    SELECT salts."user", salts.name, salts.salt, CAST(EXTRACT(EPOCH FROM lately.recorded) AS BIGINT)
    FROM salts JOIN (
        SELECT "user", max(recorded) AS recorded FROM changes WHERE recorded >= to_timestamp(?) GROUP BY "user"
    ) lately ON salts."user" = lately."user" ORDER BY salts."user"
"""


class Broken(Exception):
    """The feed does not go on from what is known: something is missing in it, or it went back."""


class Outgrown(Exception):
    """Lifetimes became longer, or too much changed: what is known is right, and has to be loaded anew all the same."""


class Changed(NamedTuple):
    """A user whose salts changed: when, by the database's clock, in seconds since 1970, and her whole column."""

    user: str
    recorded: int
    column: list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """What the feed said up to a revision.

    ``last`` is the first row of that revision, by which the feed is recognised; ``longest`` in seconds;
    ``told`` when the database said so, by its own clock, in seconds since 1970.
    """

    revision: int
    panic: str
    ring: int
    keys: list[StoredKey]
    longest: int
    last: tuple[Any, ...] | None
    told: int

    @property
    def window_begins(self) -> int:
        """Since when a change can matter: a day more than any lifetime, for clocks and transactions that take long."""
        return self.told - self.longest - _DAY

    def says_the_same(self, other: Known) -> bool:
        """Whether verifications would find the same."""
        return (self.revision, self.panic, self.ring, self.longest) == (
            other.revision,
            other.panic,
            other.ring,
            other.longest,
        )


def load(transaction: Transaction) -> tuple[Known, Memory]:
    """Load everything that can matter. Raises StoreUnavailable."""
    known = _known(transaction, None)
    memory = Memory(known.window_begins)
    rows = transaction.stream(_WINDOW, (known.window_begins,))
    for user, column in groupby(rows, itemgetter(0)):
        whole = list(column)
        memory.put(user, whole[0][3], ((name, salt) for _, name, salt, _ in whole))
    return known, memory


def follow(transaction: Transaction, before: Known) -> tuple[Known, list[Changed]]:
    """Return what is known now, and whose salts changed. Raises Broken, Outgrown, StoreUnavailable."""
    known = _known(transaction, before)
    last = known.last if known.revision == before.revision else _last(transaction, before.revision)
    if known.revision < before.revision or last != before.last:
        raise Broken
    changes = transaction.execute(_CHANGES, (before.revision, MOST_CHANGES)).fetchall()
    if known.longest != before.longest or len(changes) == MOST_CHANGES:
        raise Outgrown
    if {row[0] for row in changes} != set(range(before.revision + 1, known.revision + 1)):
        raise Broken
    recorded = {user: instant for _, user, instant in changes if user}
    rows = transaction.execute(_COLUMNS, (list(recorded),)).fetchall() if recorded else []
    columns = groupby(rows, itemgetter(0))
    return known, [Changed(user, recorded[user], [row[1:] for row in column]) for user, column in columns]


def _known(transaction: Transaction, before: Known | None) -> Known:
    row = transaction.execute(_STATE).fetchone()
    if row is None:
        raise lost()
    revision, panic, ring, longest, told = row
    keys = before.keys if before is not None and before.ring == ring else look_at_keys(transaction)[1]
    last = _last(transaction, revision)
    return Known(revision, panic, ring, keys, longest, last, told)


def _last(transaction: Transaction, revision: int) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = transaction.execute(_LAST, (revision,)).fetchone()
    return row
