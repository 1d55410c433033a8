"""A proven macaroon, read: all of a verdict that neither the request nor the clock nor a salt can change.

Times stay the bytes of their caveats, which sort as the moments do; what authority alone decides is
decided here, once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, repeat
from typing import Any, NamedTuple

from caveats.authority import AUTHORITY_CAVEATS, Authority, KeyName
from caveats.capability import Capability
from caveats.errors import PredicateError, Unmet
from caveats.predicate import NOT_UNDERSTOOD, OUT_OF_PLACE, Predicate, shown
from caveats.proof import Proof
from caveats.vocabulary import BUILTIN, Vocabulary

NONCE_PREFIX = "nonce/"
"""Before a nonce in the salt column: no salt's name holds a slash, so the two never meet."""

AT_LEAST, BELOW = b"time >= ", b"time < "
_DECIDED_HERE = frozenset({"time", "user", "audience", "salt", "nonce"})
_REQUEST = re.compile(rb"request = [A-Za-z0-9_-]{21}[AQgw]")
"""Unique to each request, so never found among remembered predicates; and it forbids nothing."""
_new = tuple.__new__
_Placed = tuple[int, int, bytes]
"""A discharge's predicate: which discharge, which position, and its bytes."""


@dataclass(frozen=True, slots=True, repr=False)
class Salts:
    """What the salt column says of one user.

    ``rows`` holds, at least of the names that were asked for, those that have a row: the salt, or None
    where it was revoked. ``panic`` is the instant before which no window may begin, as text, or empty.
    Where only what changed lately is at hand, ``horizon`` is the earliest expiry for which that is enough:
    of what expires then or later, a row that is not there has not changed since it was minted, authority's
    own among them. Empty where every row is there. Who must not know salts holds digests in their place:
    ``digest`` makes the one of a name's salt, and stands here where ``rows`` are such.
    """

    rows: Mapping[str, bytes | None]
    panic: str = ""
    horizon: str = ""
    digest: Callable[[str, bytes], bytes] | None = None

    def of(self, said: Iterable[tuple[str, bytes]]) -> Salts:
        """Put salts in the place of digests: of the names and salts that a macaroon says, those whose digest is here.

        In any other digest's place stands None, with which nothing agrees either.
        """
        if self.digest is None:
            return self
        rows: dict[str, bytes | None] = dict.fromkeys(self.rows)
        for name, salt in said:
            row = self.rows.get(name)
            if row is not None and self.digest(name, salt) == row:
                rows[name] = salt
        return Salts(rows, self.panic, self.horizon)

    def is_unchanged(self, name: str, minted_until: bytes) -> bool:
        """Whether a row that is not there cannot have changed since something of this expiry was minted."""
        return bool(self.horizon) and name not in self.rows and minted_until >= BELOW + self.horizon.encode()


SaltLookup = Callable[[str, tuple[str, ...]], Salts]
"""Looks up, for a user, the rows of some names. May raise; whatever it raises goes to the caller."""

_Test = tuple[int, int | None, Predicate]
"""A proven predicate, with its position and its discharge's (None for the root)."""


class Narrowing(NamedTuple):
    """What was written after authority and asks for more than a look at the clock.

    ``salts`` are those that holders named, ``tests`` the predicates for the request, ``never`` what
    forbids whatever the request says.
    """

    salts: Sequence[tuple[str, bytes]]
    tests: Sequence[_Test]
    never: Sequence[Unmet]

    def disagrees(self, name: str, salt: bytes, rows: Mapping[str, bytes | None]) -> bool:
        """Whether a holder's salt is not the column's, or two of them contradict each other."""
        held = {name: salt}
        return any(rows.get(name, salt) != salt or held.setdefault(name, salt) != salt for name, salt in self.salts)

    def unmet(self, facts: Mapping[str, Any]) -> tuple[Unmet, ...]:
        """Name all that the facts do not meet; first the root's, then the discharges', in their order."""
        fact_of = facts.get
        for _, _, predicate in self.tests:  # the usual case, at half the cost: everything is met
            fact = fact_of(predicate.attribute)
            if fact is None or predicate.type.refusal(predicate.operator, predicate.operand, fact) is not None:
                break
        else:
            if not self.never:
                return ()
        found = list(self.never)
        for position, discharge, predicate in self.tests:
            reason = predicate.refusal(facts)
            if reason is not None:
                found.append(_unmet(position, discharge, predicate, reason, facts))
        return tuple(sorted(found, key=_place))


Proven = tuple[
    bytes,
    bytes,
    bytes,
    Vocabulary,
    bytes,
    bytes,
    bytes,
    str,
    tuple[str, ...],
    str,
    bytes,
    str,
    Narrowing | None,
    Capability,
]
"""What a proven macaroon says:

- its bytes to the end of authority's caveats, where they are known; the signatures before these caveats and
  after them; the vocabulary that the rest was read in;
- the caveats of the window that all its times leave, begin and end, and authority's own end;
- the user, the names to ask the column for (the nonce last), authority's salt: name and bytes, the nonce's name;
- what else was appended, or None; the capability.

A plain tuple, and not a NamedTuple: one is made for every token that was never seen, and taken apart for
every request, each in a third of the time. It holds keys and salts, and never leaves this package.
"""


