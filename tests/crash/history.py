"""What was done to a service and what it answered, held against what it promises across crashes.

Moments are numbers in one order. An act that was acknowledged took effect between its beginning and its
acknowledgement; one that was not may have taken effect until its ``over``, when the last process that could do it was
dead, or never. Nothing else is assumed, so what is found broken is broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

NAME, NONCE, ALL, EVERYONE, RETIRE = "name", "nonce", "all", "everyone", "retire"
PASSWORD, DISABLE = "password", "disable"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: what is written in it, and between which moments it was made. A copy is as old as its root."""

    label: str
    user: str
    names: tuple[str, ...]
    nonce: str
    key_id: str
    begins: str
    began: int
    made: int


@dataclass(frozen=True, slots=True)
class Act:
    """An act that takes back. ``target`` is the name, nonce, key id or instant; for the others it is empty.

    ``over`` is the moment after which it can take no effect any more: that of the acknowledgement, if any.
    """

    label: str
    kind: str
    user: str
    target: str
    began: int
    over: int
    acknowledged: bool
    revision: int = 0

    def reaches(self, token: Token) -> bool:
        """Whether a token that was there before is taken back."""
        if self.kind == EVERYONE:
            return token.begins < self.target
        if self.kind == RETIRE:
            return token.key_id == self.target
        if token.user != self.user:
            return False
        if self.kind == NAME:
            return self.target in token.names
        return self.target == token.nonce if self.kind == NONCE else True

    def must_reach(self, token: Token) -> bool:
        """Whether a token is taken back for certain, if the act is done: the token was made before it began."""
        return self.reaches(token) and self.began > token.made

    def may_reach(self, token: Token) -> bool:
        """Whether a token may be taken back: it was not begun after the act was over."""
        return self.reaches(token) and token.began < self.over


@dataclass(frozen=True, slots=True)
class Look:
    """A token was presented, and accepted or refused, between two moments."""

    token: Token
    accepted: bool
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was looked up after the crash: what it may be, and what it is."""

    what: str
    possible: Sequence[object]
    found: object


@dataclass(frozen=True, slots=True)
class History:
    """One round. ``dead`` are the tokens that were seen refused in earlier rounds, whose acts are not in this one.

    ``found`` tells of acts whether they were seen done, otherwise than by presenting tokens: by the new password.
    ``revisions`` are the column's before the round and after it.
    """

    acts: Sequence[Act] = ()
    looks: Sequence[Look] = ()
    dead: Set[str] = frozenset()
    found: Mapping[str, bool] = field(default_factory=dict)
    facts: Sequence[Fact] = ()
    revisions: tuple[int, int] = (0, 0)


def broken(history: History) -> list[str]:
    """Return the promises that were broken, each as a sentence; none if all were kept."""
    undone = {act.label for act in history.acts if history.found.get(act.label) is False}
    undone |= {act.label for act, _ in _missed(history)}
    return [
        *_acknowledged_but_missed(history),
        *_half_done(history),
        *_risen(history),
        *_lost(history, undone),
        *_gone_back(history),
        *(f"{fact.what}: {fact.found}" for fact in history.facts if fact.found not in fact.possible),
    ]


def _missed(history: History) -> Iterator[tuple[Act, Look]]:
    """Acts that were over, with the looks in which a token of theirs was accepted all the same."""
    for act in history.acts:
        for look in history.looks:
            if look.accepted and look.began > act.over and act.must_reach(look.token):
                yield act, look


def _acknowledged_but_missed(history: History) -> Iterator[str]:
    for act, look in _missed(history):
        if act.acknowledged:
            yield f"{act.label} was acknowledged, and {look.token.label} was accepted afterwards"
    for act in history.acts:
        if act.acknowledged and history.found.get(act.label) is False:
            yield f"{act.label} was acknowledged, and was found not done"


def _half_done(history: History) -> Iterator[str]:
    for act, look in _missed(history):
        if not act.acknowledged and history.found.get(act.label):
            yield f"{act.label} was found done, and {look.token.label} was accepted afterwards"


def _risen(history: History) -> Iterator[str]:
    """Tokens that were refused and then accepted: nothing that was revoked comes back."""
    refused: dict[str, int] = {}
    for look in history.looks:
        if not look.accepted:
            refused[look.token.label] = min(look.ended, refused.get(look.token.label, look.ended))
    for look in history.looks:
        label = look.token.label
        if look.accepted and (label in history.dead or look.began > refused.get(label, look.began)):
            yield f"{label} was refused, and was accepted afterwards"


def _lost(history: History, undone: Set[str]) -> Iterator[str]:
    """Tokens that were refused though nothing took them back, or only an act that spared another of its tokens."""
    acts = [act for act in history.acts if act.label not in undone]
    for look in history.looks:
        if look.accepted or look.token.label in history.dead:
            continue
        if not any(act.began < look.ended and act.may_reach(look.token) for act in acts):
            yield f"{look.token.label} was refused, and no act that was done as a whole took it back"


def _gone_back(history: History) -> Iterator[str]:
    before, after = history.revisions
    highest = max((act.revision for act in history.acts if act.acknowledged), default=0)
    if after < max(before, highest):
        yield f"the revision is {after}, and was {before} before, and {highest} was acknowledged"
