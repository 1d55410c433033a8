"""Verification: bytes, macaroon, proven chain, predicates, capability; in this order, one way only.

The answer is a :class:`Capability` or a raised error, never a boolean. Nothing here reads a clock, a
file or a socket (law 7): the request carries the time, and keys and salts come in from the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from caveats.attribute import time_text
from caveats.authority import AUTHORITY_CAVEATS, Authority, KeyName
from caveats.errors import CaveatUnmet, Expired, InvalidMacaroon, PredicateError, Revoked, Unmet
from caveats.interchange import AnyMacaroon, decode
from caveats.predicate import Predicate, shown
from caveats.proof import Proof, prove
from caveats.request import Request
from caveats.wire import DEFAULT_LIMITS, Limits

NONCE_PREFIX = "nonce/"
"""Before a nonce in the salt column: no salt's name holds a slash, so the two never meet."""

_FROM_AUTHORITY = frozenset({"user", "audience", "salt", "nonce"})
_NOT_IN_DISCHARGES = frozenset({"salt", "nonce"})
_FAR = timedelta(days=366)


@dataclass(frozen=True, slots=True, repr=False)
class Salts:
    """What the salt column says of one user.

    ``rows`` holds, of the names that were asked for, those that have a row: the salt, or None where it
    was revoked. ``panic`` is the instant before which no window may begin, as text, or empty.
    """

    rows: Mapping[str, bytes | None]
    panic: str = ""


SaltLookup = Callable[[str, tuple[str, ...]], Salts]
"""Looks up, for a user, the rows of some names. May raise; whatever it raises goes to the caller."""

KeyLookup = Callable[[KeyName], bytes | None]
"""Finds the root key of a name, or None when there is none or it is retired."""


