"""A trial: a cluster is set up, used and disturbed for a while, healed, looked at as a whole, and held to its word.

    python -m tests.cluster --seconds 600

Runs in namespaces of its own, where ``__main__`` has put it.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from capsvc.home import Home
from capsvc.names import ADMIN
from capsvc.stores import NewUser
from caveats import time_text
from tests.capsvc.installation import PASSWORD, hash_of
from tests.capsvc.postgresql.cluster import directory
from tests.cluster.databases import Database, store_of
from tests.cluster.history import History, violations
from tests.cluster.nemesis import Nemesis
from tests.cluster.network import DATABASES, NODES, REPLICATION, Machine, lay_links
from tests.cluster.nodes import Node, await_alive, compiled_clock
from tests.cluster.visitors import Holder, Record, Visitor

_NODES, _HOLDERS, _VISITORS, _USERS = 3, 4, 4, 400
_SWEEP_SECONDS = 30.0


@dataclass
class Summary:
    """What was tried, and what was broken. Times are in seconds, propagation in milliseconds."""

    seconds: float = 0.0
    freshness: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    unacknowledged: int = 0
    not_fresh: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recovery: dict[str, float] = field(default_factory=dict)
    propagation: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def run(seconds: float, freshness: int, seed: int) -> Summary:
    """Set a cluster up, disturb it for so long, and say what was found. Everything in it is new."""
    lay_links()
    # What is made in memory is seen here alone, and gone with it.
    subprocess.run(["mount", "-t", "tmpfs", "cluster", "/dev/shm"], check=True)  # noqa: S108
    with directory() as path:
        path.chmod(0o755)
        try:
            return Trial(path, freshness, seed).run(seconds)
        except Exception:
            for log in path.glob("*/log"):
                print(f"{log.parent.name}:\n{log.read_text()[-2000:]}", file=sys.stderr)
            raise


class Trial:
    """The machines, what runs on them, and who uses it."""

    def __init__(self, path: Path, freshness: int, seed: int) -> None:
        self._random = Random(seed)
        self._freshness = freshness
        self._databases = [self._database(path, number) for number in (1, 2)]
        primary, standby = self._databases
        primary.make()
        primary.await_ready()
        standby.become_standby(primary)
        environment = {"CAPSVC_STORE": store_of(*self._databases), "CAPSVC_FRESHNESS": str(freshness)}
        self._clock = compiled_clock(path)
        self.users = [f"user-{number}" for number in range(_USERS)]
        self._nodes = [self._node(path, number, environment) for number in range(1, _NODES + 1)]
        for node in self._nodes:
            node.start()
        await_alive(self._nodes)
        self._record = Record()

    def _database(self, path: Path, number: int) -> Database:
        place = path / f"database-{number}"
        place.mkdir()
        shutil.chown(place, path.owner())
        return Database(Machine(f"db{number}", number, DATABASES, REPLICATION), place)

    def _node(self, path: Path, number: int, environment: dict[str, str]) -> Node:
        """Make a node with its home: the first makes the installation, the others get copies of its files."""
        home = Home.of({"CAPSVC_HOME": str(path / f"node-{number}" / "home"), **environment})
        first = path / "node-1" / "home"
        if number == 1:
            home.path.parent.mkdir()
            now = time_text(time.time())
            with closing(home.create(now)) as store:
                store.add_users(
                    [NewUser("admin", hash_of(PASSWORD), (ADMIN,)), NewUser("probe", hash_of(PASSWORD))], now
                )
                store.add_users([NewUser(user, hash_of(PASSWORD)) for user in self.users], now)
        else:
            home.path.mkdir(mode=0o700, parents=True)
            for name in ("keys.json", "high-water"):
                shutil.copy2(first / name, home.path / name)
        machine = Machine(f"node{number}", 10 + number, NODES, DATABASES)
        return Node(machine, home.path, self._clock, environment)

    def run(self, seconds: float) -> Summary:
        """Use it and disturb it for so long, then look at everything."""
        began = time.monotonic()
        admin, probe = self._log_in("admin", audience=ADMIN), self._log_in("probe")
        over = threading.Event()
        visitors: list[Visitor] = [
            Holder(
                self._nodes, self._record, Random(self._random.random()), over, users=self.users[number::_HOLDERS],
                admin=admin, freshness=self._freshness,
            )
            for number in range(_HOLDERS)
        ]  # fmt: skip
        visitors += [Visitor(self._nodes, self._record, Random(self._random.random()), over) for _ in range(_VISITORS)]
        nemesis = Nemesis(self._nodes, *self._databases, probe, self._freshness, self._random)
        for visitor in visitors:
            visitor.start()
        nemesis.disturb(began + seconds)
        over.set()
        for visitor in visitors:
            visitor.join()
            if visitor.failed is not None:
                raise visitor.failed
        time.sleep(self._freshness)
        last = time.monotonic()
        with ThreadPoolExecutor(_NODES) as beside:
            list(beside.map(self._look_at_all, self._nodes))
        for node in self._nodes:
            node.end()
        return self._summary(began, last, nemesis)

    def _log_in(self, user: str, **more: str) -> str:
        """Log in, again where there is no room: hashing waits for whatever else this machine has to do."""
        deadline = time.monotonic() + _SWEEP_SECONDS
        while True:
            status, answer = self._nodes[0].ask("POST", "/v1/tokens", body={"user": user, "password": PASSWORD, **more})
            if status == 201:
                return str(answer["macaroon"])
            assert time.monotonic() < deadline, (status, answer)
            time.sleep(0.1)

    def _look_at_all(self, node: Node) -> None:
        """Present every token to one node, again where it cannot say, for a while."""
        deadline = time.monotonic() + _SWEEP_SECONDS
        for held in list(self._record.held):
            while self._record.present(held, node) is None and time.monotonic() < deadline:
                time.sleep(0.1)

    def _summary(self, began: float, last: float, nemesis: Nemesis) -> Summary:
        record = self._record
        history = History(
            self._freshness,
            [node.name for node in self._nodes],
            record.revocations,
            record.looks,
            nemesis.healings,
            last,
        )
        took = [max(each.accepted.values(), default=0) - each.healed for each in nemesis.healings]
        acknowledged = sum(each.acknowledged is not None for each in record.revocations)
        return Summary(
            round(time.monotonic() - began, 1), self._freshness, record.operations, acknowledged,
            len(record.revocations) - acknowledged, record.not_fresh, nemesis.faults, _spread(took, 1),
            _spread(record.propagation, 1000), violations(history),
        )  # fmt: skip


def _spread(values: list[float], scale: float) -> dict[str, float]:
    """The percentiles of some values."""
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=1000, method="inclusive")
    found = {"p50": cuts[499], "p90": cuts[899], "p99": cuts[989], "p99.9": cuts[998], "max": max(values)}
    return {name: round(value * scale, 2) for name, value in found.items()}
