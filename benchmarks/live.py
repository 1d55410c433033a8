"""A real service for load: ``capsvc serve`` with its workers, and what the kernel says that they hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.http_worker import resident_mb
from capsvc.home import Home
from capsvc.passwords import Passwords
from capsvc.stores import NewUser
from caveats import time_text

PASSWORD = "correct horse battery staple"  # noqa: S105 - of users who live as long as a benchmark
COMMAND = (sys.executable, "-c", "from capsvc.cli import main; main()")
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Live:
    """A service that runs: its home, its users (all with ``PASSWORD``), where it listens, its first process."""

    home: Home
    users: tuple[str, ...]
    port: int
    process: subprocess.Popen[bytes]
    count: int

    @property
    def workers(self) -> list[int]:
        """The processes that answer. A child of multiprocessing's own is no worker."""
        pid = self.process.pid
        if self.count == 1:
            return [pid]
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return [each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]

    def resident(self) -> list[float]:
        """The resident memory of each worker, with the processes that hash for it, in MB."""
        return [alone + hashing for alone, hashing in self.resident_parts()]

    def resident_parts(self) -> list[tuple[float, float]]:
        """The resident memory of each worker alone, and of the processes that hash for it, in MB."""
        return [(resident_mb(each), sum(map(resident_mb, _hashers(each)))) for each in self.workers]

    def descriptors(self) -> int:
        """How many files and connections all workers have open."""
        return sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in self.workers)

    def threads(self) -> int:
        """How many threads all workers run."""
        return sum(len(list(Path(f"/proc/{each}/task").iterdir())) for each in self.workers)


def _hashers(worker: int) -> list[int]:
    children = [
        each for task in Path(f"/proc/{worker}/task").iterdir() for each in (task / "children").read_text().split()
    ]
    return [int(each) for each in children if b"capsvc.hasher" in Path(f"/proc/{each}/cmdline").read_bytes()]


@contextmanager
def live(workers: int, users: int = 50, **settings: str) -> Iterator[Live]:
    """Serve a fresh home with users until the end of the block, and hold it to a clean end."""
    with tempfile.TemporaryDirectory() as folder:
        home, now = Home.of({"CAPSVC_HOME": f"{folder}/home"}), time_text(time.time())
        names = tuple(f"person{number}" for number in range(users))
        hash = Passwords(home.settings).hash(PASSWORD)
        with closing(home.create(now)) as store:
            store.add_users([NewUser(name, hash) for name in names], now)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CAPSVC_")}
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--workers", str(workers)],
            env={**clean, "CAPSVC_HOME": str(home.path), **settings}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield _ready(Live(home, names, _port(home, process), process, workers))
            process.send_signal(signal.SIGTERM)
            if process.wait(_PATIENCE_SECONDS) != 0:
                raise RuntimeError(f"the service ended with {process.returncode}")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(_PATIENCE_SECONDS)


def _port(home: Home, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if home.address_file.exists() and (text := home.address_file.read_text()).endswith("\n"):
            return int(text.rpartition(":")[2])
        time.sleep(0.02)
    raise RuntimeError("the service did not start")


def _ready(service: Live) -> Live:
    """Wait until every worker has its application: a first one that answers says nothing of the others."""
    deadline, readable = time.monotonic() + _PATIENCE_SECONDS, 0
    while time.monotonic() < deadline and readable < 20 * service.count:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/readyz", timeout=5) as answer:
                readable += answer.status == 200
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    return service
