"""The soak in its short form, and its checker, which has to find what is planted."""

from __future__ import annotations

import pytest

from benchmarks.soak import History, Presented, TakenBack, soak

MARK = ("alice", "nonce", "n1")


def test_for_some_seconds_nothing_revoked_is_accepted_nothing_valid_refused_and_nothing_grows() -> None:
    result = soak(10)
    assert result.failures == []
    assert result.history.violations() == []
    assert result.holds, result.summary()
    accepted = {each.accepted for each in result.history.presented}
    assert accepted == {True, False}
    assert {"mint", "narrow", "present", "revoke", "renew", "discharge", "afresh"} == set(result.steps)


@pytest.mark.parametrize(
    ("begun", "ended", "accepted", "violations"),
    [
        (1.0, 1.5, True, 0),  # before it was taken back
        (2.1, 2.2, True, 0),  # meanwhile: either is right
        (2.1, 2.2, False, 0),
        (2.9, 3.5, True, 0),  # asked for before the acknowledgement
        (3.1, 3.2, False, 0),
        (3.1, 3.2, True, 1),  # asked for after it
        (1.0, 1.5, False, 1),  # refused before anybody asked to
    ],
)
def test_the_checker_finds_each_planted_violation_and_no_other(
    begun: float, ended: float, accepted: bool, violations: int
) -> None:
    history = History([Presented(frozenset({MARK}), begun, ended, accepted)], [TakenBack(MARK, 2.0, 3.0)])
    assert len(history.violations()) == violations


def test_what_takes_back_another_excuses_nothing() -> None:
    other = TakenBack(("bob", "nonce", "n1"), 0.0, 0.5)
    refused = Presented(frozenset({MARK}), 1.0, 1.5, False)
    assert len(History([refused], [other]).violations()) == 1
    again = [TakenBack(MARK, 2.0, 3.0), TakenBack(MARK, 8.0, 9.0)]
    assert len(History([Presented(frozenset({MARK}), 4.0, 5.0, True)], again).violations()) == 1
