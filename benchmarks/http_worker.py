"""What a worker costs beside time: its memory, its start, and a store with a million users."""

from __future__ import annotations

import gc
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

from benchmarks.http_home import LiveHome
from benchmarks.measure import Figure
from capsvc.home import Home
from capsvc.node import Node, Presentation
from caveats import time_text

_USERS = 1_000_000
_ROUNDS = 25
_STARTS = 5
_PATIENCE_SECONDS = 30.0
_MB = 1024 * 1024


def start_seconds(starts: int = _STARTS) -> float:
    """How long ``capsvc serve`` takes to answer /readyz, from its start: the median of some."""
    with tempfile.TemporaryDirectory() as folder:
        home = LiveHome.make(Path(folder) / "home").home
        return statistics.median(_start(home) for _ in range(starts))


def users_ratio(users: int = _USERS, rounds: int = _ROUNDS, tokens: int = 200) -> Figure:
    """Verification with so many users in the store beside an empty one, each token of a user never asked for."""
    with tempfile.TemporaryDirectory() as folder:
        full, empty = LiveHome.make(Path(folder) / "full"), LiveHome.make(Path(folder) / "empty")
        needed = rounds * tokens
        _insert(full.home, users)
        _insert(empty.home, needed)
        ours, theirs = [], []
        with closing(full.home.open_store()) as one, closing(empty.home.open_store()) as other:
            nodes = Node(one, full.home.shares, full.home.settings), Node(other, empty.home.shares, empty.home.settings)
            step = users // needed
            for number in range(rounds):
                names = range(number * tokens, (number + 1) * tokens)
                ours.append(_verify(nodes[0], [full.mint(_name(each * step), _salt(each * step)) for each in names]))
                theirs.append(_verify(nodes[1], [empty.mint(_name(each), _salt(each)) for each in names]))
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    low, high = ratios[rounds // 4], ratios[-1 - rounds // 4]
    what = f"verify with {users:,} users in the store, of one never asked for"
    return Figure(
        what, f"with {needed:,}", statistics.median(ratios), low, high, 1.3,
        statistics.median(ours) * 1e6, statistics.median(theirs) * 1e6,
    )  # fmt: skip


def memory_growth(first: int = 100_000, last: int = 1_000_000) -> tuple[float, float]:
    """MB of a worker after so many distinct tokens, and how many more after further ones."""
    with tempfile.TemporaryDirectory() as folder:
        live = LiveHome.make(Path(folder) / "home")
        with closing(live.home.open_store()) as store:
            node = Node(store, live.home.shares, live.home.settings)
            names = live.names
            at_first = 0.0
            for number in range(1, last + 1):
                node.verify(Presentation(live.mint(names[number % len(names)])), node.request())
                if number == first:
                    gc.collect()
                    at_first = resident_mb(os.getpid())
            gc.collect()
            return at_first, resident_mb(os.getpid()) - at_first


def resident_mb(process: int) -> float:
    """The resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MB


def _start(home: Home) -> float:
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CAPSVC_")}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)  # a start without compiled modules is not a usual one
    home.address_file.unlink(missing_ok=True)
    command = [sys.executable, "-c", "from capsvc.cli import main; main()", "serve", "--port", "0"]
    before = time.perf_counter()
    process = subprocess.Popen(
        command, env={**settings, "CAPSVC_HOME": str(home.path)}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - before < _PATIENCE_SECONDS:
            if home.address_file.exists() and _is_ready(home.address_file.read_text().strip()):
                return time.perf_counter() - before
            time.sleep(0.005)
        raise TimeoutError("capsvc serve did not get ready")
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def _is_ready(address: str) -> bool:
    if not address.startswith("http://127.0.0.1:"):
        return False
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=1) as answer:  # noqa: S310 - loopback alone
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _name(number: int) -> str:
    return f"user{number:07d}"


def _salt(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _insert(home: Home, users: int) -> None:
    """Fill a store as add_users does, with a made-up hash and salts that are told: a million take seconds."""
    now = time_text(time.time())
    with closing(sqlite3.connect(home.path / "capsvc.db")) as store:
        store.execute("PRAGMA synchronous = OFF")
        store.executemany(
            "INSERT INTO users (name, password, audiences, created) VALUES (?, '-', '', ?)",
            ((_name(each), now) for each in range(users)),
        )
        store.executemany(
            "INSERT INTO salts (user, name, salt, issued, changed) VALUES (?, 'default', ?, 1, ?)",
            ((_name(each), _salt(each), now) for each in range(users)),
        )
        store.commit()


def _verify(node: Node, tokens: list[str]) -> float:
    gc.collect()
    start = time.perf_counter()
    for token in tokens:
        node.verify(Presentation(token), node.request(), patient=False)
    return (time.perf_counter() - start) / len(tokens)
