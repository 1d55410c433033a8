"""Macaroons of other libraries: format 2 as JSON, and pymacaroons' objects.

JSON leaves the order of members and white space free. It is read and normalised, nothing is ever keyed
on it, and no service takes it over HTTP.

Sources: libmacaroons ``doc/format.txt``; go-macaroon ``marshal-v2.go``; pymacaroons 0.13.0.
"""

from __future__ import annotations

import json
from binascii import Error as BinasciiError
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from caveats.chain import SIGNATURE_BYTES
from caveats.encoding import decode_base64, encode_base64
from caveats.errors import DecodeError
from caveats.macaroon import Caveat, Macaroon
from caveats.wire import DEFAULT_LIMITS, Format, Limits, decode_text, encode_text, third_partys_location


class ForeignCaveat(Protocol):
    """What is read of a caveat of pymacaroons."""

    @property
    def caveat_id_bytes(self) -> bytes: ...
    @property
    def verification_key_id(self) -> bytes | None: ...
    @property
    def location(self) -> str | None: ...


class ForeignMacaroon(Protocol):
    """What is read of a macaroon of pymacaroons."""

    @property
    def location(self) -> str: ...
    @property
    def identifier_bytes(self) -> bytes: ...
    @property
    def signature_bytes(self) -> bytes: ...
    @property
    def caveats(self) -> Sequence[ForeignCaveat]: ...


AnyMacaroon = Macaroon | str | ForeignMacaroon
"""Whatever stands for a macaroon: ours, its text, or an object of pymacaroons."""


def decode(token: AnyMacaroon, limits: Limits = DEFAULT_LIMITS) -> Macaroon:
    """Read whatever stands for a macaroon: text of any of the three formats, or an object.

    Raises DecodeError for everything that is not a macaroon, with the reason, and TypeError for a thing
    that could not be one.
    """
    if isinstance(token, Macaroon):
        return token
    if not isinstance(token, str):
        return from_pymacaroons(token)
    if token.startswith("{"):
        return decode_json(token, limits)
    return decode_text(token, limits)


def encode(token: AnyMacaroon, format: Format = Format.V2) -> str:
    """Write a macaroon as text of a format. Raises ValueError for a field too long for format 1."""
    macaroon = decode(token)
    return encode_json(macaroon) if format is Format.JSON else encode_text(macaroon, format)


def from_pymacaroons(foreign: ForeignMacaroon) -> Macaroon:
    """Convert an object of pymacaroons. Raises DecodeError where it holds no macaroon,
    TypeError for what does not look like one."""
    try:
        return Macaroon(
            foreign.location or "",
            _raw(foreign.identifier_bytes),
            tuple(_from_foreign(each) for each in foreign.caveats),
            unhexlify(foreign.signature_bytes),
        )
    except AttributeError:
        raise TypeError("a macaroon is text, a caveats.Macaroon or a pymacaroons.Macaroon") from None
    except (BinasciiError, ValueError, TypeError):
        raise DecodeError("an object of pymacaroons that holds no macaroon") from None


def _from_foreign(foreign: ForeignCaveat) -> Caveat:
    if foreign.verification_key_id == b"":
        raise DecodeError("an empty verification id")
    if foreign.location and not foreign.verification_key_id:
        raise ValueError("a first-party caveat has no location")
    return Caveat(_raw(foreign.caveat_id_bytes), foreign.verification_key_id or b"", foreign.location or "")


def _raw(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise DecodeError("an identifier is bytes")
    return value


def to_pymacaroons(token: AnyMacaroon, format: Format = Format.V2) -> Any:
    """Convert to an object of pymacaroons, which is imported only here."""
    import pymacaroons

    macaroon = decode(token)
    version = pymacaroons.MACAROON_V1 if format is Format.V1 else pymacaroons.MACAROON_V2
    return pymacaroons.Macaroon(
        location=macaroon.unverified_location,
        identifier=macaroon.unverified_identifier,
        caveats=[
            pymacaroons.Caveat(each.identifier, each.verification_id or None, each.location or None, version)
            for each in macaroon.unverified_caveats
        ],
        signature=hexlify(macaroon.signature),
        version=version,
    )


def encode_json(macaroon: Macaroon) -> str:
    """Write format 2 as JSON in its one normal form: fixed order, no white space, text where it is text."""
    members: dict[str, Any] = {"v": 2}
    if macaroon.unverified_location:
        members["l"] = macaroon.unverified_location
    members |= _member("i", macaroon.unverified_identifier)
    members["c"] = [
        _member("i", each.identifier)
        | ({"v64": encode_base64(each.verification_id)} if each.verification_id else {})
        | ({"l": third_partys_location(each)} if each.location else {})
        for each in macaroon.unverified_caveats
    ]
    members["s64"] = encode_base64(macaroon.signature)
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def _member(name: str, raw: bytes) -> dict[str, str]:
    try:
        return {name: raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {name + "64": encode_base64(raw)}


def decode_json(text: str, limits: Limits = DEFAULT_LIMITS) -> Macaroon:
    """Read format 2 as JSON. Raises DecodeError.

    Members may stand in any order, ``v`` may be missing, and text may stand as base64; a member that is
    unknown, repeated, of another type, or given both ways is refused.
    """
    if len(text) > limits.characters:
        raise DecodeError(f"a token has at most {limits.characters} characters")
    try:
        members = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError):
        raise DecodeError("not JSON") from None
    _check_members(members, {"v", "l", "i", "i64", "c", "s", "s64"})
    if members.get("v", 2) != 2:
        raise DecodeError("not JSON of format 2")
    caveats = members.get("c", [])
    if not isinstance(caveats, list):
        raise DecodeError("the caveats are not a list")
    if len(caveats) > limits.caveats:
        raise DecodeError(f"a macaroon has at most {limits.caveats} caveats")
    signature = _bytes(members, "s")
    if len(signature) != SIGNATURE_BYTES:
        raise DecodeError("a signature of 32 bytes is missing")
    return Macaroon(_location(members), _bytes(members, "i"), tuple(map(_caveat, caveats)), signature)


def _caveat(members: object) -> Caveat:
    checked = _check_members(members, {"i", "i64", "v", "v64", "l"})
    third_party = "v" in checked or "v64" in checked
    verification_id = _bytes(checked, "v") if third_party else b""
    if third_party and not verification_id:
        raise DecodeError("an empty verification id")
    if "l" in checked and not third_party:
        raise DecodeError("a first-party caveat has no location")
    return Caveat(_bytes(checked, "i"), verification_id, _location(checked))


def _check_members(members: object, known: set[str]) -> dict[str, Any]:
    if not isinstance(members, dict) or not members.keys() <= known:
        raise DecodeError("a member that format 2 does not have")
    return members


def _bytes(members: dict[str, Any], name: str) -> bytes:
    present = [each for each in (name, name + "64") if each in members]
    if len(present) != 1 or not isinstance(members[present[0]], str):
        raise DecodeError("an identifier, verification id or signature is missing, ambiguous or not text")
    return decode_base64(members[present[0]]) if present[0] != name else _utf8(members[name])


def _location(members: dict[str, Any]) -> str:
    location = members.get("l", "")
    if not isinstance(location, str):
        raise DecodeError("a location is text")
    return _utf8(location).decode("utf-8")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise DecodeError("text that is not Unicode") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DecodeError("a member stands twice")
    return members


def _refuse(number: str) -> NoReturn:
    raise DecodeError("a number that is not 2")
