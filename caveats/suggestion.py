"""The suggestion: from requests that were seen, the tightest predicates that would have permitted them all.

Least privilege as a computation. What is suggested is the vocabulary's tightest at a chosen generality: no
predicate of as many items is met by all of the requests and permits less.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from caveats.predicate import Predicate, shown
from caveats.request import Request
from caveats.vocabulary import BUILTIN, Vocabulary

MOST = 8
"""So many items a predicate lists, unless it is said otherwise."""

PASSING = ("time",)
"""What tells nothing of requests still to come, and is left out unless it is asked for."""

_NEVER = frozenset({"salt", "nonce", "request"})
"""What no request to come says again."""


class Open(NamedTuple):
    """An attribute that requests said, and that no suggested predicate narrows; and why."""

    attribute: str
    why: str


class Refused(NamedTuple):
    """A request that the suggestion refuses: its place in what was given, from 0, and each reason."""

    position: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Suggestion:
    """Predicates to append, each met by every one of ``requests`` requests that were seen.

    ``left_open`` names the attributes on which nothing is suggested.
    """

    predicates: tuple[Predicate, ...]
    left_open: tuple[Open, ...]
    requests: int

    def refused(self, requests: Iterable[Request]) -> Iterator[Refused]:
        """Tell which of some other requests it would refuse, and why, in their order."""
        for position, request in enumerate(requests):
            facts = request.facts
            told = ((each, each.refusal(facts)) for each in self.predicates)
            reasons = tuple(f"{shown(str(each))}: {shown(why)}" for each, why in told if why is not None)
            if reasons:
                yield Refused(position, reasons)

    def __str__(self) -> str:
        """Print the predicates, one a line."""
        return "\n".join(map(str, self.predicates))

    def __repr__(self) -> str:
        return f"<Suggestion of {len(self.predicates)} predicates from {self.requests} requests>"


def suggest(
    requests: Iterable[Request],
    most: int = MOST,
    *,
    vocabulary: Vocabulary = BUILTIN,
    leave_out: Collection[str] = PASSING,
) -> Suggestion:
    """Suggest the tightest predicates that permit all of some requests, in one pass over them.

    ``most`` is how many items a predicate may list, and so how much it generalises: where more were seen, paths
    become the prefixes that they share, addresses networks and numbers a range, and texts and tokens are left
    open. An attribute that some request does not say cannot be narrowed, since what is absent is never met.
    Raises ValueError without requests, and for requests of another vocabulary.
    """
    if most < 1:
        raise ValueError("a predicate lists at least one item")
    unknown = [name for name in leave_out if name not in vocabulary]
    if unknown:
        raise ValueError(f"the vocabulary has no attribute {unknown[0]}")
    seen: dict[str, set[Any]] = {}
    said: dict[str, int] = {}
    count = 0
    for request in requests:
        if request.vocabulary is not vocabulary:
            raise ValueError("the requests are of another vocabulary")
        count += 1
        for name, fact in request.facts.items():
            if name not in leave_out and name not in _NEVER:
                seen.setdefault(name, set()).add(fact)
                said[name] = said.get(name, 0) + 1
    if not count:
        raise ValueError("nothing can be learned from no requests")
    predicates: list[Predicate] = []
    left_open: list[Open] = []
    for name in (each for each in vocabulary if each in seen):
        type = vocabulary[name]
        if said[name] < count:
            left_open.append(Open(name, f"{count - said[name]} of {count} requests do not say it"))
            continue
        written = type.cover(seen[name], most)
        if written is None:
            left_open.append(Open(name, f"{len(seen[name])} values, and no predicate of {most} items is met by all"))
            continue
        predicates += [Predicate.of(name, type, operator, items) for operator, items in written]
    return Suggestion(tuple(predicates), tuple(left_open), count)
