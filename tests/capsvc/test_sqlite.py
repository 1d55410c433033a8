"""The store on one SQLite file: the contract, and what can go wrong with a file."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlite_utils import Database

from capsvc.errors import SettingsError, StoreBusy, StoreUnavailable
from capsvc.stores import NewUser, Store, StoredKey, connection
from capsvc.stores.connection import journal_mode
from capsvc.stores.migrations import MIGRATIONS
from capsvc.stores.readings import REMEMBERED
from capsvc.stores.sqlite import SQLiteStore
from capsvc.stores.steps import STEPS
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract import StoreContract
from tests.capsvc.store_contract_column import LATER, NOW, Change, Engine, add, salt_of

_HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement).fetchall()
print("held", flush=True)
sys.stdin.read()
"""

_DIE = """
import sqlite3, sys, os
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN EXCLUSIVE")
database.execute("UPDATE salts SET salt = NULL")
numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
database.execute(numbers + " INSERT INTO salts SELECT 'alice', 'name' || i, NULL, 1, '' FROM n")
os._exit(9)
"""


@contextmanager
def _held(path: Path, *statements: str) -> Iterator[None]:
    """Have another process run statements on a database and hold what they lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path), *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == b"held\n"
        yield
        other.stdin.close()
    assert other.returncode == 0


@pytest.fixture
def path() -> Iterator[Path]:
    with quick_directory() as directory:
        yield directory / "capsvc.db"


@pytest.fixture
def remembered() -> int:
    return REMEMBERED


@pytest.fixture
def engine(path: Path, remembered: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.2)
    with closing(SQLiteStore.create(path, remembered)) as store:
        # Who locks it commits something first: until then a look from memory has no need to wait.
        yield engine_of(store, path)


def engine_of(store: Store, path: Path) -> Engine:
    """A store on a file that waits for 0.2 s where it is locked, and what a contract asks beside it."""
    return Engine(
        store,
        lambda: _changes(path),
        lambda: _held(path, "PRAGMA user_version = 1", "BEGIN EXCLUSIVE"),
        0.2,
        lambda seconds: _age(path, seconds),
    )


@pytest.fixture
def store(engine: Engine) -> Store:
    add(engine.store, "alice", "billing")
    return engine.store


def _changes(path: Path) -> list[Change]:
    rows = _query(path, "SELECT revision, user, name, salt, instant FROM changes ORDER BY revision, user, name")
    return [Change(*row) for row in rows]


def _age(path: Path, seconds: int) -> None:
    older = "UPDATE changes SET instant = strftime('%Y-%m-%dT%H:%M:%SZ', instant, ?)"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(older, (f"-{seconds} seconds",))


def _query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(statement).fetchall()


class TestSQLiteStore(StoreContract):
    """The contract, held by SQLite."""

    @pytest.fixture
    def store(self, engine: Engine) -> Store:
        return engine.store


class TestSQLiteStoreWithoutMemory(TestSQLiteStore):
    """The contract, held where every look asks SQLite."""

    @pytest.fixture
    def remembered(self) -> int:
        return 0


# The file


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 40, 1), "truncate"),
        ((3, 44, 5), "truncate"),
        ((3, 44, 6), "wal"),
        ((3, 44, 99), "wal"),
        ((3, 45, 0), "truncate"),
        ((3, 50, 6), "truncate"),
        ((3, 50, 7), "wal"),
        ((3, 51, 0), "truncate"),
        ((3, 51, 2), "truncate"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "wal"),
        ((4, 0, 0), "wal"),
    ],
)
def test_section_12_wal_is_used_only_where_its_reset_bug_is_fixed(version: tuple[int, int, int], mode: str) -> None:
    assert journal_mode(version) == mode


def test_section_12_every_connection_syncs_fully_and_has_the_chosen_journal(store: SQLiteStore) -> None:
    chosen = journal_mode(sqlite3.sqlite_version_info[:3])
    for patient in (True, False):
        with store._connections.reading(patient) as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == (chosen,)


def test_section_12_a_database_that_does_not_take_the_journal_is_not_used(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "journal_mode", lambda version: "unheard_of")
    with pytest.raises(StoreUnavailable, match="unheard_of"):
        SQLiteStore(path)


def test_section_12_every_write_begins_immediate(store: SQLiteStore) -> None:
    key = StoredKey("k1", "pending", bytes(32), bytes(16), NOW)
    writes: list[Callable[[], object]] = [
        lambda: store.add_users([NewUser("bob", "hash")], NOW),
        lambda: store.issue_salt("alice", "laptop", None, NOW),
        lambda: store.replace_hash("alice", "old", "new"),
        lambda: store.set_password("alice", "hash", NOW),
        lambda: store.set_audiences("alice", ("docs",), NOW),
        lambda: store.set_disabled("alice", True, NOW),
        lambda: store.revoke_name("alice", "held", NOW),
        lambda: store.revoke_nonce("alice", "nonce", NOW),
        lambda: store.revoke_all("alice", NOW),
        lambda: store.panic(NOW),
        lambda: store.longest(5),
        lambda: store.add_key(key),
        lambda: store.set_key_states({"k1": "signing"}, NOW),
    ]
    with store._connections.reading(patient=True) as connection:
        for write in writes:
            seen: list[str] = []
            connection.set_trace_callback(seen.append)
            write()
            connection.set_trace_callback(None)
            first = next(at for at, text in enumerate(seen) if not text.lstrip().startswith("SELECT"))
            assert seen[first] == "BEGIN IMMEDIATE", seen
            assert seen[-1] == "COMMIT"
            assert seen.count("COMMIT") == 1


def test_a_new_database_is_readable_by_its_owner_alone(store: SQLiteStore, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_is_never_made_over_another_file(path: Path) -> None:
    path.write_text("something else")
    with pytest.raises(FileExistsError):
        SQLiteStore.create(path)
    assert path.read_text() == "something else"


def test_opening_makes_no_database(path: Path) -> None:
    with pytest.raises(SettingsError, match="capsvc init"):
        SQLiteStore(path)
    assert not path.exists()


def test_the_steps_that_are_named_are_those_that_there_are_in_their_order() -> None:
    assert [step.name for step in MIGRATIONS.pending(Database(memory=True))] == list(STEPS)


def test_a_database_of_an_earlier_version_is_brought_up_to_date(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    MIGRATIONS.apply(Database(connection), stop_before=STEPS[1])
    connection.close()
    assert [name for (name,) in _query(path, "SELECT name FROM _sqlite_migrations")] == [STEPS[0]]
    SQLiteStore(path).close()
    assert [name for (name,) in _query(path, "SELECT name FROM _sqlite_migrations")] == list(STEPS)
    assert _query(path, "SELECT count(*) FROM subjects") == [(0,)]


def test_migrations_are_applied_once(store: SQLiteStore, path: Path) -> None:
    before = _query(path, "SELECT sql FROM sqlite_master"), _query(path, "SELECT * FROM _sqlite_migrations")
    salt = salt_of(store)
    for _ in range(2):
        with closing(SQLiteStore(path)) as again:
            assert salt_of(again) == salt
    assert before == (_query(path, "SELECT sql FROM sqlite_master"), _query(path, "SELECT * FROM _sqlite_migrations"))


def test_a_migration_that_was_interrupted_is_applied_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(MIGRATIONS, "_record_applied", power_cut)
        with pytest.raises(KeyboardInterrupt):
            SQLiteStore.create(path)
    with closing(SQLiteStore(path)) as store:
        add(store, "alice")
        assert salt_of(store)


# Several at once


def test_two_stores_on_one_file_see_each_others_changes_at_once(store: SQLiteStore, path: Path) -> None:
    with closing(SQLiteStore(path)) as other:
        for revoker, reader in ((store, other), (other, store)):
            before = salt_of(reader)
            revision = revoker.revoke_all("alice", LATER)
            assert reader.revision() == revision
            assert salt_of(reader) == salt_of(revoker) != before


def test_each_thread_has_a_connection_of_its_own(store: SQLiteStore) -> None:
    seen = []

    def look() -> None:
        with store._connections.reading(patient=True) as one, store._connections.reading(patient=True) as same:
            assert one is same
            seen.append(one)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for each in threads:
        each.start()
        each.join()
    look()
    assert len(seen) == len({id(each) for each in seen}) == 3


def test_a_reader_in_another_process_can_hold_up_a_commit_and_then_nothing_has_changed(
    store: SQLiteStore, path: Path
) -> None:
    if journal_mode(sqlite3.sqlite_version_info[:3]) == "wal":
        pytest.skip("readers do not hold up writers in WAL")
    salt, changes = salt_of(store), _changes(path)
    with _held(path, "BEGIN", "SELECT * FROM users"), pytest.raises(StoreBusy):
        store.revoke_all("alice", LATER)
    assert (salt_of(store), _changes(path)) == (salt, changes)
    assert store.revoke_all("alice", LATER) == store.revision()


def test_a_locked_database_gives_no_hint_of_its_rows_to_an_impatient_reader(store: SQLiteStore, path: Path) -> None:
    with _held(path, "BEGIN EXCLUSIVE"):
        for patient in (True, False):
            with pytest.raises(StoreBusy, match="locked by another process"):
                store.read("alice", ("default",), patient=patient)
    assert store.read("alice", ("default",)).salts.rows


def test_a_locked_database_is_not_opened(store: SQLiteStore, path: Path) -> None:
    with _held(path, "BEGIN EXCLUSIVE"), pytest.raises(StoreBusy):
        SQLiteStore(path)


def test_who_dies_before_the_commit_has_changed_nothing(store: SQLiteStore, path: Path) -> None:
    salt, size = salt_of(store), path.stat().st_size
    assert subprocess.run([sys.executable, "-c", _DIE, str(path)], check=False).returncode == 9
    if journal_mode(sqlite3.sqlite_version_info[:3]) == "truncate":
        assert path.stat().st_size > size, "what is to be rolled back lies in the file already"
    assert salt_of(store) == salt


def test_a_store_counts_which_readings_it_remembered_and_which_it_asked_for(store: SQLiteStore) -> None:
    store.tally = [0, 0]
    for _ in range(3):
        store.read("alice", ("default",))
    assert store.tally == ([2, 1] if journal_mode(sqlite3.sqlite_version_info[:3]) == "truncate" else [0, 3])


def test_to_demand_that_a_store_can_be_written_changes_nothing_and_sees_a_lock(store: SQLiteStore, path: Path) -> None:
    before = path.read_bytes()
    store.demand_writable()
    assert path.read_bytes() == before
    with _held(path, "BEGIN IMMEDIATE"), pytest.raises(StoreBusy):
        store.demand_writable()
