"""The feed of changes: makes the signed pages that resource servers on their own read.

A page is signed by the oldest key of the ring that is not retired: who was given the keys before a rotation reads
the feed for as long as anything is alive that those keys verify.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from capsvc.changes import Digests, Page, Row
from capsvc.errors import SettingsError, StoreBusy
from capsvc.keyring import PENDING, KeyRing
from capsvc.settings import Settings
from capsvc.shares import ShareFile
from capsvc.stores import Changes, Store

ROWS = 5000
"""So many rows a page has at most: a third of what its reader takes, and 60 ms of work."""

_HOUR = 3600
_ATTEMPTS = 3


class Signed(NamedTuple):
    """A page as text, and the revision that it goes up to."""

    text: str
    to: int


class Feed:
    """Makes pages, each of one look at the store that is certain to have seen what was acknowledged before."""

    def __init__(
        self, store: Store, shares: ShareFile, settings: Settings, issuer: str, clock: Callable[[], float] = time.time
    ) -> None:
        """``issuer`` is the public URL that stands in each page, ``clock`` tells seconds since 1970."""
        self.audiences = frozenset(settings.exported_audiences)
        self._store = store
        self._shares = shares
        self._skew = settings.clock_skew
        self._issuer = issuer
        self._clock = clock
        self._ring: KeyRing | None = None

    def page(self, audience: str, since: int, skip: int = 0) -> Signed:
        """Make the page after a revision, and after so many rows behind it.

        Raises WentBack for a revision that is yet to come, StoreUnavailable, SettingsError.
        """
        for _ in range(_ATTEMPTS):
            stamp = int(self._clock() * 1000)  # before the store is asked: the page is as of then, or newer
            changes = self._store.changes(since, ROWS, skip)
            ring = self._ring_at(changes.ring)
            if ring.count == changes.ring:
                return self._signed(audience, since, skip, stamp, changes, ring)
        raise StoreBusy("the key ring is being changed: try again")

    def _ring_at(self, count: int) -> KeyRing:
        ring = self._ring
        if ring is None or ring.count != count:
            ring = self._ring = KeyRing.load(self._store, self._shares)
        return ring

    def _signed(self, audience: str, since: int, skip: int, stamp: int, changes: Changes, ring: KeyRing) -> Signed:
        key_id = next((each.key_id for each in ring.keys.values() if each.state != PENDING), None)
        keys = None if key_id is None else ring.feed_keys(key_id, audience)
        if key_id is None or keys is None:
            raise SettingsError("no key signs: run `capsvc keys add` and `capsvc keys promote`")
        seed, digests = keys[0], Digests(keys[1])
        rows = tuple(
            Row(
                digests.name(each.user, each.name),
                None if each.salt is None else digests.salt(each.user, each.name, each.salt),
                each.recorded // _HOUR,
            )
            for each in changes.rows
        )
        page = Page(
            key_id, self._issuer, audience, since, changes.to, changes.head, stamp, changes.begins,
            changes.longest + self._skew, changes.panic, changes.ring, changes.keys, rows, skip,
        )  # fmt: skip
        return Signed(page.sign(seed), changes.to)
