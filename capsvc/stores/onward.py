"""The revision goes onward: an engine that reads a lower one than before was put back under a running process."""

from __future__ import annotations

from capsvc.errors import StoreUnavailable


class Onward:
    """The highest revision that was read here.

    Look at ``seen`` before reading, and give both to :meth:`demand` afterwards: other threads read meanwhile.
    """

    def __init__(self) -> None:
        self.seen = 0

    def demand(self, revision: int, seen: int) -> None:
        """Raise StoreUnavailable where a revision is lower than what had been seen before it was read."""
        if revision < seen:
            raise StoreUnavailable(
                f"the database went back from revision {seen} to {revision}: run `capsvc recover`, then start again"
            )
        if revision > self.seen:
            self.seen = revision
