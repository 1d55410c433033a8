"""A copy of a store: there and back, the same, and into nothing that holds something."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from capsvc.stores import NewUser, StoredKey
from capsvc.stores.postgresql import PostgreSQLStore
from capsvc.stores.sqlite import SQLiteStore
from tests.capsvc.store_contract_column import HASH, LATER, NOW
from tests.capsvc.store_contract_subjects import asserted
from tests.forks import run

_ORDERS = {
    "users": "1",
    "salts": "1, 2",
    "changes": "1, 2, 3",
    "subjects": "1, 2",
    "redeemed": "1, 2",
    "keys": "1",
    "state": "1",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capsvc.db"


@pytest.fixture
def filled(path: Path) -> Path:
    with closing(SQLiteStore.create(path)) as store:
        names = ("alice", "bob", "Zoë", "\N{GRINNING FACE}", "\N{FULLWIDTH LATIN SMALL LETTER Z}")
        store.add_users([NewUser(name, HASH, ("billing",)) for name in names], NOW)
        store.add_users([NewUser(f"user{number}", HASH) for number in range(1500)], NOW)
        store.issue_salt("alice", "laptop", None, NOW)
        store.revoke_name("alice", "held", NOW)
        store.redeem(asserted(audiences=("billing",)), NOW)
        store.revoke_nonce("bob", "n", LATER)
        store.set_disabled("bob", True, LATER)
        store.panic(NOW)
        store.longest(3600)
        for key_id in ("k1", "k2"):
            store.add_key(StoredKey(key_id, "pending", bytes(32), bytes(16), NOW))
        store.set_key_states({"k1": "signing"}, LATER)
    return path


def _copy(tmp_path: Path, url: str, source: object, target: object) -> tuple[int, str]:
    done = run(tmp_path / "home", "store", "copy", str(source), str(target), environment={"CAPSVC_STORE": url})
    assert "secret" not in done.stderr + done.stdout
    return done.returncode, done.stderr


def _all(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as database:
        return {
            table: database.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()  # noqa: S608
            for table, order in _ORDERS.items()
        }


def test_a_copy_there_and_back_is_the_same(tmp_path: Path, filled: Path, url: str) -> None:
    back = tmp_path / "back.db"
    status, said = _copy(tmp_path, url, filled, "postgresql")
    assert (status, said) == (0, "copied 1506 users, 1509 salts, 1511 changes, 1 subjects, 2 redeemed, 2 keys\n"), said
    assert _copy(tmp_path, url, "postgresql", back) == (status, said)
    assert _all(back) == _all(filled)
    with closing(SQLiteStore(filled)) as one, closing(PostgreSQLStore(url)) as other:
        assert other.keys() == one.keys()
        assert other.users(limit=2000) == one.users(limit=2000)
        for name in ("alice", "bob"):
            assert other.salt_names(name) == one.salt_names(name)
            rows = one.read(name, ("default", "held")).salts.rows
            assert other.read(name, tuple(rows)).salts.rows == rows
        assert other.revoke_all("alice", LATER) == one.revision() + 1


def test_who_follows_a_copy_holds_what_is_young_by_its_instant(tmp_path: Path, filled: Path, url: str) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as database:
        database.execute("UPDATE changes SET instant = '2020-01-01T00:00:00Z' WHERE user <> 'bob'")
        database.execute("UPDATE changes SET instant = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE user = 'bob'")
    assert _copy(tmp_path, url, filled, "postgresql")[0] == 0
    with closing(PostgreSQLStore(url)) as store:
        follows = store.follow(60)
        assert follows.read("alice", ()).salts.rows == {}
        assert follows.read("bob", ()).salts.rows == {"default": None, "nonce/n": None}


@pytest.mark.parametrize("target", ["postgresql", "file"])
def test_a_target_that_is_not_empty_is_left_as_it_is(tmp_path: Path, filled: Path, url: str, target: str) -> None:
    with closing(PostgreSQLStore(url)) as store:
        store.add_users([NewUser("carol", HASH)], NOW)
        before = _all(filled)
        if target == "file":
            status, said = _copy(tmp_path, url, "postgresql", filled)
            assert said == f"error: there is a file {filled} already: nothing was changed\n"
        else:
            status, said = _copy(tmp_path, url, filled, "postgresql")
            assert "not empty: it holds 1 users, 1 salts, 1 changes; nothing was changed" in said
        assert status == 1
        assert [each.name for each in store.users()] == ["carol"]
        assert _all(filled) == before


@pytest.mark.parametrize(
    ("change", "table"),
    [("NEW.salt = decode('00', 'hex')", "salts"), ("RETURN NULL", "users"), ("NEW.instant = '2020-01-01'", "changes")],
)
def test_what_does_not_read_back_as_it_was_written_is_not_copied(
    tmp_path: Path, filled: Path, url: str, change: str, table: str
) -> None:
    PostgreSQLStore(url).close()
    with psycopg.connect(url) as connection:
        statement = (
            f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change}; RETURN NEW; END $$;"
            f" CREATE TRIGGER spoils BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION spoil()"
        )
        connection.execute(statement.encode())
    status, said = _copy(tmp_path, url, filled, "postgresql")
    assert (status, said) == (1, f"error: the table {table} does not read back as it was written: nothing was copied\n")
    with closing(PostgreSQLStore(url)) as store:
        assert store.users() == []
        assert store.revision() == 0


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("a.db", "b.db", "one of the two is a file"),
        ("postgresql", "postgresql", "one of the two is a file"),
        ("postgresql://alice:secret@host/db", "b.db", "put the address into CAPSVC_STORE"),
        ("no-such.db", "postgresql", "no database no-such.db"),
    ],
)
def test_what_cannot_be_copied_is_said(tmp_path: Path, url: str, source: str, target: str, said: str) -> None:
    status, told = _copy(tmp_path, url, source, target)
    assert status == 1
    assert said in told


def test_without_an_address_nothing_is_copied_and_no_file_is_left(tmp_path: Path) -> None:
    assert _copy(tmp_path, "", "postgresql", tmp_path / "new.db") == (
        1, "error: the setting store says no address: put it into CAPSVC_STORE\n",
    )  # fmt: skip
    assert not (tmp_path / "new.db").exists()
