"""The three small encodings that a macaroon is written in, each with exactly one spelling.

URL-safe base64 without padding (RFC 4648 section 5), unsigned LEB128 varints (as in libmacaroons'
``doc/format.txt``), and percent-encoding of an item in a predicate. Every reader refuses what its
writer would not have written, so a reader and its writer are inverse to each other.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64

from caveats.errors import DecodeError, PredicateError

# "+", "/" and "=" map to a byte that is in no alphabet, so that binascii refuses them.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"===", b"==", b"=")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = tuple(map(frozenset, (_ALPHABET, "", _ALPHABET[::16], _ALPHABET[::4])))
"""Which characters can end a text, by its length modulo four: those without spare bits."""
_RESERVED = re.compile(r"[\x00-\x20\x7f-\x9f%]")
_SPELLED = {
    character: "".join(f"%{byte:02X}" for byte in character.encode())
    for character in map(chr, (*range(0x21), 0x25, *range(0x7F, 0xA0)))
}
"""How each of these is spelled: looked up, since a stranger may write thousands."""

HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""Half of a character: a str can hold one, UTF-8 cannot."""
_ESCAPES = re.compile(r"(?:%[0-9A-F]{2})+")


def encode_base64(raw: bytes) -> str:
    """Write bytes as URL-safe base64 without padding."""
    standard = b2a_base64(raw, newline=False).translate(_TO_URL)
    return (standard.rstrip(b"=") if len(raw) % 3 else standard).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Read URL-safe base64 without padding.

    Raises DecodeError for another alphabet, padding, white space, a length that no encoding has, and
    for left-over bits that are not zero.
    """
    spare = len(text) % 4
    try:
        standard = text.encode("ascii").translate(_FROM_URL)
        raw = a2b_base64(standard + _PADDING[spare] if spare else standard, strict_mode=True)
    except (UnicodeEncodeError, BinasciiError):
        raise DecodeError("not URL-safe base64 without padding") from None
    if spare and text[-1:] not in _LAST[spare]:
        raise DecodeError("not URL-safe base64 without padding: its last character has spare bits set")
    return raw


def write_varint(value: int) -> bytes:
    """Write a non-negative integer as a minimal varint."""
    if value < 0:
        raise ValueError("a varint is not negative")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(raw: bytes, position: int) -> tuple[int, int]:
    """Read one minimal varint of at most 64 bits; return it and the position after it.

    Raises DecodeError when it is cut off, too long, or spelled with more bytes than it needs.
    """
    value = shift = 0
    while position < len(raw):
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or value >> 64:
                raise DecodeError("a field's length is not a minimal varint")
            return value, position
        shift += 7
        if shift > 63:
            break
    raise DecodeError("a field's length is cut off or too long")


def encode_item(text: str) -> str:
    """Percent-encode one item: a space, a control character and ``%``, and nothing else."""
    return _RESERVED.sub(lambda found: _SPELLED[found[0]], text)


def decode_item(spelled: str) -> str:
    """Read one percent-encoded item.

    Raises PredicateError unless it is exactly how :func:`encode_item` writes it.
    """
    if not spelled:
        raise PredicateError("an empty item: items are parted by one space")
    if not _RESERVED.search(spelled):
        return spelled
    try:
        text = _ESCAPES.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), spelled)
    except UnicodeDecodeError:
        raise PredicateError("percent-encoding that is not UTF-8") from None
    if encode_item(text) != spelled:
        raise PredicateError("percent-encode a space, a control character and %, upper case, and nothing else")
    return text
