"""Authority: what it mints, what it renews, and what it refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from capsvc.authority import Authority
from capsvc.errors import CredentialsRefused, Refused, TooBusy
from capsvc.passwords import HashingSlots, Passwords
from capsvc.settings import Settings
from capsvc.stores.sqlite import SQLiteStore
from caveats import Expired, KeyName, Macaroon, Revoked
from tests.capsvc.installation import (
    LOCATION,
    OTHER_PASSWORD,
    PASSWORD,
    Installation,
    hash_of,
    installed,
    passwords,
)


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed() as house:
        yield house


# Logging in


def test_section_3_a_login_writes_authoritys_caveats_and_nothing_more(house: Installation) -> None:
    minted = house.log_in(audience="billing", salt_name="laptop", lifetime=60)
    written = minted.written
    assert (written.key_name, written.user, written.salt_name) == (KeyName("k1", "billing"), "alice", "laptop")
    assert (written.not_before, written.not_after) == (house.after(-30), house.after(60))
    assert written.salt == house.store.read("alice", ("laptop",)).salts.rows["laptop"]
    assert minted.macaroon.unverified_location == LOCATION
    verdict = house.verify(minted.macaroon, "billing")
    assert verdict.capability.narrowings == 0
    assert (verdict.capability.user, verdict.capability.audience) == ("alice", "billing")
    assert verdict.capability.expires == written.not_after
    assert verdict.revision == house.store.revision()


def test_section_3_no_two_logins_have_one_nonce(house: Installation) -> None:
    assert len({house.log_in().written.nonce for _ in range(4)}) == 4


def test_a_login_lasts_as_long_as_the_settings_say_unless_it_asks_for_less(house: Installation) -> None:
    house.start(Settings(lifetime=3600, max_lifetime=7200))
    assert house.log_in().written.not_after == house.after(3600)
    assert house.log_in(lifetime=7200).written.not_after == house.after(7200)
    for wrong in (7201, -1):
        with pytest.raises(Refused, match="1 to 7200 seconds"):
            house.log_in(lifetime=wrong)


@pytest.mark.parametrize(("user", "password"), [("alice", OTHER_PASSWORD), ("alice", ""), ("nobody", PASSWORD)])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(house: Installation, user: str, password: str) -> None:
    with pytest.raises(CredentialsRefused, match=r"^user and password do not belong together$"):
        house.log_in(user, password)


def test_a_disabled_user_cannot_log_in_until_she_is_enabled(house: Installation) -> None:
    house.store.set_disabled("alice", True, house.now)
    with pytest.raises(CredentialsRefused, match=r"^user and password do not belong together$"):
        house.log_in()
    house.store.set_disabled("alice", False, house.now)
    house.verify(house.log_in().macaroon)


@pytest.mark.parametrize("audience", ["docs", "capsvc.admin", "capsvc.verify", ""])
def test_section_3_an_audience_that_is_not_the_users_is_refused(house: Installation, audience: str) -> None:
    with pytest.raises(Refused, match="may not have macaroons for the audience"):
        house.log_in(audience=audience)


def test_what_is_no_salts_name_is_refused_before_anything_is_hashed(house: Installation) -> None:
    for name in ("", "nonce/x", "a b", "-a"):
        with pytest.raises(ValueError, match="a salt's name is"):
            house.log_in(password=OTHER_PASSWORD, salt_name=name)
    assert [each.name for each in house.store.salt_names("alice")] == ["default"]


def test_section_6_a_login_cannot_take_a_holders_revoked_name(house: Installation) -> None:
    house.store.revoke_name("alice", "contractor", house.now)
    with pytest.raises(Refused, match="contractor was a holder's"):
        house.log_in(salt_name="contractor")


def test_a_refused_login_leaves_no_name_behind(house: Installation) -> None:
    with pytest.raises(CredentialsRefused):
        house.log_in(password=OTHER_PASSWORD, salt_name="laptop")
    assert [each.name for each in house.store.salt_names("alice")] == ["default"]


def test_a_login_is_refused_when_all_slots_stay_taken(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        slots = HashingSlots()
        authority = Authority(house.node, house.store, passwords(), slots, LOCATION)
        begun, over = threading.Barrier(slots.count + 1), threading.Event()

        def take() -> bool:
            begun.wait(60)
            return over.wait(60)

        monkeypatch.setattr("capsvc.passwords.QUEUE_SECONDS", 60.0)
        taken = [asyncio.create_task(slots.run(take)) for _ in range(slots.count)]
        await asyncio.to_thread(begun.wait, 60)
        monkeypatch.setattr("capsvc.passwords.QUEUE_SECONDS", 0.05)
        with pytest.raises(TooBusy):
            await authority.log_in("alice", PASSWORD, None, then=lambda minted: minted)
        over.set()
        assert await asyncio.gather(*taken) == [True] * slots.count
        slots.close()

    asyncio.run(main())


class _Meanwhile(Passwords):
    """Passwords during whose check, or hash, something else happens in the store."""

    def __init__(self, store: SQLiteStore, now: str, happens: str, settings: Settings | None = None) -> None:
        super().__init__(settings or Settings())
        self._store, self._now, self._happens = store, now, happens

    def verify(self, hash: str | None, password: str) -> None:
        super().verify(hash, password)
        if self._happens == "disabled":
            self._store.set_disabled("alice", True, self._now)
        elif self._happens == "password":
            self._store.set_password("alice", hash_of(OTHER_PASSWORD), self._now)
        elif self._happens == "rehashed" and hash is not None and self.is_outdated(hash):
            self._store.replace_hash("alice", hash, self.hash(password))


@pytest.mark.parametrize("happens", ["password", "disabled"])
def test_a_login_that_was_overtaken_by_a_change_of_the_user_is_refused(house: Installation, happens: str) -> None:
    own = _Meanwhile(house.store, house.now, happens)
    house.authority = Authority(house.node, house.store, own, house.slots, LOCATION)
    with pytest.raises(CredentialsRefused):
        house.log_in()


def test_of_two_logins_that_both_strengthen_an_old_hash_neither_is_refused(house: Installation) -> None:
    own = _Meanwhile(house.store, house.now, "rehashed", Settings(argon2_time=3))
    house.authority = Authority(house.node, house.store, own, house.slots, LOCATION)
    house.verify(house.log_in().macaroon)


def test_a_login_strengthens_an_outdated_hash_and_takes_nothing_back(house: Installation) -> None:
    old = house.log_in().macaroon
    stronger = Passwords(Settings(argon2_time=3))
    house.authority = Authority(house.node, house.store, stronger, house.slots, LOCATION)
    house.verify(house.log_in().macaroon)
    hash = house.store.password("alice")
    assert hash not in (None, hash_of(PASSWORD))
    assert not stronger.is_outdated(hash or "")
    house.verify(old)
    house.verify(house.log_in().macaroon)


# Panic


def test_section_6_panic_is_never_in_the_future(house: Installation) -> None:
    with pytest.raises(Refused, match="in the future"):
        house.authority.panic(house.after(1))
    assert house.store.read("", ()).salts.panic == ""
    with pytest.raises(ValueError, match="time"):
        house.authority.panic("yesterday")


def test_section_6_panic_refuses_every_window_that_began_before_it(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    house.clock.forward(60)
    revision = house.authority.panic(house.now)
    assert revision == house.store.revision()
    with pytest.raises(Revoked):
        house.verify(macaroon)


def test_section_6_a_login_after_panic_begins_no_earlier(house: Installation) -> None:
    house.authority.panic(house.now)
    at_once = house.log_in()
    assert at_once.written.not_before == house.now
    house.verify(at_once.macaroon)
    house.clock.forward(10)
    assert house.log_in().written.not_before == house.after(-10)
    house.clock.forward(3600)
    assert house.log_in().written.not_before == house.after(-30)


# Changing the password


def test_a_changed_password_takes_everything_back(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    revision = asyncio.run(house.authority.change_password("alice", PASSWORD, OTHER_PASSWORD))
    assert revision == house.store.revision()
    with pytest.raises(Revoked):
        house.verify(macaroon)
    with pytest.raises(CredentialsRefused):
        house.log_in()
    house.verify(house.log_in(password=OTHER_PASSWORD).macaroon)


def test_who_does_not_know_the_password_cannot_change_it(house: Installation) -> None:
    before = house.store.revision()
    for user in ("alice", "nobody"):
        with pytest.raises(CredentialsRefused):
            asyncio.run(house.authority.change_password(user, "not the password", OTHER_PASSWORD))
    with pytest.raises(ValueError, match="8 to 1024"):
        asyncio.run(house.authority.change_password("alice", PASSWORD, "short"))
    assert house.store.revision() == before


def test_a_password_that_was_changed_meanwhile_is_not_overwritten_by_who_knew_the_old_one(
    house: Installation,
) -> None:
    own = _Meanwhile(house.store, house.now, "password")
    house.authority = Authority(house.node, house.store, own, house.slots, LOCATION)
    with pytest.raises(CredentialsRefused):
        asyncio.run(house.authority.change_password("alice", PASSWORD, "what a thief would like"))
    assert house.store.password("alice") == hash_of(OTHER_PASSWORD)


def test_law_8_what_was_minted_prints_no_secret(house: Installation) -> None:
    minted = house.log_in()
    for text in (repr(minted), repr(minted.macaroon), repr(minted.written), str(house.authority)):
        assert minted.macaroon.signature.hex() not in text
        assert repr(minted.written.salt)[2:-1] not in text
    assert isinstance(minted.macaroon, Macaroon)


def test_what_was_minted_ends_when_it_says(house: Installation) -> None:
    macaroon = house.log_in(lifetime=60).macaroon
    house.clock.forward(59.9)
    house.verify(macaroon)
    house.clock.forward(0.1)
    with pytest.raises(Expired):
        house.verify(macaroon)
