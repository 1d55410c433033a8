"""The two formats that a macaroon travels in: bytes to macaroon and back.

- Format 1: packets of four lower-case hex digits of length, a key, a space, data, a newline.
- Format 2: a version byte, then sections of typed fields with varint lengths, each ended by a zero.

Both travel as URL-safe base64 without padding, and in both a macaroon has exactly one spelling: what is
not the bytes that encoding gives back is refused.

Sources: libmacaroons ``doc/format.txt`` and ``README``; go-macaroon ``marshal.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from caveats.chain import SIGNATURE_BYTES
from caveats.encoding import decode_base64, encode_base64, read_varint, write_varint
from caveats.errors import DecodeError
from caveats.macaroon import Caveat, Macaroon


class Format(Enum):
    """A format on the wire. V2 is what the service mints."""

    V1 = "1"
    V2 = "2"
    JSON = "2-JSON"


def format_of(text: str) -> Format:
    """Tell the format of a token's text, which may still turn out to be none."""
    return Format.JSON if text.startswith("{") else Format.V2 if text.startswith("A") else Format.V1


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what strangers send: characters a token, caveats a macaroon, discharges, their nesting."""

    characters: int = 8192
    caveats: int = 64
    discharges: int = 8
    depth: int = 4


DEFAULT_LIMITS = Limits()
VERSION, _END, _LOCATION, IDENTIFIER, _VERIFICATION_ID, _SIGNATURE = 2, 0, 1, 2, 4, 6
_PACKET_BYTES = 0xFFFF
_ONE_BYTE = 0x80
"""Lengths below this are a varint of one byte."""


def encode_text(macaroon: Macaroon, format: Format = Format.V2) -> str:
    """Write a macaroon as base64 of format 1 or 2. Raises ValueError for a field too long for format 1."""
    return encode_base64(encode_binary(macaroon, format))


def decode_text(text: str, limits: Limits = DEFAULT_LIMITS) -> Macaroon:
    """Read a macaroon from base64 of format 1 or 2.

    Takes at most ``limits.characters`` characters, in time and memory linear in them. Raises
    DecodeError for everything that is not a macaroon in its one spelling, with the reason.
    """
    if len(text) > limits.characters:
        raise DecodeError(f"a token has at most {limits.characters} characters")
    return decode_binary(decode_base64(text), limits)


def unverified_identifier(text: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Read no more than the identifier, to find out which key could prove the rest. Raises DecodeError."""
    if len(text) <= limits.characters and text[:2] == "Ag":
        return read_section(decode_base64(text), 1)[1]
    return decode_text(text, limits).unverified_identifier


def encode_binary(macaroon: Macaroon, format: Format = Format.V2) -> bytes:
    """Write a macaroon as the bytes of format 1 or 2."""
    if format is Format.V2:
        return _encode_v2(macaroon)
    if format is Format.V1:
        return _encode_v1(macaroon)
    raise ValueError("JSON is text, not bytes")


