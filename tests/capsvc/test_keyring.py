"""The key ring: split secrets, states, and keys that no two purposes share (section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from capsvc import keyring
from capsvc.errors import Refused, SettingsError, StoreUnavailable
from capsvc.hkdf import hkdf_sha256
from capsvc.keyring import KeyRing
from capsvc.shares import ShareFile
from capsvc.stores.sqlite import SQLiteStore
from caveats import KeyName
from tests.capsvc.installation import quick_directory

NOW, LATER, LATEST = "2026-11-22T06:00:00Z", "2026-11-23T06:00:00Z", "2026-11-24T06:00:00Z"


@pytest.fixture
def directory() -> Iterator[Path]:
    with quick_directory() as path:
        yield path


@pytest.fixture
def store(directory: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore.create(directory / "capsvc.db")) as store:
        yield store


@pytest.fixture
def shares(directory: Path) -> ShareFile:
    return ShareFile(directory / "keys.json")


def _states(store: SQLiteStore) -> dict[str, str]:
    return {key.key_id: key.state for key in store.keys()[1]}


def _signing(store: SQLiteStore, shares: ShareFile) -> str:
    key_id = keyring.add(store, shares, NOW)
    keyring.promote(store, key_id, NOW)
    return key_id


# Two shares


def test_a_ring_is_loaded_from_both_shares_and_is_the_same_each_time(store: SQLiteStore, shares: ShareFile) -> None:
    for _ in range(2):
        keyring.add(store, shares, NOW)
    ring = KeyRing.load(store, shares)
    assert ring.count == 2
    assert list(ring.keys) == ["k1", "k2"]
    assert KeyRing.load(store, shares).keys == ring.keys
    assert ring.keys["k1"].secret != ring.keys["k2"].secret


def test_section_7_either_share_alone_opens_nothing(store: SQLiteStore, shares: ShareFile) -> None:
    keyring.add(store, shares, NOW)
    (stored,) = store.keys()[1]
    half, secret = shares.read()["k1"], KeyRing.load(store, shares).keys["k1"].secret
    assert len(secret) == len(half) == len(stored.share) == 32
    assert bytes(a ^ b for a, b in zip(half, stored.share, strict=True)) == secret
    assert len({secret, half, stored.share, bytes(32)}) == 4
    assert stored.check not in (secret[:16], half[:16], stored.share[:16])


@pytest.mark.parametrize("wrong", ["file", "store"])
def test_section_7_a_wrong_pair_is_refused_by_its_check_value(
    store: SQLiteStore, shares: ShareFile, directory: Path, wrong: str
) -> None:
    _signing(store, shares)
    other_shares = ShareFile(directory / "other.json")
    with closing(SQLiteStore.create(directory / "other.db")) as other:
        _signing(other, other_shares)
        KeyRing.load(other, other_shares)
        with pytest.raises(SettingsError, match=r"k1 in .* does not belong to this database"):
            KeyRing.load(*((store, other_shares) if wrong == "file" else (other, shares)))


def test_one_changed_bit_of_a_share_is_noticed(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    half = shares.read()["k1"]
    shares.write({"k1": bytes([half[0] ^ 1]) + half[1:]})
    with pytest.raises(SettingsError, match="does not belong"):
        KeyRing.load(store, shares)


def test_a_share_that_is_missing_from_the_file_is_named(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    shares.write({})
    with pytest.raises(SettingsError, match="no share of key k1"):
        KeyRing.load(store, shares)


def test_a_share_of_a_retired_key_may_be_missing(store: SQLiteStore, shares: ShareFile) -> None:
    keyring.add(store, shares, NOW)
    keyring.retire(store, "k1", NOW, NOW, leaked=False)
    shares.write({})
    assert not KeyRing.load(store, shares).keys


def test_section_7_keys_without_their_file_are_not_made_anew(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    shares.path.unlink()
    with pytest.raises(SettingsError, match="missing"):
        KeyRing.load(store, shares)
    with pytest.raises(SettingsError, match="missing"):
        keyring.add(store, shares, LATER)
    assert not shares.path.exists()
    assert _states(store) == {"k1": "signing"}


def test_section_7_without_a_key_nothing_signs(store: SQLiteStore, shares: ShareFile) -> None:
    with pytest.raises(SettingsError, match="no key signs"):
        KeyRing.load(store, shares).signing()
    keyring.add(store, shares, NOW)
    with pytest.raises(SettingsError, match="no key signs"):
        KeyRing.load(store, shares).signing()


# States


def test_a_new_key_is_pending_and_verifies_before_it_signs(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    assert keyring.add(store, shares, LATER) == "k2"
    ring = KeyRing.load(store, shares)
    assert _states(store) == {"k1": "signing", "k2": "pending"}
    assert ring.signing().key_id == "k1"
    assert ring.root_key(KeyName("k2")) is not None


def test_promotion_lets_one_key_sign_and_the_other_verify(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    before = KeyRing.load(store, shares).root_key(KeyName("k1"))
    keyring.add(store, shares, NOW)
    keyring.promote(store, "k2", LATER)
    ring = KeyRing.load(store, shares)
    assert _states(store) == {"k1": "verifying", "k2": "signing"}
    assert ring.signing().key_id == "k2"
    assert ring.root_key(KeyName("k1")) == before


def test_a_rotation_adds_a_key_that_signs_and_the_other_verifies(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    before = KeyRing.load(store, shares).root_key(KeyName("k1"))
    assert [keyring.rotate(store, shares, LATER) for _ in range(2)] == ["k2", "k3"]
    ring = KeyRing.load(store, shares)
    assert _states(store) == {"k1": "verifying", "k2": "verifying", "k3": "signing"}
    assert ring.signing().key_id == "k3"
    assert ring.root_key(KeyName("k1")) == before


@pytest.mark.parametrize("step", ["add_key", "set_key_states"])
def test_a_rotation_cut_off_at_any_step_leaves_the_old_key_signing_and_the_next_one_works(
    store: SQLiteStore, shares: ShareFile, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    _signing(store, shares)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(store, step, killed)
        with pytest.raises(KeyboardInterrupt):
            keyring.rotate(store, shares, LATER)
    assert KeyRing.load(store, shares).signing().key_id == "k1"
    assert keyring.rotate(store, shares, LATER) == "k3"
    assert KeyRing.load(store, shares).signing().key_id == "k3"


def test_only_a_pending_key_is_promoted(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    keyring.add(store, shares, NOW)
    keyring.promote(store, "k2", NOW)
    keyring.retire(store, "k1", NOW, NOW, leaked=True)
    before = store.keys()
    for key_id, state in (("k1", "retired"), ("k2", "signing"), ("k9", "not in the ring")):
        with pytest.raises(Refused, match=f"{key_id} is {state}"):
            keyring.promote(store, key_id, LATER)
    assert store.keys() == before


def test_a_key_that_signs_is_not_retired_even_when_it_leaked(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    with pytest.raises(Refused, match="k1 signs"):
        keyring.retire(store, "k1", LATER, LATEST, leaked=True)
    assert _states(store) == {"k1": "signing"}


def test_section_7_a_key_is_retired_once_nothing_signed_by_it_can_be_alive(
    store: SQLiteStore, shares: ShareFile
) -> None:
    _signing(store, shares)
    keyring.add(store, shares, NOW)
    keyring.promote(store, "k2", LATER)
    with pytest.raises(Refused, match=f"signed until {LATER}"):
        keyring.retire(store, "k1", LATEST, NOW, leaked=False)
    assert _states(store)["k1"] == "verifying"
    keyring.retire(store, "k1", LATEST, LATER, leaked=False)
    assert _states(store)["k1"] == "retired"


def test_section_7_a_key_that_leaked_is_retired_at_once(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    keyring.add(store, shares, NOW)
    keyring.promote(store, "k2", LATER)
    keyring.retire(store, "k1", LATER, NOW, leaked=True)
    ring = KeyRing.load(store, shares)
    assert list(ring.keys) == ["k2"]
    assert ring.root_key(KeyName("k1")) is None
    with pytest.raises(Refused, match="k1 is retired"):
        keyring.retire(store, "k1", LATEST, LATEST, leaked=True)


def test_a_key_that_never_was_is_not_retired(store: SQLiteStore) -> None:
    with pytest.raises(Refused, match="not in the ring"):
        keyring.retire(store, "k1", NOW, NOW, leaked=True)


def test_section_7_a_keys_id_is_never_reused(store: SQLiteStore, shares: ShareFile) -> None:
    ids = []
    for _ in range(3):
        ids.append(keyring.add(store, shares, NOW))
        keyring.retire(store, ids[-1], NOW, NOW, leaked=False)
        shares.write({})
    assert ids == ["k1", "k2", "k3"]


def test_a_share_whose_key_never_got_into_the_store_uses_up_its_id(
    store: SQLiteStore, shares: ShareFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _signing(store, shares)

    def gone(key: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(store, "add_key", gone)
        with pytest.raises(StoreUnavailable):
            keyring.add(store, shares, LATER)
    assert KeyRing.load(store, shares).signing().key_id == "k1"
    assert keyring.add(store, shares, LATER) == "k3"
    assert list(KeyRing.load(store, shares).keys) == ["k1", "k3"]


def test_two_keys_that_are_added_at_once_leave_a_ring_that_loads(store: SQLiteStore, shares: ShareFile) -> None:
    _signing(store, shares)
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda _: keyring.add(store, shares, NOW), range(8)))
    assert sorted(added) == [f"k{number}" for number in range(2, 10)]
    ring = KeyRing.load(store, shares)
    assert set(ring.keys) == {"k1", *added}
    assert ring.signing().key_id == "k1"


def test_a_ring_that_somebody_else_changes_is_not_changed_meanwhile(
    store: SQLiteStore, shares: ShareFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _signing(store, shares)
    monkeypatch.setattr("capsvc.shares._PATIENCE_SECONDS", 0.05)
    with shares.locked(), pytest.raises(SettingsError, match="another command is changing the key ring"):
        keyring.add(store, shares, NOW)
    assert keyring.add(store, shares, NOW) == "k2"


# Derived keys


def test_section_7_no_two_keys_audiences_or_purposes_share_a_key(store: SQLiteStore, shares: ShareFile) -> None:
    for _ in range(2):
        keyring.add(store, shares, NOW)
    ring = KeyRing.load(store, shares)
    names = [KeyName(key, audience) for key in ("k1", "k2") for audience in (None, "billing", "capsvc.admin")]
    derived = [ring.root_key(name) for name in names]
    secrets = [key.secret for key in ring.keys.values()]
    checks = [key.check for key in store.keys()[1]]
    assert None not in derived
    assert len({*derived, *secrets}) == len(names) + 2
    assert not {key[:16] for key in derived if key} & set(checks)


def test_a_root_key_is_derived_from_purpose_key_and_audience(store: SQLiteStore, shares: ShareFile) -> None:
    keyring.add(store, shares, NOW)
    ring = KeyRing.load(store, shares)
    expected = hkdf_sha256(ring.keys["k1"].secret, "capsvc macaroon root key 1", "k1", "billing")
    assert ring.root_key(KeyName("k1", "billing")) == expected
    assert ring.root_key(KeyName("k1", "billing")) == expected


def test_an_unknown_key_has_no_root_key(store: SQLiteStore, shares: ShareFile) -> None:
    keyring.add(store, shares, NOW)
    assert KeyRing.load(store, shares).root_key(KeyName("k2")) is None


def test_law_8_a_ring_prints_no_secret(store: SQLiteStore, shares: ShareFile) -> None:
    keyring.add(store, shares, NOW)
    ring = KeyRing.load(store, shares)
    derived = ring.root_key(KeyName("k1"))
    (stored,) = store.keys()[1]
    for secret in (derived, ring.keys["k1"].secret, stored.share, stored.check):
        for text in (repr(ring), repr(stored), repr(shares)):
            assert repr(secret)[2:-1] not in text
