"""A reading from memory is current: whoever commits, however, changes the mark before it is acknowledged."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from capsvc.errors import StoreBusy, StoreUnavailable
from capsvc.stores import NewUser, Reading, counter
from capsvc.stores.connection import journal_mode
from capsvc.stores.counter import ChangeCounter, tells
from capsvc.stores.sqlite import SQLiteStore
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract_column import LATER, NONCE, NOW, add, salt_of

pytestmark = pytest.mark.skipif(
    journal_mode(sqlite3.sqlite_version_info[:3]) == "wal", reason="in WAL nothing is remembered"
)

_TOOL = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
for line in sys.stdin:
    try:
        print(database.execute(line).fetchall(), flush=True)
    except sqlite3.OperationalError as wrong:
        print(wrong, flush=True)
"""

_REVOKER = """
import sys
from pathlib import Path
from capsvc.stores.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    print(store.revoke_all("alice", "2026-11-22T07:00:00Z"), flush=True)
"""

_READER = """
import sys
from pathlib import Path
from capsvc.errors import StoreUnavailable
from capsvc.stores.counter import ChangeCounter
from capsvc.stores.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
ChangeCounter.LOOK_SECONDS = 1e9
store.read("alice", ("default",))
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(store.read("alice", ("default",)), flush=True)
    except StoreUnavailable:
        print("unavailable", flush=True)
"""

_STEADY_REVOKER = """
import mmap, struct, sys
from pathlib import Path
from capsvc.stores.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
with open(sys.argv[2], "r+b") as file:
    board = mmap.mmap(file.fileno(), 16)
print("ready", flush=True)
while not board[8]:
    struct.pack_into("=Q", board, 0, store.revoke_all("alice", "2026-11-22T07:00:00Z"))
"""


