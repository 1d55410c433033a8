"""A bounded memory of what was proven: chains, and nothing that a request, a clock or a salt decides.

Only proven bytes get in, so strangers cannot grow it; an entry counts only while its root key is still
the one that its name leads to, so a retired key is forgotten at once. It is found by the exact text or
bytes that were proven; another spelling, or a location that is not ours, merely misses.

It leaks nothing through timing: a table is asked by hash first, and only a text that is equal as a whole
is ever found. Who learns from the time that a text was here before holds that very text.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from caveats.authority import Authority, KeyName

K = TypeVar("K")
V = TypeVar("V")


class Start(NamedTuple):
    """Where the chains of one identifier start: its key's name, the key, and the signature before any caveat."""

    key_name: KeyName
    root_key: bytes
    signature: bytes

    def __repr__(self) -> str:
        return f"<Start of {self.key_name}>"


ProvenRoot = tuple[bytes, bytes, tuple[bytes, ...], bytes, Authority]
"""A proven root: its key, its identifier and caveats, the signature that the next caveat continues, and
what it says. A plain tuple, since one is made for every token that was never seen before."""


class Memo(dict[K, V]):
    """A table of at most so many entries, emptied when it is full. Zero entries switch it off.

    Emptying it all at once costs a known token one more proof, now and then; taking the oldest out one by
    one costs every token more than that, since a dict steps over all that were taken before.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: int) -> None:
        super().__init__()
        self._entries = entries

    def remember(self, key: K, value: V) -> None:
        """Keep a value that was proven."""
        if len(self) >= self._entries:
            self.clear()
        if self._entries:
            self[key] = value

    def __repr__(self) -> str:
        return f"<Memo of {len(self)} entries>"
