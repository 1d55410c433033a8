"""Digests, salts and unique values."""

from __future__ import annotations

from typing import Any

import pytest

from caveats import Digest, Salt, Unique, check_salt_name
from caveats.encoding import encode_base64

EMPTY = "sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
SALT, OTHER = bytes(range(16)), bytes(16)


def test_bytes_are_digested_and_text_is_a_digest_already() -> None:
    assert Digest().fact(b"") == EMPTY == Digest().fact(EMPTY)


@pytest.mark.parametrize("value", ["", "a=1", EMPTY.removeprefix("sha-256:"), EMPTY + "=", EMPTY[:-1] + "V"])
def test_text_that_is_no_digest_is_the_callers_mistake(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Digest().fact(value)


@pytest.mark.parametrize("value", [5, bytearray(b""), None])
def test_a_digest_is_of_bytes(value: Any) -> None:
    with pytest.raises(TypeError):
        Digest().fact(value)


def test_an_unmet_digest_says_the_requests_own() -> None:
    assert Digest().refusal("=", Digest().fact(b"a"), EMPTY) == f"it is {EMPTY}"


@pytest.mark.parametrize(
    ("rows", "met"),
    [
        ({}, True),
        ({"a": SALT}, True),
        ({"b": None}, True),
        ({"a": OTHER}, False),
        ({"a": None}, False),
        ({"a": b""}, False),
    ],
)
def test_a_salt_is_met_while_the_column_does_not_disagree(rows: dict[str, bytes | None], met: bool) -> None:
    operand = Salt().operand("=", (f"a/{encode_base64(SALT)}",))
    assert operand == ("a", SALT)
    assert (Salt().refusal("=", operand, Salt().fact(rows)) is None) is met


def test_a_refusal_holds_no_salt() -> None:
    assert Salt().refusal("=", ("a", SALT), {"a": OTHER}) == "it was revoked"


@pytest.mark.parametrize("value", ["a", b"a", [("a", SALT)], None])
def test_the_salt_column_is_a_mapping(value: Any) -> None:
    with pytest.raises(TypeError):
        Salt().fact(value)


@pytest.mark.parametrize("name", ["a", "0", "default", "contractor.k3x9", "A-b_c.9", "x" * 64])
def test_a_salts_name_is_returned(name: str) -> None:
    assert check_salt_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, ".a", "-a", "_a", "a/b", "a b", "a\n", "d\u00e9faut", "\u0661"])
def test_a_salts_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a salt's name"):
        check_salt_name(name)


def test_a_unique_value_forbids_nothing_by_itself() -> None:
    value = encode_base64(SALT)
    assert Unique().refusal("=", Unique().operand("=", (value,)), None) is None
    assert Unique.needs_fact is False


def test_a_unique_value_is_text_of_128_bits() -> None:
    assert Unique().fact(encode_base64(SALT)) == encode_base64(SALT)
    with pytest.raises(ValueError, match="22 characters"):
        Unique().fact(encode_base64(SALT[:-1]))
    with pytest.raises(TypeError):
        Unique().fact(SALT)  # type: ignore[arg-type]
