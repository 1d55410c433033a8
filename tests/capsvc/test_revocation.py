"""Section 6: what was taken back stays taken back, and what nobody took back goes on, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from capsvc.errors import Refused
from capsvc.settings import Settings
from capsvc.stores import HOLDER_NAMES
from caveats import Revoked
from tests.capsvc.installation import OTHER_PASSWORD, PASSWORD, Installation, hash_of, installed
from tests.capsvc.revocation_machine import SEEN, Revocations

DAY = 24 * 3600


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed() as house:
        yield house


def test_section_6_no_sequence_of_steps_brings_a_revoked_macaroon_back() -> None:
    """Disabling, deleting, re-creating, renaming, shortening lifetimes, rotating keys, waiting, restarting."""
    SEEN.clear()
    run_state_machine_as_test(
        Revocations,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert SEEN["accepted"] > 50
    assert SEEN.total() - SEEN["accepted"] > 50
    assert len(SEEN) > 6, f"too few kinds of ends were met: {SEEN}"


def _fill(house: Installation) -> None:
    for number in range(HOLDER_NAMES + 1):
        house.store.revoke_name("alice", f"other.{number}", house.now)


def _disable(house: Installation) -> None:
    for disabled in (True, False):
        house.store.set_disabled("alice", disabled, house.now)


def _try_every_login(house: Installation) -> None:
    for password in (PASSWORD, OTHER_PASSWORD):
        for name in ("default", "laptop", "contractor"):
            try:
                house.log_in(password=password, salt_name=name)
            except Refused:
                continue


TAKEN_BACK: dict[str, Callable[[Installation, str], object]] = {
    "its name": lambda house, nonce: house.store.revoke_name("alice", "laptop", house.now),
    "its holder's name": lambda house, nonce: house.store.revoke_name("alice", "contractor", house.now),
    "its nonce": lambda house, nonce: house.store.revoke_nonce("alice", nonce, house.now),
    "all": lambda house, nonce: house.store.revoke_all("alice", house.now),
    "disabled": lambda house, nonce: house.store.set_disabled("alice", True, house.now),
    "password": lambda house, nonce: house.store.set_password("alice", hash_of(OTHER_PASSWORD), house.now),
    "audiences": lambda house, nonce: house.store.set_audiences("alice", (), house.now),
    "panic": lambda house, nonce: house.authority.panic(house.now),
    "older names made way": lambda house, nonce: _fill(house),
}

AFTERWARDS: dict[str, Callable[[Installation], object]] = {
    "disabled and enabled": _disable,
    "added again": lambda house: house.add_user("alice", "billing"),
    "logged in under every name": _try_every_login,
    "the old password again": lambda house: house.store.set_password("alice", hash_of(PASSWORD), house.now),
    "the old audiences again": lambda house: house.store.set_audiences("alice", ("billing",), house.now),
    "panic for an earlier instant": lambda house: house.authority.panic(house.after(-DAY)),
    "restarted with shorter lifetimes": lambda house: house.start(Settings(lifetime=60, max_lifetime=60)),
    "keys rotated": lambda house: house.promote(house.add_key()),
    "a thousand other names revoked": _fill,
    "all revoked once more": lambda house: house.store.revoke_all("alice", house.now),
    "a day later": lambda house: house.clock.forward(DAY),
}


@pytest.mark.parametrize("happens", AFTERWARDS)
@pytest.mark.parametrize("revocation", TAKEN_BACK)
def test_section_6_nothing_that_happens_afterwards_brings_a_macaroon_back(
    house: Installation, revocation: str, happens: str
) -> None:
    minted = house.log_in(salt_name="laptop")
    held = minted.macaroon.attenuate(f"salt = contractor/{'A' * 22}")
    house.clock.forward(60)
    house.verify(held)
    TAKEN_BACK[revocation](house, minted.written.nonce)
    with pytest.raises(Revoked):
        house.verify(held)
    AFTERWARDS[happens](house)
    with pytest.raises(Revoked):
        house.verify(held)


def test_what_nobody_took_back_outlives_what_happens_to_others(house: Installation) -> None:
    house.add_user("bob")
    held = house.log_in(salt_name="laptop").macaroon.attenuate(f"salt = contractor/{'A' * 22}")
    house.store.revoke_all("bob", house.now)
    house.store.set_disabled("bob", True, house.now)
    for name in ("contractor", "laptop"):
        house.store.revoke_name("bob", name, house.now)
    house.store.revoke_name("alice", "default", house.now)
    house.store.revoke_name("alice", "other", house.now)
    house.log_in(salt_name="phone")
    house.promote(house.add_key())
    house.start(Settings(lifetime=60, max_lifetime=60))
    house.clock.forward(DAY)
    house.verify(held)


def test_section_6_what_was_cut_from_a_macaroon_goes_with_it_and_not_the_other_way_round(house: Installation) -> None:
    minted = house.log_in()
    held = minted.macaroon.attenuate(f"salt = contractor/{'A' * 22}")
    handed_on = held.attenuate(f"salt = contractor.intern/{'B' * 21}A")
    house.store.revoke_name("alice", "contractor.intern", house.now)
    with pytest.raises(Revoked):
        house.verify(handed_on)
    house.verify(held)
    house.store.revoke_name("alice", "contractor", house.now)
    with pytest.raises(Revoked):
        house.verify(held)
    house.verify(minted.macaroon)
    house.store.revoke_nonce("alice", minted.written.nonce, house.now)
    for each in (minted.macaroon, held, handed_on):
        with pytest.raises(Revoked):
            house.verify(each)
