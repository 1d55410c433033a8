"""One installation for the tests: a real store, key ring, node and authority, under a clock that a test sets."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from capsvc import keyring
from capsvc.authority import Authority, Minted
from capsvc.node import Node, Presentation, Verdict
from capsvc.passwords import HashingSlots, Passwords
from capsvc.rates import Rates
from capsvc.settings import Settings
from capsvc.shares import ShareFile
from capsvc.stores import NewUser, Store
from capsvc.stores.sqlite import SQLiteStore
from caveats import Macaroon, decode, time_text
from caveats.wire import encode_text

START = 1_795_327_200.0
"""2026-11-22T06:00:00Z."""

PASSWORD, OTHER_PASSWORD = "correct horse battery", "staple of another kind"
LOCATION = "https://caps.example"


@cache
def passwords() -> Passwords:
    """The floor of Argon2id's parameters."""
    return Passwords(Settings())


@cache
def hash_of(password: str) -> str:
    """A hash at the floor, computed once a run for each password."""
    return passwords().hash(password)


def one_bit_off(token: str) -> str:
    """The same macaroon with another signature. Other letters at the end of its text might be the same ones."""
    given = decode(token)
    signature = given.signature[:-1] + bytes([given.signature[-1] ^ 1])
    macaroon = Macaroon(given.unverified_location, given.unverified_identifier, given.unverified_caveats, signature)
    return encode_text(macaroon)


@contextmanager
def quick_directory() -> Iterator[Path]:
    """A directory in memory where there is one: a thousand durable commits there take no second."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


class Clock:
    """A clock that only a test moves. Called, it answers seconds since 1970."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class Installation:
    """A store with one signing key, alice in it, a node and an authority."""

    def __init__(self, path: Path, settings: Settings | None = None, store: Store | None = None) -> None:
        self.clock = Clock()
        self.shares = ShareFile(path / "keys.json")
        self.store: Store = store or SQLiteStore.create(path / "capsvc.db")
        keyring.promote(self.store, keyring.add(self.store, self.shares, self.now), self.now)
        self.slots = HashingSlots()
        self.add_user("alice", "billing")
        self.start(settings or Settings())

    def start(self, settings: Settings) -> None:
        """Start a node over the same store, as after a restart."""
        self.settings = settings
        self.node = Node(self.store.follow(settings.freshness), self.shares, settings, self.clock)
        rates = Rates(settings, self.clock)
        self.authority = Authority(self.node, self.store, passwords(), self.slots, LOCATION, rates)

    @property
    def now(self) -> str:
        return time_text(self.clock())

    def after(self, seconds: float) -> str:
        """The instant so many seconds from now, as text."""
        return time_text(self.clock() + seconds)

    def add_user(self, user: str, *audiences: str) -> list[str]:
        return self.store.add_users([NewUser(user, hash_of(PASSWORD), audiences)], self.now)

    def add_key(self) -> str:
        return keyring.add(self.store, self.shares, self.now)

    def promote(self, key_id: str) -> None:
        keyring.promote(self.store, key_id, self.now)

    def retire(self, key_id: str) -> None:
        keyring.retire(self.store, key_id, self.now, self.now, leaked=True)

    def log_in(
        self,
        user: str = "alice",
        password: str = PASSWORD,
        audience: str | None = None,
        salt_name: str = "default",
        lifetime: int = 0,
    ) -> Minted:
        return asyncio.run(
            self.authority.log_in(user, password, audience, salt_name, lifetime, then=lambda minted: minted)
        )

    def verify(
        self, macaroon: Macaroon, audience: str | None = None, *, min_revision: int = 0, patient: bool = True
    ) -> Verdict:
        presentation = Presentation(encode_text(macaroon))
        return self.node.verify(
            presentation, self.node.request(), (audience,), min_revision=min_revision, patient=patient
        )

    def renew(self, macaroon: Macaroon, lifetime: int = 0, audience: str | None = None) -> Minted:
        return self.authority.renew(self.verify(macaroon, audience).capability, lifetime)

    def close(self) -> None:
        self.slots.close()
        self.store.close()


@contextmanager
def installed(settings: Settings | None = None, store: Store | None = None) -> Iterator[Installation]:
    """Make an installation in a quick directory, on SQLite or on a store that is empty, and close it."""
    with quick_directory() as path:
        house = Installation(path, settings, store)
        try:
            yield house
        finally:
            house.close()
