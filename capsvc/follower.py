"""A follower: the salt column of one audience in memory, as pages of changes tell it, whoever brings them.

Once a revocation is acknowledged, nothing here accepts what it revoked more than Δ later, by the issuer's clock:
what is known permits only as long as the stamp of the last page that led up to the issuer's revision is younger
than Δ (:mod:`capsvc.knowledge`). A relay that lies or falls silent is noticed by that alone, and everything is
refused. The thread that follows shares nothing with verifications but what it swaps in whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from secrets import randbelow
from typing import Protocol

from capsvc.changes import Digests, Page
from capsvc.clocks import boot_time
from capsvc.errors import FeedError, StoreBusy, StoreUnavailable
from capsvc.exported import ExportedKeys
from capsvc.knowledge import HOUR, Knowledge, Memory, Outgrown
from capsvc.logs import logger
from capsvc.stores import ASKED, FROM_MEMORY, VERIFYING, Reading, StoredKey
from caveats import Salts, time_text
from caveats.memo import Memo, Tally

ROUND_SECONDS = 1.0
_BETWEEN_SECONDS = 0.02
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0
_PATIENCE_SECONDS = 10.0
_NAMED, _SALTS = 4096, 8


class Source(Protocol):
    """Where pages come from: a :class:`capsvc.relay.Relay`."""

    def ask(self, audience: str, since: int, skip: int, wait: float) -> str:
        """Return an unproven page of what changed after a revision, but for so many rows of it.

        Where nothing did, wait so many seconds for it. Raises FeedError.
        """

    def close(self) -> None:
        """End what is asked at this moment, too."""


class _Held:
    """What verifications read: one state of knowledge, and until when it permits, which alone changes afterwards."""

    __slots__ = ("_digests", "_named", "_readings", "keys", "memory", "panic", "revision", "ring", "unchanged", "until")

    def __init__(self, knowledge: Knowledge, memory: Memory, digests: Digests, until: float) -> None:
        self.memory = memory
        self.revision, self.ring = memory.revision, knowledge.ring
        self.panic, self.keys = knowledge.panic, knowledge.keys
        self.until = until
        self._digests = digests
        self._named: Memo[tuple[str, tuple[str, ...]], tuple[bytes, ...]] = Memo(_NAMED)
        self._readings: Memo[tuple[str, tuple[str, ...]], Reading] = Memo(_NAMED)
        self.unchanged = self._reading({}, None)

    def _reading(self, rows: dict[str, bytes | None], digest: Callable[[str, bytes], bytes] | None) -> Reading:
        horizon = time_text(self.memory.begins + self.memory.longest)
        return Reading(Salts(rows, self.panic, horizon, digest), self.revision, self.ring)

    def read(self, user: str, names: tuple[str, ...]) -> Reading:
        """Look up some names of a user, and remember their digests, and what is found as long as this state is held.

        The memory may run ahead of the rest, so that a row can be there that was not a moment ago.
        """
        asked = user, names
        digests = self._named.get(asked)
        if digests is None:
            digests = tuple([self._digests.name(user, name) for name in names])
            self._named.remember(asked, digests)
        memory = self.memory
        if memory.rows.keys().isdisjoint(digests):
            return self.unchanged
        found = self._readings.get(asked)
        if found is None:
            rows = memory.look(names, digests)
            digest = lru_cache(_SALTS)(partial(self._digests.salt, user))  # a token comes more than once
            found = self._reading(rows, digest)
            self._readings.remember(asked, found)
        return found


class Follower:
    """A :class:`capsvc.stores.Column` in memory, for the audience of some exported keys."""

    def __init__(
        self,
        exported: ExportedKeys,
        source: Source,
        freshness: float,
        boot: Callable[[], float] = boot_time,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._exported = exported
        self._source = source
        self._freshness = freshness
        self._boot, self._now = boot, now
        self.tally: Tally = [0, 0]
        self._every = min(ROUND_SECONDS, freshness / 3)
        self._publics = {key_id: each.public for key_id, each in exported.keys.items()}
        self._knowledge = Knowledge(exported.audience, freshness)
        self._held: _Held | None = None
        self._why = "nothing has come from the feed yet"
        self._interrupted = False
        self._longest = exported.longest
        self._swept = 0.0
        self._begun = self._ended = 0
        self._turn = threading.Condition()
        self._woken = self._closing = False
        self._thread = threading.Thread(target=self._follow, name="capsvc follower", daemon=True)

    def start(self, seconds: float) -> None:
        """Follow on a thread from now on. Returns once the first load is whole, or failed, so many seconds at most."""
        self._thread.start()
        with self._turn:
            self._turn.wait_for(lambda: self._held is not None or self._interrupted, seconds)

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        held = self._held
        if held is None or self._boot() > held.until:
            raise self._stale()
        self.tally[FROM_MEMORY] += 1
        return held.read(user, tuple(names))

    def catch_up(self, revision: int, *, patient: bool = True) -> None:
        if self._knows(revision):
            return
        if not patient:
            raise StoreBusy(f"this node has not seen revision {revision} yet: it has to ask the feed")
        self.tally[ASKED] += 1
        with self._turn:
            wanted = self._begun + 1
            self._woken = True
            self._turn.notify_all()
            self._turn.wait_for(
                lambda: self._ended >= wanted or self._closing or self._knows(revision), _PATIENCE_SECONDS
            )

    def longest(self, lifetime: int) -> int:
        return self._longest

    def keys(self, *, patient: bool = True) -> tuple[int, list[StoredKey]]:
        """Return the ring count, and the keys that are not retired. What else a store knows of them is not here."""
        held = self._held
        if held is None or self._boot() > held.until:
            raise self._stale()
        return held.ring, [StoredKey(key_id, VERIFYING, b"", b"", "") for key_id in held.keys]

    def close(self) -> None:
        """Stop following. Idempotent."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._source.close()
        if self._thread.is_alive():
            self._thread.join()
        self._held = None

    def _knows(self, revision: int) -> bool:
        held = self._held
        return held is not None and held.revision >= revision

    def _stale(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"this node cannot prove that it has seen every revocation of {self._freshness:g} seconds ago"
            + (f": {self._why}" if self._why else "")
        )

    def _follow(self) -> None:
        failures = 0
        while not self._closing:
            try:
                pause, failures = self.round(), 0
            except Exception as wrong:  # it has to go on, and what it does not know is refused meanwhile
                self._failed(str(wrong) if isinstance(wrong, FeedError) else f"{type(wrong).__name__} while following")
                pause, failures = _pause(failures), failures + 1
            self._wait(pause)
        self._source.close()

    def round(self) -> float:
        """Ask for one page, and believe it or not; return how many seconds to pause. Raises FeedError."""
        with self._turn:
            self._begun += 1
        began, (since, skip) = self._boot(), self._knowledge.since
        # Before anything is known there is no change to wait for: an issuer of whom nothing was revoked waits else.
        text = self._source.ask(self._exported.audience, since, skip, self._every if self._held else 0)
        page = Page.read(text, self._publics, skip)
        came = self._boot()
        try:
            until = self._knowledge.take(page, came, self._now())
        except Outgrown:
            return self._every
        if until is not None:
            self._learn(until)
        # What has nothing new to tell is asked again when it is due: a relay may answer at once, from its cache.
        return _BETWEEN_SECONDS if page.rows or until is None else max(self._every - (came - began), _BETWEEN_SECONDS)

    def _learn(self, until: float) -> None:
        """Let verifications see what is known, all at once."""
        known, held = self._knowledge, self._held
        memory = known.memory
        assert memory is not None  # noqa: S101 - a page led up to the issuer's revision
        swept = memory.told - self._swept >= HOUR
        if swept:
            self._swept, memory.begins = memory.told, max(memory.begins, memory.window)
        said = memory, memory.revision, known.ring, known.panic
        if held is not None and not swept and said == (held.memory, held.revision, held.ring, held.panic):
            held.until = max(held.until, until)
        else:
            digests = Digests(self._exported.keys[memory.key_id].digests)
            self._held = _Held(known, memory, digests, until)
        if swept:  # only now: until then somebody may look with the horizon of before
            memory.forget()
        if memory.longest > self._longest:
            self._longest = memory.longest
            logger().warning("the issuer's longest lifetime grew: start this process again")
        if self._interrupted:
            logger().info("following again", revision=memory.revision)
        with self._turn:
            self._why, self._interrupted, self._ended = "", False, self._begun
            self._turn.notify_all()

    def _failed(self, why: str) -> None:
        if self._closing:
            return
        if not self._interrupted or why != self._why:
            logger().warning("following interrupted", reason=why)
        with self._turn:
            self._why, self._interrupted, self._ended = why, True, self._begun
            self._turn.notify_all()

    def _wait(self, pause: float) -> None:
        """Pause, unless somebody wakes us."""
        time.sleep(_BETWEEN_SECONDS)
        with self._turn:
            self._turn.wait_for(lambda: self._woken or self._closing, pause - _BETWEEN_SECONDS)
            self._woken = False


def _pause(failures: int) -> float:
    """How long to pause after so many failures before: longer each time, and not in step with others."""
    longest = min(_FIRST_PAUSE_SECONDS * (1 << min(failures, 10)), _LONGEST_PAUSE_SECONDS)
    return longest * (1 + randbelow(1000) / 1000) / 2
