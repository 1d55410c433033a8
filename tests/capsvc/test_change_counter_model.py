"""A store that remembers says what one says that asks SQLite every time, and its memory is bounded."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import capsvc.stores.column
import capsvc.stores.sqlite
from capsvc.stores import Reading, StoredKey
from capsvc.stores.connection import journal_mode
from capsvc.stores.readings import FEW_ROWS, REMEMBERED, Readings
from capsvc.stores.sqlite import SQLiteStore
from caveats import Salts
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract_column import LATER, NOW, add

_USERS = st.sampled_from(["alice", "alice", "bob", "nobody"])
_KNOWN = st.sampled_from(["alice", "alice", "bob"])
_NAMES = st.sampled_from(["default", "laptop", "h0", "h1", "h2", "nonce/n0", "nonce/n1"])
_LOOKS = st.lists(_NAMES, max_size=4).map(tuple)


class MemoryAndColumn(RuleBasedStateMachine):
    """Two stores that remember, a lot and nearly nothing, and one that asks; any of them writes."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        patched = self._open.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(capsvc.stores.column, "HOLDER_NAMES", 4)
        patched.setattr(capsvc.stores.sqlite, "FEW_ROWS", 3)
        path = self._open.enter_context(quick_directory()) / "capsvc.db"
        self.asking = self._open.enter_context(closing(SQLiteStore.create(path, remembered=0)))
        self.remembering = [self._open.enter_context(closing(SQLiteStore(path, remembered=n))) for n in (5, REMEMBERED)]
        self.stores = [self.asking, *self.remembering]
        self.asked: dict[tuple[str, tuple[str, ...]], None] = {}
        self.keys = 0

    def teardown(self) -> None:
        self._open.close()

    @initialize()
    def somebody_is_there(self) -> None:
        add(self.asking, "alice")
        add(self.asking, "bob")

    @rule(at=st.integers(0, 2), user=_KNOWN, name=_NAMES)
    def revoke_a_name(self, at: int, user: str, name: str) -> None:
        self.stores[at].revoke_name(user, name, LATER)

    @rule(at=st.integers(0, 2), user=_KNOWN)
    def revoke_all(self, at: int, user: str) -> None:
        self.stores[at].revoke_all(user, LATER)

    @rule(at=st.integers(0, 2), user=_KNOWN, disabled=st.booleans())
    def disable_or_enable(self, at: int, user: str, disabled: bool) -> None:
        self.stores[at].set_disabled(user, disabled, LATER)

    @precondition(lambda self: not self.asking.user("alice").disabled)
    @rule(at=st.integers(0, 2))
    def issue_a_name(self, at: int) -> None:
        self.stores[at].issue_salt("alice", "issued", None, NOW)

    @rule(at=st.integers(0, 2), before=st.sampled_from(["", NOW, LATER]))
    def panic(self, at: int, before: str) -> None:
        self.stores[at].panic(before)

    @rule(at=st.integers(0, 2))
    def add_a_key(self, at: int) -> None:
        self.keys += 1
        self.stores[at].add_key(StoredKey(f"k{self.keys}", "pending", bytes(32), bytes(16), NOW))

    @rule(user=_USERS, names=_LOOKS)
    def look(self, user: str, names: tuple[str, ...]) -> None:
        self.asked[user, names] = None

    @invariant()
    def memory_and_column_say_the_same(self) -> None:
        for user, names in self.asked:
            asked = self.asking.read(user, names)
            for store in self.remembering:
                for _ in range(2):
                    found = store.read(user, names, patient=False)
                    kept = {name: salt for name, salt in found.salts.rows.items() if name in names}
                    assert replace(found, salts=Salts(kept, found.salts.panic)) == asked


TestMemoryAndColumn = MemoryAndColumn.TestCase
TestMemoryAndColumn.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# What is remembered

MARK, NEXT_MARK = b"\x01\x01" + bytes(80), b"\x01\x01" + bytes(79) + b"\x01"


