"""The high water: never lowered, whole after any crash, and ahead of every acknowledgement."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc import high_water as module
from capsvc import keyring
from capsvc.errors import SettingsError, StoreBusy, Unacknowledged
from capsvc.high_water import SLOT_BYTES, HighWater, Mark
from capsvc.home import Home
from capsvc.stores import NewUser, Store, connection
from capsvc.stores.acknowledging import AcknowledgingStore
from capsvc.stores.sqlite import SQLiteStore
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract import StoreContract
from tests.capsvc.store_contract_column import LATER, NOW, Engine, add
from tests.capsvc.store_contract_subjects import asserted
from tests.capsvc.test_sqlite import engine_of


@pytest.fixture
def directory() -> Iterator[Path]:
    with quick_directory() as path:
        yield path


@pytest.fixture
def water(directory: Path) -> HighWater:
    water = HighWater(directory / "high-water")
    water.create()
    return water


@pytest.fixture
def home(directory: Path) -> Home:
    home = Home.of({"CAPSVC_HOME": str(directory / "home")})
    with closing(home.create(NOW)) as store:
        add(store, "alice")
    return home


@pytest.fixture
def engine(directory: Path, water: HighWater, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.2)
    path = directory / "capsvc.db"
    with closing(AcknowledgingStore(SQLiteStore.create(path), water, Mark())) as store:
        yield engine_of(store, path)


class TestAcknowledgingStore(StoreContract):
    """The contract, held by a store that keeps a high water."""


# The file


@given(st.lists(st.tuples(st.integers(0, 2**60), st.sets(st.sampled_from(["k1", "k2", "k17", "k300"])))))
def test_whatever_is_recorded_the_highest_revision_and_every_retired_key_stand_there(
    records: list[tuple[int, set[str]]],
) -> None:
    with quick_directory() as directory:
        water, highest, all_retired = HighWater(directory / "high-water"), 0, set[str]()
        water.create()
        for revision, retired in records:
            highest, all_retired = max(highest, revision), all_retired | retired
            assert water.record(revision, retired) == water.read()
            assert (water.read().revision, water.read().retired) == (highest, all_retired)


def test_a_write_that_was_torn_anywhere_leaves_what_stood_before(water: HighWater) -> None:
    water.record(7, ["k1"])
    before = water.path.read_bytes()
    water.record(1234567, ["k2"])
    after = water.path.read_bytes()
    changed = [
        position for position in range(len(after)) if after[position : position + 1] != before[position : position + 1]
    ]
    assert min(changed) // SLOT_BYTES == max(changed) // SLOT_BYTES, "both slots were written"
    for torn in range(changed[0] + 1, changed[-1]):
        water.path.write_bytes(after[:torn] + before[torn:])
        assert water.read() in (Mark(7, frozenset({"k1"}), 2), Mark(1234567, frozenset({"k1", "k2"}), 3))
        garbage = after[:torn] + b"\xa5" + after[torn + 1 :]
        water.path.write_bytes(garbage)
        assert water.read().revision in (7, 1234567)


@pytest.mark.parametrize("text", [b"", b"{}", b"\x00" * 200_000, b"\xa5" * 200_000, b"text\n"])
def test_a_file_that_is_damaged_in_both_slots_names_the_command(water: HighWater, text: bytes) -> None:
    water.path.write_bytes(text)
    for use in (water.read, lambda: water.record(5)):
        with pytest.raises(SettingsError, match="damaged: run `capsvc recover`"):
            use()


def test_a_file_that_is_missing_is_never_made_by_recording(water: HighWater) -> None:
    water.path.unlink()
    with pytest.raises(SettingsError, match="missing"):
        water.record(5)
    assert not water.path.exists()


def test_the_file_is_its_owners_alone(water: HighWater) -> None:
    assert water.path.stat().st_mode & 0o777 == 0o600


def test_ten_thousand_retired_keys_have_room(water: HighWater) -> None:
    ids = {f"k{number}" for number in range(7000)}
    water.record(1, ids)
    assert water.record(2).retired == ids


_RECORDERS = """
import sys
from pathlib import Path
from capsvc.high_water import HighWater
water, first = HighWater(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, 300, 3):
    assert water.record(number, [f"k{number}"]).revision >= number
