"""The memory of a node: the columns of all users whose salts changed lately, packed.

No macaroon outlives the largest lifetime ever configured. So what changed longer ago than that cannot
matter to one that is alive, and a user who is not here has the salts that she was minted with. Of a user
who is here, the whole column is: what went out of it, too, then needs no row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern

from caveats.proven import NONCE_PREFIX

HOUR = 3600
Column = tuple[int | str | bytes | None, ...]
"""The hour of the last change, then names and salts in turn: a dict would take twice the room."""


class Memory:
    """Columns by user. ``since`` is in seconds since 1970, by the database's clock: whatever changed since is here."""

    __slots__ = ("_hours", "columns", "since")

    def __init__(self, since: int) -> None:
        self.since = since
        self.columns: dict[str, Column] = {}
        self._hours: dict[int, int] = {}

    def put(self, user: str, changed: int, rows: Iterable[tuple[str, bytes | None]]) -> None:
        """Put a user's whole column in place of what is held; ``changed`` is when it changed last."""
        hour = changed // HOUR
        column: list[int | str | bytes | None] = [self._hours.setdefault(hour, hour)]
        for name, salt in rows:
            column += (name if name.startswith(NONCE_PREFIX) else intern(name), salt)
        self.columns[user] = tuple(column)

    def rows(self, user: str) -> dict[str, bytes | None]:
        """Return the rows of a user who is here."""
        column = self.columns[user]
        return dict(zip(column[1::2], column[2::2], strict=True))  # type: ignore[arg-type]  # put so above

    def forget(self) -> None:
        """Drop the users whose salts did not change since ``since``, which somebody has moved on."""
        hour = self.since // HOUR
        for user in [user for user, column in self.columns.items() if column[0] < hour]:  # type: ignore[operator]  # an hour
            del self.columns[user]
        self._hours = {each: each for each in self._hours if each >= hour}
