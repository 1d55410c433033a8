"""Visitors: clients that mint, narrow, revoke and present at random, each time at a random node, all at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from random import Random
from secrets import token_bytes, token_hex
from typing import Any

from caveats import decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.installation import PASSWORD
from tests.cluster.history import ALL, NAME, NONCE, Look, Revocation, Token
from tests.cluster.nodes import PATIENCE_SECONDS, UNKNOWN, Node

_ATTEMPTS_SECONDS = 8.0
_PURSUIT_SECONDS = 0.7
_PAUSE_SECONDS = 0.01
_LONG_PATIENCE_SECONDS = 15.0
_LATELY = 200
_numbers = count(1)


class Held:
    """A token as a client holds it, and as the history knows it."""

    def __init__(self, text: str, began: float) -> None:
        nonce, user, salt = (_value(each) for each in decode(text).unverified_caveats[:3])
        names = (salt.partition("/")[0],)
        self.text = text
        self.token = Token(f"token {next(_numbers)}", user, names, nonce, began, time.monotonic())

    def copy(self) -> Held:
        """Cut a copy that can be taken back by a name of its holder's."""
        held: Held = object.__new__(Held)
        name = f"friend.{token_hex(6)}"
        held.text = encode_text(decode(self.text).append(f"salt = {name}/{encode_base64(token_bytes(16))}".encode()))
        held.token = replace(self.token, label=f"{self.token.label} cut for {name}", names=(*self.token.names, name))
        return held


def _value(caveat: Any) -> str:
    text: str = caveat.identifier.decode()
    return text.split(" ", 2)[2]


class Record:
    """What all visitors saw. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.revocations: list[Revocation] = []
        self.looks: list[Look] = []
        self.held: list[Held] = []
        self.propagation: list[float] = []
        self.operations: Counter[str] = Counter()
        self.not_fresh = 0
        self._lock = threading.Lock()

    def count(self, kind: str) -> None:
        """Count an operation."""
        with self._lock:
            self.operations[kind] += 1

    def present(self, held: Held, node: Node, patience: float = PATIENCE_SECONDS) -> bool | None:
        """Present a token; say whether it was accepted, None where the node could not say."""
        began = time.monotonic()
        status, _ = node.ask("GET", "/v1/capability", held.text, patience=patience)
        ended = time.monotonic()
        self.count("present")
        with self._lock:
            self.not_fresh += status == 503
        if status not in (200, 401, 403):
            return None
        self.looks.append(Look(held.token, node.name, status == 200, began, ended))
        return status == 200


class Visitor(threading.Thread):
    """One who presents what others hold, and waits for an answer until a node that is paused has gone on.

    Begins when it is started, and ends when the event is set.
    """

    def __init__(self, nodes: Sequence[Node], record: Record, random: Random, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.failed: Exception | None = None
        self.nodes, self.record, self.random, self.over = nodes, record, random, over

    def run(self) -> None:
        try:
            while not self.over.is_set():
                self.act()
                time.sleep(_PAUSE_SECONDS)
        except Exception as error:
            self.failed = error

    def act(self) -> None:
        """Do one thing."""
        if lately := self.record.held[-_LATELY:]:
            self.record.present(self.random.choice(lately), self.node(), _LONG_PATIENCE_SECONDS)

    def node(self) -> Node:
        """Any node."""
        return self.random.choice(self.nodes)


class Holder(Visitor):
    """One who mints, narrows, presents and takes back, and asks another node where one does not answer soon."""

    def __init__(self, *everybody: Any, users: list[str], admin: str, freshness: float) -> None:
        super().__init__(*everybody)
        self._users, self._admin, self._freshness = users, admin, freshness
        self._mine: list[Held] = []
        self._acts = {self._mint: 3, self._narrow: 5, self._present: 10, self._revoke: 5}

    def act(self) -> None:
        (act,) = self.random.choices([*self._acts], [*self._acts.values()])
        act()

    def _keep(self, held: Held) -> None:
        self._mine.append(held)
        self.record.held.append(held)

    def _mint(self) -> None:
        name = self.random.choice(["default", f"phone.{token_hex(4)}"])
        began = time.monotonic()
        wanted = {"user": self.random.choice(self._users), "password": PASSWORD, "salt": name}
        status, answer = self.node().ask("POST", "/v1/tokens", body=wanted)
        self.record.count("mint")
        if status == 201:
            self._keep(Held(answer["macaroon"], began))

    def _narrow(self) -> None:
        if self._mine:
            self._keep(self.random.choice(self._mine).copy())
            self.record.count("narrow")

    def _present(self) -> None:
        if self._mine:
            self.record.present(self.random.choice(self._mine), self.node())

    def _revoke(self) -> None:
        """Take something back, asking one node after another until it is acknowledged; then pursue the token."""
        if not self._mine:
            return
        held = self.random.choice(self._mine)
        token = held.token
        kind = self.random.choice([NAME, NAME, NAME, NONCE, NONCE, ALL])
        target = {NAME: token.names[-1], NONCE: token.nonce}.get(kind, "")
        body = {"user": token.user, kind: target or True}
        began, revision, acknowledged, attempts = time.monotonic(), 0, None, 0
        while acknowledged is None and time.monotonic() < began + _ATTEMPTS_SECONDS and not self.over.is_set():
            attempts += 1
            status, answer = self.node().ask("POST", "/v1/revocations", self._admin, body)
            if status == 200:
                acknowledged, revision = time.monotonic(), answer["revision"]
            elif status not in (UNKNOWN, 503):
                raise AssertionError(f"a revocation was answered {status}: {answer}")
        label = f"revocation {next(_numbers)} ({kind} of {token.user})"
        revocation = Revocation(label, kind, token.user, target, began, acknowledged, revision, attempts > 1)
        self.record.revocations.append(revocation)
        self.record.count("revoke")
        if kind == ALL and attempts > 1 and token.user in self._users and len(self._users) > 1:
            self._users.remove(token.user)  # nobody knows when her salts will have changed for the last time
        if acknowledged is not None:
            self._pursue(held, acknowledged)

    def _pursue(self, held: Held, acknowledged: float) -> None:
        """Present what was revoked until each node has refused it, and a little beyond Δ at most."""
        waiting = list(self.nodes)
        while waiting and time.monotonic() < acknowledged + self._freshness + _PURSUIT_SECONDS:
            for node in list(waiting):
                if self.record.present(held, node) is False:
                    waiting.remove(node)
                    self.record.propagation.append(time.monotonic() - acknowledged)
            time.sleep(0.002)
