"""Rates: who has to wait after wrong passwords, for how long, and who never has to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.errors import CredentialsRefused, Refused, TooBusy, TooMany
from capsvc.passwords import HashingSlots
from capsvc.rates import TRIES_WHEN_GUESSED_AT, Rates, network_of
from capsvc.settings import Settings
from tests.capsvc.installation import PASSWORD, Clock, Installation, installed

SETTINGS = Settings(wrong_passwords=5, wrong_passwords_by_user=20, wrong_passwords_by_network=30, leak_reports=4)
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class Trying:
    """Rates under a clock that the test moves, and tries that are wrong or right."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.clock = Clock(1000.5)
        self.rates = Rates(settings, self.clock)

    def wrong(self, user: str = "alice", address: str | None = HERE) -> int:
        """Try a wrong password; return how long one has to wait, 0 where it was looked at."""
        return self.ends_with(CredentialsRefused("no"), user, address)

    def right(self, user: str = "alice", address: str | None = HERE) -> int:
        """Try the right one."""
        return self.ends_with(None, user, address)

    def ends_with(self, error: Exception | None, user: str = "alice", address: str | None = HERE) -> int:
        try:
            with self.rates.password_try(user, address):
                if error is not None:
                    raise error
        except TooMany as turned_away:
            return turned_away.retry_after
        except Exception as raised:
            if raised is not error:
                raise
        return 0


@pytest.fixture
def trying() -> Trying:
    return Trying()


def test_so_many_wrong_passwords_are_looked_at_and_no_more(trying: Trying) -> None:
    assert [trying.wrong() > 0 for _ in range(7)] == [False] * 5 + [True] * 2
    assert trying.right() > 0


def test_right_passwords_never_count(trying: Trying) -> None:
    assert [trying.right() for _ in range(100)] == [0] * 100
    assert [trying.wrong() > 0 for _ in range(6)] == [False] * 5 + [True]


@pytest.mark.parametrize("error", [TooBusy(1), Refused("that audience"), RuntimeError("the disk")], ids=repr)
def test_what_is_not_a_wrong_password_does_not_count(trying: Trying, error: Exception) -> None:
    assert [trying.ends_with(error) for _ in range(50)] == [0] * 50


def test_a_try_that_nobody_waits_for_counts(trying: Trying) -> None:
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError), trying.rates.password_try("alice", HERE):
            raise asyncio.CancelledError
    assert trying.wrong() > 0


def test_tries_at_the_same_time_are_no_more_than_one_after_the_other(trying: Trying) -> None:
    tries = [trying.rates.password_try("alice", HERE) for _ in range(6)]
    for each in tries[:5]:
        each.__enter__()
    with pytest.raises(TooMany):
        tries[5].__enter__()


@given(st.lists(st.floats(0, 400), min_size=1, max_size=12))
def test_who_waits_as_long_as_told_is_let_in_again(pauses: list[float]) -> None:
    trying = Trying()
    for pause in pauses:
        trying.clock.forward(pause)
        wait = trying.wrong()
        if wait:
            assert 1 <= wait <= SETTINGS.rate_window + 1
            trying.clock.forward(wait - 1.001)
            assert trying.right() > 0, "and not much sooner"
            trying.clock.forward(1.001)
            assert trying.right() == 0


def test_nobody_locks_a_user_out_by_failing_as_her_from_elsewhere(trying: Trying) -> None:
    for number in range(5_000):
        trying.wrong(address=f"10.{number // 250}.{number % 250}.1")
    assert trying.right() == 0
    assert [trying.wrong() > 0 for _ in range(4)] == [False] * TRIES_WHEN_GUESSED_AT + [True]


def test_where_a_user_is_guessed_at_from_everywhere_each_place_has_few_tries(trying: Trying) -> None:
    looked_at = sum(trying.wrong(address=f"10.0.{number % 100}.1") == 0 for number in range(1_000))
    spread = SETTINGS.wrong_passwords_by_user + 100 * TRIES_WHEN_GUESSED_AT
    assert 100 * TRIES_WHEN_GUESSED_AT <= looked_at <= spread < 100 * SETTINGS.wrong_passwords


