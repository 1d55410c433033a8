"""The scope: what a macaroon can still do, as the meet of its caveats, attribute by attribute.

It is computed from what the macaroon says, before or after a proof, and proves nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from caveats.attribute import AttributeType
from caveats.errors import PredicateError, Unmet
from caveats.interchange import AnyMacaroon, decode
from caveats.macaroon import Caveat, Macaroon
from caveats.predicate import Predicate, shown
from caveats.request import Request
from caveats.vocabulary import BUILTIN, Vocabulary

_Group = dict[int, Predicate]
"""The predicates of one attribute, by position."""


class Contradiction(NamedTuple):
    """Caveats on one attribute that no request can meet together, and could without any one of them."""

    attribute: str
    positions: tuple[int, ...]

    def __str__(self) -> str:
        many = f"caveats {', '.join(map(str, self.positions))} contradict each other"
        alone = f"caveat {self.positions[0]} can never be met"
        return f"{self.attribute}: {many if len(self.positions) > 1 else alone}"


class ThirdParty(NamedTuple):
    """A further condition: a discharge of a third party. ``caveat.location`` is a hint where to get it."""

    position: int
    caveat: Caveat

    def __str__(self) -> str:
        return f"caveat {self.position} needs a discharge from {shown(self.caveat.location) or 'a third party'}"


@dataclass(frozen=True, slots=True, repr=False)
class Scope:
    """What can still be done, and what of the caveats matters for it.

    ``predicates`` are the weakest that together say the same, the attributes in order of appearance; one
    of a salt prints with the salt in it. ``redundant`` holds the positions of caveats that the others on
    their attribute imply: without all of them the scope is the same. ``contradictions`` and
    ``not_understood`` permit nothing; ``third_parties`` are conditions that come on top.
    """

    predicates: tuple[Predicate, ...]
    redundant: tuple[int, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    not_understood: tuple[Unmet, ...] = ()
    third_parties: tuple[ThirdParty, ...] = ()

    @property
    def permits_nothing(self) -> bool:
        """Whether there is no request at all that it permits."""
        return bool(self.contradictions or self.not_understood)

    def unmet(self, request: Request) -> tuple[str, ...]:
        """Name all that the request does not meet, discharges aside.

        It is empty exactly when each single predicate is met. It is no permit: that needs a proof.
        """
        facts = request.facts
        reasons = ((predicate, predicate.refusal(facts)) for predicate in self.predicates)
        refused = (f"{shown(str(predicate))}: {shown(reason)}" for predicate, reason in reasons if reason is not None)
        return (*self._forbidding(), *refused)

    def is_narrower_than(self, other: Scope) -> bool:
        """Tell whether every request that this permits, the other permits too.

        It is so of a scope and itself, and of one that permits nothing and any other. Each third-party
        caveat of the other has to stand here too, with the same identifier and verification id. Who
        signed what is not compared, and a type is only compared with itself.
        """
        if self.permits_nothing or other.permits_nothing:
            return self.permits_nothing
        here = {each.caveat[:2] for each in self.third_parties}
        if not all(each.caveat[:2] in here for each in other.third_parties):
            return False
        return _meets((*self.predicates, *other.predicates)) == _meets(self.predicates)

    def __str__(self) -> str:
        """Print it for a person, one condition a line, without salts."""
        lines = (*self._forbidding(), *(shown(str(each)) for each in self.predicates), *map(str, self.third_parties))
        return "\n".join(lines) or "no caveat narrows it"

    def __repr__(self) -> str:
        return f"<Scope {'of nothing' if self.permits_nothing else '; '.join(str(self).splitlines())}>"

    def __bool__(self) -> NoReturn:
        raise TypeError("a scope is not a boolean: ask what is unmet, or whether it permits nothing")

    def _forbidding(self) -> Iterator[str]:
        for each in self.not_understood:
            yield f"caveat {each.position} is not understood: {each.predicate}: {each.reason}"
        yield from map(str, self.contradictions)


def scope(of: AnyMacaroon | Iterable[Predicate | str | bytes], vocabulary: Vocabulary = BUILTIN) -> Scope:
    """Compute what a macaroon, or a list of predicates, can still do in a vocabulary.

    Takes a macaroon as it stands, decoded and not verified, or predicates or their texts; a str is the
    text of a macaroon. What is not understood permits nothing (law 3). Raises DecodeError, or TypeError
    for what is neither.
    """
    if isinstance(of, Iterable) and not isinstance(of, (str, Macaroon)):
        stated = dict(enumerate(str(each) if isinstance(each, Predicate) else each for each in of))
        third_parties: tuple[ThirdParty, ...] = ()
    else:
        caveats = dict(enumerate(decode(of).unverified_caveats))
        stated = {position: each.identifier for position, each in caveats.items() if not each.is_third_party}
        third_parties = tuple(ThirdParty(*each) for each in caveats.items() if each[1].is_third_party)
    understood: _Group = {}
    not_understood: list[Unmet] = []
    for position, text in stated.items():
        try:
            understood[position] = vocabulary.parse(text)
        except PredicateError as wrong:
            not_understood.append(Unmet(position, shown(text), str(wrong)))
    predicates: list[Predicate] = []
    contradictions: list[Contradiction] = []
    redundant: set[int] = set()
    for (attribute, type), group in _groups(understood).items():
        met = _meet(group.values())
        needed = _needed(group, met) if type.needs_fact else group
        redundant |= group.keys() - needed.keys()
        if met is None:
            contradictions.append(Contradiction(attribute, tuple(needed)))
        else:
            predicates += met
    return Scope(
        tuple(predicates), tuple(sorted(redundant)), tuple(contradictions), tuple(not_understood), third_parties
    )


def weakest(predicates: Iterable[Predicate]) -> tuple[Predicate, ...]:
    """Return the weakest predicates that together say the same as some that one request has met.

    It is the predicates of their scope, without the search for what is redundant. Raises ValueError where they
    contradict each other.
    """
    found: list[Predicate] = []
    for met in _meets(predicates).values():
        if met is None:
            raise ValueError("no request meets all of these")
        found += met
    return tuple(found)


def _groups(placed: Mapping[int, Predicate]) -> dict[tuple[str, AttributeType], _Group]:
    groups: dict[tuple[str, AttributeType], _Group] = {}
    for position, predicate in placed.items():
        groups.setdefault((predicate.attribute, predicate.type), {})[position] = predicate
    return groups


_Met = tuple[Predicate, ...] | None
"""The weakest predicates that imply some of one attribute; None where no request meets them all."""


def _meet(group: Collection[Predicate]) -> _Met:
    some = next(iter(group))
    written = some.type.meet([(each.operator, each.operand) for each in group])
    if written is None:
        return None
    known = {(each.operator, each.items): each for each in group}  # what came through unchanged is not read again
    return tuple(known.get(demand) or Predicate.of(some.attribute, some.type, *demand) for demand in written)


def _meets(predicates: Iterable[Predicate]) -> dict[tuple[str, AttributeType], _Met]:
    return {of: _meet(group.values()) for of, group in _groups(dict(enumerate(predicates))).items()}


def _needed(group: _Group, met: _Met) -> _Group:
    """Leave out, the last first, whatever the meet is the same without.

    The meet of meets is the meet of all, so each is made of two: of all that stand before, and of what stands
    behind and was kept.
    """
    before: list[_Met] = [()]
    for predicate in group.values():
        before.append(_both(before[-1], (predicate,)))
    kept: _Met = ()
    needed: _Group = {}
    for position, earlier in zip(reversed(group), reversed(before[:-1]), strict=True):
        if (needed or earlier != ()) and _both(earlier, kept) == met:
            continue
        needed[position] = group[position]
        kept = _both((group[position],), kept)
    return dict(reversed(needed.items()))


def _both(one: _Met, other: _Met) -> _Met:
    if one is None or other is None:
        return None
    return _meet(one + other) if one + other else ()
