"""Numbers are exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import Number
from caveats.number import number_after


def _met(operator: str, *bounds: str, fact: int | str) -> bool:
    return Number().refusal(operator, Number().operand(operator, bounds), Number().fact(fact)) is None


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        ("=", False, True, False),
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_each_operator_below_at_and_above_its_bound(operator: str, below: bool, at: bool, above: bool) -> None:
    assert [_met(operator, "5", fact=fact) for fact in ("4.99999999999999999", "5.0", "5.00000000000000001")] == [
        below,
        at,
        above,
    ]


def test_in_is_any_of_its_numbers_by_value() -> None:
    assert _met("in", "1", "2.50", "-0", fact="2.5")
    assert _met("in", "1", "2.50", "-0", fact=0)
    assert not _met("in", "1", "2.50", "-0", fact=2)


def test_eighteen_digits_are_exact_on_either_side_of_the_point() -> None:
    assert not _met("<", "999999999999999999", fact=999999999999999999)
    assert _met("<", "999999999999999999", fact=999999999999999998)
    assert _met("<", "0.12345678901234567", fact="0.12345678901234566")


def test_negative_numbers_are_ordered() -> None:
    assert _met("<", "-1.5", fact="-2")
    assert not _met("<", "-1.5", fact="-1.49")


@pytest.mark.parametrize("value", [1.5, True, Decimal("1.5"), None, b"1"])
def test_a_fact_that_is_not_exact_text_or_int_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        Number().fact(value)


@pytest.mark.parametrize("value", [10**18, -(10**18), pytest.param(10**5000, id="huge"), "1e3", " 1", "1\n", ""])
def test_a_fact_beyond_the_grammar_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Number().fact(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [("0", "0"), ("-0", "0"), ("1.50", "1.5"), ("-0.5", "-0.5"), (12, "12"), ("0.00000000000000001",) * 2],
)
def test_a_number_is_written_in_its_shortest_form(value: int | str, written: str) -> None:
    assert Number.written(Number().fact(value)) == written


def test_an_unmet_number_says_what_it_is() -> None:
    assert Number().refusal("<=", Number().operand("<=", ("5",)), Number().fact("5.10")) == "it is 5.1"


@settings(max_examples=150, deadline=None)
@given(st.integers(-(10**18) + 2, 10**18 - 2), st.integers(0, 17))
def test_no_number_of_eighteen_digits_lies_between_one_and_the_next(digits: int, places: int) -> None:
    number = Decimal(digits).scaleb(-places)
    try:
        scaled = Number().fact(f"{number:f}")
    except ValueError:  # a zero before the point is one more digit
        return
    after = Decimal(number_after(scaled)).scaleb(-18)
    assert after > number
    assert Number().fact(Number.written(number_after(scaled))) == number_after(scaled)
    assert number_after(-number_after(scaled)) == -scaled
    halfway = (number + after) / 2
    with pytest.raises(ValueError, match="18 digits"):
        Number().fact(f"{halfway:f}")


@pytest.mark.parametrize(
    ("number", "after"),
    [
        ("0", "0.00000000000000001"),
        ("9.99999999999999999", "10"),
        ("10", "10.0000000000000001"),
        ("-10", "-9.99999999999999999"),
        ("99999999999999999.9", "100000000000000000"),
        ("100000000000000000", "100000000000000001"),
        ("-0.00000000000000001", "0"),
    ],
)
def test_the_next_number_has_fewer_digits_behind_the_point_the_more_there_are_before_it(
    number: str, after: str
) -> None:
    assert number_after(Number().fact(number)) == Number().fact(after)