def test_one_place_fails_for_many_users_only_so_often(trying: Trying) -> None:
    assert sum(trying.wrong(f"user{number}") == 0 for number in range(100)) == SETTINGS.wrong_passwords_by_network
    assert trying.right("alice") > 0
    assert trying.right("alice", ELSEWHERE) == 0


def test_a_user_who_fails_does_not_stop_another_in_the_same_place(trying: Trying) -> None:
    for _ in range(10):
        trying.wrong("alice")
    assert (trying.right("bob"), trying.right("alice", ELSEWHERE)) == (0, 0)


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:c000:201", "::ffff:192.0.2.2"),
        ("fe80::1", "fe80::2", "fe81::1"),
    ],
)  # fmt: skip
def test_a_network_is_an_ipv4_address_or_the_64_bits_that_one_customer_has(address: str, same: str, other: str) -> None:
    assert network_of(address) == network_of(same) != network_of(other)


def test_those_whose_address_nobody_can_tell_are_counted_as_one(trying: Trying) -> None:
    assert [trying.wrong(address=None) > 0 for _ in range(6)] == [False] * 5 + [True]
    assert trying.wrong() == 0


@pytest.mark.parametrize("user", ["", "x" * 100_000, "\0", "\ud800", "nobody at all"])
def test_any_text_is_a_user_to_count_by(trying: Trying, user: str) -> None:
    assert [trying.wrong(user) > 0 for _ in range(6)] == [False] * 5 + [True]


@pytest.mark.parametrize("workers", [1, 2, 3, 8, 64])
def test_workers_share_an_allowance_and_each_has_some(workers: int) -> None:
    settings = Settings(wrong_passwords=20, workers=workers)
    looked_at = 0
    for _ in range(workers):
        trying = Trying(settings)
        share = sum(trying.wrong() == 0 for _ in range(30))
        assert share >= 1
        looked_at += share
    assert 20 <= looked_at < 20 + workers


def test_reports_are_counted_by_place_alone_and_apart_from_passwords(trying: Trying) -> None:
    for _ in range(5):
        trying.wrong()
    for _ in range(SETTINGS.leak_reports):
        trying.rates.report(HERE)
    with pytest.raises(TooMany, match="too many reports from here; try again in 901 seconds"):
        trying.rates.report(HERE)
    trying.rates.report(ELSEWHERE)


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed(SETTINGS) as made:
        yield made


class _CountingSlots(HashingSlots):
    ran = 0

    async def run(self, function: object, *arguments: object) -> object:  # type: ignore[override]
        self.ran += 1
        return await super().run(function, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["alice", "nobody at all"])
def test_who_has_to_wait_takes_no_slot_and_is_told_the_same_whoever_the_user_is(user: str) -> None:
    with installed(SETTINGS) as house:
        house.slots = slots = _CountingSlots()
        house.start(SETTINGS)
        said = []
        for _ in range(8):
            with pytest.raises((CredentialsRefused, TooMany)) as raised:
                house.log_in(user, "wrong")
            said.append(str(raised.value))
        assert slots.ran == 5
        assert (
            said
            == ["user and password do not belong together"] * 5
            + ["too many wrong passwords from here; try again in 901 seconds"] * 3
        )


def test_to_change_a_password_is_to_try_one(house: Installation) -> None:
    for _ in range(5):
        with pytest.raises(CredentialsRefused):
            asyncio.run(house.authority.change_password("alice", "wrong", "long enough for one"))
    with pytest.raises(TooMany):
        house.log_in("alice", PASSWORD)
    asyncio.run(house.authority.log_in("alice", PASSWORD, None, address=ELSEWHERE, then=lambda minted: minted))
