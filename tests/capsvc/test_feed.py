"""The feed: pages that are signed, stamped before the store was asked, and lead through everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from nacl.signing import SigningKey

from capsvc import feed, keyring
from capsvc.changes import Digests, Page
from capsvc.errors import FeedError, SettingsError, WentBack
from capsvc.feed import Feed
from capsvc.keyring import KeyRing
from capsvc.settings import Settings
from capsvc.stores import Changes, NewUser, Store
from capsvc.stores.history import DAY
from tests.capsvc.installation import Installation, installed

ISSUER = "https://caps.example"


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed(Settings(exported_audiences=("billing", "reports"), clock_skew=7)) as house:
        house.store.longest(20 * 365 * DAY)  # the instants of this clock are no news for ever
        yield house


def _feed(house: Installation, store: Any = None) -> Feed:
    return Feed(store or house.store, house.shares, house.settings, ISSUER, house.clock)


def _ring(house: Installation) -> KeyRing:
    return KeyRing.load(house.store, house.shares)


def _read(house: Installation, made: Feed, since: int = 0, skip: int = 0, audience: str = "billing") -> Page:
    publics = {key_id: key.public for key_id, key in _ring(house).exported(audience).items()}
    return Page.read(made.page(audience, since, skip).text, publics, skip)


def test_a_page_tells_how_things_stand(house: Installation) -> None:
    house.store.panic(house.now)
    page, changes = _read(house, _feed(house)), house.store.changes(0, 100)
    assert (page.issuer, page.audience, page.key_id, page.keys) == (ISSUER, "billing", "k1", ("k1",))
    assert (page.since, page.to, page.head, page.skip) == (0, 2, 2, 0)
    assert (page.panic, page.ring, page.longest) == (house.now, house.store.keys()[0], 20 * 365 * DAY + 7)
    assert abs(page.begins - changes.begins) <= 5


def test_rows_are_digests_that_only_who_knows_a_name_can_tell(house: Installation) -> None:
    house.store.revoke_name("alice", "held", house.now)
    made = _feed(house)
    digests = Digests(_ring(house).exported("billing")["k1"].digests)
    salt = house.store.read("alice", ("default",)).salts.rows["default"]
    assert salt is not None
    rows = {row.name: row for row in _read(house, made).rows}
    assert rows[digests.name("alice", "default")].salt == digests.salt("alice", "default", salt)
    assert rows[digests.name("alice", "held")].salt is None
    assert {row.hour for row in rows.values()} == {int(house.clock()) // 3600}
    assert len(rows) == 2
    text = made.page("billing", 0).text
    for told in ("alice", "held", "default"):
        assert told not in text
    others = {row.name for row in _read(house, made, audience="reports").rows}
    assert others.isdisjoint(rows)


class _Slow:
    """A store that takes its time, or in which something happens meanwhile."""

    def __init__(self, house: Installation, meanwhile: Any) -> None:
        self._store: Store = house.store
        self._meanwhile = meanwhile
        self.keys = house.store.keys

    def changes(self, since: int, most: int, skip: int = 0) -> Changes:
        found = self._store.changes(since, most, skip)
        self._meanwhile()
        return found


def test_a_page_is_stamped_with_the_time_before_the_store_was_asked(house: Installation) -> None:
    asked = house.clock()
    page = _read(house, _feed(house, _Slow(house, lambda: house.clock.forward(100))))
    assert page.stamp == int(asked * 1000)


def test_a_key_ring_that_changes_meanwhile_makes_no_page_of_two_rings(house: Installation) -> None:
    left = [lambda: house.retire("k1"), lambda: None]
    house.promote(house.add_key())
    page = _read(house, _feed(house, _Slow(house, lambda: left.pop(0)() if left else None)))
    assert (page.key_id, page.keys, page.ring) == ("k2", ("k2",), house.store.keys()[0])


def test_a_page_is_signed_by_the_oldest_key_that_is_neither_retired_nor_pending(house: Installation) -> None:
    made = _feed(house)
    key_id = house.add_key()
    assert (_read(house, made).key_id, _read(house, made).keys) == ("k1", ("k1", "k2"))
    house.promote(key_id)
    assert _read(house, made).key_id == "k1"
    house.retire("k1")
    assert (_read(house, made).key_id, _read(house, made).keys) == ("k2", ("k2",))


def test_a_ring_in_which_nothing_ever_signed_makes_no_page(house: Installation) -> None:
    house.add_key()
    house.store.set_key_states({"k1": "retired"}, house.now)
    with pytest.raises(SettingsError, match="no key signs"):
        _feed(house).page("billing", 0)


@pytest.mark.parametrize("most", [1, 3, 4, 1000])
def test_pages_lead_through_revisions_of_any_size_with_nothing_left_out(
    house: Installation, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(feed, "ROWS", most)
    house.store.add_users([NewUser(f"u{number}", "hash") for number in range(7)], house.now)
    house.store.revoke_all("u3", house.now)
    house.store.recover(0, (), house.now)
    house.store.revoke_name("alice", "held", house.now)
    made, found = _feed(house), []
    since = skip = 0
    while True:
        page = _read(house, made, since, skip)
        found += page.rows
        if page.to == page.head:
            break
        since, skip = page.to, skip + len(page.rows) if page.to == since else 0
    digests = Digests(_ring(house).exported("billing")["k1"].digests)
    written = house.store.changes(0, 1000).rows
    assert [row.name for row in found] == [digests.name(each.user, each.name) for each in written]
    assert len(written) == 1 + 7 + 1 + 8 + 1


def test_a_revision_that_is_yet_to_come_has_no_page(house: Installation) -> None:
    with pytest.raises(WentBack):
        _feed(house).page("billing", house.store.revision() + 1)


def test_section_7_no_page_can_be_signed_with_what_is_exported(house: Installation) -> None:
    page, keys = _read(house, _feed(house)), _ring(house).exported("billing")["k1"]
    for seed in (keys.root_key, keys.digests, keys.public):
        assert bytes(SigningKey(seed).verify_key) != keys.public
        with pytest.raises(FeedError):
            Page.read(page.sign(seed), {"k1": keys.public})


def test_the_keys_of_a_retired_key_are_not_exported_again(house: Installation) -> None:
    house.promote(house.add_key())
    assert list(_ring(house).exported("billing")) == ["k1", "k2"]
    keyring.retire(house.store, "k1", house.now, house.now, leaked=True)
    assert list(_ring(house).exported("billing")) == ["k2"]
