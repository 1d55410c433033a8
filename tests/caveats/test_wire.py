"""The two formats on the wire: what they look like, and the caps on what strangers send."""

from __future__ import annotations

import pytest

from caveats import DecodeError, Format, Limits, Macaroon
from caveats.encoding import encode_base64
from caveats.wire import DEFAULT_LIMITS, decode_binary, decode_text, encode_binary, encode_text

ROOT = Macaroon.mint(b"root key", "k1", "there")
FORMATS = [Format.V1, Format.V2]


def _of_size(characters: int) -> str:
    """Write a macaroon whose format 2 takes some number of characters."""
    around = len(encode_binary(ROOT.append(bytes(1000)))) - 1000
    token = encode_text(ROOT.append(bytes(characters * 3 // 4 - around)))
    assert len(token) == characters
    return token


def test_format_1_is_packets() -> None:
    macaroon = ROOT.append(b"a = b").entrust("here", b"key", b"ask", bytes(24))
    vid = macaroon.unverified_caveats[1].verification_id
    assert encode_binary(macaroon, Format.V1) == (
        b"0013location there\n0012identifier k1\n000ecid a = b\n000ccid ask\n0051vid "
        + vid
        + b"\n000ccl here\n002fsignature "
        + macaroon.signature
        + b"\n"
    )


def test_format_2_is_fields() -> None:
    macaroon = ROOT.append(b"a = b").entrust("here", b"key", b"ask", bytes(24))
    vid = macaroon.unverified_caveats[1].verification_id
    assert encode_binary(macaroon) == (
        b"\x02\x01\x05there\x02\x02k1\x00\x02\x05a = b\x00\x01\x04here\x02\x03ask\x04\x48"
        + vid
        + b"\x00\x00\x06\x20"
        + macaroon.signature
    )


@pytest.mark.parametrize("format", FORMATS)
def test_text_is_base64_of_the_bytes(format: Format) -> None:
    assert encode_text(ROOT, format) == encode_base64(encode_binary(ROOT, format))
    assert decode_text(encode_text(ROOT, format)) == decode_binary(encode_binary(ROOT, format)) == ROOT


def test_json_is_no_bytes() -> None:
    with pytest.raises(ValueError, match="JSON is text"):
        encode_binary(ROOT, Format.JSON)


@pytest.mark.parametrize("format", FORMATS)
def test_no_location_and_empty_fields_come_back(format: Format) -> None:
    macaroon = Macaroon.mint(b"root key", "").append(b"")
    assert decode_binary(encode_binary(macaroon, format)) == macaroon


def test_the_default_limits_are_the_designs() -> None:
    assert Limits(characters=8192, caveats=64, discharges=8, depth=4) == DEFAULT_LIMITS


def test_a_token_of_the_most_characters_is_read_and_of_more_refused() -> None:
    assert decode_text(_of_size(8192)).unverified_identifier == b"k1"
    with pytest.raises(DecodeError, match="at most 8192 characters"):
        decode_text(_of_size(8194))
    assert decode_text(_of_size(8194), Limits(characters=8194)).unverified_identifier == b"k1"


def test_bytes_are_capped_too() -> None:
    raw = encode_binary(ROOT)
    assert decode_binary(raw, Limits(characters=len(raw))) == ROOT
    with pytest.raises(DecodeError, match="at most"):
        decode_binary(raw, Limits(characters=len(raw) - 1))


@pytest.mark.parametrize("format", FORMATS)
def test_as_many_caveats_as_the_limit_are_read_and_more_refused(format: Format) -> None:
    most = ROOT.append(*[b"a"] * 64)
    assert len(decode_text(encode_text(most, format)).unverified_caveats) == 64
    more = encode_text(most.append(b"a"), format)
    with pytest.raises(DecodeError, match="at most 64 caveats"):
        decode_text(more)
    assert len(decode_text(more, Limits(caveats=65)).unverified_caveats) == 65


def test_the_longest_field_of_format_1() -> None:
    limits = Limits(characters=100_000)
    longest = ROOT.append(bytes(0xFFFF - len("0000cid \n")))
    assert decode_text(encode_text(longest, Format.V1), limits) == longest


@pytest.mark.parametrize(
    "macaroon",
    [
        ROOT.append(bytes(0xFFFF - len("0000cid \n") + 1)),
        Macaroon.mint(b"root key", bytes(0x10000)),
        Macaroon.mint(b"root key", "k1", "x" * 0x10000),
    ],
    ids=["caveat", "identifier", "location"],
)
def test_a_field_too_long_for_format_1_is_refused_and_fits_format_2(macaroon: Macaroon) -> None:
    with pytest.raises(ValueError, match="too long for format 1"):
        encode_text(macaroon, Format.V1)
    assert decode_text(encode_text(macaroon), Limits(characters=100_000)) == macaroon


@pytest.mark.parametrize("raw", [b"", b"\x01", b"\x02", b"\x03\x02\x02k1", b"{}", b"0013locatio", b"\x02\x00\x00"])
def test_what_begins_like_no_macaroon_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_binary(raw)


@pytest.mark.parametrize("format", FORMATS)
def test_a_location_that_is_not_utf_8_is_refused(format: Format) -> None:
    raw = encode_binary(ROOT, format).replace(b"there", b"ther\xff")
    with pytest.raises(DecodeError, match="a location is UTF-8"):
        decode_binary(raw)


def test_no_error_holds_the_token() -> None:
    token = encode_text(ROOT.append(b"user = alice"))
    for wrong in (token + "AAAA", token[:-1], token + "=", token[:-10]):
        with pytest.raises(DecodeError) as caught:
            decode_text(wrong)
        assert token[:12] not in str(caught.value)
        assert token[-20:-12] not in str(caught.value)
