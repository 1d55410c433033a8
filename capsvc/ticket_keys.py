"""The keys of tickets: one that two parties share, or a pair whose public half seals and whose private half opens.

NaCl's secretbox and sealed box (libsodium, ``crypto_secretbox`` and ``crypto_box_seal``), by PyNaCl.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Self

from capsvc.errors import TicketError
from caveats.encoding import decode_base64, encode_base64

KEY_BYTES = 32
SHARED, PUBLIC = 1, 2
"""How a ticket says with which kind of key it is sealed."""

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key that whoever asks and whoever discharges both hold: 32 bytes, and the id that tickets name it by.

    Raises ValueError for another length or an id that is none.
    """

    key_id: str
    secret: bytes = field(repr=False)
    kind: ClassVar[int] = SHARED

    def __post_init__(self) -> None:
        _check(self.key_id, self.secret)

    def seal(self, plain: bytes) -> bytes:
        """Seal bytes under a fresh random nonce."""
        from nacl.secret import SecretBox

        return bytes(SecretBox(self.secret).encrypt(plain))

    def open(self, sealed: bytes) -> bytes:
        """Open what :meth:`seal` sealed. Raises TicketError."""
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox

        try:
            return bytes(SecretBox(self.secret).decrypt(sealed))
        except (CryptoError, ValueError, TypeError):
            raise TicketError from None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a pair: it seals, and opens nothing. Raises ValueError as :class:`SharedKey` does."""

    key_id: str
    public: bytes
    kind: ClassVar[int] = PUBLIC

    def __post_init__(self) -> None:
        _check(self.key_id, self.public)

    @classmethod
    def read(cls, key_id: str, text: str) -> Self:
        """Read a public key as services publish it, in URL-safe base64. Raises DecodeError or ValueError."""
        return cls(key_id, decode_base64(text))

    @property
    def text(self) -> str:
        """The public key as services publish it."""
        return encode_base64(self.public)

    def seal(self, plain: bytes) -> bytes:
        """Seal bytes so that only the private half opens them. Raises ValueError for a point of low order."""
        from nacl.exceptions import CryptoError
        from nacl.public import PublicKey as Point
        from nacl.public import SealedBox

        try:
            return bytes(SealedBox(Point(self.public)).encrypt(plain))
        except (CryptoError, RuntimeError):
            raise ValueError("this is no public key that anything can be sealed with") from None


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The private half of a pair (X25519): it opens. Raises ValueError as :class:`SharedKey` does."""

    key_id: str
    secret: bytes = field(repr=False)
    kind: ClassVar[int] = PUBLIC

    def __post_init__(self) -> None:
        _check(self.key_id, self.secret)

    @property
    def public(self) -> PublicKey:
        """The half to give to everybody."""
        from nacl.public import PrivateKey as Scalar

        return PublicKey(self.key_id, bytes(Scalar(self.secret).public_key))

    def open(self, sealed: bytes) -> bytes:
        """Open what the public half sealed. Raises TicketError."""
        from nacl.exceptions import CryptoError
        from nacl.public import PrivateKey as Scalar
        from nacl.public import SealedBox

        try:
            return bytes(SealedBox(Scalar(self.secret)).decrypt(sealed))
        except (CryptoError, ValueError, TypeError, RuntimeError):
            raise TicketError from None


SealingKey = SharedKey | PublicKey
OpeningKey = SharedKey | PrivateKey
KeyFinder = Callable[[int, str], OpeningKey | None]
"""Finds the key of a kind and an id, or None."""


def finder(*keys: OpeningKey) -> KeyFinder:
    """Make what finds one of some keys. Raises ValueError for two of one kind and id."""
    found = {(key.kind, key.key_id): key for key in keys}
    if len(found) != len(keys):
        raise ValueError("two keys of one kind have one id")
    return lambda kind, key_id: found.get((kind, key_id))


def _check(key_id: str, key: bytes) -> None:
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError("a key's id is 1 to 64 of letters, digits, dot, - and _")
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key of tickets has {KEY_BYTES} bytes")
