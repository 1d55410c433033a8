"""The ticket: what a third party reads in a caveat that was entrusted to it, and nobody else can.

It is the caveat's identifier, and so the identifier of the discharge. In bytes: version, kind of key, the
length of the key's id, that id; then, sealed, these same bytes again, the caveat's root key and the condition.
Sealing the header too gives each ticket one spelling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Self
from unicodedata import category

from capsvc.errors import TicketError
from capsvc.ticket_keys import KEY_BYTES, KeyFinder, SealingKey
from caveats import Macaroon, decode, encode
from caveats.interchange import AnyMacaroon
from caveats.wire import format_of

VERSION = 1
TICKET_BYTES = 1024
CONDITION_BYTES = 512
_HEAD_BYTES = 3


@dataclass(frozen=True, slots=True)
class Ticket:
    """A caveat's root key, and the condition under which whoever opens the ticket may use it.

    ``condition`` is text of one line, at most 512 bytes; services read a predicate such as ``user = bob``.
    Raises ValueError for a condition or a key that is none.
    """

    caveat_key: bytes = field(repr=False)
    condition: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.caveat_key) != KEY_BYTES:
            raise ValueError(f"a caveat's key has {KEY_BYTES} bytes here")
        if not self.condition or any(category(character) in ("Cc", "Cs") for character in self.condition):
            raise ValueError("a condition is text of one line, without control characters")
        if len(self.condition.encode("utf-8")) > CONDITION_BYTES:
            raise ValueError(f"a condition has at most {CONDITION_BYTES} bytes")

    @classmethod
    def of(cls, condition: str) -> Self:
        """Make a ticket with a fresh random key. Raises ValueError for a condition that is none."""
        return cls(token_bytes(KEY_BYTES), condition)

    def seal(self, key: SealingKey) -> bytes:
        """Seal this ticket for whoever holds the opening key; never twice the same bytes."""
        key_id = key.key_id.encode("ascii")
        head = bytes((VERSION, key.kind, len(key_id))) + key_id
        return head + key.seal(head + self.caveat_key + self.condition.encode("utf-8"))

    @classmethod
    def open(cls, raw: bytes, keys: KeyFinder) -> Self:
        """Open a ticket with one of the keys that ``keys`` finds.

        Raises TicketError, always with the same words, for whatever :meth:`seal` has not written.
        """
        if not _HEAD_BYTES < len(raw) <= TICKET_BYTES or raw[0] != VERSION:
            raise TicketError
        end = _HEAD_BYTES + raw[2]
        try:
            key = keys(raw[1], raw[_HEAD_BYTES:end].decode("ascii"))
        except UnicodeDecodeError:
            raise TicketError from None
        if key is None:
            raise TicketError
        head, plain = raw[:end], key.open(raw[end:])
        if not plain.startswith(head):
            raise TicketError
        try:
            return cls(plain[end : end + KEY_BYTES], plain[end + KEY_BYTES :].decode("utf-8"))
        except ValueError:
            raise TicketError from None


def entrust(token: AnyMacaroon, location: str, condition: str, key: SealingKey) -> str:
    """Append a third party's caveat to a macaroon; return text of the format that came in, else of format 2.

    ``location`` is where the third party answers, such as ``https://idp.example.org``; ``condition`` is what
    it has to find true, and ``key`` what only it can open. The copy is worth nothing without a discharge.
    Raises DecodeError or ValueError. Birgisson et al. 2014, section V.B, ``M.AddThirdPartyCaveat``.
    """
    asking = entrusted(decode(token), location, condition, key)
    return encode(asking, format_of(token)) if isinstance(token, str) else encode(asking)


def entrusted(macaroon: Macaroon, location: str, condition: str, key: SealingKey) -> Macaroon:
    """Do what :func:`entrust` does, for a macaroon that is decoded already. Raises ValueError."""
    if not location:
        raise ValueError("a third party has a location, where its discharge can be fetched")
    ticket = Ticket.of(condition)
    return macaroon.entrust(location, ticket.caveat_key, ticket.seal(key))
