"""Counters: summed over processes, never going back, whoever is killed and replaced."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.counters import HASHING_NS, LAYOUT, RUNNING, VERIFYING_NS, WAITING, Counters, count_span
from capsvc.errors import SettingsError

_KILLED = """
import os, signal, sys
from pathlib import Path
from capsvc.counters import Counters
counters = Counters.take(Path(sys.argv[1]))
counters.answers[1] += 7
counters.queue[0] += 3
counters.write()
os.kill(os.getpid(), signal.SIGKILL)
"""


def _answers(counters: Counters) -> int:
    return counters.sums()[0]["answers"][1]


def test_all_processes_are_summed_whoever_is_asked(tmp_path: Path) -> None:
    first, second = Counters.take(tmp_path), Counters.take(tmp_path)
    first.answers[1] += 2
    second.answers[1] += 5
    first.write()
    assert _answers(second) == 7
    assert _answers(first) == 7
    assert first.sums()[1] == 2


def test_what_a_killed_process_counted_stays_and_what_waited_in_it_does_not(tmp_path: Path) -> None:
    watching = Counters.take(tmp_path)
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path], check=False, timeout=30)
    sums, processes = watching.sums()
    assert (sums["answers"][1], sums["queue"][WAITING], processes) == (7, 0, 1)
    replacing = Counters.take(tmp_path)
    assert replacing.queue[WAITING] == replacing.queue[RUNNING] == 0
    replacing.answers[1] += 1
    replacing.write()
    assert _answers(watching) == 8
    assert len(list(tmp_path.iterdir())) == 2, "the one that was killed left a page to go on in"


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(("take", "close", "count", "write"))), max_size=40))
def test_sums_never_go_back_and_pages_are_no_more_than_processes_at_once(steps: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as path:
        directory = Path(path)
        watching, others, shown, most = Counters.take(directory), dict[int, Counters](), 0, 1
        for number, step in steps:
            other = others.get(number)
            if step == "take" and other is None:
                others[number] = Counters.take(directory)
            elif other is not None and step == "close":
                others.pop(number).close()
            elif other is not None and step == "count":
                other.answers[1] += 1
            elif other is not None and step == "write":
                other.write()
            most = max(most, 1 + len(others))
            now = _answers(watching)
            assert now >= shown
            shown = now
        assert len(list(directory.iterdir())) == most
        for each in (watching, *others.values()):
            each.close()


def test_a_page_that_was_cut_off_counts_from_nothing_and_is_no_error(tmp_path: Path) -> None:
    Counters.take(tmp_path).close()
    (page,) = tmp_path.iterdir()
    page.write_bytes(b"\x01")
    counters = Counters.take(tmp_path)
    assert _answers(counters) == 0
    counters.close()


def test_where_nothing_can_be_counted_one_error_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("")
    with pytest.raises(SettingsError, match="metrics"):
        Counters.take(tmp_path / "metrics")


@given(st.sampled_from((VERIFYING_NS, HASHING_NS)), st.lists(st.integers(0, 3 * 10**9)))
def test_a_span_is_counted_in_the_first_bucket_that_holds_it(bounds: tuple[int, ...], spans: list[int]) -> None:
    cells = [0] * (len(bounds) + 2)
    for span in spans:
        count_span(cells, bounds, span)
    for at, bound in enumerate(bounds):
        assert sum(cells[: at + 1]) == sum(span <= bound for span in spans)
    assert sum(cells[:-1]) == len(spans)
    assert cells[-1] == sum(spans)


def test_buckets_begin_at_a_tenth_of_a_millisecond_and_each_group_has_its_cells() -> None:
    assert VERIFYING_NS[0] == 100_000
    assert (LAYOUT["verifying"], LAYOUT["hashing"]) == (len(VERIFYING_NS) + 2, len(HASHING_NS) + 2)
    counters = Counters()
    for name, size in LAYOUT.items():
        assert len(getattr(counters, name)) == size
