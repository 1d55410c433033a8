"""Hashing in other processes: it says what argon2 says, steps back for others, and survives what may happen to it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from capsvc.hasher import DistantHasher, SpareTime
from tests.capsvc.installation import OTHER_PASSWORD, PASSWORD, hash_of

PARAMETERS = {"time_cost": 2, "memory_cost": 19456, "parallelism": 1, "hash_len": 32, "salt_len": 16}
PATIENCE_SECONDS = 60.0
_others: set[int] = set()
"""Those that hash for services of other modules in this process."""


@pytest.fixture(scope="module")
def distant() -> Iterator[DistantHasher]:
    _others.update(_processes())
    with closing(DistantHasher(**PARAMETERS)) as hasher:
        yield hasher


def _processes() -> list[int]:
    """Those that hash for this process."""
    tasks = Path("/proc/self/task").iterdir()
    children = [int(each) for task in tasks for each in (task / "children").read_text().split()]
    return [each for each in children if b"capsvc.hasher" in Path(f"/proc/{each}/cmdline").read_bytes()]


def _the_process(hasher: DistantHasher) -> int:
    hasher.verify(hash_of(PASSWORD), PASSWORD)
    (only,) = set(_processes()) - _others
    return only


def test_what_one_hashes_the_other_verifies(distant: DistantHasher) -> None:
    near = PasswordHasher(**PARAMETERS)  # type: ignore[arg-type]
    for word in ("a password", "ein Paßwort", "p\n\0\"' "):
        assert near.verify(distant.hash(word), word)
        assert distant.verify(near.hash(word), word)
    assert extract_parameters(distant.hash(PASSWORD)) == extract_parameters(near.hash(PASSWORD))


@pytest.mark.parametrize(
    "hash",
    ["", "not a hash", "$2b$12$" + "a" * 53, hash_of(OTHER_PASSWORD)],
    ids=["nothing", "no hash", "of bcrypt", "of another password"],
)
def test_whatever_is_not_the_passwords_hash_is_refused(distant: DistantHasher, hash: str) -> None:
    with pytest.raises(VerifyMismatchError):
        distant.verify(hash, PASSWORD)


def _policies(process: int) -> dict[int, int]:
    """How the kernel schedules each thread of a process."""
    return {int(each.name): os.sched_getscheduler(int(each.name)) for each in Path(f"/proc/{process}/task").iterdir()}


def test_hashing_steps_back_for_everything_else(distant: DistantHasher) -> None:
    process = _the_process(distant)
    assert os.sched_getscheduler(process) == os.SCHED_BATCH != os.sched_getscheduler(0)
    assert os.getpriority(os.PRIO_PROCESS, process) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sorted(_policies(process).values()) != [os.SCHED_BATCH, os.SCHED_IDLE]:
        assert time.monotonic() < deadline, _policies(process)
        time.sleep(0.01)


def test_who_gets_no_spare_time_hashes_all_the_same_and_goes_back_to_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    spare_time, passed, others = SpareTime(), count(), threading.Event()
    here = threading.get_ident()

    def work() -> str:
        if threading.get_ident() == here:
            return "here"
        others.wait(PATIENCE_SECONDS)
        return "there"

    with monkeypatch.context() as patched:
        patched.setattr("capsvc.hasher._waited", lambda: float(next(passed)))
        assert spare_time.spend(work) == "here"
    assert spare_time.spend(work) == "here", "the thread is still at the work before"
    others.set()
    wanted = time.monotonic() + PATIENCE_SECONDS
    while spare_time.spend(work) != "there":
        assert time.monotonic() < wanted


def test_a_password_stands_in_no_list_of_processes(distant: DistantHasher) -> None:
    process = Path(f"/proc/{_the_process(distant)}")
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert PASSWORD.encode() not in told
    assert PASSWORD.encode().hex().encode() not in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_who_asks_a_whole_group_to_end_does_not_end_the_login_that_hashes(
    distant: DistantHasher, number: signal.Signals
) -> None:
    process = _the_process(distant)
    os.kill(process, number)
    assert _the_process(distant) == process


def test_a_process_that_was_killed_is_replaced_and_nobody_is_refused(distant: DistantHasher) -> None:
    process = _the_process(distant)
    os.kill(process, signal.SIGKILL)
    assert _the_process(distant) != process


def test_a_process_of_which_the_asker_was_killed_ends_without_a_word() -> None:
    command = [sys.executable, "-m", "capsvc.hasher", json.dumps({"turns": [], "parameters": PARAMETERS})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.close()
        _, told = process.communicate(json.dumps({"password": b"x".hex()}).encode() + b"\n", PATIENCE_SECONDS)
    assert (process.returncode, told) == (0, b"")


def test_where_a_sandbox_forbids_a_lower_priority_it_hashes_all_the_same() -> None:
    code = """
import os, sys
def forbidden(number):
    raise PermissionError(1, "Operation not permitted")
os.nice = forbidden
from capsvc import hasher
hasher.main()
"""
    given = json.dumps({"turns": [], "parameters": PARAMETERS})
    asked = json.dumps({"password": PASSWORD.encode().hex(), "hash": hash_of(PASSWORD).encode().hex()})
    told = subprocess.run(
        [sys.executable, "-c", code, given], input=asked + "\n", capture_output=True, text=True, timeout=60, check=True
    )
    assert (told.stdout, told.stderr) == ('"match"\n', "")


def test_nothing_is_left_of_a_hasher_that_was_closed() -> None:
    before = set(_processes())
    hasher = DistantHasher(**PARAMETERS)
    hasher.verify(hash_of(PASSWORD), PASSWORD)
    (process,) = set(_processes()) - before
    hasher.close()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _waiting_for_locks() -> set[int]:
    """The processes that wait for a lock of a file (proc(5), /proc/locks)."""
    lines = Path("/proc/locks").read_text().splitlines()
    return {int(line.split()[5]) for line in lines if line.split()[1] == "->"}


def test_who_hashes_waits_for_its_turn_and_takes_it_from_who_has_ended(tmp_path: Path) -> None:
    turn = tmp_path / "0"
    turn.touch()
    other = subprocess.Popen(["flock", str(turn), "sleep", "1000"], start_new_session=True)
    with closing(DistantHasher([turn], **PARAMETERS)) as hasher, ThreadPoolExecutor(1) as threads:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while f":{turn.stat().st_ino} " not in Path("/proc/locks").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        done = threads.submit(hasher.verify, hash_of(PASSWORD), PASSWORD)
        while not _waiting_for_locks() & set(_processes()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not done.done()
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()
        assert done.result()


def test_with_a_turn_to_spare_nobody_waits(tmp_path: Path) -> None:
    turns = [tmp_path / "0", tmp_path / "1"]
    for each in turns:
        each.touch()
    with turns[0].open() as taken, closing(DistantHasher(turns, **PARAMETERS)) as hasher:
        fcntl.flock(taken, fcntl.LOCK_EX)
        assert hasher.verify(hash_of(PASSWORD), PASSWORD)
        assert hasher.verify(hash_of(PASSWORD), PASSWORD), "the turn was given back"
