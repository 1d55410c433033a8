"""Claims: what an issuer says becomes caveats that never permit more than what it said, or nobody logs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.errors import Refused
from capsvc.identity.claims import Template, read_fixed
from caveats import BUILTIN, Predicate
from caveats.number import Number

WORDS = BUILTIN.extend(amount=Number())
_ODD = [
    "",
    " ",
    "%",
    "%20",
    "/",
    "..",
    ".",
    "\\",
    "\0",
    "\n",
    "a b",
    "a/../b",
    "{}",
    "a = b",
    "é",
    "e\u0301",
    "x" * 300,
]
_TEXTS = st.sampled_from(_ODD) | st.text(max_size=12)


def _fill(template: str, value: Any) -> Predicate:
    return Template.parse("c", template, WORDS).fill({"c": value, "other": "x"})


def test_a_claim_is_put_into_its_place() -> None:
    assert str(_fill("resource ^= projects/{}", "42")) == "resource ^= projects/42"
    assert str(_fill("action in {}", ["read", "list"])) == "action in read list"
    assert str(_fill("action in {} help", ["read", "read"])) == "action in read help"
    assert str(_fill("amount <= {}", 5)) == "amount <= 5"
    assert str(_fill("resource in p/{}/docs shared", ["a b", "50%"])) == "resource in p/a%20b/docs p/50%25/docs shared"
    assert str(_fill("ip in {}", "10.0.0.0/8")) == "ip in 10.0.0.0/8"


@pytest.mark.parametrize(
    "value",
    [None, "", [], [""], ["a", ""], {}, {"a": 1}, ["a", {}], ["a", ["b"]], ["a", None], True, False, 1.5, ["a", 1.5],
     "\ud800", ["a", "\udfff"]],
)  # fmt: skip
def test_a_claim_that_says_nothing_or_cannot_be_written_is_no_login(value: Any) -> None:
    with pytest.raises(Refused, match="the claim c is missing, empty or not such"):
        _fill("action in {}", value)


def test_a_claim_that_is_missing_is_no_login() -> None:
    for claims in ({}, {"C": "a"}, {"c.d": "a"}):
        with pytest.raises(Refused, match="missing"):
            Template.parse("c", "action in {}", WORDS).fill(claims)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("resource ^= projects/{}", "."),
        ("resource ^= projects/{}", ".."),
        ("resource ^= projects/{}", "a/../../other"),
        ("resource ^= projects/{}", "/"),
        ("resource ^= projects/{}", "a//b"),
        ("resource ^= projects/{}", "%2e%2e"),
        ("resource ^= projects/{}", "a\\b"),
        ("resource = projects/{}", ["a", "b"]),
        ("amount <= {}", "5 6"),
        ("amount <= {}", "many"),
        ("amount <= {}", [1, 2]),
        ("ip in {}", "10.0.0.1/8"),
        ("user = {}", "e\u0301"),
        ("time < {}", "tomorrow"),
    ],
)
def test_a_claim_that_its_attribute_does_not_take_is_no_login(template: str, value: Any) -> None:
    with pytest.raises(Refused):
        _fill(template, value)


def test_no_refusal_repeats_what_a_claim_says() -> None:
    with pytest.raises(Refused) as refused:
        _fill("resource ^= projects/{}", "s3cret/..")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "template",
    ["", "{}", "action in", "action in read", "action in {} {}", "action in {}{}", "{} in read", "action {} read",
     "action ^= {}", "colour = {}", "salt = {}", "nonce = {}", "request = {}", "action  in {}", "action in {} ",
     "action in %{}", "resource ^= ../x {}", "Action in {}"],
)  # fmt: skip
def test_a_template_that_is_none_is_refused_at_start(template: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Template.parse("c", template, WORDS)


@pytest.mark.parametrize("text", ["", "action", "colour = red", "salt = a/b", f"nonce = {'A' * 22}"])
def test_a_fixed_predicate_that_is_none_is_refused_at_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_fixed(text, WORDS)


def _is_below(wanted: str, prefixes: list[str]) -> bool:
    segments = wanted.rstrip("/").split("/")
    return any(segments[: len(each)] == each for each in (prefix.rstrip("/").split("/") for prefix in prefixes))


_PERMITS: dict[str, Callable[[list[str], str], bool]] = {
    "action in {}": lambda said, wanted: wanted in said,
    "action in a-{} help": lambda said, wanted: wanted == "help" or wanted in [f"a-{each}" for each in said],
    "user in {}": lambda said, wanted: wanted in said,
    "resource = {}": lambda said, wanted: wanted in said,
    "resource ^= {}": lambda said, wanted: _is_below(wanted, said),
    "resource ^= projects/{}": lambda said, wanted: _is_below(wanted, [f"projects/{each}" for each in said if each]),
    "resource in p/{}/docs": lambda said, wanted: wanted in [f"p/{each}/docs" for each in said],
}
"""What a template permits for what was said, by the words of the design and not of the code."""


@given(_TEXTS | st.lists(_TEXTS, max_size=4), _TEXTS | st.sampled_from(["help", "projects", "projects/", "a-"]))
def test_whatever_a_claim_says_no_more_is_permitted_than_it_says(value: Any, other: str) -> None:
    said = value if isinstance(value, list) else [value]
    for template, permits in _PERMITS.items():
        try:
            predicate = _fill(template, value)
        except Refused:
            continue
        for one in {other, *said, "projects", "projects/", "p", "p//docs", "help"}:
            for asked in (one, f"a-{one}", f"projects/{one}", f"p/{one}/docs", f"{one}/x"):
                try:
                    fact = WORDS[predicate.attribute].fact(asked)
                except ValueError:
                    continue
                refused = predicate.refusal({predicate.attribute: fact})
                assert refused is not None or permits(said, asked), (template, value, asked)


@given(_TEXTS | st.lists(_TEXTS, max_size=4) | st.integers())
def test_whatever_a_claim_says_the_caveat_reads_back_as_the_one_predicate(value: Any) -> None:
    for template in ("action in {}", "resource ^= projects/{} shared", "user = {}", "amount <= {}"):
        try:
            predicate = _fill(template, value)
        except Refused:
            continue
        again = WORDS.parse(str(predicate))
        assert (again.attribute, again.operator) == (predicate.attribute, predicate.operator)
        assert again.items == predicate.items
        assert again.operand == predicate.operand
