"""The vocabulary is a value: it is extended, never changed."""

from __future__ import annotations

from typing import Any

import pytest

from caveats import BUILTIN, DECLARABLE, Number, PredicateError, Text, Vocabulary


def test_the_built_in_attributes() -> None:
    assert set(BUILTIN) == {
        "time",
        "user",
        "method",
        "host",
        "audience",
        "action",
        "path",
        "resource",
        "ip",
        "body",
        "query",
        "salt",
        "nonce",
        "request",
    }
    assert len(BUILTIN) == 14


def test_an_application_may_declare_no_type_of_authority() -> None:
    assert set(DECLARABLE) == {"text", "tokens", "path", "number", "network"}


def test_extending_gives_another_vocabulary() -> None:
    larger = BUILTIN.extend(amount=Number())
    assert str(larger.parse("amount <= 5")) == "amount <= 5"
    assert "amount" not in BUILTIN
    with pytest.raises(PredicateError, match="not in the vocabulary"):
        BUILTIN.parse("amount <= 5")


def test_a_name_is_refused_twice() -> None:
    with pytest.raises(ValueError, match="already has an attribute amount"):
        BUILTIN.extend(amount=Number()).extend(amount=Number())
    with pytest.raises(ValueError, match="already has an attribute user"):
        BUILTIN.extend(user=Text())


@pytest.mark.parametrize("name", ["", "Amount", "9a", "_a", "a-b", "a b", "a" * 33, "caf\u00e9", "a\n"])
def test_an_attributes_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="an attribute's name"):
        BUILTIN.extend(**{name: Number()})


@pytest.mark.parametrize("type", [Number, "number", None])
def test_a_type_is_an_instance_of_one_of_ours(type: Any) -> None:
    with pytest.raises(TypeError, match="the type of amount"):
        BUILTIN.extend(amount=type)


def test_a_vocabulary_is_frozen() -> None:
    with pytest.raises(TypeError):
        BUILTIN["amount"] = Number()  # type: ignore[index]


def test_a_vocabulary_does_not_follow_the_mapping_it_was_made_of() -> None:
    types: dict[str, Any] = {"amount": Number()}
    vocabulary = Vocabulary(types)
    types["label"] = Text()
    assert list(vocabulary) == ["amount"]


def test_the_repr_names_the_attributes() -> None:
    assert repr(Vocabulary({"amount": Number(), "label": Text()})) == "<Vocabulary amount label>"


def test_text_that_is_not_unicode_is_no_predicate() -> None:
    with pytest.raises(PredicateError):
        BUILTIN.parse("user = \ud800")


def test_a_vocabulary_remembers_few_predicates_and_no_long_ones() -> None:
    words = BUILTIN.extend()
    for number in range(5000):
        words.parse(f"path = /{number}")
    words.parse("path = /" + "x" * 60_000)
    assert sum(map(len, words._remembered)) < 1024 * 128
    assert words.parse("path = /7") == BUILTIN.parse("path = /7")


@pytest.mark.parametrize("name", ["time", "user", "audience", "salt", "nonce", "request"])
def test_what_verifiers_read_themselves_keeps_its_type(name: str) -> None:
    with pytest.raises(ValueError, match=f"verifiers read {name} themselves"):
        Vocabulary({name: Number()})
