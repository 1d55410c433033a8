"""Predicates: printing, absence, and what is shown to a person."""

from __future__ import annotations

import pytest

from caveats import BUILTIN, Predicate, PredicateError, Text
from caveats.predicate import shown, split

SECRET = "5Jx1mWm0Zk2y0c2Qv3m0tA"


def test_a_predicate_of_items_prints_them_encoded() -> None:
    predicate = Predicate.of("label", Text(), "in", ("a b", "100%", "a\n"))
    assert str(predicate) == "label in a%20b 100%25 a%0A"
    assert split(str(predicate)) == ("label", "in", ("a b", "100%", "a\n"))


def test_an_unknown_operator_is_told_the_known_ones() -> None:
    with pytest.raises(PredicateError, match=r"^time knows the operators < >=$"):
        BUILTIN.parse("time = 2026-11-22T06:00:00Z")


def test_a_value_that_does_not_read_says_why() -> None:
    with pytest.raises(PredicateError, match="a real date"):
        BUILTIN.parse("time < 2026-02-30T00:00:00Z")


def test_an_absent_fact_is_not_an_empty_one_and_is_never_met() -> None:
    predicate = BUILTIN.parse("action in read")
    assert predicate.refusal({}) == "the request does not say its action"
    assert predicate.refusal({"action": frozenset()}) == "the request names none"
    assert predicate.refusal({"action": frozenset({"read"})}) is None


def test_a_unique_value_needs_no_fact() -> None:
    assert BUILTIN.parse("nonce = 3q2-7wAAq83vEjRWeJCrzQ").refusal({}) is None


def test_a_predicate_cannot_be_changed() -> None:
    predicate = BUILTIN.parse("user = alice")
    with pytest.raises(AttributeError):
        predicate.attribute = "audience"  # type: ignore[misc]


def test_the_repr_of_a_salt_holds_no_salt() -> None:
    predicate = BUILTIN.parse(f"salt = default/{SECRET}")
    assert repr(predicate) == "<Predicate salt = default/…>"
    assert SECRET in str(predicate)


@pytest.mark.parametrize(
    "caveat",
    [
        f"salt = default/{SECRET}",
        f"salt in a/{SECRET} b/{SECRET}",
        f"salt = {SECRET}",
        f" salt = default/{SECRET}",
        f"\nsalt  = default/{SECRET}",
        f"salt = {'x' * 100}/{SECRET}",
        f"salt = {'x' * 100}{SECRET}/",
    ],
)
def test_a_caveat_that_looks_like_a_salt_is_shown_without_it(caveat: str) -> None:
    assert SECRET not in shown(caveat)
    assert SECRET not in shown(caveat.encode())


@pytest.mark.parametrize(
    ("caveat", "text"),
    [
        ("user = alice", "user = alice"),
        ("a\nb\x1b[31m\x7f", "a\\nb\\x1b[31m\\x7f"),
        ("Zo\u00eb \U0001f511", "Zo\u00eb \U0001f511"),
        ("\ud800", "\\ud800"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("", ""),
        ("turned \u202e round", "turned \\u202e round"),
        ("hid\u200bden\u2028\ufeff", "hid\\u200bden\\u2028\\ufeff"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "…"),
    ],
)
def test_a_caveat_is_shown_on_one_bounded_line(caveat: str | bytes, text: str) -> None:
    assert shown(caveat) == text
