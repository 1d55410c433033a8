"""Readings of the salt column that are remembered while nobody commits anything.

They are kept under one mark (:mod:`capsvc.stores.counter`), and all of them go when another mark is seen.
Of a user with few rows the whole column is kept: a token of hers that was never seen before has a nonce
that nobody asked for, and its answer lies in memory all the same, since absence means unchanged. Of a user
with many rows single looks are kept.

Readings are shared between threads and callers: nobody changes their rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from capsvc.stores import Reading
from capsvc.stores.counter import tells

FEW_ROWS = 64
"""So many rows of a user are kept as a whole; reading more at every change would cost more than it saves."""

REMEMBERED = 16_384
"""So many users, rows, looks and names in looks are kept: under 5 MB. Forgotten all at once beyond."""


class Held:
    """What is remembered under one mark. ``size`` may miss a few that two threads added at once."""

    __slots__ = ("mark", "readings", "size")

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.readings: dict[str | tuple[str, tuple[str, ...]], Reading] = {}
        self.size = 0


class Readings:
    """Remembers about ``most`` users, rows, looks and names in looks; nothing if that is 0."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self.held = Held(b"")

    def are_kept(self, mark: bytes) -> bool:
        """Whether anything can be remembered under a mark."""
        return self._most > 0 and tells(mark)

    def find(self, mark: bytes, user: str, names: Sequence[str]) -> Reading | None:
        """Return a reading of at least some names of a user under a mark; None where the database has to be asked."""
        held = self.held  # taken once: another thread may put the next mark's in its place meanwhile
        if held.mark != mark:
            return None
        readings = held.readings
        return readings.get(user) or readings.get((user, tuple(names)))

    def keep_column(self, mark: bytes, user: str, whole: Reading) -> None:
        """Remember a user's whole column, read in a transaction that saw the mark."""
        self._keep(mark, user, whole, 1 + len(whole.salts.rows))

    def keep_look(self, mark: bytes, user: str, names: Sequence[str], reading: Reading) -> None:
        """Remember one look at a user with many rows, made in a transaction that saw the mark."""
        self._keep(mark, (user, tuple(names)), reading, 1 + len(names))

    def _keep(self, mark: bytes, key: str | tuple[str, tuple[str, ...]], reading: Reading, size: int) -> None:
        if self.are_kept(mark):
            held = self.held
            if held.mark != mark or held.size + size > self._most:
                held = self.held = Held(mark)
            held.size += size
            held.readings[key] = reading
