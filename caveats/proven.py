"""A proven macaroon, read: all of a verdict that neither the request nor the clock nor a salt can change.

Reading it once leaves, for each request, two comparisons of times, one look at the salts, and the
predicates that holders appended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from caveats.authority import AUTHORITY_CAVEATS, Authority, KeyName
from caveats.capability import Capability
from caveats.errors import CaveatUnmet, Expired, PredicateError, Revoked, Unmet
from caveats.predicate import Predicate, shown
from caveats.proof import Proof
from caveats.request import Request
from caveats.vocabulary import Vocabulary

NONCE_PREFIX = "nonce/"
"""Before a nonce in the salt column: no salt's name holds a slash, so the two never meet."""

_Appended = tuple[int | None, int, bytes]
"""Which discharge (None for the root), which position, and the predicate's bytes."""

_NOT_IN_DISCHARGES = frozenset({"salt", "nonce"})


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


class Placed(NamedTuple):
    """A proven predicate, and where it stands."""

    position: int
    discharge: int | None
    predicate: Predicate

    def unmet(self, reason: str) -> Unmet:
        """Say that the request does not meet it."""
        return Unmet(self.position, shown(str(self.predicate)), shown(reason), self.discharge)


class Proven(NamedTuple):
    """What a proven macaroon says. ``begins`` and ``ends`` are the window that all its times leave.

    ``look_up`` are the names to ask the column for, the nonce last; ``salts`` are those that holders
    named, ``others`` the predicates for the request, ``not_understood`` those that forbid whatever it
    says; ``is_bare`` says that there are none of these three. ``proven_at`` is when it was proven: its
    expiry was one that a service can have minted by then.
    """

    capability: Capability
    vocabulary: Vocabulary
    root_key: bytes
    key_name: KeyName
    proven_at: str
    begins: str
    ends: str
    not_before: str
    user: str
    salt_name: str
    salt: bytes
    look_up: tuple[str, ...]
    nonce: str
    is_bare: bool
    times: tuple[Placed, ...] = ()
    salts: tuple[tuple[str, bytes], ...] = ()
    others: tuple[Placed, ...] = ()
    not_understood: tuple[Unmet, ...] = ()

    def __repr__(self) -> str:
        return f"<Proven macaroon of {self.user!r} until {self.ends}>"

    @property
    def authority(self) -> Authority:
        """What the service wrote."""
        return self.capability.authority

    @classmethod
    def of(cls, authority: Authority, appended: list[bytes], vocabulary: Vocabulary, root_key: bytes, now: str) -> Self:
        """Read what holders appended to authority's caveats, first-party caveats all."""
        if appended:
            placed = [(None, position, each) for position, each in enumerate(appended, AUTHORITY_CAVEATS)]
            return cls._read(authority, placed, len(placed), vocabulary, root_key, now)
        key_name, nonce, user, name, salt, begins, ends = authority
        nonce_name = NONCE_PREFIX + nonce
        return cls(
            Capability(authority, ends, (name,), (), (), 0), vocabulary, root_key, key_name, now,
            begins, ends, begins, user, name, salt, (name, nonce_name), nonce_name, True,
        )  # fmt: skip

    @classmethod
    def of_proof(cls, authority: Authority, proof: Proof, vocabulary: Vocabulary, root_key: bytes, now: str) -> Self:
        """Read everything that holders and third parties wrote after authority."""
        narrowings = len(proof.caveats) - AUTHORITY_CAVEATS
        return cls._read(authority, _appended(proof), narrowings, vocabulary, root_key, now)

    @classmethod
    def _read(
        cls,
        authority: Authority,
        appended: Iterable[_Appended],
        narrowings: int,
        vocabulary: Vocabulary,
        root_key: bytes,
        now: str,
    ) -> Self:
        times: list[Placed] = []
        salts: list[tuple[str, bytes]] = []
        others: list[Placed] = []
        not_understood: list[Unmet] = []
        held: list[Predicate] = []
        discharged: list[Predicate] = []
        begins, ends = authority.not_before, authority.not_after
        for discharge, position, identifier in appended:
            try:
                predicate = vocabulary.parse(identifier)
            except PredicateError as wrong:
                not_understood.append(Unmet(position, shown(identifier), str(wrong), discharge))
                continue
            if discharge is None:
                held.append(predicate)
            elif predicate.attribute in _NOT_IN_DISCHARGES:
                not_understood.append(Unmet(position, shown(identifier), "it has no place in a discharge", discharge))
                continue
            else:
                discharged.append(predicate)
            if predicate.attribute == "time":
                times.append(Placed(position, discharge, predicate))
                if predicate.operator == "<":
                    ends = min(ends, predicate.operand)
                else:
                    begins = max(begins, predicate.operand)
            elif predicate.attribute == "salt":
                salts.append(predicate.operand)
            else:
                others.append(Placed(position, discharge, predicate))
        name, nonce_name = authority.salt_name, NONCE_PREFIX + authority.nonce
        names = tuple(dict.fromkeys((name, *(held for held, _ in salts)))) if salts else (name,)
        capability = Capability(authority, ends, names, tuple(held), tuple(discharged), narrowings)
        return cls(
            capability, vocabulary, root_key, authority.key_name, now,
            begins, ends, authority.not_before, authority.user, name, authority.salt, (*names, nonce_name), nonce_name,
            not salts and not others and not not_understood,
            tuple(times), tuple(salts), tuple(others), tuple(not_understood),
        )  # fmt: skip

    def demand(self, request: Request, salts: SaltLookup) -> Capability:
        """Hold the request against all of it, times first, then salts, then the rest.

        Raises Expired, Revoked, or CaveatUnmet with everything of that phase that is not met.
        """
        now = request.now
        if now >= self.ends:
            raise Expired(f"the macaroon expired at {self.ends}")
        if now < self.begins:
            raise CaveatUnmet(self._early(now))
        column = salts(self.user, self.look_up)
        rows = column.rows
        if rows.get(self.salt_name) != self.salt or self.nonce in rows or self.not_before < column.panic:
            raise Revoked()
        if not self.is_bare:
            if self._disagree(rows):
                raise Revoked()
            self._demand_others(request)
        return self.capability

    def _early(self, now: str) -> tuple[Unmet, ...]:
        begins = Placed(AUTHORITY_CAVEATS - 2, None, self.authority.predicates[-2])
        placed = [each for each in (begins, *self.times) if each.predicate.operator == ">="]
        return tuple(each.unmet(reason) for each in placed if (reason := each.predicate.refusal({"time": now})))

    def _disagree(self, rows: Mapping[str, bytes | None]) -> bool:
        """Whether a holder's salt is not the column's, or two of them contradict each other."""
        held = {self.authority.salt_name: self.authority.salt}
        return any(rows.get(name, salt) != salt or held.setdefault(name, salt) != salt for name, salt in self.salts)

    def _demand_others(self, request: Request) -> None:
        facts: dict[str, Any] = {**request.facts, "user": self.authority.user}
        if self.authority.key_name.audience is not None:
            facts["audience"] = frozenset({self.authority.key_name.audience})
        unmet = list(self.not_understood)
        for each in self.others:
            reason = each.predicate.refusal(facts)
            if reason is not None:
                unmet.append(each.unmet(reason))
        if unmet:
            raise CaveatUnmet(
                tuple(sorted(unmet, key=lambda each: (-1 if each.discharge is None else each.discharge, each.position)))
            )


def _appended(proof: Proof) -> Iterable[_Appended]:
    """The first-party caveats after authority's, then those of the discharges, with where they stand."""
    for position, caveat in enumerate(proof.caveats):
        if position >= AUTHORITY_CAVEATS and not caveat.verification_id:
            yield None, position, caveat.identifier
    for discharge, each in enumerate(proof.discharges):
        for position, caveat in enumerate(each.caveats):
            if not caveat.verification_id:
                yield discharge, position, caveat.identifier
