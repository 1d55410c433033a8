"""A writer that is stopped or killed at any system call of its commit: what is in memory stays right (section 6).

The writer runs under ptrace (https://man7.org/linux/man-pages/man2/ptrace.2.html), from before its BEGIN
until after its acknowledgement, and is stopped at the entry of each system call. What lies in the file
changes nowhere else.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from capsvc.errors import StoreBusy
from capsvc.stores import Reading
from capsvc.stores.connection import journal_mode
from capsvc.stores.readings import Readings
from capsvc.stores.sqlite import SQLiteStore
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract_column import LATER, add

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="ptrace as Linux has it"),
    pytest.mark.skipif(journal_mode(sqlite3.sqlite_version_info[:3]) == "wal", reason="in WAL nothing is remembered"),
]

_SEIZE, _INTERRUPT, _NEXT_SYSCALL, _SYSCALL_INFO = 0x4206, 0x4207, 24, 0x420E
_MARK_SYSCALLS, _END_WITH_TRACER = 0x1, 0x100000
_SYSCALL_STOP, _ENTRY = signal.SIGTRAP | 0x80, 1
_ANY_CHILD = 0x40000000

_WRITERS = """
import os, sys
from pathlib import Path
from capsvc.stores.sqlite import SQLiteStore
while said := os.read(0, 1):
    if said == b"g":
        continue  # a writer was killed before it read that
    pid = os.fork()
    if not pid:
        store = SQLiteStore(Path(sys.argv[1]))
        store.read("alice", ("default",))
        os.write(1, b"%d\\n" % os.getpid())
        os.read(0, 1)
        store.revoke_all("alice", "2026-11-22T07:00:00Z")
        os.write(1, b"acknowledged\\n")
        os._exit(0)
    os.waitpid(pid, 0)
    os.write(1, b"ended\\n")
"""
"""Makes writers, one after another, without importing everything for each."""


def _ptrace(request: int, pid: int, address: int = 0, data: object = None) -> None:
    call = ctypes.CDLL(None, use_errno=True).ptrace
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if call(request, pid, address, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


class _Writer:
    """A process that revokes all of alice's salts once, a system call at a time."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            _ptrace(_SEIZE, pid, data=_MARK_SYSCALLS | _END_WITH_TRACER)
        except PermissionError:
            pytest.skip("ptrace is not allowed here")
        _ptrace(_INTERRUPT, pid)
        os.waitpid(pid, _ANY_CHILD)

    def steps(self) -> Iterator[int]:
        """Run it to the entry of its next system call; yield how many that were. Ends when it ended."""
        entries, kind = 0, ctypes.create_string_buffer(128)
        while True:
            _ptrace(_NEXT_SYSCALL, self.pid)
            _, status = os.waitpid(self.pid, _ANY_CHILD)
            if not os.WIFSTOPPED(status):
                assert status == 0
                return
            if os.WSTOPSIG(status) == _SYSCALL_STOP:
                _ptrace(_SYSCALL_INFO, self.pid, len(kind), ctypes.addressof(kind))
                if kind.raw[0] == _ENTRY:
                    entries += 1
                    yield entries

    def kill(self) -> None:
        """Kill it where it stands, and wait until its locks are gone."""
        os.kill(self.pid, signal.SIGKILL)
        while not os.WIFSIGNALED(os.waitpid(self.pid, _ANY_CHILD)[1]):
            pass


