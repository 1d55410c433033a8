"""Authority: what a service put into a macaroon, as against its holder.

It is read from the identifier and from the first five caveats, which stand in a fixed order; whatever
comes after only narrows (law 4)::

    nonce = 3q2-7wAAq83vEjRWeJCrzQ
    user = alice
    salt = default/5Jx1mWm0Zk2y0c2Qv3m0tA
    time >= 2026-11-22T06:00:00Z
    time < 2026-12-22T06:00:00Z
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, Self

from caveats.attribute import time_text
from caveats.encoding import encode_base64, encode_item
from caveats.errors import InvalidMacaroon, PredicateError
from caveats.macaroon import Macaroon
from caveats.opaque import check_salt
from caveats.predicate import Predicate
from caveats.proof import Proof
from caveats.vocabulary import BUILTIN

AUDIENCE = r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?"
KEY_ID = r"k[1-9][0-9]{0,8}"
_IDENTIFIER = re.compile(rf"({KEY_ID})(?:/({AUDIENCE}))?".encode())
_SHAPE = (("nonce", "="), ("user", "="), ("salt", "="), ("time", ">="), ("time", "<"))
AUTHORITY_CAVEATS = len(_SHAPE)


def check_audience(audience: str) -> str:
    """Return an audience's name if it is one, else raise ValueError.

    One to 64 of a-z, 0-9, dots and dashes, beginning and ending with a letter or digit.
    """
    if not re.fullmatch(AUDIENCE, audience):
        raise ValueError("an audience is 1 to 64 of a-z, 0-9, '.' and '-', a letter or digit first and last")
    return audience


class KeyName(NamedTuple):
    """Which root key signs: a key of the ring, and the audience that it is derived for (None for none)."""

    key_id: str
    audience: str | None = None

    @classmethod
    @lru_cache(maxsize=256)
    def unverified(cls, identifier: bytes) -> Self:
        """Read a macaroon's identifier. Raises InvalidMacaroon when no service writes it so."""
        found = _IDENTIFIER.fullmatch(identifier)
        if found is None:
            raise InvalidMacaroon()
        return cls(found[1].decode("ascii"), found[2].decode("ascii") if found[2] else None)

    def __str__(self) -> str:
        return f"{self.key_id}/{self.audience}" if self.audience else self.key_id


class Authority(NamedTuple):
    """The proven authority of a macaroon. ``not_before`` and ``not_after`` are times as text, UTC."""

    key_name: KeyName
    nonce: str
    user: str
    salt_name: str
    salt: bytes
    not_before: str
    not_after: str

    @classmethod
    def of(cls, proof: Proof) -> Self:
        """Read authority from a proven chain. Raises InvalidMacaroon unless it has exactly its shape."""
        first = proof.caveats[:AUTHORITY_CAVEATS]
        minted = tuple(each.identifier for each in first if not each.verification_id)
        return cls.read(KeyName.unverified(proof.identifier), minted)

    @classmethod
    def read(cls, key_name: KeyName, minted: tuple[bytes, ...]) -> Self:
        """Read authority from its proven caveats. Raises InvalidMacaroon unless they have exactly its shape."""
        try:
            predicates = [BUILTIN.parse(identifier) for identifier in minted]
        except PredicateError:
            raise InvalidMacaroon() from None
        if tuple((each.attribute, each.operator) for each in predicates) != _SHAPE:
            raise InvalidMacaroon()
        nonce, user, salt, begins, ends = predicates
        salt_name, salt_bytes = salt.operand
        return cls(key_name, nonce.operand, user.items[0], salt_name, salt_bytes, begins.operand, ends.operand)

    def mint(self, root_key: bytes, location: str) -> Macaroon:
        """Make the root macaroon that says this and nothing more. Raises PredicateError."""
        return Macaroon.mint(root_key, str(self.key_name), location).append(*(text.encode() for text in self._texts()))

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """The five predicates, in their order. Raises PredicateError where a value is not one."""
        return tuple(map(BUILTIN.parse, self._texts()))

    def _texts(self) -> tuple[str, str, str, str, str]:
        """The predicates' texts, each value checked by its type. Raises PredicateError."""
        try:
            BUILTIN["nonce"].fact(self.nonce)
            BUILTIN["user"].fact(self.user)
            check_salt(self.salt_name, self.salt)
            begins, ends = time_text(self.not_before), time_text(self.not_after)
        except ValueError as wrong:
            raise PredicateError(str(wrong)) from None
        return (
            f"nonce = {self.nonce}",
            f"user = {encode_item(self.user)}",
            f"salt = {self.salt_name}/{encode_base64(self.salt)}",
            f"time >= {begins}",
            f"time < {ends}",
        )

    def __repr__(self) -> str:
        return f"<Authority {self.key_name} for {self.user!r} until {self.not_after}>"
