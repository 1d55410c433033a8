"""The discharge: what a third party answers to a ticket with. It always expires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from capsvc.ticket_keys import SealingKey
from capsvc.tickets import Ticket, entrusted
from caveats import BUILTIN, Macaroon, Predicate, Vocabulary, encode, time_text

_NO_PLACE = frozenset({"salt", "nonce"})


class Ask(NamedTuple):
    """A further condition that a third party entrusts to another one: where, what, and sealed with which key."""

    location: str
    condition: str
    key: SealingKey


def discharge(
    raw: bytes,
    ticket: Ticket,
    expires: str | float,
    caveats: Sequence[str | Predicate] = (),
    asks: Sequence[Ask] = (),
    *,
    location: str = "",
    vocabulary: Vocabulary = BUILTIN,
) -> str:
    """Make the discharge of a ticket, as text of format 2 that its asker still has to bind.

    ``raw`` are the bytes that ``ticket`` was opened from; ``expires`` is an instant, which no further caveat
    can extend; ``asks`` are conditions for other third parties. Raises PredicateError for a caveat that the
    vocabulary does not know, ValueError for ``salt`` or ``nonce``, which have no place in a discharge.
    """
    predicates = [vocabulary.parse(each) if isinstance(each, str) else each for each in caveats]
    for each in predicates:
        if each.attribute in _NO_PLACE:
            raise ValueError(f"{each.attribute} has no place in a discharge")
    macaroon = Macaroon.mint(ticket.caveat_key, raw, location)
    macaroon = macaroon.attenuate(f"time < {time_text(expires)}", *predicates, vocabulary=vocabulary)
    for ask in asks:
        macaroon = entrusted(macaroon, *ask)
    return encode(macaroon)