def proven_root(
    first: bytes,
    signature: bytes,
    key_name: KeyName,
    minted: tuple[bytes, ...],
    user: str,
    salt_name: str,
    salt: bytes,
) -> Proven:
    """Say what a root says to which nothing was appended."""
    nonce, _, _, begins, ends = minted
    nonce_name = NONCE_PREFIX + nonce[8:].decode()
    look_up = (salt_name, nonce_name)
    capability = _new(Capability, (key_name, user, minted, ends, look_up, BUILTIN, (), ()))
    return (
        b"", first, signature, BUILTIN, begins, ends, ends, user, look_up, salt_name, salt, nonce_name,
        None, capability,
    )  # fmt: skip


def read_proof(proof: Proof, vocabulary: Vocabulary) -> Proven:
    """Read a proof, authority first. Raises InvalidMacaroon unless authority has exactly its shape."""
    authority = Authority.of(proof)
    minted = tuple(each.identifier for each in proof.caveats[:AUTHORITY_CAVEATS])
    holders = tuple(None if each.verification_id else each.identifier for each in proof.caveats[AUTHORITY_CAVEATS:])
    discharged = tuple(
        (discharge, position, caveat.identifier)
        for discharge, each in enumerate(proof.discharges)
        for position, caveat in enumerate(each.caveats)
        if not caveat.verification_id
    )
    bare = proven_root(b"", b"", authority.key_name, minted, authority.user, authority.salt_name, authority.salt)
    return narrowed(bare, holders, discharged, vocabulary)


def narrowed(
    root: Proven, holders: tuple[bytes | None, ...], discharged: tuple[_Placed, ...], vocabulary: Vocabulary
) -> Proven:
    """Add to a bare root what was appended to it, and what its discharges say."""
    prefix, first, signature, _, begins, ends, minted_until, user, look_up, name, salt, nonce_name, _, bare = root
    known, types = vocabulary.known, vocabulary.types
    salts: list[tuple[str, bytes]] = []
    tests: list[_Test] = []
    never: list[Unmet] = []
    for discharge, position, identifier in _placed(holders, discharged):
        predicate = known(identifier)
        if predicate is None:
            if identifier is None or (_REQUEST.fullmatch(identifier) and "request" in types):
                continue
            try:
                predicate = vocabulary.parse(identifier)
            except PredicateError as wrong:
                never.append(Unmet(position, shown(identifier), str(wrong), discharge, NOT_UNDERSTOOD))
                continue
        attribute = predicate.attribute
        if attribute not in _DECIDED_HERE:
            tests.append((position, discharge, predicate))
        elif attribute == "time":
            if predicate.operator == ">=":
                begins = max(begins, identifier)
            elif identifier < ends:
                ends = identifier
        elif attribute in ("user", "audience"):
            said = _said_by(user, bare.key_name)
            reason = predicate.refusal(said)
            if reason is not None:
                never.append(_unmet(position, discharge, predicate, reason, said))
        elif discharge is not None:
            reason, instead = OUT_OF_PLACE
            never.append(Unmet(position, shown(identifier), reason, discharge, instead))
        elif attribute == "salt":
            salts.append(predicate.operand)
    if salts:
        look_up = (*dict.fromkeys((name, *(each for each, _ in salts))), nonce_name)
    capability = _new(Capability, (bare.key_name, user, bare.minted, ends, look_up, vocabulary, holders, discharged))
    narrowing = _new(Narrowing, (salts, tests, never)) if salts or tests or never else None
    return (
        prefix, first, signature, vocabulary, begins, ends, minted_until, user, look_up, name, salt, nonce_name,
        narrowing, capability,
    )  # fmt: skip


def not_yet(capability: Capability, at_least: bytes) -> tuple[Unmet, ...]:
    """Name the ``time >=`` of a proven macaroon that are not met yet."""
    authoritys = (None, AUTHORITY_CAVEATS - 2, capability.minted[3])
    facts = {"time": at_least[len(AT_LEAST) :].decode("ascii")}
    found = []
    for discharge, position, identifier in (authoritys, *_placed(capability.holders, capability.discharged)):
        if identifier is not None and identifier.startswith(AT_LEAST):
            predicate = capability.vocabulary.parse(identifier)
            reason = predicate.refusal(facts)
            if reason is not None:
                found.append(_unmet(position, discharge, predicate, reason, facts))
    return tuple(found)


def _placed(holders: tuple[bytes | None, ...], discharged: tuple[_Placed, ...]) -> Iterator[Any]:
    """What stands where: discharge (None for the root), position, and identifier (None for a third party's)."""
    placed = zip(repeat(None), count(AUTHORITY_CAVEATS), holders)
    return chain(placed, discharged) if discharged else placed


def _said_by(user: str, key_name: KeyName) -> dict[str, Any]:
    return {"user": user} | ({} if key_name.audience is None else {"audience": frozenset({key_name.audience})})


def _unmet(position: int, discharge: int | None, predicate: Predicate, reason: str, facts: Mapping[str, Any]) -> Unmet:
    return Unmet(position, shown(str(predicate)), shown(reason), discharge, shown(predicate.instead(facts)))


def _place(unmet: Unmet) -> tuple[int, int]:
    return -1 if unmet.discharge is None else unmet.discharge, unmet.position
