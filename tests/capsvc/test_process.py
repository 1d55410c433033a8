"""The process of a real service: it leaves no core, lets nobody read its memory, and its files are its owner's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.capsvc.http.serving import COMMAND, Serving, environment, make_home, serving

_FIELD_OF_LIMIT = {"soft": -3, "hard": -2}


def _limit(pid: int, name: str, which: str) -> str:
    (line,) = [each for each in Path(f"/proc/{pid}/limits").read_text().splitlines() if each.startswith(name)]
    return line.split()[_FIELD_OF_LIMIT[which]]


def _workers(service: Serving) -> list[int]:
    """The processes that answer: multiprocessing and hashing have some of their own beside them."""
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_process_of_a_service_leaves_no_core_keeps_its_files_private_and_may_open_many(
    tmp_path: Path, workers: str
) -> None:
    with serving(make_home(tmp_path / "home"), "--workers", workers) as service:
        pids = [service.process.pid, *(_workers(service) if workers != "1" else [])]
        assert len(pids) == {"1": 1, "2": 3}[workers]
        for pid in pids:
            assert (_limit(pid, "Max core file size", "soft"), _limit(pid, "Max core file size", "hard")) == ("0", "0")
            assert _limit(pid, "Max open files", "soft") == _limit(pid, "Max open files", "hard")
            assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()


_PR_GET_DUMPABLE = 3
_IS_DUMPABLE = f"""
import atexit, ctypes, sys
atexit.register(lambda: print("dumpable", ctypes.CDLL(None).prctl({_PR_GET_DUMPABLE}, 0, 0, 0, 0)))
"""
_COMMAND = "from capsvc.cli import main; sys.argv = ['capsvc', 'user', 'list']; main()"
_WORKER = "from capsvc.http.app import create; create()"


@pytest.mark.parametrize(("what", "dumpable"), [("", 1), (_COMMAND, 0), (_WORKER, 0)])
def test_nobody_else_reads_the_memory_of_a_command_or_a_worker(tmp_path: Path, what: str, dumpable: int) -> None:
    home = make_home(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", _IS_DUMPABLE + what],
        env=environment(home.path, {}), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == f"dumpable {dumpable}"


def _allow_cores() -> None:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def test_a_service_that_is_aborted_leaves_no_core(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"],
        env=environment(home.path, {}),
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        preexec_fn=_allow_cores,
    )
    try:
        deadline = time.monotonic() + 60
        while not home.address_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGABRT
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
    assert (os.WTERMSIG(status), os.WCOREDUMP(status)) == (signal.SIGABRT, False)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("core")] == []


def test_what_is_there_when_it_settles_is_left_out_of_later_searches_for_garbage() -> None:
    script = (
        "import gc; from capsvc import process; kept = [[] for _ in range(10_000)]; process.settle();"
        "print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1000, gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 3
