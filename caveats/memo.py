"""A bounded memory of what was proven: chains, and nothing that a request, a clock or a salt decides.

Only proven bytes get in, so strangers cannot grow it; an entry counts only while its root key is still
the one that its name leads to, so a retired key is forgotten at once. It is found by the exact text or
bytes that were proven; another spelling, or a location that is not ours, merely misses.

It leaks nothing through timing: a table is asked by hash first, and only a text that is equal as a whole
is ever found. Who learns from the time that a text was here before holds that very text.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Tally(Protocol):
    """Numbers by position, to add to: a list, or a page of numbers that others see."""

    def __getitem__(self, at: int, /) -> int:
        """Return a number."""

    def __setitem__(self, at: int, to: int, /) -> None:
        """Change a number."""


WHOLE, ROOT_ALONE, NOTHING = range(3)
"""Where a tally counts proofs: of a chain that was remembered, one whose root was, and one of which nothing was."""


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
