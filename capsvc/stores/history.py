"""The history: the change rows after a revision, page by page, and how things stand beside them.

What a revision wrote never changes, and revisions become visible in their order. So whoever reads on from
where a page ended has all of it, and may count rows inside a revision that is too large for one page.
"""

from __future__ import annotations

from collections.abc import Sequence

from capsvc.stores import RETIRED, Change, Changes
from capsvc.stores.column import Transaction, lost

DAY = 24 * 3600
_STEP = 1_000_000
_KEYS = "SELECT id FROM keys WHERE state != ? ORDER BY position"

_STATE = "SELECT revision, panic, ring, longest, {now} FROM state"
_FIRST = """
    SELECT revision FROM changes WHERE revision > ? AND revision <= ? AND {recorded} >= ? ORDER BY revision LIMIT 1
"""
_ROWS = """
    SELECT revision, "user", name, salt, {recorded} FROM changes WHERE revision > ?
    ORDER BY revision, "user", name LIMIT ? OFFSET ?
"""


class History:
    """Reads change rows, in an engine's own words for times."""

    def __init__(self, recorded: str, now: str) -> None:
        """``recorded`` is SQL for when a change row was recorded, ``now`` for the time: in seconds since 1970."""
        self._state = _STATE.format(now=now)
        self._first = _FIRST.format(recorded=recorded)
        self._rows = _ROWS.format(recorded=recorded)
        self.past = (0, 0)
        """A time and a revision up to which nothing was recorded since then, once that is certain."""

    def changes(self, transaction: Transaction, since: int, most: int, skip: int) -> tuple[Changes, tuple[int, int]]:
        """Do what :meth:`capsvc.stores.Store.changes` says, in a transaction that sees one state of the database.

        Return what ``past`` is beside it, once the transaction has ended well.
        """
        row = transaction.execute(self._state).fetchone()
        if row is None:
            raise lost()
        head, panic, ring, longest, now = row
        begins = now - longest - DAY
        # Rows are counted from where the reader stands, and not from where the window has moved to meanwhile.
        past = self.past if skip else self._before(transaction, begins, head)
        start = since if skip else max(since, past[1])
        rows = [Change(*each) for each in transaction.execute(self._rows, (start, most + 1, skip)).fetchall()]
        cut, to = _cut(rows, since, start, head, most)
        keys = tuple(key_id for (key_id,) in transaction.execute(_KEYS, (RETIRED,)).fetchall())
        changed = [each for each in cut if each.user]
        return Changes(changed, to, head, panic, ring, keys, longest, begins), past

    def _before(self, transaction: Transaction, begins: int, head: int) -> tuple[int, int]:
        """Find where the window begins: a time, and a revision up to which nothing was recorded since then.

        It goes on from what was found last, and not far at once: who asks for everything costs no look at all that
        is old.
        """
        seconds, known = self.past
        if begins < seconds:  # a longer lifetime was configured
            known = 0
        last = min(head, known + _STEP)
        first = transaction.execute(self._first, (known, last, begins)).fetchone()
        return begins, first[0] - 1 if first else last


def _cut(rows: list[Change], since: int, start: int, head: int, most: int) -> tuple[Sequence[Change], int]:
    """Cut rows where a revision ends; return them and the revision up to which they say everything."""
    if len(rows) <= most:
        return rows, head
    whole = [each for each in rows if each.revision < rows[-1].revision]
    if whole:
        return whole, whole[-1].revision
    return ((), start) if start > since else (rows[:most], since)
