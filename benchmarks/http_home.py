"""A real home with users and tokens of theirs, made by code: a login costs a slow hash, and is not measured."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tokens import nonce
from capsvc.home import Home
from capsvc.keyring import KeyRing
from capsvc.names import VERIFY
from capsvc.stores import NewUser
from caveats import Authority, KeyName, encode, time_text

_USERS = 10
_DAY = 24 * 3600
_HASH = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43


@dataclass(frozen=True, slots=True, repr=False)
class LiveHome:
    """A home, its users with the salts of their tokens, and the ring that signs them."""

    home: Home
    ring: KeyRing
    salts: dict[str, bytes]

    @classmethod
    def make(cls, path: Path) -> LiveHome:
        """Make a home with one signing key and some users, who may ask /v1/verify."""
        home, now = Home.of({"CAPSVC_HOME": str(path)}), time_text(time.time())
        with closing(home.create(now)) as store:
            names = [f"person{number}" for number in range(_USERS)]
            store.add_users([NewUser(name, _HASH, (VERIFY,)) for name in names], now)
            salts = {name: store.issue_salt(name, "default", None, now).salt for name in names}
            return cls(home, KeyRing.load(store, home.shares), salts)

    @property
    def names(self) -> list[str]:
        """The users."""
        return list(self.salts)

    def mint(self, user: str, salt: bytes | None = None, audience: str | None = None) -> str:
        """Mint a token of a user that is good for a day."""
        key_name = KeyName(self.ring.signing().key_id, audience)
        root_key = self.ring.root_key(key_name)
        if root_key is None:
            raise ValueError("a key that signs has a root key")
        begins, ends = time_text(time.time() - 30), time_text(time.time() + _DAY)
        authority = Authority(key_name, nonce(), user, "default", salt or self.salts[user], begins, ends)
        return encode(authority.mint(root_key, self.home.settings.address))

    def tokens(self, n: int) -> list[str]:
        """Mint so many distinct tokens of all the users in turn."""
        names = self.names
        return [self.mint(names[number % len(names)]) for number in range(n)]
