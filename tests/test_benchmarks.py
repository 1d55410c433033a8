"""The benchmarks run, in their short form, so that they cannot rot. What they measure is not asserted here."""

from __future__ import annotations

from benchmarks.library import figures
from benchmarks.measure import Contender, compare, run_rounds
from benchmarks.picture import bars


def test_every_figure_is_measured_against_pymacaroons() -> None:
    results, times, _ = figures(rounds=2, n=10)
    beside = [each for each in results if each.against.startswith("pymacaroons")]
    assert len(beside) == 5
    assert all(each.ours > 0 and each.theirs > 0 and each.ratio > 0 for each in results)
    assert {"capsvc, never seen before", "capsvc, seen before"} <= {name for name, _ in times}


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    ours, theirs = Contender("ours", list, id, [1.0, 4.0, 9.0]), Contender("theirs", list, id, [1.0, 2.0, 3.0])
    assert compare("", ours, theirs, 1).ratio == 2.0


def test_every_contender_gets_its_inputs_afresh_in_each_round() -> None:
    seen: list[object] = []
    contender = Contender("one", lambda n: [object() for _ in range(n)], seen.append)
    run_rounds([contender], rounds=3, n=4)
    assert len({id(each) for each in seen}) == 12
    assert len(contender.seconds) == 3


def test_the_picture_shows_the_quickest_first_and_escapes_names() -> None:
    drawn = bars([("slow <b>", 20.0), ("capsvc", 1.0)])
    assert drawn.index("capsvc") < drawn.index("slow &lt;b&gt;")
