"""Attenuation of text: what appending to a macaroon and encoding it again comes to, in fewer steps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    DecodeError,
    Format,
    Limits,
    Macaroon,
    PredicateError,
    attenuate,
    decode,
    encode,
)
from caveats.encoding import decode_base64, encode_base64
from tests.caveats import strategies as some

KEY = b"a root key"


@st.composite
def macaroons(draw: st.DrawFn) -> Macaroon:
    """Macaroons of anybody, third-party caveats among them."""
    location = draw(st.sampled_from(["", "https://caps.example.org", "http://é", "x" * 127, "x" * 128]))
    made = Macaroon.mint(KEY, draw(st.binary(max_size=140)), location)
    for each in draw(st.lists(st.one_of(st.binary(max_size=140), st.just(b"\x00\x02")), max_size=6)):
        made = made.entrust("https://third.example", b"k", each) if draw(st.booleans()) else made.append(each)
    return made


@settings(max_examples=300, deadline=None)
@given(macaroons(), st.lists(some.predicates, max_size=3), st.sampled_from(Format))
def test_attenuating_text_is_attenuating_the_macaroon_in_the_same_format(
    macaroon: Macaroon, predicates: list[str], format: Format
) -> None:
    narrowed = attenuate(encode(macaroon, format), *predicates, vocabulary=some.VOCABULARY)
    assert narrowed == encode(macaroon.attenuate(*predicates, vocabulary=some.VOCABULARY), format)


@settings(max_examples=300, deadline=None)
@given(macaroons(), st.data())
def test_law_5_what_does_not_decode_is_not_attenuated_either(macaroon: Macaroon, data: st.DataObject) -> None:
    raw = bytearray(decode_base64(encode(macaroon)))
    raw[data.draw(st.integers(0, len(raw) - 33))] ^= 1 << data.draw(st.integers(0, 7))
    text = encode_base64(bytes(raw[: data.draw(st.integers(len(raw) - 3, len(raw)))]))
    try:
        decoded = decode(text)
    except DecodeError:
        with pytest.raises(DecodeError):
            attenuate(text, "method = GET")
    else:
        assert attenuate(text, "method = GET") == encode(
            decoded.attenuate("method = GET"), Format.V2 if text[0] == "A" else Format.V1
        )


@pytest.mark.parametrize("wrong", ["color = blue", "time < tomorrow", "method", ""])
def test_what_no_verifier_understands_is_not_appended(wrong: str) -> None:
    with pytest.raises(PredicateError):
        attenuate(encode(Macaroon.mint(KEY, "k1")), wrong)


def test_a_token_past_the_limits_is_not_attenuated() -> None:
    text = encode(Macaroon.mint(KEY, "k1").append(b"method = GET", b"method = GET"))
    with pytest.raises(DecodeError, match="at most 1 caveats"):
        attenuate(text, "method = GET", limits=Limits(caveats=1))
    with pytest.raises(DecodeError, match="at most 20 characters"):
        attenuate(text, "method = GET", limits=Limits(characters=20))


@pytest.mark.parametrize("format", Format)
def test_a_copy_beyond_what_verifiers_take_is_refused_here(format: Format) -> None:
    text = encode(Macaroon.mint(b"key", "k1").append(*[b"method = GET"] * 63), format)
    assert attenuate(text, "path ^= /")
    with pytest.raises(PredicateError, match="65 caveats, and verifiers take 64"):
        attenuate(text, "path ^= /", "action = read")
    for size in (9_000, 70_000):  # format 1 has no field of 64 KiB
        with pytest.raises(PredicateError, match=r"characters, and verifiers take 8192|too long for format 1"):
            attenuate(encode(Macaroon.mint(b"key", "k1"), format), f"action = {'a' * size}")
