"""The service of one home: its settings, store, node and authority, wired once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.requests import Request

from capsvc.authority import Authority
from capsvc.home import Home
from capsvc.http.facts import Proxies
from capsvc.logs import logger
from capsvc.middleware import VERDICT
from capsvc.node import Node, Verdict
from capsvc.outcomes import OutcomeFile
from capsvc.passwords import HashingSlots, Passwords
from capsvc.replay import ReplayGuard
from capsvc.settings import Settings
from capsvc.stores import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Service:
    """What the endpoints share."""

    settings: Settings
    store: Store
    node: Node
    authority: Authority
    passwords: Passwords
    slots: HashingSlots
    proxies: Proxies
    location: str
    log: FilteringBoundLogger
    outcomes: OutcomeFile
    replay_guard: ReplayGuard | None = None

    @classmethod
    def of(cls, home: Home) -> Service:
        """Wire the service of a home. Raises SettingsError or StoreUnavailable."""
        settings = home.settings
        store = home.open_store()
        node = Node(store.follow(settings.freshness), home.shares, settings)
        node.ring().signing()
        passwords, slots = Passwords(settings), HashingSlots(settings.workers)
        location = settings.url or settings.address
        authority = Authority(node, store, passwords, slots, location)
        proxies = Proxies.of(settings.trusted_proxies, settings.forwarded)
        guard = None
        if settings.replay_guard:
            guard = ReplayGuard(home.open_replays(), timedelta(seconds=settings.replay_window), settings.skew, node.now)
        outcomes = OutcomeFile(home.outcomes, node.outcomes)
        return cls(settings, store, node, authority, passwords, slots, proxies, location, logger(), outcomes, guard)

    def verdict(self, request: Request) -> Verdict:
        """Return what the middleware verified. Only guarded routes have one."""
        verdict: Verdict = request.scope[VERDICT]
        return verdict

    def write_outcomes(self) -> None:
        """Keep how verifications ended; where that fails, say so in the log and go on."""
        try:
            self.outcomes.write()
        except OSError as wrong:
            self.log.warning("outcomes not written", reason=wrong.strerror)

    def close(self) -> None:
        """Let go of threads and store."""
        self.slots.close()
        if self.replay_guard is not None:
            self.replay_guard.close()
        self.store.close()
