"""Time tells neither where a signature is wrong nor whether there is a user; and what leaks is seen to leak."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from benchmarks.constant_time import (
    COMPARISON_BAR,
    COMPARISONS,
    LOGIN_BAR,
    Finding,
    Prepare,
    comparison,
    login,
    measure,
    verification,
    welch,
)
from capsvc.errors import CredentialsRefused
from capsvc.passwords import Passwords

ATTEMPTS = 3
"""A leak shows each time, noise does not."""

LOGINS = 60


def _some_hold(look: Callable[[], Finding]) -> list[Finding]:
    """Look until a finding holds, but so often at most; return all, the last one last."""
    found = [look()]
    while not found[-1].holds and len(found) < ATTEMPTS:
        found.append(look())
    return found


@pytest.mark.parametrize(("prepare", "samples"), [(comparison, COMPARISONS), (verification, COMPARISONS // 20)])
def test_time_does_not_tell_where_a_signature_is_wrong(prepare: Callable[[], Prepare], samples: int) -> None:
    found = _some_hold(lambda: measure("signature", prepare(), samples, COMPARISON_BAR))
    assert found[-1].holds, found


def test_time_does_not_tell_whether_there_is_a_user() -> None:
    with login() as prepare:
        found = _some_hold(lambda: measure("login", prepare, LOGINS, LOGIN_BAR))
    assert found[-1].holds, found


def _naive(computed: bytes, presented: bytes) -> bool:
    return all(one == other for one, other in zip(computed, presented, strict=True))


def test_a_comparison_that_ends_at_the_first_difference_is_seen_each_time() -> None:
    found = [measure("naive", comparison(_naive), 20_000, COMPARISON_BAR) for _ in range(ATTEMPTS)]
    assert all(each.t > 10 * COMPARISON_BAR for each in found), found


class _NoDecoy(Passwords):
    def verify(self, hash: str | None, password: str) -> None:
        if hash is None:
            raise CredentialsRefused("user and password do not belong together")
        super().verify(hash, password)


def test_a_login_that_hashes_nothing_for_an_unknown_user_is_seen_each_time() -> None:
    with login(_NoDecoy) as prepare:
        found = [measure("no decoy", prepare, LOGINS, LOGIN_BAR) for _ in range(ATTEMPTS)]
    assert all(each.t > LOGIN_BAR for each in found), found


def test_the_statistic_is_welchs() -> None:
    first, second = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100], [3, 4, 5, 6, 7, 8, 9, 10, 11, 100]
    assert welch(first, second) == pytest.approx(-2 / (7.5 / 9 + 7.5 / 9) ** 0.5)
    assert (welch([5] * 20, [5] * 20), welch([1] * 20, [2] * 20)) == (0, -inf)
