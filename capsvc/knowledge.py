"""Knowledge: what pages of changes told, one after the other, and how old it is by the issuer's clock.

A page is believed as a whole or not at all, and who brings it can do no more than keep it back:

1. It is signed for this audience, by a key of the ring that is not known to be retired.
2. It goes on exactly where we are: none is missing, none comes again. Nothing that only grows went back: the
   revision, the count of the ring, the instant of a panic.
3. Its stamp is the issuer's time before it looked. How long ago that was we know by our own clock, and by every
   page that came before: when one came, the issuer's clock showed at least its stamp, and it has gone on as ours
   did. The greater age counts. So once one page came promptly, neither who holds pages back nor our own clock,
   set back, makes an old page fresh.
4. Only a page that leads up to the issuer's own revision makes what is known fresh.
"""

from __future__ import annotations

from collections.abc import Sequence

from capsvc.changes import Page, Row
from capsvc.errors import FeedError

AHEAD_SECONDS = 1.0
"""So far ahead of this machine's clock a page may be stamped."""

DRIFT = 0.0005
"""By so much the issuer's clock may go slower than ours: what an earlier page says of it wears off by that."""

HOUR, DAY = 3600, 24 * 3600
_HOUR_BYTES = 4


class Outgrown(Exception):
    """What is known is right, and has to be loaded anew all the same: its digests or its window are others now."""


