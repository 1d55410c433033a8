"""The checker of histories: it believes what a service that keeps its word can answer, and finds each planted lie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.crash.history import (
    ALL,
    DISABLE,
    EVERYONE,
    NAME,
    NONCE,
    PASSWORD,
    RETIRE,
    Act,
    Fact,
    History,
    Look,
    Token,
    broken,
)

KINDS = (NAME, NONCE, ALL, EVERYONE, RETIRE, PASSWORD, DISABLE)
USERS, NAMES, KEYS = ("ann", "bob"), ("default", "laptop"), ("k1", "k2")


@dataclass
class _Honest:
    """A service that keeps its word. It is killed once; what was not acknowledged then is done or not, by chance."""

    random: Random
    moments: count[int] = field(default_factory=lambda: count(1))
    tokens: list[Token] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    acts: list[Act] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    found: dict[str, bool] = field(default_factory=dict)
    revision: int = 0

    def mint(self) -> None:
        began, made = next(self.moments), next(self.moments)
        user, name, key = (self.random.choice(each) for each in (USERS, NAMES, KEYS))
        number = f"t{len(self.tokens)}"
        self.tokens.append(Token(number, user, (name,), number, key, f"{began:04}", began, made))

    def act(self, acknowledged: bool) -> None:
        if not self.tokens:
            return
        kind, one, began = self.random.choice(KINDS), self.random.choice(self.tokens), next(self.moments)
        target = {NAME: one.names[0], NONCE: one.nonce, EVERYONE: f"{began:04}", RETIRE: one.key_id}.get(kind, "")
        act = Act(f"a{len(self.acts)}", kind, one.user, target, began, next(self.moments), acknowledged)
        done = acknowledged or self.random.random() < 0.5
        if done:
            self.revision += 1
            self.refused |= {token.label for token in self.tokens if act.must_reach(token)}
        if not acknowledged and self.random.random() < 0.5:
            self.found[act.label] = done
        self.acts.append(replace(act, revision=self.revision if acknowledged else 0))

    def look(self) -> None:
        for token in self.tokens:
            began = next(self.moments)
            self.looks.append(Look(token, token.label not in self.refused, began, next(self.moments)))

    def history(self) -> History:
        return History(self.acts, self.looks, frozenset(), self.found, revisions=(0, self.revision))


def _lived(seed: int, steps: int = 12) -> _Honest:
    honest = _Honest(Random(seed))
    for _ in range(steps):
        honest.random.choice([honest.mint, honest.mint, lambda: honest.act(True), honest.look])()
    for _ in range(2):
        honest.act(False)
    honest.look()
    return honest


@given(st.integers(0, 10**9))
def test_a_service_that_keeps_its_word_is_believed(seed: int) -> None:
    assert broken(_lived(seed).history()) == []


@given(st.integers(0, 10**9))
def test_a_verdict_turned_around_after_the_crash_is_found(seed: int) -> None:
    honest = _lived(seed)
    certain = [act for act in honest.acts if act.acknowledged]
    for position, look in enumerate(honest.looks):
        reached = [act for act in honest.acts if act.may_reach(look.token)]
        if not reached or any(
            act in certain and act.over < look.began and act.must_reach(look.token) for act in reached
        ):
            looks = [*honest.looks]
            looks[position] = replace(look, accepted=not look.accepted)
            assert broken(replace(honest.history(), looks=looks)), look


TOKEN = Token("t", "ann", ("default",), "n1", "k1", "0001", 1, 2)
OTHER = replace(TOKEN, label="u", names=("laptop",), nonce="n2")
ACKNOWLEDGED = Act("revoking", ALL, "ann", "", 3, 4, acknowledged=True, revision=7)
CUT_OFF = replace(ACKNOWLEDGED, acknowledged=False, revision=0)


def _after(token: Token, accepted: bool, moment: int = 5) -> Look:
    return Look(token, accepted, moment, moment + 1)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (History([ACKNOWLEDGED], [_after(TOKEN, True)], revisions=(0, 7)), "revoking was acknowledged, and t was acc"),
        (History([CUT_OFF], [_after(TOKEN, True), _after(OTHER, False)]), "u was refused, and no act that was done as"),
        (History([CUT_OFF], [_after(TOKEN, True)], found={"revoking": True}), "revoking was found done, and t was acc"),
        (History([CUT_OFF], [_after(TOKEN, False)], found={"revoking": False}), "t was refused, and no act"),
        (History([ACKNOWLEDGED], found={"revoking": False}, revisions=(0, 7)), "revoking was acknowledged, and was fo"),
        (History([], [_after(TOKEN, False)]), "t was refused, and no act"),
        (History([], [_after(TOKEN, True)], dead={"t"}), "t was refused, and was accepted afterwards"),
        (History([CUT_OFF], [_after(TOKEN, False), _after(TOKEN, True, 7)]), "t was refused, and was accepted afterw"),
        (History([ACKNOWLEDGED], revisions=(0, 6)), "the revision is 6, and was 0 before, and 7 was acknowledged"),
        (History(facts=[Fact("users", [0, 20], 19)]), "users: 19"),
        (History(revisions=(9, 8)), "the revision is 8, and was 9 before"),
    ],
)
def test_a_planted_lie_is_found_and_said(history: History, said: str) -> None:
    assert any(sentence.startswith(said) for sentence in broken(history)), broken(history)


@pytest.mark.parametrize(
    "history",
    [
        History([ACKNOWLEDGED], [_after(TOKEN, False), _after(OTHER, False)], revisions=(0, 7)),
        History([CUT_OFF], [_after(TOKEN, True), _after(OTHER, True)]),
        History([CUT_OFF], [_after(TOKEN, False), _after(OTHER, False)]),
        History([replace(ACKNOWLEDGED, began=1)], [_after(TOKEN, True)], revisions=(0, 7)),
        History([], [_after(TOKEN, False)], dead={"t"}),
        History(facts=[Fact("users", [0, 20], 20)]),
    ],
)
def test_what_a_crash_may_leave_is_believed(history: History) -> None:
    assert broken(history) == []
