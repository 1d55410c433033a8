"""Types of attribute: what facts read, and what a refusal says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from caveats import AttributeType, Host, Text, Time, TokenSet, time_text
from caveats.attribute import only


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1.999999, "1970-01-01T00:00:01Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
        (datetime(2026, 11, 22, 6, 0, 0, 999_999, tzinfo=UTC), "2026-11-22T06:00:00Z"),
        (datetime(2026, 11, 22, 7, 30, tzinfo=timezone(timedelta(hours=1, minutes=30))), "2026-11-22T06:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        ("2026-11-22T06:00:00Z", "2026-11-22T06:00:00Z"),
    ],
)
def test_time_text_floors_to_a_second_in_utc(moment: Any, text: str) -> None:
    assert time_text(moment) == text


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22),
        float("nan"),
        float("inf"),
        1e15,
        -1e15,
        pytest.param(10**5000, id="huge"),
        "",
        "now",
        "2026-11-22T06:00:00Z\n",
        "\ud800",
    ],
)
def test_time_text_refuses_what_is_no_time(moment: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        time_text(moment)


def test_time_text_refuses_a_moment_that_utc_cannot_write() -> None:
    before_year_1 = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    with pytest.raises(ValueError):  # noqa: PT011
        time_text(before_year_1)


@pytest.mark.parametrize("moment", [True, None, b"2026-11-22T06:00:00Z", timedelta(0)])
def test_time_text_refuses_what_is_not_a_moment(moment: Any) -> None:
    with pytest.raises(TypeError):
        time_text(moment)


def test_texts_of_time_sort_as_moments_do() -> None:
    moments = [-62_135_596_800, -1, 0, 999_999_999, 1_000_000_000, 253_402_300_799]
    assert [time_text(each) for each in moments] == sorted(map(time_text, moments))


def test_only_takes_exactly_one_item() -> None:
    assert only(("a",)) == "a"
    for items in ((), ("a", "b")):
        with pytest.raises(ValueError, match="one value"):
            only(items)


def test_the_contract_itself_decides_nothing() -> None:
    bare = AttributeType()
    with pytest.raises(NotImplementedError):
        bare.operand("=", ("a",))
    with pytest.raises(NotImplementedError):
        bare.fact("a")
    with pytest.raises(NotImplementedError):
        bare.refusal("=", "a", "a")


def test_a_time_says_why_it_is_not_met() -> None:
    assert Time().refusal("<", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z") == "it is 2026-01-01T00:00:00Z"
    assert Time().refusal(">=", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z") == "it is only 2025-12-31T23:59:59Z"


@pytest.mark.parametrize("value", ["", "e\u0301"])
def test_a_text_is_not_empty_and_in_normal_form_c(value: str) -> None:
    with pytest.raises(ValueError, match="normal form C"):
        Text().fact(value)


@pytest.mark.parametrize("value", ["a/b", "a\nb", "a\0", "\x85", "\x7f"])
def test_a_name_holds_no_slash_and_no_control_character_where_a_text_may(value: str) -> None:
    assert Text().fact(value) == value
    with pytest.raises(ValueError, match="a name holds no /"):
        Text(is_name=True).fact(value)


@pytest.mark.parametrize("value", [b"alice", 5, ["alice"], None])
def test_a_text_is_a_str(value: Any) -> None:
    with pytest.raises(TypeError):
        Text().fact(value)


def test_a_text_says_what_it_is_where_it_is_not_met() -> None:
    assert Text().refusal("=", Text().operand("=", ("alice",)), "bob") == "it is bob"


def test_one_token_is_a_set_of_one() -> None:
    assert TokenSet().fact("GET") == frozenset({"GET"}) == TokenSet().fact(["GET", "GET"])


def test_a_token_set_names_what_is_not_allowed() -> None:
    allowed = TokenSet().operand("in", ("read", "list"))
    assert TokenSet().refusal("in", allowed, frozenset({"read", "write", "drop"})) == "the request needs drop write"


def test_an_empty_token_set_is_never_met() -> None:
    assert TokenSet().refusal("in", frozenset({"read"}), TokenSet().fact([])) == "the request names none"


def test_a_token_is_not_empty() -> None:
    for value in ("", ["read", ""]):
        with pytest.raises(ValueError, match="not empty"):
            TokenSet().fact(value)


@pytest.mark.parametrize("value", [b"GET", [b"GET"], ["GET", None], 5])
def test_a_token_is_a_str(value: Any) -> None:
    with pytest.raises(TypeError):
        TokenSet().fact(value)


@pytest.mark.parametrize("value", ["Example.org", "b\u00fccher.example", "a\tb", ["a.example", "B.example"]])
def test_a_host_is_lower_case_and_in_a_labels(value: Any) -> None:
    with pytest.raises(ValueError, match="A-labels"):
        Host().fact(value)


@pytest.mark.parametrize("moment", [-62_135_596_801, 2**50, 1e300, -1e300])
def test_seconds_beyond_the_years_that_there_are_say_so(moment: float) -> None:
    with pytest.raises(ValueError, match="within the years 1 to 9999"):
        time_text(moment)
