"""What clients saw of a cluster while it was disturbed, held against the promise about revocation.

Times are seconds on the one monotonic clock of the machine that everything ran on, as the clients read it: before a
request was sent, and after its answer had come. Nothing else is assumed, so what is found broken is broken.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

NAME, NONCE, ALL = "name", "nonce", "all"
RECOVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token: what is written in it, and between which times its root was minted."""

    label: str
    user: str
    names: tuple[str, ...]
    nonce: str
    began: float
    made: float


@dataclass(frozen=True, slots=True)
class Revocation:
    """Something taken back. ``acknowledged`` is None where nobody ever said that it was done: it may be, any time.

    Where it was asked for more than once before it was acknowledged, it may also be done again, any time.
    """

    label: str
    kind: str
    user: str
    target: str
    began: float
    acknowledged: float | None
    revision: int = 0
    repeated: bool = False

    @property
    def over(self) -> float:
        """When it can take no effect any more."""
        return inf if self.acknowledged is None or self.repeated else self.acknowledged


@dataclass(frozen=True, slots=True)
class Look:
    """A token was presented to a node, and accepted or refused. A node that could not say is no look."""

    token: Token
    node: str
    accepted: bool
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Healing:
    """From when on nothing was disturbed, and when each node then first accepted something valid."""

    healed: float
    accepted: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class History:
    """One run. From ``last`` on, every token was presented to every node. ``freshness`` is Δ."""

    freshness: float
    nodes: Sequence[str]
    revocations: Sequence[Revocation]
    looks: Sequence[Look]
    healings: Sequence[Healing]
    last: float


def violations(history: History) -> list[str]:
    """Return the promises that were broken, each as a sentence; none if all were kept."""
    reaching = _Reaching(history.revocations)
    return [
        *_accepted_late(history, reaching),
        *_never_looked_at(history, reaching),
        *_refused_although_valid(history, reaching),
        *_not_accepted_again(history, reaching),
        *_slow_to_recover(history),
        *_gone_back(history),
    ]


class _Reaching:
    """Revocations by what they take back."""

    def __init__(self, revocations: Sequence[Revocation]) -> None:
        self._found: dict[tuple[str, str, str], list[Revocation]] = defaultdict(list)
        for each in revocations:
            self._found[each.user, each.kind, each.target].append(each)

    def all_of(self, token: Token) -> Iterator[Revocation]:
        """Those that take back a token which was there before."""
        wanted = [(ALL, ""), (NONCE, token.nonce), *((NAME, name) for name in token.names)]
        for kind, target in wanted:
            yield from self._found.get((token.user, kind, target), ())

    def certainly(self, token: Token) -> Iterator[Revocation]:
        """Those that were acknowledged, of a token that was minted before they began."""
        for each in self.all_of(token):
            if each.acknowledged is not None and token.made < each.began:
                yield each

    def possibly(self, token: Token, until: float) -> bool:
        """Whether anything that began before a time may have taken a token back."""
        return any(each.began < until and token.began < each.over for each in self.all_of(token))


def _accepted_late(history: History, reaching: _Reaching) -> Iterator[str]:
    for look in history.looks:
        if not look.accepted:
            continue
        for each in reaching.certainly(look.token):
            assert each.acknowledged is not None
            late = look.began - each.acknowledged
            if late > history.freshness:
                when = "at the end" if look.began >= history.last else f"{late:.3f} s after that"
                yield f"{each.label} was acknowledged, and {look.node} accepted {look.token.label} {when}"


def _never_looked_at(history: History, reaching: _Reaching) -> Iterator[str]:
    """Acknowledged revocations of which nobody found out whether they were lost."""
    refused: dict[str, set[str]] = defaultdict(set)
    for look in history.looks:
        if look.began >= history.last and not look.accepted:
            for each in reaching.certainly(look.token):
                refused[each.label].add(look.node)
    for each in history.revocations:
        if each.acknowledged is not None:
            for node in history.nodes:
                if node not in refused[each.label]:
                    yield f"{each.label} was acknowledged, and {node} refused nothing for it at the end"


def _refused_although_valid(history: History, reaching: _Reaching) -> Iterator[str]:
    """Refusals of what nothing took back. A node may know a new salt only after as long as it may know of a change."""
    for look in history.looks:
        settled = look.began > look.token.made + history.freshness
        if not look.accepted and settled and not reaching.possibly(look.token, look.ended):
            yield f"{look.node} refused {look.token.label}, which nothing took back"


def _not_accepted_again(history: History, reaching: _Reaching) -> Iterator[str]:
    accepted: dict[str, set[str]] = defaultdict(set)
    tokens: dict[str, Token] = {}
    for look in history.looks:
        tokens[look.token.label] = look.token
        if look.began >= history.last and look.accepted:
            accepted[look.token.label].add(look.node)
    for label, token in tokens.items():
        if not reaching.possibly(token, inf):
            for node in history.nodes:
                if node not in accepted[label]:
                    yield f"{label} is valid, and {node} did not accept it at the end"


def _slow_to_recover(history: History) -> Iterator[str]:
    for healing in history.healings:
        for node in history.nodes:
            took = healing.accepted.get(node, inf) - healing.healed
            if took > RECOVERY_SECONDS:
                yield f"{node} accepted nothing for {took:.1f} s although everything was healed"


def _gone_back(history: History) -> Iterator[str]:
    known = sorted((each.acknowledged, each.revision) for each in history.revocations if each.acknowledged is not None)
    times, highest = [time for time, _ in known], list(accumulate((revision for _, revision in known), max))
    for each in history.revocations:
        before = bisect_left(times, each.began)
        if each.acknowledged is not None and before and highest[before - 1] > each.revision:
            yield f"{each.label} has revision {each.revision}, and {highest[before - 1]} was acknowledged before"
