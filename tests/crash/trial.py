"""The trial: rounds of a service that is used, killed at a random instant, started again and held to its word."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.crash.commands import Import, KeyChange
from tests.crash.crowd import Crowd, User
from tests.crash.history import Fact, History, broken
from tests.crash.machine import Client, Machine
from tests.crash.record import Record
from tests.crash.visitors import Visitors

_NEW_USERS_AFTER = 40
_LIVES_SECONDS = 0.6
_STARTS_SECONDS = 0.2
_IS_BESIDE, _PANICS = 0.6, 0.07
_DIES_STARTING = 0.1


@dataclass
class Summary:
    """What was tried, and what of it was not as promised."""

    kills: int = 0
    forgetful: int = 0
    workers_killed: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def told(self) -> dict[str, Any]:
        """The summary as JSON has it; ``lost`` counts what was not as promised."""
        return {
            "kills": self.kills,
            "unsynced_dropped": self.forgetful,
            "workers_killed": self.workers_killed,
            "operations": sum(self.operations.values()),
            "by_kind": dict(sorted(self.operations.items())),
            "acknowledged": self.acknowledged,
            "lost": len(self.lost),
            "seconds": round(self.seconds, 1),
        }

    def add(self, record: Record) -> None:
        """Count a round's operations."""
        self.operations += record.done
        self.acknowledged += record.acknowledged


class Trial:
    """A machine, the crowd that uses it, and what has not been looked at since the last crash."""

    def __init__(self, machine: Machine, seed: int) -> None:
        self.summary = Summary()
        self._machine = machine
        self._random = Random(seed)
        self._crowd = Crowd(self._random, (machine.home / "first-password").read_text().strip())
        self._beside: list[Import | KeyChange] = []
        self._revision = 0

    def round(self, *, forgetful: bool) -> None:
        """Start the service, hold it to what was before, use it, and kill everything at a random instant."""
        self._machine.boot(forgetful=forgetful)
        self.summary.kills += 1
        self.summary.forgetful += forgetful
        if self._random.random() < _DIES_STARTING:
            time.sleep(self._random.random() * _STARTS_SECONDS)
            self._machine.crash()
            return
        self._machine.wait_until_it_serves()
        self.hold_to_its_word()
        self._crowd_is_ready()
        visitors = Visitors(self._crowd, self._machine.port, self._random, panics=self._random.random() < _PANICS)
        # A command writes little, so where that may be forgotten there is always one.
        self._go_on(self._random.random() * _LIVES_SECONDS, beside=1.0 if forgetful else _IS_BESIDE)
        self._machine.crash()
        visitors.end()

    def kill_workers(self, times: int) -> None:
        """Serve with two workers and kill one, again and again; what was acknowledged holds in the other at once."""
        self._machine.boot(forgetful=False, workers=2)
        self._machine.wait_until_it_serves()
        for _ in range(times):
            self.hold_to_its_word()
            self._crowd_is_ready()
            visitors = Visitors(self._crowd, self._machine.port, self._random)
            time.sleep(self._random.random() * _LIVES_SECONDS)
            self._machine.kill_a_worker()
            visitors.end()
            self.summary.workers_killed += 1
            self.hold_to_its_word()
            self._machine.wait_until_it_serves()
        self._machine.crash()

    def end(self) -> None:
        """Start once more, hold the service to its word, and kill it."""
        self._machine.boot(forgetful=False)
        self._machine.wait_until_it_serves()
        self.hold_to_its_word()
        self._machine.crash()

    def hold_to_its_word(self) -> None:
        """Hold what the service is after a crash against the record of what it was asked, and begin a new record."""
        record, crowd, client = self._crowd.record, self._crowd, Client(self._machine.port)
        with closing(sqlite3.connect(f"file:{self._machine.home / 'capsvc.db'}?mode=ro", uri=True)) as store:
            facts = [*self._facts(store), *(fact for each in self._beside for fact in each.facts(store))]
            ((revision,),) = store.execute("SELECT revision FROM state")
        record.end()
        found: dict[str, bool] = {}
        for user in crowd.users:
            settled, fact = settle(crowd, client, user)
            found |= settled
            facts += fact
        looked = len(record.looks)
        for held in (*crowd.alive, *crowd.dead):
            if self._machine.workers > 1:
                client.close()  # and the next connection may be taken by the other
            record.look(held, client)
        client.close()
        history = History(
            record.acts,
            record.looks,
            {held.token.label for held in crowd.dead},
            found,
            facts,
            (self._revision, revision),
        )
        self.summary.add(record)
        found_broken = broken(history)
        assert not found_broken, "; ".join(found_broken)
        self._beside, self._revision = [], revision
        crowd.remember({look.token.label for look in record.looks[looked:] if not look.accepted})

    def _facts(self, store: sqlite3.Connection) -> Iterator[Fact]:
        """What the database says by itself, and of users."""
        yield Fact("integrity_check", ["ok"], store.execute("PRAGMA integrity_check").fetchone()[0])
        ((signing,),) = store.execute("SELECT count(*) FROM keys WHERE state = 'signing'")
        yield Fact("keys that sign", [1], signing)
        for name, acknowledged in self._crowd.added.items():
            ((there,),) = store.execute("SELECT count(*) FROM users WHERE name = ?", (name,))
            yield Fact(f"users of the name {name}", [1] if acknowledged else [0, 1], there)
        self._crowd.added.clear()
        for user in self._crowd.users:
            ((disabled,),) = store.execute("SELECT disabled FROM users WHERE name = ?", (user.name,))
            possible = [user.disabled] if user.switching is None else [user.disabled, user.switching[1]]
            yield Fact(f"whether {user.name} is disabled", possible, bool(disabled))
            user.disabled = bool(disabled)

    def _crowd_is_ready(self) -> None:
        client = Client(self._machine.port)
        if self.summary.kills % _NEW_USERS_AFTER == 1 or not self._crowd.users:
            self._crowd.arrive(client)
        self._crowd.prepare(client)
        client.close()

    def _go_on(self, seconds: float, beside: float) -> None:
        """Let the crowd go on for so long, and begin commands beside it, each with a probability."""
        end = time.monotonic() + seconds
        self._beside = [
            kind(self._random, self._machine, self._crowd.record)
            for kind in (Import, KeyChange)
            if self._random.random() < beside
        ]
        moments = sorted(self._random.random() * seconds / 3 for _ in self._beside)
        for wait, command in zip(moments, self._beside, strict=True):
            time.sleep(max(0.0, end - seconds + wait - time.monotonic()))
            command.begin()
        time.sleep(max(0.0, end - time.monotonic()))


def settle(crowd: Crowd, client: Client, user: User) -> tuple[dict[str, bool], list[Fact]]:
    """Find out whether what was cut off of a user was done; either of two passwords works, and never both."""
    done, facts = {}, []
    if user.switching is not None:
        act, disabled = user.switching
        done[act.label] = user.disabled == disabled
        user.switching = None
    if user.changing is not None:
        act, new = user.changing
        works = crowd.works(client, user, user.password), crowd.works(client, user, new)
        facts.append(Fact(f"which passwords of {user.name} work", [(True, False), (False, True)], works))
        done[act.label] = works[1]
        user.password = new if works[1] else user.password
        user.changing = None
    elif user.former:
        facts.append(
            Fact(f"whether {user.name} has her former password", [False], crowd.works(client, user, user.former))
        )
        user.former = ""
    return done, facts