def decode_binary(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Macaroon:
    """Read a macaroon from the bytes of format 1 or 2, told apart by how they begin. Raises DecodeError."""
    if len(raw) > limits.characters:
        raise DecodeError(f"a token has at most {limits.characters} bytes")
    if raw[:1] == bytes([VERSION]):
        return _decode_v2(raw, limits)
    if raw[4:13] == b"location ":
        return _decode_v1(raw, limits)
    raise DecodeError("neither format 1 nor format 2 of a macaroon begins like this")


def _encode_v2(macaroon: Macaroon) -> bytes:
    out = bytearray([VERSION])
    if macaroon.unverified_location:
        add_field(out, _LOCATION, macaroon.unverified_location.encode("utf-8"))
    add_field(out, IDENTIFIER, macaroon.unverified_identifier)
    out.append(_END)
    for caveat in macaroon.unverified_caveats:
        if caveat.location:
            add_field(out, _LOCATION, third_partys_location(caveat).encode("utf-8"))
        add_field(out, IDENTIFIER, caveat.identifier)
        if caveat.verification_id:
            add_field(out, _VERIFICATION_ID, caveat.verification_id)
        out.append(_END)
    out.append(_END)
    add_field(out, _SIGNATURE, macaroon.signature)
    return bytes(out)


def third_partys_location(caveat: Caveat) -> str:
    """Return where a caveat's third party is. Raises ValueError for a first-party caveat that says where."""
    if not caveat.verification_id:
        raise ValueError("a first-party caveat has no location")
    return caveat.location


def add_field(out: bytearray, kind: int, data: bytes) -> None:
    """Append one field of format 2: its kind, its length, its data."""
    size = len(data)
    out += bytes((kind, size)) if size < _ONE_BYTE else bytes((kind,)) + write_varint(size)
    out += data


def _decode_v2(raw: bytes, limits: Limits) -> Macaroon:
    location, identifier, verification_id, position = read_section(raw, 1)
    if verification_id:
        raise DecodeError("a verification id outside a caveat")
    caveats: list[Caveat] = []
    while raw[position : position + 1] != b"\0":
        _check_count(caveats, limits)
        # Most caveats are a first party's, of fewer than 128 bytes: one field, then the end of the section.
        size = raw[position + 1] if raw[position : position + 1] == b"\2" and position + 1 < len(raw) else _ONE_BYTE
        end = position + 2 + size
        if size < _ONE_BYTE and raw[end : end + 1] == b"\0":
            caveats.append(Caveat(raw[position + 2 : end]))
            position = end + 1
            continue
        caveat_location, caveat_identifier, verification_id, position = read_section(raw, position)
        caveats.append(_caveat(caveat_identifier, verification_id, caveat_location))
    signature, position = _read_field(raw, position + 1, _SIGNATURE)
    if signature is None or len(signature) != SIGNATURE_BYTES:
        raise DecodeError("a signature of 32 bytes is missing")
    if position != len(raw):
        raise DecodeError("something follows the signature")
    return Macaroon(location_text(location), identifier, tuple(caveats), signature)


def read_section(raw: bytes, position: int) -> tuple[bytes, bytes, bytes, int]:
    """Read location, identifier, verification id and the end mark, in this order and nothing else."""
    location, position = _read_field(raw, position, _LOCATION)
    identifier, position = _read_field(raw, position, IDENTIFIER)
    verification_id, position = _read_field(raw, position, _VERIFICATION_ID)
    if identifier is None:
        raise DecodeError("an identifier is missing or not in its place")
    if location == b"" or verification_id == b"":
        raise DecodeError("an empty location or verification id: leave the field out")
    if raw[position : position + 1] != b"\0":
        raise DecodeError("a field that does not belong there, or an end that is missing")
    return location or b"", identifier, verification_id or b"", position + 1


def _read_field(raw: bytes, position: int, kind: int) -> tuple[bytes | None, int]:
    """Read one field of a kind if it is next; else None and the same position."""
    if raw[position : position + 1] != bytes([kind]):
        return None, position
    size, position = read_varint(raw, position + 1)
    if size > len(raw) - position:
        raise DecodeError("a field is longer than what follows")
    return raw[position : position + size], position + size


def _encode_v1(macaroon: Macaroon) -> bytes:
    out = bytearray()
    _add_packet(out, b"location", macaroon.unverified_location.encode("utf-8"))
    _add_packet(out, b"identifier", macaroon.unverified_identifier)
    for caveat in macaroon.unverified_caveats:
        _add_packet(out, b"cid", caveat.identifier)
        if caveat.verification_id:
            _add_packet(out, b"vid", caveat.verification_id)
        if caveat.location:
            _add_packet(out, b"cl", third_partys_location(caveat).encode("utf-8"))
    _add_packet(out, b"signature", macaroon.signature)
    return bytes(out)


def _add_packet(out: bytearray, key: bytes, data: bytes) -> None:
    size = 4 + len(key) + 1 + len(data) + 1
    if size > _PACKET_BYTES:
        raise ValueError("a field is too long for format 1; use format 2")
    out += b"%04x%s %s\n" % (size, key, data)


def _decode_v1(raw: bytes, limits: Limits) -> Macaroon:
    location, position = _read_packet(raw, 0, b"location")
    identifier, position = _read_packet(raw, position, b"identifier")
    if location is None or identifier is None:
        raise DecodeError("a location or an identifier is missing or not in its place")
    caveats: list[Caveat] = []
    while True:
        caveat_identifier, position = _read_packet(raw, position, b"cid")
        if caveat_identifier is None:
            break
        _check_count(caveats, limits)
        verification_id, position = _read_packet(raw, position, b"vid")
        caveat_location, position = _read_packet(raw, position, b"cl")
        if verification_id == b"" or caveat_location == b"":
            raise DecodeError("an empty location or verification id: leave the field out")
        caveats.append(_caveat(caveat_identifier, verification_id or b"", caveat_location or b""))
    signature, position = _read_packet(raw, position, b"signature")
    if signature is None or len(signature) != SIGNATURE_BYTES:
        raise DecodeError("a signature of 32 bytes is missing, or a field does not belong there")
    if position != len(raw):
        raise DecodeError("something follows the signature")
    return Macaroon(location_text(location), identifier, tuple(caveats), signature)


def _read_packet(raw: bytes, position: int, key: bytes) -> tuple[bytes | None, int]:
    """Read one packet with a key if it is next; else None and the same position."""
    data = position + 4 + len(key) + 1
    if raw[position + 4 : data] != key + b" ":
        return None, position
    try:
        size = int(raw[position : position + 4], 16)
    except ValueError:
        size = 0
    end = position + size
    if raw[position : position + 4] != b"%04x" % size or end <= data or end > len(raw):
        raise DecodeError("a packet's length is not four lower-case hex digits that fit")
    if raw[end - 1] != 0x0A:
        raise DecodeError("a packet does not end with a newline")
    return raw[data : end - 1], end


def _caveat(identifier: bytes, verification_id: bytes, location: bytes) -> Caveat:
    if location and not verification_id:
        raise DecodeError("a first-party caveat has no location")
    return Caveat(identifier, verification_id, location_text(location))


def location_text(location: bytes) -> str:
    """Read a location. Raises DecodeError unless it is UTF-8."""
    try:
        return location.decode("utf-8")
    except UnicodeDecodeError:
        raise DecodeError("a location is UTF-8") from None


def _check_count(caveats: list[Caveat], limits: Limits) -> None:
    if len(caveats) >= limits.caveats:
        raise DecodeError(f"a macaroon has at most {limits.caveats} caveats")
