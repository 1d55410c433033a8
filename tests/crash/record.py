"""The record of one round: tokens, acts and looks of concurrent clients, with moments in one order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from caveats import decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.crash.history import Act, Look, Token
from tests.crash.machine import Client, CutOff

Answer = tuple[int, dict[str, Any]]
_moments = count(1)
_numbers = count(1)


def moment() -> int:
    """The next moment; later than all that were asked for before, by any thread."""
    return next(_moments)


class Held:
    """A token as a client holds it, and as the history knows it."""

    __slots__ = ("is_root", "text", "token")

    def __init__(self, text: str, began: int) -> None:
        macaroon = decode(text)
        nonce, user, salt, begins, _ = map(_value, macaroon.unverified_caveats[:5])
        key_id = macaroon.unverified_identifier.decode().partition("/")[0]
        self.text = text
        self.is_root = True
        self.token = Token(
            f"token {next(_numbers)}", user, (salt.partition("/")[0],), nonce, key_id, begins, began, moment()
        )

    def copy(self, name: str, salt: bytes) -> Held:
        """Cut a copy that can be taken back by a name of its holder's."""
        held: Held = object.__new__(Held)
        held.text = encode_text(decode(self.text).append(f"salt = {name}/{encode_base64(salt)}".encode()))
        held.is_root = False
        names = (*self.token.names, name)
        held.token = replace(self.token, label=f"{self.token.label} cut for {name}", names=names)
        return held


def _value(caveat: Any) -> str:
    text: str = caveat.identifier.decode()
    return text.split(" ", 2)[2]


class Record:
    """What happened in one round. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.looks: list[Look] = []
        self.done: Counter[str] = Counter()
        self.acknowledged = 0
        self._cut_off: list[Act] = []
        self._lock = threading.Lock()

    def tally(self, kind: str, acknowledged: bool) -> None:
        """Count an operation."""
        with self._lock:
            self.done[kind] += 1
            self.acknowledged += acknowledged

    def ask(self, kind: str, question: Callable[[], Answer]) -> Answer:
        """Ask, and count it. Raises CutOff, where the service cannot say too."""
        status = 500
        try:
            status, answer = question()
        finally:
            self.tally(kind, status < 300)
        if status >= 500:
            raise CutOff(f"{kind} was answered {status}: {answer}")
        return status, answer

    def act(self, kind: str, user: str, target: str, question: Callable[[], Answer]) -> Act | None:
        """Ask for something that takes back; return the act if it was acknowledged, None if it was refused.

        Raises CutOff where nothing is known.
        """
        act = self.begin(kind, user, target)
        try:
            status, answer = self.ask(kind, question)
        except CutOff:
            self.cut_off(act)
            raise
        return self.acknowledge(act, answer["revision"]) if status < 300 else None

    def begin(self, kind: str, user: str, target: str) -> Act:
        """An act that begins now."""
        return Act(f"{kind} {next(_numbers)} of {user or target}", kind, user, target, moment(), 0, False)

    def acknowledge(self, act: Act, revision: int = 0) -> Act:
        """Note that an act was acknowledged by now."""
        known = replace(act, over=moment(), acknowledged=True, revision=revision)
        self.acts.append(known)
        return known

    def cut_off(self, act: Act) -> None:
        """Note that nothing will be known of an act."""
        self._cut_off.append(act)

    def look(self, held: Held, client: Client) -> None:
        """Present a token, and note whether it is accepted. Raises CutOff."""
        began = moment()
        status, answer = self.ask("present", lambda: client.ask("GET", "/v1/capability", held.text))
        assert status in (200, 401), answer
        self.looks.append(Look(held.token, status == 200, began, moment()))

    def end(self) -> None:
        """Everything is dead by now: what was cut off takes no effect any more."""
        self.acts += [replace(act, over=moment()) for act in self._cut_off]
        self._cut_off.clear()
