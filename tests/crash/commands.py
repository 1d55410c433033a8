"""Commands that run beside the service and are killed with it: what each may have done, and what it did."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from secrets import token_hex

from tests.crash.forks import Command
from tests.crash.history import RETIRE, Act, Fact
from tests.crash.machine import Machine
from tests.crash.record import Record

_HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uJJvqyJtqKwbKQ6r/ckHOQeDYEZdmL5rAYTsRpSa3lw"
_IMPORTED = 100
PENDING, SIGNING, VERIFYING, RETIRED = "pending", "signing", "verifying", "retired"

Ring = dict[str, str]
"""The states of keys by id, in the order in which they were added."""


def ring(home: Path) -> Ring:
    """Read the key ring from the database of a service that runs."""
    with closing(sqlite3.connect(f"file:{home / 'capsvc.db'}?mode=ro", uri=True)) as store:
        return dict(store.execute("SELECT id, state FROM keys ORDER BY position"))


@dataclass(eq=False)
class Import:
    """``capsvc user import`` of a file, in one transaction."""

    random: Random
    machine: Machine
    record: Record
    _prefix: str = field(default_factory=lambda: f"imported-{token_hex(6)}")
    _command: Command | None = None

    def begin(self) -> None:
        """Begin it."""
        file = self.machine.home.parent / "users.jsonl"
        lines = [{"user": f"{self._prefix}-{number}", "password": _HASH} for number in range(_IMPORTED)]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self._command = self.machine.run("user", "import", str(file), "--json")

    def facts(self, store: sqlite3.Connection) -> list[Fact]:
        """Look up what it did, once it is dead."""
        if self._command is None:
            return []
        acknowledged = self._command.answer() is not None
        self.record.tally("import", acknowledged)
        pattern = (f"{self._prefix}-*",)
        (users,) = store.execute("SELECT count(*) FROM users WHERE name GLOB ?", pattern).fetchone()
        (salts,) = store.execute("SELECT count(*) FROM salts WHERE user GLOB ?", pattern).fetchone()
        whole = (_IMPORTED, _IMPORTED)
        return [
            Fact("users of an import and their salts", [whole] if acknowledged else [(0, 0), whole], (users, salts))
        ]


@dataclass(eq=False)
class KeyChange:
    """One command on the key ring: ``keys rotate``, ``add``, ``promote`` or ``retire --leaked``."""

    random: Random
    machine: Machine
    record: Record
    _command: Command | None = None

    def begin(self) -> None:
        """Begin one that can be done to the ring as it is."""
        self._before = ring(self.machine.home)
        possible: list[tuple[str, list[str]]] = [("rotate", []), ("rotate", []), ("add", [])]
        possible += [("promote", [key_id]) for key_id, state in self._before.items() if state == PENDING]
        possible += [("retire", [key_id, "--leaked"]) for key_id, state in self._before.items() if state == VERIFYING]
        self._kind, self._arguments = self.random.choice(possible)
        self._act: Act | None = None
        if self._kind == "retire":
            self._act = self.record.begin(RETIRE, "", self._arguments[0])
        self._command = self.machine.run("keys", self._kind, *self._arguments, "--json")

    def facts(self, store: sqlite3.Connection) -> list[Fact]:
        """Look up what it did, once it is dead."""
        if self._command is None:
            return []
        answer = self._command.answer()
        self.record.tally(f"keys {self._kind}", answer is not None)
        if self._act and answer:
            self.record.acknowledge(self._act)
        elif self._act:
            self.record.cut_off(self._act)
        states = list(self._before.values())
        steps = self._steps(states)
        found = [state for (state,) in store.execute("SELECT state FROM keys ORDER BY position")]
        return [Fact(f"keys after {self._kind}", steps[-1:] if answer else [states, *steps], found)]

    def _steps(self, states: list[str]) -> list[list[str]]:
        """The states that the ring goes through, the last of which is acknowledged."""
        if self._kind in ("rotate", "add"):
            added = [*states, PENDING]
            return [added] if self._kind == "add" else [added, _signing(added, len(states))]
        position = list(self._before).index(self._arguments[0])
        if self._kind == "promote":
            return [_signing(states, position)]
        return [[*states[:position], RETIRED, *states[position + 1 :]]]


def _signing(states: list[str], position: int) -> list[str]:
    """The states once the key at a position signs."""
    changed = [VERIFYING if state == SIGNING else state for state in states]
    return [*changed[:position], SIGNING, *changed[position + 1 :]]
