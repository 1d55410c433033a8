"""The nemesis: disturbs one thing after another at random, heals it, and waits until every node accepts again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random

from tests.cluster.databases import Database
from tests.cluster.history import RECOVERY_SECONDS, Healing
from tests.cluster.network import DATABASES, REPLICATION
from tests.cluster.nodes import Node, await_alive

_STEPS = (-12, 12)
"""Seconds; two nodes that are both off still differ by less than the skew that is allowed between them."""

_AT_LEAST = 3
_FINDING_SECONDS = 4.0
"""After so long, as a rule, somebody has found the new primary and had something acknowledged by it."""


class Nemesis:
    """Everything that is disturbed. ``probe`` is a token that nobody takes back."""

    def __init__(
        self, nodes: list[Node], primary: Database, standby: Database, probe: str, freshness: float, random: Random
    ) -> None:
        self.faults: Counter[str] = Counter()
        self.healings: list[Healing] = []
        self._nodes, self._primary, self._standby = nodes, primary, standby
        self._probe, self._freshness, self._random = probe, freshness, random
        self._kinds: dict[str, Callable[[], None]] = {
            "primary deposed while it answers": self._depose,
            "node paused": self._pause_node,
            "node cut off": self._cut_node,
            "primary paused and deposed": self._depose_paused,
            "node killed": self._kill_node,
            "primary killed": self._kill_primary,
            "standby killed": self._kill_standby,
            "primary paused": lambda: self._pause(self._primary),
            "primary lost": self._lose_primary,
            "standby paused": lambda: self._pause(self._standby),
            "standby cut off": self._cut_standby,
            "primary cut off and deposed": self._depose_cut_off,
        }

    def disturb(self, until: float) -> None:
        """Go through all kinds, then choose at random, until a time; a clock is stepped along with each.

        The first few are gone through even if the time is over.
        """
        kinds = [*self._kinds]
        while time.monotonic() < until or len(self.healings) < _AT_LEAST:
            kind = kinds.pop(0) if kinds else self._random.choice([*self._kinds])
            stepped = self._random.choice(self._nodes)
            stepped.step_clock(self._random.choice(_STEPS))
            self.faults["clock stepped"] += 1
            self._kinds[kind]()
            self.faults[kind] += 1
            stepped.step_clock(0)
            self._recover()

    def _recover(self) -> None:
        """Everything is healed. Note when each node accepts what is valid; one that does not has no such time."""
        healed = await_alive(self._nodes)
        accepted: dict[str, float] = {}
        while len(accepted) < len(self._nodes) and time.monotonic() < healed + RECOVERY_SECONDS + 2:
            for node in self._nodes:
                if node.name not in accepted and node.accepts(self._probe):
                    accepted[node.name] = time.monotonic()
            time.sleep(0.05)
        self.healings.append(Healing(healed, accepted))

    def _wait(self) -> None:
        """Leave it so for a while, on either side of Δ."""
        time.sleep(self._random.uniform(0.5, 2) * self._freshness)

    def _pause_node(self) -> None:
        machine = self._random.choice(self._nodes).machine
        machine.pause()
        time.sleep(self._random.uniform(1.1, 2) * self._freshness)
        machine.resume()

    def _cut_node(self) -> None:
        """Clients still reach it; it does not reach the database."""
        machine = self._random.choice(self._nodes).machine
        machine.cut(DATABASES)
        self._wait()
        machine.join(DATABASES)

    def _kill_node(self) -> None:
        self._random.choice(self._nodes).machine.kill()

    def _pause(self, database: Database) -> None:
        database.machine.pause()
        self._wait()
        database.machine.resume()

    def _kill_primary(self) -> None:
        self._restart(self._primary)

    def _kill_standby(self) -> None:
        self._restart(self._standby)

    def _restart(self, database: Database) -> None:
        database.machine.kill()
        time.sleep(self._random.uniform(0, 1) * self._freshness)
        database.start()
        database.await_ready()

    def _cut_standby(self) -> None:
        self._standby.machine.cut(REPLICATION)
        self._wait()
        self._standby.machine.join(REPLICATION)

    def _lose_primary(self) -> None:
        self._primary.machine.kill()
        self._fail_over(lambda: None)

    def _depose(self) -> None:
        """Nodes reach both, and both take writes."""
        self._standby.machine.cut(REPLICATION)
        self._fail_over(lambda: self._primary.machine.join(REPLICATION))

    def _depose_paused(self) -> None:
        self._primary.machine.pause()
        self._fail_over(self._primary.machine.resume)

    def _depose_cut_off(self) -> None:
        for link in (DATABASES, REPLICATION):
            self._primary.machine.cut(link)

        def join() -> None:
            for link in (DATABASES, REPLICATION):
                self._primary.machine.join(link)

        self._fail_over(join)

    def _fail_over(self, let_back: Callable[[], None]) -> None:
        """Promote the standby, let the old primary back in beside it for a while, then make it the standby."""
        old, new = self._primary, self._standby
        new.promote()
        self._wait()
        let_back()
        time.sleep(_FINDING_SECONDS + self._random.uniform(1, 2) * self._freshness)
        old.machine.kill()
        new.machine.join(REPLICATION)
        old.machine.join(REPLICATION)
        old.become_standby(new)
        self._primary, self._standby = new, old
