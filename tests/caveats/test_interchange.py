"""Macaroons of other libraries: 2-JSON, strictly, and objects of pymacaroons."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pymacaroons
import pytest
from pymacaroons.serializers import JsonSerializer

from caveats import (
    DecodeError,
    Format,
    Limits,
    Macaroon,
    decode,
    encode,
    from_pymacaroons,
    to_pymacaroons,
)
from caveats.encoding import encode_base64
from caveats.interchange import decode_json

ROOT = Macaroon.mint(b"root key", "k1", "there")
S64 = encode_base64(ROOT.signature)
THIRD = ROOT.append(b"user = alice").entrust("here", b"key", b"ask")


def _json(**members: Any) -> str:
    return json.dumps(
        {name: value for name, value in ({"v": 2, "i": "k1", "s64": S64} | members).items() if value != ...}
    )


def test_json_is_written_in_one_normal_form() -> None:
    macaroon = ROOT.append("user = Zo\u00eb".encode(), b"\xff")
    assert encode(macaroon, Format.JSON) == (
        '{"v":2,"l":"there","i":"k1","c":[{"i":"user = Zo\u00eb"},{"i64":"_w"}],"s64":"'
        + encode_base64(macaroon.signature)
        + '"}'
    )


@pytest.mark.parametrize("macaroon", [ROOT, THIRD, ROOT.append(b"", b"\xff"), Macaroon.mint(b"k", b"\xff")])
@pytest.mark.parametrize("format", Format)
def test_every_format_comes_back(macaroon: Macaroon, format: Format) -> None:
    assert decode(encode(macaroon, format)) == macaroon
    assert encode(encode(macaroon, format), format) == encode(macaroon, format)


@pytest.mark.parametrize(
    "text",
    [
        _json(v=...),
        _json(l=""),
        _json(c=[]),
        _json(i=..., i64="azE"),
        f'{{ "s64" : "{S64}" ,\n "i":"\\u006b1" }}',
    ],
)
def test_json_may_be_spelled_freely_and_is_normalised(text: str) -> None:
    assert encode(text, Format.JSON) == encode(Macaroon("", b"k1", (), ROOT.signature), Format.JSON)


def test_a_signature_may_stand_as_text() -> None:
    assert decode(_json(s64=..., s="s" * 32)).signature == b"s" * 32


WRONG = {
    "nothing": "",
    "an open object": "{",
    "a list": "[]",
    "two objects": _json() + "{}",
    "something after": _json() + "x",
    "an empty object": "{}",
    "an identifier twice": f'{{"i":"k1","i":"k1","s64":"{S64}"}}',
    "a signature twice, otherwise spelled": f'{{"i":"k1","s64":"{S64}","s\\u00364":"{S64}"}}',
    "a caveat's identifier twice": f'{{"i":"k1","s64":"{S64}","c":[{{"i":"a","i":"b"}}]}}',
    "an unknown member": _json(x=1),
    "a caveat's unknown member": _json(c=[{"i": "a", "x": 1}]),
    "an upper-case member": _json(I="k1"),
    "a member of a caveat outside": _json(v64="AAAA"),
    "both i and i64": _json(i64="azE"),
    "both s and s64": _json(s="s" * 32),
    "both i and i64 in a caveat": _json(c=[{"i": "a", "i64": "YQ"}]),
    "both v and v64 in a caveat": _json(c=[{"i": "a", "v": "a", "v64": "YQ"}]),
    "no identifier": _json(i=...),
    "no signature": _json(s64=...),
    "a caveat without identifier": _json(c=[{}]),
    "version true": _json(v=True),
    "version 1": _json(v=1),
    "version 2.0": _json(v=2.0),
    "version 2e0": _json().replace('"v": 2', '"v": 2e0'),
    "version as text": _json(v="2"),
    "version null": _json(v=None),
    "version of many digits": _json().replace('"v": 2', '"v": ' + "2" * 5000),
    "version NaN": _json(v=float("nan")),
    "version Infinity": _json(v=float("inf")),
    "an identifier that is a number": _json(i=1),
    "an identifier that is null": _json(i=None),
    "an identifier that is true": _json(i=True),
    "a location that is a list": _json(l=["there"]),
    "a location that is null": _json(l=None),
    "caveats that are an object": _json(c={}),
    "caveats that are null": _json(c=None),
    "a caveat that is text": _json(c=["user = alice"]),
    "a caveat that is a list": _json(c=[["i", "a"]]),
    "a first-party caveat's location": _json(c=[{"i": "a", "l": "here"}]),
    "an empty verification id": _json(c=[{"i": "a", "v": ""}]),
    "an empty verification id as base64": _json(c=[{"i": "a", "v64": ""}]),
    "a lone surrogate in the identifier": _json(i="\ud800"),
    "a lone surrogate in the location": _json(l="\udc00"),
    "a lone surrogate in a caveat": _json(c=[{"i": "\ud800"}]),
    "a lone surrogate in base64": _json(s64="\ud800" * 43),
    "a lone surrogate as a member": _json(**{"\ud800": 1}),
    "a raw lone surrogate": '{"i":"\ud800","s64":"' + S64 + '"}',
    "base64 with padding": _json(s64=S64 + "="),
    "base64 in the other alphabet": _json(i=..., i64="+/+/"),
    "base64 with spare bits": _json(i=..., i64="azF"),
    "a signature too short": _json(s64=S64[:-3]),
    "a signature too long": _json(s64=S64[:-1] + "AAAA"),
    "deep lists": '{"c":' + "[" * 8000,
    "deep objects": '{"c":' * 1600,
    "deep and closed": _json(c=...)[:-1] + ',"c":' + "[" * 3900 + "]" * 3900 + "}",
    "a raw control character": '{"i":"k\n1","s64":"' + S64 + '"}',
    "single quotes": "{'i':'k1'}",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in WRONG.items()])
def test_json_that_is_not_strictly_format_2_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_json(text)


def test_json_nested_past_what_recursion_allows_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_json('{"c":' + "[" * 500_000, Limits(characters=1_000_000))


def test_json_is_capped() -> None:
    with pytest.raises(DecodeError, match="at most 8192 characters"):
        decode(_json() + " " * 8192)
    caveats = [{"i": "a"}] * 65
    with pytest.raises(DecodeError, match="at most 64 caveats"):
        decode(_json(c=caveats))
    assert len(decode(_json(c=caveats[1:])).unverified_caveats) == 64


@pytest.mark.parametrize("token", [None, 5, b"AgEFdGhlcmUCAmsx", [], {}, object(), Macaroon])
def test_what_could_not_be_a_macaroon_is_a_type_error(token: Any) -> None:
    for read in (decode, encode, to_pymacaroons):
        with pytest.raises(TypeError, match="a macaroon is text"):
            read(token)


def test_a_macaroon_is_returned_as_it_is() -> None:
    assert decode(ROOT) is ROOT


@pytest.mark.parametrize("version", [pymacaroons.MACAROON_V1, pymacaroons.MACAROON_V2])
def test_an_object_of_pymacaroons_comes_in(version: int) -> None:
    foreign = pymacaroons.Macaroon(location="there", identifier="k1", key="root key", version=version)
    foreign.add_first_party_caveat("user = alice")
    assert decode(foreign) == from_pymacaroons(foreign) == ROOT.append(b"user = alice")
    foreign.add_third_party_caveat("here", "key", "ask")
    *_, caveat = decode(foreign).unverified_caveats
    assert (caveat.identifier, caveat.location, len(caveat.verification_id)) == (b"ask", "here", 72)


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_a_macaroon_goes_out_to_pymacaroons_and_verifies_there(format: Format) -> None:
    narrowed = ROOT.append(b"user = alice")
    foreign = to_pymacaroons(encode(narrowed), format)
    verifier = pymacaroons.Verifier()
    verifier.satisfy_exact("user = alice")
    assert verifier.verify(foreign, "root key")
    assert foreign.serialize() == encode(narrowed, format)
    assert from_pymacaroons(to_pymacaroons(THIRD, format)) == THIRD


def test_pymacaroons_reads_our_json_and_we_read_its() -> None:
    narrowed = ROOT.append(b"user = alice")
    foreign = pymacaroons.Macaroon.deserialize(encode(narrowed, Format.JSON), JsonSerializer())
    assert from_pymacaroons(foreign) == narrowed
    assert decode(foreign.serialize(JsonSerializer())) == narrowed


def _foreign(**members: Any) -> Any:
    return SimpleNamespace(
        **{"location": "", "identifier_bytes": b"k1", "signature_bytes": b"00" * 32, "caveats": []} | members
    )


@pytest.mark.parametrize(
    "foreign",
    [
        pymacaroons.Macaroon(),
        pymacaroons.Macaroon(identifier="k1"),
        _foreign(signature_bytes=b"00" * 31),
        _foreign(signature_bytes=b"xx" * 32),
        _foreign(signature_bytes=b"0" * 63),
        _foreign(caveats=[pymacaroons.Caveat("a", None, "here")]),
    ],
    ids=["empty", "no signature", "short signature", "no hex", "odd hex", "first party's location"],
)
def test_an_object_that_holds_no_macaroon_is_refused(foreign: Any) -> None:
    with pytest.raises(DecodeError, match="holds no macaroon"):
        decode(foreign)


def test_an_object_with_an_empty_verification_id_is_not_made_a_first_party_caveat() -> None:
    with pytest.raises(DecodeError):
        decode(_foreign(caveats=[SimpleNamespace(caveat_id_bytes=b"ask", verification_key_id=b"", location=None)]))


@pytest.mark.parametrize(
    "members", [{"identifier_bytes": "k1"}, {"identifier_bytes": None}, {"signature_bytes": None}, {"caveats": 5}]
)
def test_an_object_with_members_of_another_kind_holds_no_macaroon(members: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode(_foreign(**members))