class Memory:
    """The rows that one load and the pages after it told, by the digest of their names.

    ``begins`` is the instant since which all that changed is here, ``told`` the stamp of the last page that led up
    to the issuer's revision; both in seconds since 1970. ``skip`` counts the rows behind ``revision`` that are here.
    """

    __slots__ = ("_hours", "begins", "key_id", "longest", "revision", "rows", "skip", "told", "window")

    def __init__(self, key_id: str, longest: int) -> None:
        self.key_id = key_id
        self.longest = longest
        self.revision = self.skip = self.begins = self.window = 0
        self.told = 0.0
        self.rows: dict[bytes, bytes] = {}
        """Each is the hour of the change in four bytes, and the digest of the salt, if there is one, behind it."""
        self._hours: dict[bytes, bytes] = {}

    def put(self, row: Row) -> None:
        """Put a row in the place of what its name had."""
        hour = row.hour.to_bytes(_HOUR_BYTES, "big")
        self.rows[row.name] = hour + row.salt if row.salt else self._hours.setdefault(hour, hour)

    def look(self, names: Sequence[str], digests: Sequence[bytes]) -> dict[str, bytes | None]:
        """Return of some names, each with its digest, those that are here: the digest of the salt, None if revoked."""
        rows = zip(names, map(self.rows.get, digests), strict=True)
        return {name: row[_HOUR_BYTES:] or None for name, row in rows if row is not None}

    def forget(self) -> None:
        """Drop the rows of what changed before ``begins``, which somebody has moved on."""
        hour = (self.begins // HOUR).to_bytes(_HOUR_BYTES, "big")
        for name in [name for name, row in self.rows.items() if row[:_HOUR_BYTES] < hour]:
            del self.rows[name]
        self._hours = {each: each for each in self._hours if each >= hour}


class Knowledge:
    """What is known of one audience. ``freshness`` is Δ, in seconds; ``memory`` is what the last whole load led to."""

    def __init__(self, audience: str, freshness: float) -> None:
        self.memory: Memory | None = None
        self.panic = ""
        self.ring = -1
        self.keys: tuple[str, ...] = ()
        self._audience = audience
        self._freshness = freshness
        self._loaded: Memory | None = None
        self._loads = True
        self._head = 0
        self._retired: set[str] = set()
        self._stamp: tuple[float, float] | None = None

    @property
    def since(self) -> tuple[int, int]:
        """The revision after which the next page has to begin, and how many rows behind it are known."""
        memory = self._loaded if self._loads else self.memory
        return (0, 0) if memory is None else (memory.revision, memory.skip)

    def take(self, page: Page, boot: float, now: float) -> float | None:
        """Believe a signed page that came at this moment; return until when what is known permits.

        ``boot`` is the moment in seconds on a clock that nobody sets, and so is what is returned; ``now`` is the same
        moment in seconds since 1970. None says that another page has to come first. Raises FeedError where the page
        is not believed, and Outgrown where all has to be loaded anew; neither has changed anything that permits.
        """
        age = self._age(page.stamp / 1000, boot, now)
        self._demand_next(page)
        if page.to == page.head and age >= self._freshness:
            raise FeedError(
                f"the newest page that comes is {age:.1f} seconds old: somebody on the way holds pages back,"
                " or the clocks of the issuer and of this machine differ"
            )
        memory = self._goes_on(page)
        for row in page.rows:
            memory.put(row)
        memory.revision, memory.skip = page.to, page.skip + len(page.rows) if page.to == page.since else 0
        self._head, self.panic = page.head, page.panic
        if page.ring != self.ring:
            self._retired |= set(self.keys) - set(page.keys)
            self.ring, self.keys = page.ring, page.keys
        if page.to != page.head:
            return None
        memory.told = page.stamp / 1000
        memory.window = min(page.begins, int(memory.told) - memory.longest - DAY)
        self.memory, self._loaded, self._loads = memory, None, False
        return boot + self._freshness - age

    def _age(self, stamp: float, boot: float, now: float) -> float:
        """How old a stamp is at least, in seconds. Raises FeedError for one that lies ahead."""
        if stamp > now + AHEAD_SECONDS:
            raise FeedError(
                f"a page is stamped {stamp - now:.1f} seconds ahead of this machine's clock:"
                " check the clocks of the issuer and of this machine"
            )
        least = stamp
        if self._stamp is not None:
            before, came = self._stamp
            least = before + (boot - came) * (1 - DRIFT)
        if self._stamp is None or stamp > least:
            self._stamp, least = (stamp, boot), stamp
        return max(now, least) - stamp

    def _demand_next(self, page: Page) -> None:
        """Raise FeedError unless a page is for us, signed by a key that is not retired, and goes on from here."""
        if page.audience != self._audience:
            raise FeedError(f"a page is for another audience than {self._audience}: look at the feed's address")
        if page.key_id in self._retired or page.key_id not in page.keys:
            raise FeedError(f"a page is signed with {page.key_id}, which is retired: export the keys again")
        known, comes = self.since, (page.since, page.skip)
        if comes > known:
            raise FeedError(f"a page is missing: revision {known[0]} is known, and what comes begins at {comes[0]}")
        if comes < known:
            raise FeedError(f"an old page comes again: it begins at revision {comes[0]}, and {known[0]} is known")
        if page.head < self._head or page.ring < self.ring or page.panic < self.panic:
            raise FeedError("the feed went back: somebody repeats old pages, or the issuer's database was put back")
        leads_on = page.to > page.since or page.to == page.head or page.rows
        if not page.since <= page.to <= page.head or not leads_on:
            raise FeedError("a page leads nowhere: the issuer is of another version")

    def _goes_on(self, page: Page) -> Memory:
        """Return the memory that a page goes on with. Raises Outgrown, and FeedError for one that reaches too short."""
        memory = self._loaded if self._loads else self.memory
        if memory is None:
            memory = self._loaded = Memory(page.key_id, page.longest)
        elif (memory.key_id, memory.longest) != (page.key_id, page.longest) or (
            not self._loads and page.begins > memory.told - HOUR
        ):
            self._loaded, self._loads = None, True
            raise Outgrown
        if self._loads:
            if page.begins > page.stamp / 1000 - page.longest:
                raise FeedError(
                    "the pages do not reach back over the longest lifetime: the issuer is of another version"
                )
            memory.begins = max(memory.begins, page.begins)
        return memory