@dataclass(frozen=True, slots=True, repr=False)
class Capability:
    """What a verified macaroon permits: this request, by this user. There is no other way to get one.

    ``not_before`` and ``not_after`` are authority's window, ``expires`` the earliest end that anybody
    wrote, all times as text in UTC. ``salt_names`` begins with authority's own. ``predicates`` are the
    root's, authority's first. ``narrowings`` counts the caveats that holders appended.
    """

    user: str
    audience: str | None
    nonce: str
    salt_names: tuple[str, ...]
    not_before: str
    not_after: str
    expires: str
    predicates: tuple[Predicate, ...] = field(compare=False)
    narrowings: int

    def __bool__(self) -> NoReturn:
        raise TypeError("a capability is not a boolean: verify answers one or raises")

    def __repr__(self) -> str:
        return f"<Capability of {self.user!r} until {self.expires}>"


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies macaroons for one audience, or for none, and refuses every other.

    ``keys`` finds root keys; ``longest`` is the largest lifetime in seconds that the service ever
    minted, clock skew included: an expiry further away is refused.
    """

    keys: KeyLookup = field(repr=False)
    audience: str | None = None
    longest: timedelta = _FAR
    limits: Limits = DEFAULT_LIMITS

    def verify(
        self, token: AnyMacaroon, request: Request, salts: SaltLookup, discharges: Iterable[AnyMacaroon] = ()
    ) -> Capability:
        """Verify a macaroon, with its bound discharges, for a request.

        The request carries the time and the facts, in the vocabulary to read predicates with; user,
        audience, salts and nonce come from authority and this verifier, and are refused in it with
        ValueError. Raises DecodeError, InvalidMacaroon or DischargeError before the chain is proven;
        after it Expired, Revoked, or CaveatUnmet with everything that is not met. Design section 5.
        """
        if _FROM_AUTHORITY & request.facts.keys() or "time" not in request.facts:
            raise ValueError("a request to verify says the time, and not user, audience, salt or nonce")
        macaroon = decode(token, self.limits)
        key_name = KeyName.unverified(macaroon.unverified_identifier)
        root_key = self.keys(key_name) if key_name.audience == self.audience else None
        if root_key is None:
            raise InvalidMacaroon()
        proof = prove(macaroon, root_key, discharges, self.limits)
        authority = Authority.of(proof)
        if authority.not_after > self._horizon(request.facts["time"]):
            raise InvalidMacaroon()
        chains = _Predicates.of(proof, request.saying(user=authority.user, audience=self.audience))
        chains.demand_times()
        salt_names = chains.demand_salts(authority, salts)
        chains.demand_others()
        return Capability(
            user=authority.user,
            audience=self.audience,
            nonce=authority.nonce,
            salt_names=salt_names,
            not_before=authority.not_before,
            not_after=authority.not_after,
            expires=chains.earliest_end(),
            predicates=tuple(each.predicate for each in chains.understood if each.discharge is None),
            narrowings=len(proof.caveats) - AUTHORITY_CAVEATS,
        )

    def _horizon(self, now: str) -> str:
        try:
            return time_text(datetime.fromisoformat(now) + self.longest)
        except OverflowError:
            return "9999-12-31T23:59:59Z"


@dataclass(frozen=True, slots=True)
class _Placed:
    """A proven predicate, and where it stands."""

    position: int
    discharge: int | None
    predicate: Predicate

    def unmet(self, reason: str) -> Unmet:
        return Unmet(self.position, shown(str(self.predicate)), shown(reason), self.discharge)


@dataclass(frozen=True, slots=True)
class _Predicates:
    """All first-party caveats of a proof, held against one request, phase by phase."""

    understood: tuple[_Placed, ...]
    not_understood: tuple[Unmet, ...]
    request: Request

    @classmethod
    def of(cls, proof: Proof, request: Request) -> _Predicates:
        understood, not_understood = [], []
        for discharge, position, identifier in _first_party(proof):
            try:
                predicate = request.vocabulary.parse(identifier)
            except PredicateError as wrong:
                not_understood.append(Unmet(position, shown(identifier), str(wrong), discharge))
                continue
            if discharge is not None and predicate.attribute in _NOT_IN_DISCHARGES:
                not_understood.append(Unmet(position, shown(identifier), "it has no place in a discharge", discharge))
            else:
                understood.append(_Placed(position, discharge, predicate))
        return cls(tuple(understood), tuple(not_understood), request)

    def demand_times(self) -> None:
        """Raise Expired for an unmet end, whoever wrote it; CaveatUnmet for a beginning."""
        early = []
        for each in self.understood:
            if each.predicate.attribute == "time":
                reason = each.predicate.refusal(self.request.facts)
                if reason and each.predicate.operator == "<":
                    raise Expired(f"the macaroon expired at {each.predicate.items[0]}")
                if reason:
                    early.append(each.unmet(reason))
        if early:
            raise CaveatUnmet(tuple(early))

    def demand_salts(self, authority: Authority, salts: SaltLookup) -> tuple[str, ...]:
        """Raise Revoked unless every salt, the nonce and the window agree with the column."""
        held = [each.predicate for each in self.understood if each.predicate.attribute == "salt"]
        salts_held = dict(each.operand for each in held)
        names = tuple(salts_held)
        nonce = NONCE_PREFIX + authority.nonce
        column = salts(authority.user, (*names, nonce))
        agrees = (
            column.rows.get(authority.salt_name) is not None
            and nonce not in column.rows
            and authority.not_before >= column.panic
            and len(salts_held) == len({each.operand for each in held})  # two values of one name contradict
            and all(each.refusal({"salt": column.rows}) is None for each in held)
        )
        if not agrees:
            raise Revoked()
        return names

    def demand_others(self) -> None:
        """Raise CaveatUnmet for every other predicate that is not met or not understood."""
        unmet = list(self.not_understood)
        for each in self.understood:
            if each.predicate.attribute not in ("time", "salt"):
                reason = each.predicate.refusal(self.request.facts)
                if reason:
                    unmet.append(each.unmet(reason))
        if unmet:
            raise CaveatUnmet(
                tuple(sorted(unmet, key=lambda each: (-1 if each.discharge is None else each.discharge, each.position)))
            )

    def earliest_end(self) -> str:
        """The earliest ``time <`` of all, as text; authority has one, so there is one."""
        ends = (each.predicate for each in self.understood if each.predicate.attribute == "time")
        return min(each.items[0] for each in ends if each.operator == "<")


def _first_party(proof: Proof) -> Iterator[tuple[int | None, int, bytes]]:
    chains: list[tuple[int | None, Proof]] = [(None, proof), *enumerate(proof.discharges)]
    for discharge, each in chains:
        for position, caveat in enumerate(each.caveats):
            if not caveat.is_third_party:
                yield discharge, position, caveat.identifier
