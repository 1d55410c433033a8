"""Renewal: a live root macaroon gets a fresh nonce and a later expiry, and outlives nothing (section 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from capsvc.errors import Refused
from capsvc.settings import Settings
from caveats import Expired, Revoked
from tests.capsvc.installation import OTHER_PASSWORD, Installation, hash_of, installed

DAY = 24 * 3600


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed(Settings(lifetime=DAY, max_lifetime=2 * DAY, max_login_age=5 * DAY)) as house:
        yield house


def test_a_renewed_macaroon_says_the_same_with_a_fresh_nonce_and_a_later_expiry(house: Installation) -> None:
    old = house.log_in(audience="billing", salt_name="laptop").written
    first = house.log_in(audience="billing", salt_name="laptop")
    house.clock.forward(3600)
    new = house.renew(first.macaroon, audience="billing")
    assert new.written.nonce not in (first.written.nonce, old.nonce)
    assert new.written.not_after == house.after(DAY) > first.written.not_after
    assert new.written.not_before == first.written.not_before
    assert (new.written.key_name, new.written.user) == (first.written.key_name, "alice")
    assert (new.written.salt_name, new.written.salt) == ("laptop", first.written.salt)
    assert house.verify(new.macaroon, "billing").capability.narrowings == 0
    house.verify(first.macaroon, "billing")


def test_section_8_a_narrowed_copy_is_not_renewed(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    for caveat in ("time < 2099-01-01T00:00:00Z", f"salt = default.x/{'A' * 22}", f"nonce = {'A' * 22}"):
        capability = house.verify(macaroon.attenuate(caveat)).capability
        with pytest.raises(Refused, match="a narrowed macaroon is not renewed"):
            house.authority.renew(capability)


def test_a_renewal_lasts_as_long_as_a_login_may(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    assert house.renew(macaroon, 60).written.not_after == house.after(60)
    assert house.renew(macaroon, 2 * DAY).written.not_after == house.after(2 * DAY)
    for wrong in (2 * DAY + 1, -1):
        with pytest.raises(Refused, match="a lifetime is"):
            house.renew(macaroon, wrong)


def test_section_8_no_chain_of_renewals_passes_the_longest_age_of_a_login(house: Installation) -> None:
    latest = house.log_in()
    oldest = house.after(5 * DAY)
    ends = []
    for _ in range(5):
        house.clock.forward(DAY - 1)
        latest = house.renew(latest.macaroon, 2 * DAY)
        ends.append(latest.written.not_after)
    assert ends[:2] == sorted(ends[:2])
    assert max(ends) == ends[-1] == oldest
    house.clock.forward(10)
    with pytest.raises(Expired):
        house.verify(latest.macaroon)


def test_a_login_past_its_longest_age_is_told_to_log_in_again(house: Installation) -> None:
    macaroon = house.log_in(lifetime=2 * DAY).macaroon
    house.start(Settings(lifetime=DAY, max_lifetime=2 * DAY, max_login_age=DAY))
    house.clock.forward(DAY)
    with pytest.raises(Refused, match="longest age: log in again"):
        house.renew(macaroon)


def test_a_renewal_is_signed_by_the_key_that_signs_now(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    house.promote(house.add_key())
    new = house.renew(macaroon)
    assert new.written.key_name.key_id == "k2"
    house.retire("k1")
    house.verify(new.macaroon)


REVOCATIONS: dict[str, Callable[[Installation, str], object]] = {
    "name": lambda house, nonce: house.store.revoke_name("alice", "default", house.now),
    "nonce": lambda house, nonce: house.store.revoke_nonce("alice", nonce, house.now),
    "all": lambda house, nonce: house.store.revoke_all("alice", house.now),
    "password": lambda house, nonce: house.store.set_password("alice", hash_of(OTHER_PASSWORD), house.now),
    "audiences": lambda house, nonce: house.store.set_audiences("alice", ("docs",), house.now),
    "disabled": lambda house, nonce: house.store.set_disabled("alice", True, house.now),
    "enabled": lambda house, nonce: [house.store.set_disabled("alice", each, house.now) for each in (True, False)],
}


@pytest.mark.parametrize("kind", REVOCATIONS)
def test_section_6_what_was_revoked_since_it_was_verified_is_not_renewed(house: Installation, kind: str) -> None:
    minted = house.log_in(audience="billing")
    capability = house.verify(minted.macaroon, "billing").capability
    REVOCATIONS[kind](house, minted.written.nonce)
    with pytest.raises(Revoked):
        house.verify(minted.macaroon, "billing")
    with pytest.raises(Revoked):
        house.authority.renew(capability)


def test_section_6_panic_since_it_was_verified_leaves_nothing_alive(house: Installation) -> None:
    capability = house.verify(house.log_in().macaroon).capability
    house.clock.forward(60)
    house.authority.panic(house.now)
    try:
        renewed = house.authority.renew(capability)
    except Revoked:
        return
    with pytest.raises(Revoked):
        house.verify(renewed.macaroon)


def test_a_renewal_that_was_refused_changes_nothing_in_the_column(house: Installation) -> None:
    capability = house.verify(house.log_in(salt_name="laptop").macaroon).capability
    house.store.set_disabled("alice", True, house.now)
    before = house.store.revision(), house.store.salt_names("alice")
    with pytest.raises(Revoked):
        house.authority.renew(capability)
    assert (house.store.revision(), house.store.salt_names("alice")) == before