class _Scene:
    """A database, a store that remembers, one that asks SQLite every time, and writers."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.remembering = stack.enter_context(closing(SQLiteStore.create(path)))
        self._asking = stack.enter_context(closing(SQLiteStore(path, remembered=0)))
        add(self.remembering, "alice")
        self._makes_writers = stack.enter_context(_writers(path))
        self._memories: list[Readings] = []
        self._memories_of_crash: list[Readings] = []

    @contextmanager
    def writer(self) -> Iterator[_Writer]:
        """Make a writer that is about to begin, and wait for its end."""
        stdin, stdout = self._makes_writers.stdin, self._makes_writers.stdout
        assert stdin
        assert stdout
        stdin.write(b"n")
        writer = _Writer(int(stdout.readline()))
        stdin.write(b"g")
        yield writer
        said = stdout.readline()
        self.was_acknowledged = said == b"acknowledged\n"
        if self.was_acknowledged:
            said = stdout.readline()
        assert said == b"ended\n"

    def look(self) -> Reading | None:
        """Look without patience; None if the store is busy."""
        return _look(self.remembering)

    def look_cold(self, *, after_crash: bool = False) -> None:
        """Look with an empty memory, and keep it until all is settled; after a crash, until the next time."""
        warm = self.remembering._readings
        self.remembering._readings = cold = Readings()
        (self._memories_of_crash if after_crash else self._memories).append(cold)
        _look(self.remembering)
        self.remembering._readings = warm

    def commit(self) -> None:
        """Do, undisturbed, what the writer was about to do. No journal is left, so the next takes the same steps."""
        self._asking.revoke_all("alice", LATER)

    def settled(self) -> Reading:
        """Demand that every memory says what SQLite says, and return that."""
        found = self.look()
        asked = _look(self._asking)
        assert asked is not None
        assert asked == found == self.look()
        for memory in self._memories:
            self.remembering._readings = memory
            assert self.look() == asked
        self._memories, self._memories_of_crash = self._memories_of_crash, []
        return asked


def _look(store: SQLiteStore) -> Reading | None:
    try:
        return store.read("alice", ("default", "nonce/x"), patient=False)
    except StoreBusy:
        return None


@contextmanager
def _writers(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITERS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin
        yield process
        process.stdin.close()


@pytest.fixture
def scene() -> Iterator[_Scene]:
    with quick_directory() as directory, ExitStack() as stack:
        yield _Scene(directory / "capsvc.db", stack)


def test_while_a_commit_stands_still_memory_says_the_old_or_busy_and_from_one_call_on_the_new(scene: _Scene) -> None:
    old = scene.settled()
    said: list[Reading | None] = []
    with scene.writer() as writer:
        for _ in writer.steps():
            said.append(scene.look())
            scene.look_cold()
    assert scene.was_acknowledged
    new = scene.settled()
    assert new.revision == old.revision + 1
    assert new.salts.rows != old.salts.rows
    kinds = ["busy" if each is None else "old" if each == old else "new" for each in said]
    assert kinds == sorted(kinds, key=["old", "busy", "new"].index)
    assert set(kinds) == {"old", "busy", "new"}
    assert {each.revision for each in said if each is not None} == {old.revision, new.revision}


@pytest.mark.parametrize("rolls_back", ["who remembers the old", "who remembers nothing"])
def test_a_writer_killed_at_any_call_leaves_the_old_or_the_new_and_memory_says_which(
    scene: _Scene, rolls_back: str
) -> None:
    outcomes = []
    while not outcomes or outcomes[-1] != "acknowledged":
        old = scene.settled()
        with scene.writer() as writer:
            for step in writer.steps():
                if step > len(outcomes):
                    seen = scene.look()
                    scene.look_cold()
                    writer.kill()
                    break
        if rolls_back == "who remembers nothing":
            scene.look_cold(after_crash=True)
        new = scene.settled()
        assert seen in (None, old, new)
        if new == old:
            assert not scene.was_acknowledged
            outcomes.append("old")
        else:
            assert new.revision == old.revision + 1
            assert new.salts.rows["default"] != old.salts.rows["default"]
            outcomes.append("acknowledged" if scene.was_acknowledged else "new")
        scene.commit()
    assert outcomes == sorted(outcomes, key=["old", "new", "acknowledged"].index)
    assert set(outcomes) == {"old", "new", "acknowledged"}
