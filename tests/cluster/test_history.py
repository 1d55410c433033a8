"""The checker of histories: it believes what a cluster that keeps its word can answer, and finds each planted lie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.history import ALL, NAME, NONCE, Healing, History, Look, Revocation, Token, violations

FRESHNESS = 2.0
NODES = ("one", "two", "three")


@dataclass
class _Honest:
    """A cluster that keeps its word. A node knows of a change after some time below Δ, or does not answer."""

    random: Random
    now: float = 0.0
    tokens: list[Token] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    done: list[tuple[Revocation, float]] = field(default_factory=list)
    revision: int = 0

    def pass_time(self) -> float:
        self.now += self.random.choice([0.01, 0.3, 1.0, 3.0])
        return self.now

    def mint(self) -> None:
        began, number = self.pass_time(), len(self.tokens)
        names = (self.random.choice(["default", "phone"]), f"friend.{number}")
        user = self.random.choice(["ann", "bob"])
        self.tokens.append(Token(f"t{number}", user, names, f"n{number}", began, self.pass_time()))

    def revoke(self) -> None:
        if not self.tokens:
            return
        token, kind = self.random.choice(self.tokens), self.random.choice([NAME, NONCE, ALL])
        target = {NAME: self.random.choice(token.names), NONCE: token.nonce}.get(kind, "")
        began, acknowledged = self.pass_time(), self.random.random() < 0.8
        took_effect = self.pass_time()
        if acknowledged or self.random.random() < 0.5:
            self.revision += 1
        ended = self.pass_time() if acknowledged else None
        label = f"r{len(self.revocations)}"
        revocation = Revocation(label, kind, token.user, target, began, ended, self.revision)
        self.revocations.append(revocation)
        if acknowledged or self.random.random() < 0.5:
            self.done.append((revocation, took_effect))

    def look(self, token: Token, node: str) -> None:
        began = self.pass_time()
        ended = self.pass_time()
        is_revoked, may_say_so = self._state(token, began)
        accepted = not is_revoked and (not may_say_so or self.random.random() < 0.5)
        self.looks.append(Look(token, node, accepted, began, ended))

    def _state(self, token: Token, began: float) -> tuple[bool, bool]:
        reached = [at for revocation, at in self.done if _reaches(revocation, token) and token.made < revocation.began]
        return any(began > at + FRESHNESS for at in reached), bool(reached)

    def history(self) -> History:
        self.now += FRESHNESS + 1
        last = self.now
        for token in self.tokens:
            for node in NODES:
                self.look(token, node)
        healing = Healing(last, dict.fromkeys(NODES, last + 1))
        return History(FRESHNESS, NODES, self.revocations, self.looks, [healing], last)


def _reaches(revocation: Revocation, token: Token) -> bool:
    if revocation.user != token.user:
        return False
    if revocation.kind == NAME:
        return revocation.target in token.names
    return revocation.kind == ALL or revocation.target == token.nonce


@given(st.randoms(use_true_random=False), st.integers(0, 60))
def test_no_history_of_a_cluster_that_keeps_its_word_is_found_broken(random: Random, steps: int) -> None:
    cluster = _Honest(random)
    for _ in range(steps):
        step = random.choice(["mint", "look", "look", "revoke"])
        if step == "look" and cluster.tokens:
            cluster.look(random.choice(cluster.tokens), random.choice(NODES))
        elif step != "look":
            getattr(cluster, step)()
    assert violations(cluster.history()) == []


KEPT = Token("kept", "ann", ("default", "friend.k"), "nk", 0.0, 1.0)
LOST = Token("lost", "ann", ("default", "friend.l"), "nl", 0.0, 1.0)
REVOKED = Revocation("r", NAME, "ann", "friend.l", 10.0, 11.0, 5)
GOOD = History(
    FRESHNESS,
    NODES,
    [REVOKED],
    [Look(LOST, "one", True, 12.9, 13.5)]
    + [Look(token, node, token is KEPT, 101.0, 102.0) for token in (KEPT, LOST) for node in NODES],
    [Healing(50.0, dict.fromkeys(NODES, 59.9))],
    100.0,
)


def test_the_history_that_lies_are_planted_in_is_not_broken() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (Look(LOST, "two", True, 13.1, 13.2), "accepted lost 2.100 s after that"),
        (Look(LOST, "two", True, 101.5, 101.6), "accepted lost at the end"),
        (Look(KEPT, "two", False, 20.0, 20.1), "refused kept, which nothing took back"),
        (Look(LOST, "two", False, 5.0, 6.0), "refused lost, which nothing took back"),
    ],
)
def test_an_answer_that_breaks_the_promise_is_found(look: Look, said: str) -> None:
    (found,) = violations(replace(GOOD, looks=[*GOOD.looks, look]))
    assert said in found


@pytest.mark.parametrize(
    "look",
    [
        Look(LOST, "two", True, 12.9, 30.0),
        Look(LOST, "two", False, 5.0, 10.1),
        Look(KEPT, "two", False, 2.9, 3.1),
    ],
    ids=["began in time", "began before the revocation and ended after", "just minted"],
)
def test_an_answer_that_may_be_right_is_not_found(look: Look) -> None:
    assert violations(replace(GOOD, looks=[*GOOD.looks, look])) == []


def test_a_revocation_that_nobody_acknowledged_may_be_done_or_not() -> None:
    unsaid = replace(REVOKED, acknowledged=None)
    looks = [Look(LOST, "one", True, 90.0, 90.1), *GOOD.looks[1:]]
    assert violations(replace(GOOD, revocations=[unsaid], looks=looks)) == []


def test_a_revocation_that_was_asked_for_twice_may_take_effect_again() -> None:
    later = Token("later", "ann", ("default",), "n", 20.0, 21.0)
    everything = Revocation("all", ALL, "ann", "", 10.0, 11.0, 5)
    looks = [Look(token, node, False, 101.0, 102.0) for token in (KEPT, LOST, later) for node in NODES]
    history = replace(GOOD, revocations=[everything], looks=looks)
    assert len([said for said in violations(history) if "refused later" in said]) == len(NODES)
    assert violations(replace(history, revocations=[replace(everything, repeated=True)])) == []


def test_a_revocation_that_no_node_was_asked_about_at_the_end_is_found() -> None:
    looks = [look for look in GOOD.looks if look.token is KEPT or look.node != "three"]
    (found,) = violations(replace(GOOD, looks=looks))
    assert "three refused nothing for it at the end" in found


def test_a_valid_token_that_a_node_does_not_accept_at_the_end_is_found() -> None:
    looks = [look for look in GOOD.looks if look.token is LOST or look.node != "three"]
    (found,) = violations(replace(GOOD, looks=looks))
    assert found == "kept is valid, and three did not accept it at the end"


@pytest.mark.parametrize("accepted", [{"one": 51.0, "two": 52.0}, {"one": 51.0, "two": 52.0, "three": 60.1}])
def test_a_node_that_takes_longer_to_recover_is_found(accepted: dict[str, float]) -> None:
    (found,) = violations(replace(GOOD, healings=[Healing(50.0, accepted)]))
    assert "three accepted nothing" in found


def test_a_revision_that_goes_back_is_found() -> None:
    earlier = Revocation("earlier", NAME, "bob", "x", 1.0, 9.9, 6)
    looks = [Look(Token("b", "bob", ("x",), "nb", 0.0, 0.5), node, False, 101.0, 102.0) for node in NODES]
    history = replace(GOOD, revocations=[REVOKED, earlier], looks=[*GOOD.looks, *looks])
    (found,) = violations(history)
    assert found == "r has revision 5, and 6 was acknowledged before"
    overlapping = replace(earlier, acknowledged=10.1)
    assert violations(replace(history, revocations=[REVOKED, overlapping])) == []
