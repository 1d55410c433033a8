"""Three encodings, each with one spelling."""

from __future__ import annotations

import pytest

from caveats import DecodeError, PredicateError
from caveats.encoding import decode_base64, decode_item, encode_base64, encode_item, read_varint, write_varint


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff\xfe", "-__-"), (b"\0", "AA")],
)
def test_base64_is_url_safe_without_padding(raw: bytes, text: str) -> None:
    assert encode_base64(raw) == text
    assert decode_base64(text) == raw


@pytest.mark.parametrize(
    "text",
    [
        "Zg==",
        "Zg=",
        "Zm8=",
        "=",
        "====",
        "+//+",
        "Zm9v\n",
        "Zm 9v",
        " Zm9v",
        "Zm9v!",
        "Z",
        "Zm9vZ",
        "Zm\u00e9v",
        "\ud800",
        "Zm9v\0",
    ],
)
def test_base64_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="not URL-safe base64"):
        decode_base64(text)


@pytest.mark.parametrize("text", ["Zh", "Zm9vZh", "Zm9", "Zm8Zm-"])
def test_base64_with_spare_bits_set_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_base64(text)


@pytest.mark.parametrize(
    ("value", "raw"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (16383, "ff7f"), (2**64 - 1, "ff" * 9 + "01")],
)
def test_a_varint_is_minimal(value: int, raw: str) -> None:
    assert write_varint(value) == bytes.fromhex(raw)
    assert read_varint(bytes.fromhex("ff" + raw + "ff"), 1) == (value, 1 + len(raw) // 2)


@pytest.mark.parametrize("raw", ["8000", "808000", "ff00", "ff" * 9 + "02", "ff" * 9 + "7f"])
def test_a_varint_that_is_not_minimal_or_beyond_64_bits_is_refused(raw: str) -> None:
    with pytest.raises(DecodeError, match="not a minimal varint"):
        read_varint(bytes.fromhex(raw), 0)


@pytest.mark.parametrize("raw", ["", "80", "ffff", "80" * 10, "ff" * 5000])
def test_a_varint_cut_off_or_too_long_is_refused(raw: str) -> None:
    with pytest.raises(DecodeError, match="cut off or too long"):
        read_varint(bytes.fromhex(raw), 0)


def test_a_varint_is_not_negative() -> None:
    with pytest.raises(ValueError, match="not negative"):
        write_varint(-1)


def test_every_ascii_character_has_one_spelling_in_an_item() -> None:
    for code in range(0x80):
        character = chr(code)
        spelled = encode_item(character)
        assert (spelled == f"%{code:02X}") is (code <= 0x20 or code in (0x25, 0x7F))
        assert decode_item(spelled) == character
        other = character if spelled != character else f"%{code:02X}"
        with pytest.raises(PredicateError):
            decode_item(other)


def test_an_empty_item_is_refused() -> None:
    with pytest.raises(PredicateError, match="empty item"):
        decode_item("")


def test_an_item_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(PredicateError, match="not UTF-8"):
        decode_item("%C2%85%FF")