"""


def test_processes_that_record_at_once_lose_nothing(water: HighWater) -> None:
    recorders = [
        subprocess.Popen([sys.executable, "-c", _RECORDERS, str(water.path), str(first)]) for first in range(3)
    ]
    assert [each.wait(60) for each in recorders] == [0, 0, 0]
    mark = water.read()
    assert (mark.revision, mark.retired) == (299, {f"k{number}" for number in range(300)})


_HOLDER = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


def test_a_file_that_somebody_else_holds_is_busy(water: HighWater, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(water.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreBusy):
            water.record(5)
        holder.communicate()
    assert water.record(5).revision == 5


# The acknowledgement


def test_every_change_is_recorded_before_it_is_acknowledged(engine: Engine, water: HighWater) -> None:
    store = engine.store
    changes = [
        lambda: store.add_users([NewUser("alice", "hash")], NOW),
        lambda: store.issue_salt("alice", "laptop", None, NOW),
        lambda: store.redeem(asserted(), NOW),
        lambda: store.set_password("alice", "another", NOW),
        lambda: store.set_audiences("alice", ["billing"], NOW),
        lambda: store.set_disabled("alice", True, NOW),
        lambda: store.change_user("alice", NOW, disabled=False, audiences=None, password=None),
        lambda: store.revoke_name("alice", "held", NOW),
        lambda: store.revoke_nonce("alice", "nonce", NOW),
        lambda: store.revoke_all("alice", NOW),
        lambda: store.panic(NOW),
        lambda: store.recover(0, (), NOW),
    ]
    for position, change in enumerate(changes):
        before = store.revision()
        change()
        assert water.read().revision == store.revision() > before, position


def test_a_revocation_whose_high_water_cannot_be_written_is_not_acknowledged_and_can_be_repeated(
    engine: Engine, water: HighWater
) -> None:
    add(engine.store, "alice")
    away = water.path.with_suffix(".away")
    water.path.rename(away)
    water.path.mkdir()
    with pytest.raises(Unacknowledged):
        engine.store.revoke_name("alice", "held", NOW)
    water.path.rmdir()
    away.rename(water.path)
    revision = engine.store.revoke_name("alice", "held", NOW)
    assert water.read().revision == revision == engine.store.revision()


def test_a_retired_key_is_recorded(home: Home) -> None:
    with closing(home.open_store()) as store:
        keyring.promote(store, keyring.add(store, home.shares, NOW), NOW)
        keyring.retire(store, "k1", LATER, LATER, leaked=False)
    assert home.high_water.read().retired == {"k1"}


def test_verification_asks_the_engine_and_nothing_else(directory: Path, water: HighWater) -> None:
    engine = SQLiteStore.create(directory / "capsvc.db")
    with closing(AcknowledgingStore(engine, water, Mark())) as store:
        assert store.read == engine.read
        assert "read" not in vars(AcknowledgingStore)


# The home


def test_a_database_that_went_back_is_refused_by_name_of_the_command(home: Home) -> None:
    old = home.database.read_bytes()
    with closing(home.open_store()) as store:
        store.revoke_all("alice", NOW)
    home.database.write_bytes(old)
    with pytest.raises(SettingsError, match=r"went back: .*run `capsvc recover`"):
        home.open_store()


def test_a_database_in_which_a_retired_key_is_back_is_refused(home: Home) -> None:
    with closing(home.open_store()) as store:
        keyring.promote(store, keyring.add(store, home.shares, NOW), NOW)
        old = home.database.read_bytes()
        keyring.retire(store, "k1", NOW, NOW, leaked=True)
    home.database.write_bytes(old)
    with pytest.raises(SettingsError, match=r"key k1 was retired.*run `capsvc recover`"):
        home.open_store()


def test_a_crash_between_commit_and_high_water_raises_no_alarm(home: Home) -> None:
    with closing(SQLiteStore(home.database)) as engine:
        revision = engine.revoke_all("alice", NOW)
        keyring.promote(engine, keyring.add(engine, home.shares, NOW), NOW)
        keyring.retire(engine, "k1", NOW, NOW, leaked=True)
    assert home.high_water.read().revision < revision
    home.open_store().close()
    assert home.high_water.read() == Mark(revision, frozenset({"k1"}), home.high_water.read().written)


def test_a_high_water_that_was_deleted_is_no_way_round_it(home: Home) -> None:
    home.high_water.path.unlink()
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"high-water is missing.*run `capsvc recover`"):
            home.open_store()
    assert not home.high_water.exists


def test_a_home_of_a_version_without_high_water_opens_once_and_has_one_from_then_on(home: Home) -> None:
    home.high_water.path.unlink()
    told = json.loads(home.shares.path.read_text())
    del told["high_water"]
    home.shares.path.write_text(json.dumps(told))
    with closing(home.open_store()) as store:
        assert home.high_water.read().revision == store.revision() > 0
    home.high_water.path.unlink()
    with pytest.raises(SettingsError, match="missing"):
        home.open_store()


def test_a_database_is_never_opened_while_it_is_behind_though_others_write(home: Home) -> None:
    """Whoever opens reads the high water first: the other way round, a change in between would look like an alarm."""
    writers = """
import sys
from capsvc.home import Home
store = Home.of({"CAPSVC_HOME": sys.argv[1]}).open_store()
print(flush=True)
for _ in range(400):
    store.revoke_all("alice", "2026-11-22T06:00:00Z")
"""
    with subprocess.Popen([sys.executable, "-c", writers, str(home.path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            home.open_store().close()
    assert writer.returncode == 0


def test_shares_of_another_home_open_nothing_however_high_their_water(home: Home, directory: Path) -> None:
    other = Home.of({"CAPSVC_HOME": str(directory / "other")})
    other.create(NOW).close()
    for name in ("keys.json", "high-water"):
        shutil.copy(other.path / name, home.path / name)
    with closing(home.open_store()) as store, pytest.raises(SettingsError, match="does not belong"):
        keyring.KeyRing.load(store, home.shares)


def test_law_8_nothing_secret_stands_in_the_high_water(home: Home) -> None:
    text = home.high_water.path.read_bytes()
    with closing(home.open_store()) as store:
        salts = store.read("alice", ("default",)).salts.rows.values()
    assert not any(salt and (salt in text or salt.hex().encode() in text) for salt in salts)
    assert not any(os.fsencode(share.hex()) in text for share in home.shares.read().values())


def _is_a_store(store: AcknowledgingStore) -> Store:
    return store