@contextmanager
def _process(code: str, *arguments: Path, ends: int = 0) -> Iterator[Callable[[str], str]]:
    """Run a program in another process; yield what sends it a line (none if empty) and returns its answer."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def ask(line: str) -> str:
            if line:
                print(line, file=stdin, flush=True)
            return stdout.readline().rstrip("\n")

        yield ask
        stdin.close()
    assert process.returncode == ends


@pytest.fixture
def path() -> Iterator[Path]:
    with quick_directory() as directory:
        yield directory / "capsvc.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore.create(path)) as store:
        add(store, "alice")
        salt_of(store)
        yield store


@pytest.fixture
def tool(path: Path, store: SQLiteStore) -> Iterator[Callable[[str], str]]:
    """A foreign tool in another process, which runs a statement on the database that the store has open."""
    with _process(_TOOL, path) as ask:
        assert ask("SELECT 1") == "[(1,)]"
        yield ask


def _selects(store: SQLiteStore, work: Callable[[], object]) -> int:
    """Count the statements that a store runs in this thread during some work."""
    seen: list[str] = []
    with ExitStack() as traced:
        for patient in (True, False):
            with store._connections.reading(patient) as connection:
                connection.set_trace_callback(seen.append)
                traced.callback(connection.set_trace_callback, None)
        work()
    return len(seen)


def _look(store: SQLiteStore, *names: str) -> Reading:
    return store.read("alice", names or ("default", "nonce/" + NONCE), patient=False)


# From memory


def test_what_was_read_once_is_answered_without_a_statement(store: SQLiteStore) -> None:
    _look(store)
    assert _selects(store, lambda: _look(store)) == 0


def test_a_token_of_a_known_user_that_was_never_seen_is_answered_without_a_statement(store: SQLiteStore) -> None:
    _look(store)
    assert _selects(store, lambda: _look(store, "default", "friend", "nonce/never-seen")) == 0


def test_a_user_with_many_rows_is_answered_from_memory_look_by_look(store: SQLiteStore) -> None:
    for number in range(70):
        store.revoke_nonce("alice", f"n{number}", NOW)
    first = _look(store)
    assert _selects(store, lambda: _look(store)) == 0
    assert _selects(store, lambda: _look(store, "default", "nonce/n69")) > 0
    assert _look(store) == first
    assert dict(_look(store, "nonce/n69", "nonce/other").salts.rows) == {"nonce/n69": None}


def test_without_memory_every_look_is_a_statement(store: SQLiteStore, path: Path) -> None:
    with closing(SQLiteStore(path, remembered=0)) as forgetful:
        _look(forgetful)
        assert _selects(forgetful, lambda: [_look(forgetful) for _ in range(3)]) == 3
        assert _look(forgetful) == _look(store)


def test_a_look_from_memory_is_not_held_up_by_who_has_committed_nothing(
    store: SQLiteStore, tool: Callable[[str], str]
) -> None:
    before = _look(store)
    assert tool("BEGIN EXCLUSIVE") == "[]"
    assert _look(store) == before
    with pytest.raises(StoreBusy):
        store.read("nobody", ("default",), patient=False)
    assert tool("ROLLBACK") == "[]"


def test_a_reading_in_a_transaction_that_fails_leaves_no_lock(store: SQLiteStore, tool: Callable[[str], str]) -> None:
    assert tool("PRAGMA user_version = 5") == "[]"
    assert tool("BEGIN EXCLUSIVE") == "[]"
    with pytest.raises(StoreBusy):
        _look(store)
    assert tool("UPDATE salts SET salt = zeroblob(16)") == "[]"
    assert tool("COMMIT") == "[]"
    assert salt_of(store) == bytes(16)


# Immediate across processes


def test_what_another_process_was_told_is_revoked_is_seen_at_the_very_next_look(store: SQLiteStore, path: Path) -> None:
    with _process(_REVOKER, path) as ask:
        assert ask("") == "ready"
        end = time.monotonic() + 1.5
        rounds = 0
        while time.monotonic() < end or rounds < 50:
            before = _look(store)
            assert _look(store) is before
            revision = int(ask("revoke"))
            after = _look(store)
            assert after.revision == revision == before.revision + 1
            assert after.salts.rows["default"] != before.salts.rows["default"]
            rounds += 1


def test_a_reader_that_never_rests_is_never_behind_what_was_acknowledged(store: SQLiteStore, path: Path) -> None:
    board_file = path.with_name("acknowledged")
    board_file.write_bytes(bytes(16))
    with (
        board_file.open("r+b") as file,
        mmap.mmap(file.fileno(), 16) as board,
        _process(_STEADY_REVOKER, path, board_file) as ask,
    ):
        assert ask("") == "ready"
        seen, salts, last, end = set(), set(), 0, time.monotonic() + 1.5
        while time.monotonic() < end or len(seen) < 20:
            (acknowledged,) = struct.unpack_from("=Q", board)
            try:
                reading = _look(store)
            except StoreBusy:
                continue
            assert reading.revision >= max(acknowledged, last)
            last = reading.revision
            seen.add(last)
            salts.add(reading.salts.rows["default"])
        board[8] = 1
    assert len(seen) == len(salts)


def test_threads_that_read_while_another_writes_are_never_behind(store: SQLiteStore) -> None:
    acknowledged, late, ended = [0], [], threading.Event()

    def read() -> None:
        while not ended.is_set():
            at_least = acknowledged[0]
            if store.read("alice", ("default",)).revision < at_least:
                late.append(at_least)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for each in threads:
        each.start()
    for _ in range(30):
        acknowledged[0] = store.revoke_all("alice", LATER)
    ended.set()
    for each in threads:
        each.join()
    assert late == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE salts SET salt = zeroblob(16)",
        "DELETE FROM salts",
        "UPDATE state SET panic = '2026-11-22T06:00:00Z'",
        "UPDATE state SET ring = ring + 1",
    ],
)
def test_what_a_foreign_tool_commits_is_seen_at_once(
    store: SQLiteStore, path: Path, tool: Callable[[str], str], statement: str
) -> None:
    before = _look(store)
    assert tool(statement) == "[]"
    after = _look(store)
    with closing(SQLiteStore(path, remembered=0)) as asking:
        assert before != after == _look(asking)


def test_a_vacuum_changes_the_mark_and_no_reading(store: SQLiteStore, tool: Callable[[str], str]) -> None:
    before, mark = _look(store), store._connections.mark()
    assert tool("VACUUM") == "[]"
    assert store._connections.mark() != mark
    assert _look(store) == before


def test_a_tool_that_keeps_the_lock_between_its_commits_is_read_when_it_lets_go(
    store: SQLiteStore, tool: Callable[[str], str]
) -> None:
    assert tool("PRAGMA locking_mode = EXCLUSIVE") == "[('exclusive',)]"
    for _ in range(3):
        assert tool("UPDATE state SET revision = revision + 100") == "[]"
        with pytest.raises(StoreBusy):
            _look(store)
    assert tool("PRAGMA locking_mode = NORMAL") == "[('normal',)]"
    assert tool("SELECT revision FROM state") == "[(301,)]"
    assert _look(store).revision == 301


def test_in_wal_a_store_that_was_open_asks_every_time(store: SQLiteStore, tool: Callable[[str], str]) -> None:
    with store._connections.reading(patient=False):
        _look(store)  # A connection that is opened later tries to leave WAL, and is refused while the tool is there.
    assert tool("PRAGMA journal_mode = WAL") == "[('wal',)]"
    mark = store._connections.mark()
    for revision in range(2, 7):
        assert tool("UPDATE state SET revision = revision + 1") == "[]"
        assert _look(store).revision == revision
    assert store._connections.mark() == mark, "the header of the file says nothing about commits in WAL"
    assert not tells(mark)


# The file itself


def test_an_older_file_that_is_copied_over_the_database_is_seen_at_once(store: SQLiteStore, path: Path) -> None:
    before, backup = _look(store), path.read_bytes()
    store.revoke_all("alice", LATER)
    assert _look(store).salts.rows != before.salts.rows
    path.write_bytes(backup)
    with pytest.raises(StoreUnavailable, match="went back"):
        _look(store)


def test_a_database_that_is_emptied_in_place_is_denied_and_its_process_lives(store: SQLiteStore, path: Path) -> None:
    _look(store)
    os.truncate(path, 0)
    time.sleep(ChangeCounter.LOOK_SECONDS)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="emptied while in use"):
            _look(store)


def test_a_process_that_looks_before_it_notices_that_the_database_was_emptied_ends_and_permits_nothing(
    store: SQLiteStore, path: Path
) -> None:
    with _process(_READER, path, ends=-signal.SIGBUS) as ask:
        assert ask("") == "ready"
        os.truncate(path, 0)
        assert ask("look") == ""


@pytest.mark.parametrize("happens", ["deleted", "moved", "replaced"])
def test_a_path_that_leads_elsewhere_is_noticed_within_the_bound(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch, happens: str
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("capsvc.stores.counter.monotonic", lambda: clock[0])
    store._connections._counter._look_again = 0.0
    _look(store)
    shutil.copy(path, path.with_suffix(".copy"))
    if happens == "deleted":
        path.unlink()
    elif happens == "moved":
        path.rename(path.with_suffix(".moved"))
    else:
        path.with_suffix(".copy").replace(path)
    clock[0] += ChangeCounter.LOOK_SECONDS
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            _look(store)


def test_what_is_not_in_memory_is_never_read_from_a_database_that_is_gone(store: SQLiteStore, path: Path) -> None:
    _look(store)
    path.unlink()
    with pytest.raises(StoreUnavailable):
        store.read("nobody", ("default",))


def test_a_store_that_was_closed_says_so(path: Path) -> None:
    store = SQLiteStore.create(path)
    _look(store)
    store.close()
    store.close()
    for patient in (True, False):
        with pytest.raises(StoreUnavailable):
            store.read("alice", ("default",), patient=patient)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.revision()


# The descriptor


def test_opening_and_closing_a_store_drops_no_lock_of_another_on_the_same_file(
    store: SQLiteStore, path: Path, tool: Callable[[str], str]
) -> None:
    with store._connections.writing():
        for _ in range(3):
            with closing(ChangeCounter(path)) as again:
                assert tells(again.mark())
            assert tool("BEGIN IMMEDIATE") == "database is locked"
    assert tool("BEGIN IMMEDIATE") == "[]"
    assert tool("ROLLBACK") == "[]"


def test_a_store_that_is_closed_while_another_writes_drops_no_lock(
    store: SQLiteStore, path: Path, tool: Callable[[str], str]
) -> None:
    second = SQLiteStore(path)
    _look(second)
    with store._connections.writing():
        second.close()
        assert tool("BEGIN IMMEDIATE") == "database is locked"


def test_many_stores_of_one_file_have_one_descriptor_and_the_last_closes_it(path: Path) -> None:
    path.write_bytes(bytes(100))
    first, *others = [ChangeCounter(path) for _ in range(4)]
    ((file, shared),) = [(file, shared) for file, shared in counter._OPEN.items() if shared.users == 4]
    first.close()
    first.close()
    for each in others:
        assert os.fstat(shared.descriptor).st_ino == path.stat().st_ino
        assert each.mark() == bytes(82)
        each.close()
    assert file not in counter._OPEN
    with pytest.raises(StoreUnavailable):
        first.mark()


def test_stores_that_were_closed_leave_no_descriptor_open(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for number in range(20):
        with closing(SQLiteStore.create(path.with_name(f"{number}.db"))) as each:
            each.add_users([NewUser("alice", "hash")], NOW)
            _look(each)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_store_that_cannot_be_opened_leaves_no_descriptor_open(path: Path) -> None:
    path.write_text("not a database, but long enough to be looked at as one" * 100)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(StoreUnavailable):
        SQLiteStore(path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize(
    "mark", [b"", b"\x01\x01" + bytes(79), b"\x02\x02" + bytes(80), b"\x01\x02" + bytes(80), b"\xa5" * 82]
)
def test_a_header_that_is_short_foreign_or_of_wal_tells_nothing(mark: bytes) -> None:
    assert not tells(mark)
