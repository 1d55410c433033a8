"""The drawings: what a figure shows is in its geometry, its label or the word beside it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caveats.drawing import bar, icon, key_step, seal, step, swatch
from caveats.explanation import Verdict, Whose

fractions = st.floats(0, 1)


@given(fractions, st.one_of(st.none(), fractions))
def test_the_parts_of_a_bar_lie_end_to_end_within_it(expires: float, now: float | None) -> None:
    drawn = bar("a window", expires, now)
    spans = [(float(x), float(w)) for x, w in re.findall(r'x="([\d.]+)%?" y="6" width="([\d.]+)%"', drawn)]
    whole, over, left = spans
    assert whole == (0, 100)
    assert over[0] == 0
    assert left[0] == over[1]
    assert sum(left) == pytest.approx(100 * expires, abs=0.02)
    assert over[1] == pytest.approx(0 if now is None else 100 * min(now, expires), abs=0.01)
    marks = re.findall(r'x="([\d.]+)%" y="2"', drawn)
    assert [float(x) for x in marks] == ([] if now is None else [pytest.approx(100 * now, abs=0.01)])
    assert 'aria-label="a window"' in drawn


def test_every_verdict_has_a_mark_of_its_own_shape() -> None:
    marks = [re.findall(r' d="[^"]+"', icon(verdict)) for verdict in get_args(Verdict)]
    assert len({*map(tuple, marks)}) == len(marks) == 5


def test_steps_of_the_service_a_holder_and_a_third_party_differ_in_more_than_colour() -> None:
    drawn = [re.sub(r' class="[^"]*"', "", step(whose)) for whose in get_args(Whose)]
    assert len({*drawn}) == len(drawn) == 3


def test_the_rail_runs_from_edge_to_edge_of_its_row_and_ends_in_the_seal() -> None:
    for drawn in (key_step(), *map(step, get_args(Whose))):
        assert 'y2="100%"' in drawn
    for drawn in (*map(step, get_args(Whose)), seal()):
        assert 'y1="0"' in drawn
    assert "100%" not in seal()


def test_the_parts_of_a_bar_differ_in_more_than_colour() -> None:
    swatches = [swatch(part) for part in ("over", "left", "cut off", "now")]
    assert len({re.sub(r' class="[^"]*"', "", each) for each in swatches}) == 4
