"""A bounded memory of what was proven: chains, and nothing that a request, a clock or a salt decides.

Only proven bytes get in, so strangers cannot grow it; an entry counts only while its root key is still
the one that its name leads to, so a retired key is forgotten at once. It is found by the exact text or
bytes that were proven; another spelling, or a location that is not ours, merely misses.

It leaks nothing through timing: a table is asked by hash first, and only a text that is equal as a whole
is ever found. Who learns from the time that a text was here before holds that very text.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from caveats.authority import Authority

K = TypeVar("K")
V = TypeVar("V")


class ProvenRoot(NamedTuple):
    """A proven root: the key that proved it, and the signature that the next caveat continues."""

    authority: Authority
    root_key: bytes
    signature: bytes


class Memo(Generic[K, V]):
    """A table of the newest entries: at least so many, at most twice as many. Zero switches it off.

    Two plain tables, the older thrown away when the newer is full: taking one entry at a time from the
    head of a dict has to step over all that were taken before.
    """

    __slots__ = ("_entries", "_newer", "_older")

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Find a value that was remembered for exactly this key."""
        return self._newer.get(key) or self._older.get(key)

    def remember(self, key: K, value: V) -> None:
        """Keep a value that was proven."""
        if len(self._newer) >= self._entries:
            self._older, self._newer = self._newer, {}
        if self._entries:
            self._newer[key] = value

    def __repr__(self) -> str:
        return f"<Memo of {len(self._newer) + len(self._older)} entries>"
