"""The benchmarks run, in their short form, so that they cannot rot. What they measure is not asserted here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.flood import measure
from benchmarks.http import compared, contending, demand_right_answers
from benchmarks.http_load import Target, has_wrk
from benchmarks.http_worker import memory_growth, start_seconds, users_ratio
from benchmarks.library import figures
from benchmarks.measure import Contender, compare, run_rounds
from benchmarks.picture import bars


def test_every_figure_is_measured_against_pymacaroons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.measure._WARMING", 2)
    results, times, _ = figures(rounds=2, n=10)
    beside = [each for each in results if each.against.startswith("pymacaroons")]
    assert len(beside) == 6
    assert all(each.ours > 0 and each.theirs > 0 and each.ratio > 0 for each in results)
    assert {"capsvc, never seen before", "capsvc, seen before"} <= {name for name, _ in times}


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    ours, theirs = Contender("ours", list, id, [1.0, 4.0, 9.0]), Contender("theirs", list, id, [1.0, 2.0, 3.0])
    assert compare("", ours, theirs, 1).ratio == 2.0


def test_every_contender_gets_its_inputs_afresh_in_each_round() -> None:
    seen: list[object] = []
    contender = Contender("one", lambda n: [object() for _ in range(n)], seen.append)
    run_rounds([contender], rounds=3, n=4)
    assert len({id(each) for each in seen}) == len(seen) >= 12
    assert len(contender.seconds) == 3


def test_the_picture_shows_the_quickest_first_and_escapes_names() -> None:
    drawn = bars([("slow <b>", 20.0), ("capsvc", 1.0)])
    assert drawn.index("capsvc") < drawn.index("slow &lt;b&gt;")


def test_every_contender_over_http_takes_a_genuine_token_and_those_that_check_refuse_a_forged_one(
    tmp_path: Path,
) -> None:
    with contending(tokens=4, unseen=4) as targets:
        assert set(targets) >= {"bare", "guarded", "auth", "unseen", "json", "verify"}
        for each in targets.values():
            demand_right_answers(each)
        if has_wrk():  # of the load itself, that it can be measured; its other half is the answers above
            targets["verify"].load(tmp_path, 1)
            assert targets["verify"].rates[0] > 0
        targets["auth"].path = "/v1/nowhere"
        with pytest.raises(AssertionError):
            demand_right_answers(targets["auth"])


def test_a_ratio_of_throughputs_is_the_median_of_the_ratios_of_each_rotation() -> None:
    auth = Target("auth", 0, "", [], rates=[10.0, 40.0, 90.0])
    bare = Target("bare", 0, "", [], rates=[10.0, 20.0, 10.0])
    (only,) = compared({"auth": auth, "bare": bare})
    assert (only.ratio, only.low, only.high, only.ours, only.holds) == (2.0, 1.0, 9.0, 40.0, True)


def test_a_workers_start_memory_and_users_are_measured() -> None:
    assert 0 < start_seconds(1) < 30
    first, growth = memory_growth(10, 20)
    assert first > 1
    assert growth < first
    assert users_ratio(users=100, rounds=2, tokens=5).ratio > 0


def test_a_flood_of_logins_is_measured_and_the_service_logs_in_again() -> None:
    result = measure(workers=1, rounds=1, seconds=0.5)
    (only,) = result.rounds
    assert only.statuses.get("429", 0) > 0
    assert "closed" not in only.statuses
    assert result.capacity > 0
    assert result.summary()["rounds"] == 1
