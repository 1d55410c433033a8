"""Pages of changes: what a resource server on its own knows of the salt column, whoever brought it.

A page says what changed after one revision and up to another. It is numbered, so that none can be left out;
stamped with the issuer's time before it looked, so that none can be held back for long; and signed with
Ed25519 for one audience, so that only the issuer can write it. Its rows are digests under a key of that
audience: who does not know a name learns nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from capsvc.errors import FeedError
from capsvc.hkdf import expand, extract, pack
from caveats.encoding import decode_base64, encode_base64
from caveats.errors import DecodeError

VERSION = 1
DIGEST_BYTES = 16
PAGE_CHARACTERS = 1_000_000
"""So many a page has at most, and no more is read of one."""

_HOURS = 2**31
_DOMAIN = b"capsvc changes 1\n"
_FIELDS = {
    "version": int, "issuer": str, "audience": str, "since": int, "to": int, "head": int, "stamp": int, "begins": int,
    "longest": int, "panic": str, "ring": int, "keys": list, "rows": list, "skip": int,
}  # fmt: skip


class Digests:
    """Makes the digests of one audience, under its key of 32 bytes."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = extract(b"", key)  # once, and not for each of ten thousand digests

    def name(self, user: str, name: str) -> bytes:
        """Say how a user's name stands in a page: 16 bytes."""
        return self._of("name", user, name)

    def salt(self, user: str, name: str, salt: bytes) -> bytes:
        """Say how the salt of a user's name stands in a page: 16 bytes."""
        return self._of("salt", user, name, salt)

    def _of(self, *info: str | bytes) -> bytes:
        return expand(self._key, pack(info))[:DIGEST_BYTES]

    def __repr__(self) -> str:
        return "<Digests>"


class Row(NamedTuple):
    """One change: the digest of a name, that of its salt from then on (None where it was revoked), and its hour.

    The hour is counted from 1970, by the issuer's clock.
    """

    name: bytes
    salt: bytes | None
    hour: int


@dataclass(frozen=True, slots=True)
class Page:
    """What changed after revision ``since`` and up to ``to``, for one audience.

    ``head`` is the issuer's own revision: where ``to`` is less, another page follows. ``stamp`` is the issuer's time
    in ms since 1970, from before it looked. All that was recorded since ``begins`` (seconds since 1970) is in the
    pages; ``longest`` is the largest lifetime ever configured, skew included, in seconds. ``keys`` are the ids of all
    ring keys that are not retired, ``ring`` counts the ring's changes, ``key_id`` is the ring key whose feed key
    signed the page and made its digests.

    A page ends where a revision does. One revision may have more rows than a page holds: then ``to`` is ``since``, and
    the next page is that after the same revision with ``skip``, so many of the rows behind it, which are no different
    whenever one asks.
    """

    key_id: str
    issuer: str
    audience: str
    since: int
    to: int
    head: int
    stamp: int
    begins: int
    longest: int
    panic: str
    ring: int
    keys: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)
    skip: int = 0

    def sign(self, seed: bytes) -> str:
        """Write the page as JSON text, signed with the Ed25519 key of a seed of 32 bytes."""
        from nacl.signing import SigningKey

        told = {name: getattr(self, name) for name in _FIELDS if name not in ("version", "keys", "rows")}
        told |= {
            "version": VERSION,
            "keys": list(self.keys),
            "rows": [[encode_base64(row.name), row.salt and encode_base64(row.salt), row.hour] for row in self.rows],
        }
        text = json.dumps(told, separators=(",", ":"))
        signature = SigningKey(seed).sign(_DOMAIN + text.encode()).signature
        return json.dumps({"key": self.key_id, "signature": encode_base64(signature), "page": text})

    @classmethod
    def read(cls, unverified_text: str, publics: Mapping[str, bytes], skip: int = 0) -> Self:
        """Read a page that one of some public keys, by the id of their ring key, signed. Raises FeedError.

        Nothing of it is read before its signature is proven. ``skip`` is what was asked for: a page that leaves out
        more is refused. Whether it is for this audience, comes next and is fresh is its reader's to see.
        """
        from nacl.exceptions import CryptoError
        from nacl.signing import VerifyKey

        try:
            if len(unverified_text) > PAGE_CHARACTERS:
                raise ValueError
            envelope = json.loads(unverified_text)
            unverified_page, signature = envelope["page"].encode(), decode_base64(envelope["signature"])
            key_id = envelope["key"]
            if type(key_id) is not str:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DecodeError):
            raise FeedError("what came is no page of changes: look at what the feed's address leads to") from None
        public = publics.get(key_id)
        if public is None:
            raise FeedError("a page is signed with a key that was not exported to here: export the keys again")
        try:
            VerifyKey(public).verify(_DOMAIN + unverified_page, signature)
        except (CryptoError, ValueError, TypeError):
            raise FeedError("a page's signature is not the issuer's: somebody on the way changed or made it") from None
        try:
            page = cls._of(key_id, json.loads(unverified_page))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DecodeError):
            raise FeedError("a page is signed and cannot be read: the issuer is of another version") from None
        if page.skip != skip:
            raise FeedError("a page is of another place in its revision: something on the way mixes pages up")
        return page

    @classmethod
    def _of(cls, key_id: str, told: dict[str, Any]) -> Self:
        if told["version"] != VERSION or any(type(told[name]) is not kind for name, kind in _FIELDS.items()):
            raise ValueError
        if not all(type(each) is str for each in told["keys"]):
            raise ValueError
        rows = tuple(_row(*row) for row in told["rows"])
        given = {name: told[name] for name in _FIELDS if name not in ("version", "keys", "rows")}
        return cls(key_id, keys=tuple(told["keys"]), rows=rows, **given)


def _row(name: str, salt: str | None, hour: int) -> Row:
    digests = [decode_base64(each) for each in (name, salt) if each is not None]
    if (
        type(hour) is not int
        or not 0 <= hour < _HOURS
        or name is None
        or any(len(each) != DIGEST_BYTES for each in digests)
    ):
        raise ValueError
    return Row(digests[0], digests[1] if len(digests) > 1 else None, hour)
