"""The replay guard: a request-bound copy opens one request, once (design section 9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from anyio import to_thread

from capsvc.errors import Unbound
from capsvc.stores.replays import Replays
from caveats import Capability, time_text

_REQUEST = b"request = "


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
        found = [each for each in capability.holders if each is not None and each.startswith(_REQUEST)]
        if len(found) != 1:
            raise Unbound(f"exactly one `request` caveat is needed, and there are {len(found)}")
        if capability.expires > time_text(now + self._window):
            raise Unbound(f"it has to expire within {int(self._window.total_seconds())} seconds")
        request = found[0].removeprefix(_REQUEST).decode("ascii")
        self._replays.record(capability.nonce, request, capability.expires, time_text(now - self._skew))

    def close(self) -> None:
        """Let go of the table."""
        self._replays.close()
