"""The service of one home: its settings, store, node and authority, wired once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.types import Scope

from capsvc.acts import ACTS, Act
from capsvc.audit import AuditFile
from capsvc.authority import Authority
from capsvc.counters import Counters
from capsvc.errors import SettingsError
from capsvc.feed import Feed
from capsvc.hasher import DistantHasher
from capsvc.home import Home
from capsvc.http.facts import Proxies, connection_address
from capsvc.http.polls import Polls
from capsvc.keyring import KeyRing
from capsvc.logs import logger
from capsvc.middleware import VERDICT
from capsvc.node import Node, Verdict
from capsvc.outcomes import OutcomeFile
from capsvc.passwords import HashingSlots, Passwords, spare_cores
from capsvc.rates import Rates
from capsvc.replay import ReplayGuard
from capsvc.settings import Settings
from capsvc.stores import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from capsvc.identity.federation import Federation


@dataclass(frozen=True, slots=True)
class Service:
    """What the endpoints share."""

    settings: Settings
    store: Store
    node: Node[KeyRing]
    authority: Authority
    passwords: Passwords
    slots: HashingSlots
    rates: Rates
    proxies: Proxies
    location: str
    log: FilteringBoundLogger
    outcomes: OutcomeFile
    counters: Counters
    audit: AuditFile
    feed: Feed
    polls: Polls
    replay_guard: ReplayGuard | None = None
    federation: Federation | None = None

    @classmethod
    def of(cls, home: Home) -> Service:
        """Wire the service of a home. Raises SettingsError or StoreUnavailable."""
        settings = home.settings
        store = home.open_store()
        counters = Counters.take(home.metrics)
        column = store.follow(settings.freshness)
        store.tally = column.tally = counters.readings
        node = Node(column, home.shares, settings, counters=counters)
        node.ring().signing()
        turns = home.hashing_turns(spare_cores(settings.workers))
        passwords = Passwords(settings, partial(DistantHasher, turns))
        slots = HashingSlots(settings.workers, counters)
        rates = Rates(settings)
        location = settings.url or settings.address
        authority = Authority(node, store, passwords, slots, location, rates)
        proxies = Proxies.of(settings.trusted_proxies, settings.forwarded)
        guard = None
        if settings.replay_guard:
            guard = ReplayGuard(home.open_replays(), timedelta(seconds=settings.replay_window), settings.skew, node.now)
        return cls(
            settings, store, node, authority, passwords, slots, rates, proxies, location, logger(),
            OutcomeFile(home.outcomes, node.outcomes), counters, home.audit,
            Feed(store, home.shares, settings, location), Polls(column, settings.connections // 4), guard,
            _federation(settings, node, authority, rates) if settings.identity else None,
        )  # fmt: skip

    def verdict(self, request: Request) -> Verdict:
        """Return what the middleware verified. Only guarded routes have one."""
        verdict: Verdict = request.scope[VERDICT]
        return verdict

    def address(self, scope: Scope) -> str | None:
        """Return where a request comes from, as its facts tell it; None where nobody can say. Raises a 400."""
        return connection_address(scope, self.proxies)

    async def recorded(self, act: Act) -> None:
        """Do what :meth:`record` does, on a thread."""
        await to_thread.run_sync(self.record, act)

    def record(self, act: Act) -> None:
        """Count an act that was done, and write it into both logs, durably into the audit log.

        What that one does not take is an error line with the whole act in it: it was done all the same.
        """
        self.counters.acts[ACTS.index(act.act)] += 1
        described = msgspec.to_builtins(act)
        described.pop("act")
        try:
            self.audit.append(act)
        except OSError as wrong:
            self.counters.unrecorded[0] += 1
            self.log.error("not in the audit log", act=act.act, reason=wrong.strerror, **described)
        else:
            self.log.info(act.act, **described)

    def write_outcomes(self) -> None:
        """Keep how verifications ended; where that fails, say so in the log and go on."""
        try:
            self.outcomes.write()
        except OSError as wrong:
            self.log.warning("outcomes not written", reason=wrong.strerror)

    def write_counts(self) -> None:
        """Show the other workers what was counted; where that fails, say so in the log and go on."""
        try:
            self.counters.write()
        except OSError as wrong:
            self.log.warning("counters not written", reason=wrong.strerror)

    def close(self) -> None:
        """Let go of threads and store."""
        self.slots.close()
        self.passwords.close()
        if self.replay_guard is not None:
            self.replay_guard.close()
        self.store.close()
        self.counters.close()


def _federation(settings: Settings, node: Node[KeyRing], authority: Authority, rates: Rates) -> Federation:
    """Make the federation, with what only it needs. Raises SettingsError where that is not installed."""
    try:
        from capsvc.identity.federation import Federation
    except ModuleNotFoundError as missing:
        raise SettingsError(f"identity needs {missing.name}: pip install 'capsvc[oidc]'") from None
    return Federation(settings, node, authority, rates)
