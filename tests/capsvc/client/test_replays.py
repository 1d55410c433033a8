"""The table of replays: bounded, shared, and it never forgets early."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from capsvc.errors import Replayed, StoreUnavailable
from capsvc.replay import ReplayGuard
from capsvc.stores.replays import Replays
from caveats import time_text
from tests.capsvc.client.test_binding import NOW, bound, verify


@pytest.fixture
def replays(tmp_path: Path) -> Iterator[Replays]:
    with closing(Replays(tmp_path / "replays.db", most=3)) as table:
        yield table


def at(later: int) -> str:
    return time_text(NOW + later)


def test_a_request_is_recorded_once_for_each_nonce(replays: Replays) -> None:
    replays.record("nonce", "request", at(30), at(0))
    replays.record("another", "request", at(30), at(0))
    with pytest.raises(Replayed):
        replays.record("nonce", "request", at(30), at(0))


def test_a_full_table_answers_that_it_cannot_say_and_forgets_nothing_that_can_be_presented(replays: Replays) -> None:
    for number in range(3):
        replays.record("nonce", f"{number}", at(30 + number), at(0))
    with pytest.raises(StoreUnavailable, match="is full"):
        replays.record("nonce", "3", at(30), at(30))
    for number in range(3):
        with pytest.raises(Replayed):
            replays.record("nonce", f"{number}", at(30), at(30))
    replays.record("nonce", "3", at(60), at(31))
    with pytest.raises(StoreUnavailable, match="is full"):
        replays.record("nonce", "4", at(60), at(31))
    replays.record("nonce", "4", at(60), at(33))
    replays.record("nonce", "5", at(60), at(33))


def test_every_process_sees_what_another_has_let_in(tmp_path: Path) -> None:
    path = tmp_path / "replays.db"
    program = f"""
from pathlib import Path
from capsvc.errors import Replayed
from capsvc.stores.replays import Replays
table, let_in = Replays(Path({str(path)!r})), 0
for number in range(40):
    try:
        table.record("nonce", str(number), {at(30)!r}, {at(0)!r})
        let_in += 1
    except Replayed:
        pass
print(let_in)
"""
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(each.communicate(timeout=60)[0]) for each in both) == 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_record_outlives_its_copy_by_the_skew_of_clocks(replays: Replays) -> None:
    clock = [NOW]
    guard = ReplayGuard(replays, timedelta(seconds=30), timedelta(seconds=10), lambda: time_text(clock[0]))
    capability = verify(bound())
    guard.record(capability)
    for other in range(3):
        clock[0] = NOW + 30 + 5 * other
        with pytest.raises(Replayed):
            guard.record(capability)
    clock[0] = NOW + 41
    guard.record(capability)


def test_what_it_records_stays_over_a_restart(tmp_path: Path) -> None:
    for expected in (None, Replayed):
        with closing(Replays(tmp_path / "replays.db")) as table:
            if expected is None:
                table.record("nonce", "request", at(30), at(0))
            else:
                with pytest.raises(expected):
                    table.record("nonce", "request", at(30), at(0))


def test_a_table_that_cannot_be_made_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        Replays(tmp_path / "nowhere" / "replays.db")
