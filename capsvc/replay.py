"""The replay guard: a request-bound copy opens one request, once (design section 9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from anyio import to_thread

from capsvc.errors import Unbound
from capsvc.stores.replays import Replays
from caveats import Capability, time_text

_REQUEST, _ENDS = b"request = ", b"time < "


class ReplayGuard:
    """Lets in each request-bound copy once. It is asked after everything else was proven and met.

    ``window`` is how far ahead a copy may expire; ``skew`` what clocks may differ, by which a record
    outlives its copy too.
    """

    def __init__(self, replays: Replays, window: timedelta, skew: timedelta, now: Callable[[], str]) -> None:
        self._replays = replays
        self._window = window + skew
        self._skew = skew
        self._now = now

    async def admit(self, capability: Capability) -> None:
        """Record a verified copy, on a thread, since to record it durably waits for the disk.

        Raises Unbound unless it has exactly one ``request`` and expires within the window; Replayed the
        second time; StoreUnavailable.
        """
        await to_thread.run_sync(self.record, capability)

    def record(self, capability: Capability) -> None:
        """Do what :meth:`admit` does, on this thread."""
        now = datetime.fromisoformat(self._now())
        holders = [each or b"" for each in capability.holders]
        found = [position for position, each in enumerate(holders) if each.startswith(_REQUEST)]
        if len(found) != 1:
            raise Unbound(f"exactly one `request` caveat is needed, and there are {len(found)}")
        # What stands behind the request, or in a discharge, whoever holds the copy can make end sooner: it
        # would be forgotten then, and let in once more without that.
        before = (*capability.minted, *holders[: found[0]])
        ends = min(each for each in before if each.startswith(_ENDS)).removeprefix(_ENDS).decode("ascii")
        if ends > time_text(now + self._window):
            raise Unbound(
                f"ahead of `request` it has to say that it expires within {int(self._window.total_seconds())} seconds"
            )
        request = holders[found[0]].removeprefix(_REQUEST).decode("ascii")
        self._replays.record(capability.nonce, request, ends, time_text(now - self._skew))

    def close(self) -> None:
        """Let go of the table."""
        self._replays.close()
