"""Visitors: clients that use the service at random, all at once, until it is dead or they are told to stop."""

from __future__ import annotations

import threading
import time
from random import Random
from secrets import token_bytes, token_hex

from caveats import time_text
from tests.crash.crowd import Crowd, User
from tests.crash.history import ALL, EVERYONE, NAME, NONCE
from tests.crash.machine import Client, CutOff, Gone
from tests.crash.record import Held, moment

_VISITORS = 5
_SALT_NAMES = ("default", "laptop", "phone")


class Visitors:
    """All of them. They begin at once."""

    def __init__(self, crowd: Crowd, port: int, random: Random, *, panics: bool = False) -> None:
        self._over = threading.Event()
        self._visitors = [_Visitor(crowd, Client(port), Random(random.random()), self._over) for _ in range(_VISITORS)]
        self._visitors[0].panics = panics
        for each in self._visitors:
            each.start()

    def end(self) -> None:
        """Tell them to stop, and wait until they have. Raises what any of them raised."""
        self._over.set()
        for each in self._visitors:
            each.join()
        for each in self._visitors:
            if each.failed is not None:
                raise each.failed


class _Visitor(threading.Thread):
    """One of them, on a connection of its own."""

    def __init__(self, crowd: Crowd, client: Client, random: Random, over: threading.Event) -> None:
        super().__init__()
        self.failed: Exception | None = None
        self.panics = False
        self._crowd, self._client, self._random, self._over = crowd, client, random, over
        self._usual = {
            self._log_in: 2,
            self._renew: 5,
            self._narrow: 4,
            self._present: 6,
            self._revoke_name: 4,
            self._revoke_nonce: 4,
            self._revoke_all: 2,
            self._change_password: 1,
            self._switch: 1,
            self._add_user: 1,
        }

    def run(self) -> None:
        while not self._over.is_set():
            (act,) = self._random.choices([*self._usual], [*self._usual.values()])
            if self.panics and self._random.random() < 0.1:
                self.panics, act = False, self._panic
            try:
                act()
            except Gone:
                break
            except CutOff:
                continue
            except Exception as error:
                self.failed = error
                break
        self._client.close()

    def _user(self) -> User:
        return self._random.choice(self._crowd.users)

    def _root(self) -> Held | None:
        roots = self._crowd.roots(self._user())
        return self._random.choice(roots) if roots else None

    def _log_in(self) -> None:
        self._crowd.log_in(self._client, self._user(), self._random.choice(_SALT_NAMES))

    def _renew(self) -> None:
        if root := self._root():
            began, text = moment(), root.text
            status, answer = self._crowd.record.ask(
                "renew", lambda: self._client.ask("POST", "/v1/tokens/renew", text, {})
            )
            if status == 201:
                self._crowd.alive.append(Held(answer["macaroon"], began))

    def _narrow(self) -> None:
        if root := self._root():
            self._crowd.alive.append(root.copy(f"friend.{token_hex(6)}", token_bytes(16)))
            self._crowd.record.tally("narrow", True)

    def _present(self) -> None:
        held = self._random.choice([*self._crowd.alive, *self._crowd.dead])
        self._crowd.record.look(held, self._client)

    def _revoke_name(self) -> None:
        if held := self._random.choice(self._crowd.alive or [None]):
            self._revoke(held, NAME, {"name": held.token.names[-1]}, held.token.names[-1])

    def _revoke_nonce(self) -> None:
        if held := self._random.choice(self._crowd.alive or [None]):
            self._revoke(held, NONCE, {"nonce": held.token.nonce}, held.token.nonce)

    def _revoke_all(self) -> None:
        if root := self._root():
            self._revoke(root, ALL, {"all": True}, "")

    def _revoke(self, held: Held, kind: str, wanted: dict[str, object], target: str) -> None:
        """Take back what stands behind a token: by the token itself, or as the administrator may."""
        own, user = self._random.random() < 0.5, held.token.user
        token, body = (held.text, wanted) if own else (self._crowd.admin, {**wanted, "user": user})
        self._crowd.record.act(kind, user, target, lambda: self._client.ask("POST", "/v1/revocations", token, body))

    def _panic(self) -> None:
        now = time_text(time.time())
        wanted = {"everyone": True, "before": now}
        self._crowd.record.act(
            EVERYONE, "", now, lambda: self._client.ask("POST", "/v1/revocations", self._crowd.admin, wanted)
        )

    def _change_password(self) -> None:
        user = self._user()
        with user.alone() as alone:
            roots = self._crowd.roots(user)
            if alone and roots and not user.disabled:
                new = f"staple {token_hex(6)}"
                self._crowd.change_password(self._client, user, self._random.choice(roots), new)

    def _switch(self) -> None:
        user = self._user()
        with user.alone() as alone:
            if alone:
                self._crowd.switch(self._client, user, disabled=not user.disabled)

    def _add_user(self) -> None:
        name = f"added-{token_hex(6)}"
        addition = {"user": name, "password": "correct horse battery"}
        self._crowd.added[name] = False
        status, _ = self._crowd.record.ask(
            "add user", lambda: self._client.ask("POST", "/v1/users", self._crowd.admin, addition)
        )
        if status == 201:
            self._crowd.added[name] = True
        else:
            del self._crowd.added[name]
