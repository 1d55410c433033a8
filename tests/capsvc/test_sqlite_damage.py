"""A database that is deleted, replaced, damaged or full: the store says that it cannot say (sections 6 and 8)."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from capsvc.errors import StoreUnavailable
from capsvc.stores.counter import ChangeCounter
from capsvc.stores.sqlite import SQLiteStore
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract_column import LATER, NOW, add, salt_of


@pytest.fixture
def path() -> Iterator[Path]:
    with quick_directory() as directory:
        yield directory / "capsvc.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore.create(path)) as store:
        add(store, "alice", "billing")
        yield store


def _uses(store: SQLiteStore) -> list[Callable[[], object]]:
    return [
        lambda: store.read("alice", ("default",)),
        lambda: store.read("alice", ("default",), patient=False),
        lambda: store.revision(),
        lambda: store.keys(),
        lambda: store.password("alice"),
        lambda: store.user("alice"),
        lambda: store.users(),
        lambda: store.salt_names("alice"),
        lambda: store.issue_salt("alice", "default", None, NOW),
        lambda: store.revoke_all("alice", NOW),
        lambda: store.revoke_nonce("alice", "nonce", NOW),
        lambda: store.panic(NOW),
        lambda: store.longest(5),
        lambda: add(store, "bob"),
    ]


def _demand_unavailable(store: SQLiteStore) -> None:
    for position, use in enumerate(_uses(store)):
        try:
            answer = use()
        except StoreUnavailable:
            continue
        pytest.fail(f"use {position} answered {answer!r}")


def _wait_until_the_path_is_looked_at_again() -> None:
    time.sleep(ChangeCounter.LOOK_SECONDS)


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute(statement).rowcount == 1


def test_a_deleted_database_answers_nothing_through_its_open_descriptor(store: SQLiteStore, path: Path) -> None:
    salt_of(store)
    path.unlink()
    _wait_until_the_path_is_looked_at_again()
    _demand_unavailable(store)
    assert not path.exists()


def test_a_replaced_database_answers_nothing_though_it_holds_the_same(store: SQLiteStore, path: Path) -> None:
    salt_of(store)
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)
    _wait_until_the_path_is_looked_at_again()
    _demand_unavailable(store)
    with closing(SQLiteStore(path)) as opened_anew:
        assert salt_of(opened_anew)


def test_a_revocation_is_not_acknowledged_by_a_database_that_was_replaced(store: SQLiteStore, path: Path) -> None:
    successor = path.with_suffix(".new")
    with closing(SQLiteStore.create(successor)) as new:
        add(new, "alice")
        salt = salt_of(new)
    successor.replace(path)
    with pytest.raises(StoreUnavailable, match="replaced"):
        store.revoke_all("alice", NOW)
    with closing(SQLiteStore(path)) as new:
        assert salt_of(new) == salt


def test_a_database_with_garbage_for_a_header_is_unavailable(store: SQLiteStore, path: Path) -> None:
    salt_of(store)
    with path.open("r+b") as file:
        file.write(b"\xa5" * 100)
    _demand_unavailable(store)
    with pytest.raises(StoreUnavailable):
        SQLiteStore(path)


def test_a_database_that_was_emptied_is_unavailable(store: SQLiteStore, path: Path) -> None:
    salt_of(store)
    with path.open("r+b") as file:
        file.truncate(0)
    _wait_until_the_path_is_looked_at_again()
    _demand_unavailable(store)


def test_a_file_that_never_was_a_database_is_unavailable(path: Path) -> None:
    path.write_text("not a database, but long enough to be looked at as one" * 100)
    with pytest.raises(StoreUnavailable):
        SQLiteStore(path)


def test_a_database_whose_state_is_gone_is_unavailable(store: SQLiteStore, path: Path) -> None:
    _change(path, "DELETE FROM state")
    for use in (lambda: store.read("alice", ("default",)), store.revision, store.keys, lambda: store.panic(NOW)):
        with pytest.raises(StoreUnavailable):
            use()


def test_a_database_with_text_that_is_no_utf_8_is_unavailable(store: SQLiteStore, path: Path) -> None:
    _change(path, "UPDATE users SET password = CAST(x'ff' AS TEXT)")
    with pytest.raises(StoreUnavailable):
        store.password("alice")


class _Full(Exception):
    """The database is full; with what the store said, the name that was refused and what stood there before."""


def _fill(store: SQLiteStore) -> None:
    for number in range(10_000):
        name, before = f"name.{number}", (salt_of(store), store.revision(), store.salt_names("alice"))
        try:
            store.revoke_name("alice", name, LATER)
        except StoreUnavailable as wrong:
            raise _Full(str(wrong), name, *before) from None


def test_a_full_database_says_so_and_nothing_has_changed(store: SQLiteStore) -> None:
    with store._connections.reading(patient=True) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(_Full) as caught:
        _fill(store)
    said, refused, salt, revision, rows = caught.value.args
    assert "full" in said
    assert (salt_of(store), store.revision(), store.salt_names("alice")) == (salt, revision, rows)
    assert refused not in {each.name for each in rows}
    with store._connections.reading(patient=True) as connection:
        connection.execute(f"PRAGMA max_page_count = {pages + 100}")
    assert store.revoke_name("alice", refused, LATER) == revision + 1


def test_a_commit_that_fails_is_not_acknowledged_and_changes_nothing(store: SQLiteStore, path: Path) -> None:
    salt, revision = salt_of(store), store.revision()
    with store._connections.reading(patient=True) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE children (id REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
        connection.execute(
            "CREATE TRIGGER fails_at_commit AFTER INSERT ON changes BEGIN INSERT INTO children VALUES (1); END"
        )
    with pytest.raises(StoreUnavailable, match="FOREIGN KEY"):
        store.revoke_all("alice", LATER)
    assert (salt_of(store), store.revision()) == (salt, revision)
    with closing(SQLiteStore(path)) as other:
        assert (salt_of(other), other.revision()) == (salt, revision)


def test_a_thread_that_ended_leaves_no_connection_open(store: SQLiteStore) -> None:
    """Starlette's threads come and go, and each connection holds a descriptor of the file."""
    for _ in range(20):
        thread = threading.Thread(target=store.revision)
        thread.start()
        thread.join()
    assert len(store._connections._open) < 10


def test_law_8_no_error_of_the_store_holds_a_salt_or_a_hash(store: SQLiteStore) -> None:
    salt = salt_of(store)
    with store._connections.writing() as connection:
        connection.execute("DROP TABLE changes")
    with pytest.raises(StoreUnavailable) as caught:
        store.revoke_all("alice", LATER)
    assert salt is not None
    assert salt.hex() not in str(caught.value)
    assert repr(salt) not in str(caught.value)
    assert "INSERT" not in str(caught.value)