def _column(*names: str, revision: int = 1) -> Reading:
    return Reading(Salts(dict.fromkeys(names, bytes(16))), revision, 0)


def test_a_column_answers_for_any_names() -> None:
    readings = Readings()
    readings.keep_column(MARK, "alice", _column("default", "laptop"))
    assert readings.find(MARK, "alice", ["laptop", "friend", "nonce/x"]) == _column("default", "laptop")
    assert readings.find(MARK, "alice", ()) == _column("default", "laptop")
    assert readings.find(MARK, "bob", ("default",)) is None


def test_another_mark_forgets_everything_and_the_old_one_does_not_come_back() -> None:
    readings = Readings()
    readings.keep_column(MARK, "alice", _column("default"))
    assert readings.find(NEXT_MARK, "alice", ("default",)) is None
    readings.keep_look(NEXT_MARK, "bob", ("default",), _column("default", revision=2))
    assert readings.find(MARK, "alice", ("default",)) is None
    assert readings.find(NEXT_MARK, "alice", ("default",)) is None
    assert readings.find(NEXT_MARK, "bob", ("default",)) == _column("default", revision=2)


def test_a_reading_that_comes_late_is_remembered_under_its_own_mark_alone() -> None:
    readings = Readings()
    readings.keep_column(NEXT_MARK, "alice", _column("default", revision=2))
    readings.keep_column(MARK, "alice", _column("default", revision=1))
    assert readings.find(NEXT_MARK, "alice", ("default",)) in (None, _column("default", revision=2))


@pytest.mark.parametrize("mark", [b"", MARK[:-1], b"\x02\x02" + MARK[2:]])
def test_nothing_is_remembered_under_a_mark_that_tells_nothing(mark: bytes) -> None:
    readings = Readings()
    readings.keep_column(mark, "alice", _column("default"))
    readings.keep_look(mark, "alice", ("default",), _column("default"))
    assert readings.find(mark, "alice", ("default",)) is None
    assert not readings.are_kept(mark)


def _columns(readings: Readings, number: int) -> None:
    readings.keep_column(MARK, f"user{number}", _column(*(f"n{name}" for name in range(number % FEW_ROWS))))
    readings.find(MARK, f"user{number}", [f"n{name}" for name in range(number % FEW_ROWS)])


def _looks(readings: Readings, number: int) -> None:
    names = ("default", *(f"holder{number}.{each}" for each in range(number % 60)), f"nonce/{number}")
    readings.keep_look(MARK, "alice", names, _column("default"))


def _tokens(readings: Readings, number: int) -> None:
    if not number:
        readings.keep_column(MARK, "alice", _column("default"))
    assert readings.find(MARK, "alice", ("default", f"nonce/{number}"))


@pytest.mark.parametrize(("remember", "megabytes"), [(_columns, 5), (_looks, 5), (_tokens, 0.2)])
def test_memory_is_bounded_whatever_is_asked_for(remember: Callable[[Readings, int], None], megabytes: float) -> None:
    readings = Readings()
    tracemalloc.start()
    try:
        for number in range(4000):
            remember(readings, number)
        assert tracemalloc.get_traced_memory()[0] < megabytes * 1_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture
def path() -> Iterator[Path]:
    with quick_directory() as directory:
        yield directory / "capsvc.db"


@pytest.mark.skipif(journal_mode(sqlite3.sqlite_version_info[:3]) == "wal", reason="in WAL nothing is remembered")
def test_tokens_without_end_of_a_known_user_take_no_memory(path: Path) -> None:
    with closing(SQLiteStore.create(path)) as store:
        add(store, "alice")
        store.read("alice", ("default", "nonce/first"))
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(5000):
                store.read("alice", ("default", f"nonce/{number}"), patient=False)
            assert tracemalloc.get_traced_memory()[0] - before < 200_000
        finally:
            tracemalloc.stop()
