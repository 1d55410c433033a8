"""The crowd: users with their passwords and tokens, as those know them who use the service and see it crash."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from secrets import token_hex

from tests.crash.history import DISABLE, PASSWORD, Act
from tests.crash.machine import Client
from tests.crash.record import Answer, Held, Record, moment

_USERS = 4
_REMEMBERED = 60


@dataclass(eq=False, slots=True)
class User:
    """A user. What was cut off stands in ``changing`` (to which password) and ``switching`` (to disabled or not)."""

    name: str
    password: str
    former: str = ""
    disabled: bool = False
    changing: tuple[Act, str] | None = None
    switching: tuple[Act, bool] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Say whether nobody else changes this user, and nothing that was cut off is unsettled; keep others out."""
        if not self._lock.acquire(blocking=False):
            yield False
            return
        try:
            yield self.changing is None and self.switching is None
        finally:
            self._lock.release()


class Crowd:
    """Users, the tokens that are accepted, some of those that are not, and the record of this round."""

    def __init__(self, random: Random, admin_password: str) -> None:
        self.users: list[User] = []
        self.alive: list[Held] = []
        self.dead: list[Held] = []
        self.added: dict[str, bool] = {}
        self.admin = ""
        self.record = Record()
        self._random = random
        self._admin_password = admin_password

    def arrive(self, client: Client) -> None:
        """Make new users, in the place of those who came before and have had much revoked by now."""
        self._administrate(client)
        self.users = [User(f"user-{token_hex(6)}", f"correct horse battery {number}") for number in range(_USERS)]
        for user in self.users:
            addition = {"user": user.name, "password": user.password}
            status, answer = client.ask("POST", "/v1/users", self.admin, addition)
            assert status == 201, answer

    def prepare(self, client: Client) -> None:
        """See to it that everybody who is not disabled has a token. AssertionError where a login is refused."""
        self._administrate(client)
        for user in self.users:
            if user.disabled and self._random.random() < 0.5:
                self.switch(client, user, disabled=False)
            if not user.disabled and not self.roots(user):
                assert self.log_in(client, user, "default"), f"{user.name} cannot log in"

    def roots(self, user: User) -> list[Held]:
        """The tokens of a user to which nothing was appended."""
        return [held for held in self.alive if held.is_root and held.token.user == user.name]

    def remember(self, refused: set[str]) -> None:
        """Part the tokens that were refused from the others, and forget some of both."""
        alive = [held for held in self.alive if held.token.label not in refused]
        dead = [*self.dead, *(held for held in self.alive if held.token.label in refused)]
        self.alive = self._random.sample(alive, min(len(alive), _REMEMBERED))
        self.dead = self._random.sample(dead, min(len(dead), _REMEMBERED))
        self.record = Record()

    def log_in(self, client: Client, user: User, name: str) -> bool:
        """Mint a token, and say whether there was one. Raises CutOff."""
        began = moment()
        wanted = {"user": user.name, "password": user.password, "salt": name}
        status, answer = self.record.ask("mint", lambda: client.ask("POST", "/v1/tokens", body=wanted))
        if status == 201:
            self.alive.append(Held(answer["macaroon"], began))
        return status == 201

    def works(self, client: Client, user: User, password: str) -> bool:
        """Whether a password lets a user in."""
        status, answer = client.ask("POST", "/v1/tokens", body={"user": user.name, "password": password})
        assert status in (201, 401), answer
        return status == 201

    def switch(self, client: Client, user: User, *, disabled: bool) -> None:
        """Disable a user or enable her; who is alone with her calls this. Raises CutOff."""

        def question() -> Answer:
            return client.ask("PATCH", f"/v1/users/{user.name}", self.admin, {"disabled": disabled})

        act = self.record.begin(DISABLE if disabled else "enable", user.name, "")
        user.switching = act, disabled
        status, answer = self.record.ask(act.kind, question)
        user.switching = None
        if status == 200:
            user.disabled = disabled
            if disabled:
                self.record.acknowledge(act, answer["revision"])

    def change_password(self, client: Client, user: User, root: Held, new: str) -> None:
        """Change a user's password; who is alone with her calls this. Raises CutOff."""

        def question() -> Answer:
            return client.ask("POST", "/v1/password", root.text, {"current": user.password, "new": new})

        act = self.record.begin(PASSWORD, user.name, "")
        user.changing = act, new
        status, answer = self.record.ask(PASSWORD, question)
        user.changing = None
        if status == 200:
            user.former, user.password = user.password, new
            self.record.acknowledge(act, answer["revision"])

    def _administrate(self, client: Client) -> None:
        if client.ask("GET", "/v1/users?after=zz", self.admin)[0] != 200:
            wanted = {"user": "admin", "password": self._admin_password, "audience": "capsvc.admin"}
            status, answer = client.ask("POST", "/v1/tokens", body=wanted)
            assert status == 201, f"the administrator cannot log in: {answer}"
            self.admin = answer["macaroon"]
