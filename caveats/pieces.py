"""The pieces of format 2: its bytes split, and put together again, without a macaroon in between."""

from __future__ import annotations

from collections.abc import Iterable

from caveats.chain import SIGNATURE_BYTES
from caveats.errors import DecodeError
from caveats.wire import IDENTIFIER, VERSION, add_field, location_text, read_section

_WITH_LOCATION, _END_OF_CAVEATS = b"\x02\x01", b"\x00\x06\x20"
_SHORTEST = 40
_ONE_BYTE = 0x80


def read_header(raw: bytes) -> tuple[int, bytes] | None:
    """Find where the section of the identifier ends in bytes of format 2, and the identifier; None for others."""
    if raw[:2] == _WITH_LOCATION and len(raw) > _SHORTEST and raw[2] < _ONE_BYTE:
        start = 3 + raw[2]
        end = start + 2 + raw[start + 1] if start + 1 < len(raw) else len(raw)
        is_short = end < len(raw) and raw[start + 1] < _ONE_BYTE
        if is_short and start > 3 and raw[start] == IDENTIFIER and not raw[end] and raw[3:start].isascii():
            return end + 1, raw[start + 2 : end]
    try:
        location, identifier, verification_id, end = read_section(raw, 1)
        location_text(location)
    except DecodeError:
        return None
    return None if raw[0] != VERSION or verification_id else (end, identifier)


def split_first_party(raw: bytes, position: int, limit: int) -> tuple[tuple[bytes, ...], bytes] | None:
    """Split bytes of format 2 from the end of a section: the identifiers of the caveats there, and the signature.

    None for more than so many, for a third-party caveat, one of 128 bytes and more, and whatever is not
    in its one spelling. Split in one step where one caveat ends and the next begins, then each held to
    its length: two thirds of a loop over the bytes.
    """
    end = len(raw) - SIGNATURE_BYTES
    if position > end - 3 or raw[end - 3 : end] != _END_OF_CAVEATS:
        return None
    if position == end - 3:
        return (), raw[end:]
    if raw[position] != 2 or raw[end - 4]:
        return None
    identifiers = []
    for piece in raw[position + 1 : end - 4].split(b"\x00\x02"):
        size = piece[0] if piece else _ONE_BYTE
        if size != len(piece) - 1 or size >= _ONE_BYTE:
            return None
        identifiers.append(piece[1:])
    return (tuple(identifiers), raw[end:]) if len(identifiers) <= limit else None


def write_first_party(raw: bytes, identifiers: Iterable[bytes], signature: bytes) -> bytes:
    """Write bytes of format 2 with further first-party caveats, and the signature that they lead to."""
    out = bytearray(raw[: -len(_END_OF_CAVEATS) - SIGNATURE_BYTES])
    for identifier in identifiers:
        add_field(out, IDENTIFIER, identifier)
        out.append(0)
    return bytes(out) + _END_OF_CAVEATS + signature
