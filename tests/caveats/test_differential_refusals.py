"""What pymacaroons 0.13.0 lets through or fails on, and this library refuses; each test shows both."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pymacaroons
import pytest
from pymacaroons.exceptions import MacaroonDeserializationException, MacaroonInvalidSignatureException
from pymacaroons.serializers import JsonSerializer

from caveats import (
    Caveat,
    DecodeError,
    DischargeError,
    Format,
    InvalidMacaroon,
    Macaroon,
    decode,
    encode,
    prove,
    to_pymacaroons,
)
from caveats.encoding import encode_base64
from caveats.wire import encode_binary

KEY = b"root key"
ROOT = Macaroon.mint(KEY, "k1", "https://id.example").append(b"user = alice")


def they_verify(token: Any, *discharges: Any, met: tuple[str, ...] = ("user = alice",)) -> bool:
    """Whether pymacaroons verifies a token's text or object, with these predicates met."""
    verifier = pymacaroons.Verifier()
    for each in met:
        verifier.satisfy_exact(each)
    foreign = pymacaroons.Macaroon.deserialize(token) if isinstance(token, str) else token
    return verifier.verify(foreign, KEY, list(discharges))


def they_refuse(token: Any, *discharges: Any, met: tuple[str, ...] = ("user = alice",)) -> bool:
    with pytest.raises(MacaroonInvalidSignatureException):
        they_verify(token, *discharges, met=met)
    return True


@pytest.fixture(autouse=True)
def both_accept_the_genuine_one() -> None:
    for format in (Format.V1, Format.V2):
        assert they_verify(encode(ROOT, format))
        assert prove(encode(ROOT, format), KEY)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_an_unmet_caveat_inserted_into_the_chain_is_refused(place: int, format: Format) -> None:
    caveats = list(ROOT.unverified_caveats)
    caveats.insert(place, Caveat(b"admin = true"))
    forged = encode(replace(ROOT, unverified_caveats=tuple(caveats)), format)
    assert they_verify(forged)
    assert they_refuse(forged, met=("user = alice", "admin = true"))
    with pytest.raises(InvalidMacaroon):
        prove(forged, KEY)


@pytest.mark.parametrize("junk", ["!", "\n", " ", ".", "$%&"])
@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_junk_inside_the_base64_is_refused(junk: str, format: Format) -> None:
    text = encode(ROOT, format)
    spelled = text[:8] + junk * 4 + text[8:]
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_padding_after_the_base64_is_refused(format: Format) -> None:
    padded = [encode(replace(ROOT, unverified_location="x" * size), format) for size in range(1, 4)]
    spelled = next(text + "=" * (-len(text) % 4) for text in padded if len(text) % 4)
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_spare_bits_in_the_last_character_are_refused() -> None:
    roots = [replace(ROOT, unverified_location="x" * size) for size in range(1, 4)]
    text = next(text for text in map(encode, roots) if len(text) % 4)
    spelled = text[:-1] + chr(ord(text[-1]) + 1)
    assert they_verify(spelled)
    assert prove(text, KEY)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_standard_base64_is_refused() -> None:
    text = encode(replace(ROOT, unverified_location="\u07ff\u07ff\u07ff\u07ff>>>???"))
    assert {"-", "_"} & set(text)
    spelled = text.replace("-", "+").replace("_", "/")
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_bytes_after_the_signature_in_format_2_are_refused() -> None:
    spelled = encode_base64(encode_binary(ROOT) + b"\0more")
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


@pytest.mark.parametrize("packet", [b"0017location elsewhere\n", encode_binary(ROOT, Format.V1)[-0x2F:]])
def test_packets_after_the_signature_in_format_1_are_refused(packet: bytes) -> None:
    spelled = encode_base64(encode_binary(ROOT, Format.V1) + packet)
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_a_caveat_after_the_signature_in_format_1_is_refused() -> None:
    narrowed, raw = ROOT.append(b"a = b"), encode_binary(ROOT, Format.V1)
    signature = encode_binary(narrowed, Format.V1)[-0x2F:]
    spelled = encode_base64(raw[:-0x2F] + signature + b"000ecid a = b\n")
    assert they_verify(spelled, met=("user = alice", "a = b"))
    assert prove(narrowed, KEY)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_a_varint_that_is_not_minimal_is_refused() -> None:
    raw = encode_binary(ROOT)
    spelled = encode_base64(raw.replace(b"\x02\x02k1", b"\x02\x82\x00k1"))
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_a_field_type_that_is_not_minimal_is_refused() -> None:
    spelled = encode_base64(encode_binary(ROOT).replace(b"\x02\x02k1", b"\x82\x00\x02k1"))
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_an_upper_case_packet_length_is_refused() -> None:
    raw = encode_binary(ROOT, Format.V1)
    spelled = encode_base64(raw[:-0x2F] + b"002F" + raw[-0x2B:])
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


@pytest.mark.parametrize("length", [b"0x12", b"0_12", b"1_2 ", b"12  "])
def test_a_packet_length_that_only_python_reads_is_refused(length: bytes) -> None:
    raw = encode_binary(replace(ROOT, unverified_location="what"), Format.V1)
    assert raw[:4] == b"0012"
    spelled = encode_base64(length + raw[4:])
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_packets_out_of_order_are_refused() -> None:
    raw = encode_binary(ROOT, Format.V1)
    location, identifier = raw[:0x20], raw[0x20 : 0x20 + 0x12]
    assert (location[:4], identifier[:4]) == (b"0020", b"0012")
    spelled = encode_base64(identifier + location + raw[0x32:])
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_an_identifier_said_twice_is_refused() -> None:
    raw = encode_binary(ROOT, Format.V1)
    spelled = encode_base64(raw[:0x20] + b"0013identifier bob\n" + raw[0x20:])
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


def test_a_packet_that_does_not_end_with_a_newline_is_refused() -> None:
    raw = encode_binary(ROOT, Format.V1)
    spelled = encode_base64(raw[:-1] + b"X")
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_signature_that_is_not_32_bytes_is_refused(size: int) -> None:
    raw = encode_binary(ROOT)
    spelled = encode_base64(raw[:-33] + bytes([size]) + ROOT.signature.ljust(33, b"\0")[:size])
    foreign = pymacaroons.Macaroon.deserialize(spelled)
    assert len(foreign.signature) == 2 * size, "pymacaroons reads it, and narrows it too"
    with pytest.raises(DecodeError):
        decode(spelled)
    with pytest.raises(DecodeError):
        decode(foreign)


def test_an_empty_location_is_refused_as_text_and_left_out_as_an_object() -> None:
    foreign = pymacaroons.Macaroon(location="", identifier="k1", key=KEY, version=pymacaroons.MACAROON_V2)
    spelled = foreign.add_first_party_caveat("user = alice").serialize()
    assert they_verify(spelled)
    with pytest.raises(DecodeError):
        decode(spelled)
    assert prove(foreign, KEY) == prove(ROOT, KEY), "as an object it says the same"
    assert decode(encode(foreign)) == replace(ROOT, unverified_location="")


def test_a_packet_length_of_pymacaroons_that_counts_characters_is_refused() -> None:
    foreign = pymacaroons.Macaroon(location="\u00e9", identifier="k1", key=KEY, version=pymacaroons.MACAROON_V1)
    with pytest.raises(MacaroonDeserializationException):
        pymacaroons.Macaroon.deserialize(foreign.serialize())
    with pytest.raises(DecodeError):
        decode(foreign.serialize())
    assert pymacaroons.Macaroon.deserialize(encode(foreign, Format.V1)).location == "\u00e9"
    assert prove(encode(foreign, Format.V1), KEY)


def test_an_empty_verification_id_is_refused() -> None:
    raw = encode_binary(ROOT).replace(b"user = alice\0", b"user = alice\x04\0\0")
    foreign = pymacaroons.Macaroon.deserialize(encode_base64(raw))
    assert foreign.caveats[0].third_party()
    with pytest.raises(DecodeError):
        decode(encode_base64(raw))


def test_members_of_json_that_stand_twice_or_do_not_belong_are_refused() -> None:
    members = json.loads(encode(ROOT, Format.JSON))
    for more in ('"i":"k2",', '"x":1,', '"i64":"azI",'):
        spelled = "{" + more + json.dumps(members)[1:]
        assert they_verify(JsonSerializer().deserialize(spelled))
        with pytest.raises(DecodeError):
            decode(spelled)


def asking() -> tuple[Macaroon, Macaroon]:
    root = ROOT.entrust("https://third.example", b"caveat key", b"ask", bytes(24))
    return root, root.bind(Macaroon.mint(b"caveat key", b"ask"))


def they_verify_with(root: Macaroon, *discharges: Macaroon) -> bool:
    return they_verify(to_pymacaroons(root), *map(to_pymacaroons, discharges))


def test_a_discharge_that_nobody_asked_for_is_refused() -> None:
    root, discharge = asking()
    further = Macaroon.mint(b"any key", b"unasked")
    assert they_verify_with(root, discharge, further)
    with pytest.raises(DischargeError):
        prove(root, KEY, [discharge, further])


def test_two_discharges_with_one_identifier_are_refused() -> None:
    root, discharge = asking()
    assert they_verify_with(root, discharge, discharge)
    with pytest.raises(DischargeError):
        prove(root, KEY, [discharge, discharge])


def test_one_discharge_for_two_caveats_is_refused() -> None:
    root = asking()[0].entrust("https://third.example", b"caveat key", b"ask", bytes(24))
    discharge = root.bind(Macaroon.mint(b"caveat key", b"ask"))
    assert they_verify_with(root, discharge)
    with pytest.raises(DischargeError):
        prove(root, KEY, [discharge])


def test_a_discharge_that_asks_for_itself_is_refused() -> None:
    root = ROOT.entrust("", b"caveat key", b"ask", bytes(24))
    discharge = Macaroon.mint(b"caveat key", b"ask").entrust("", b"caveat key", b"ask", bytes(24))
    bound = root.bind(discharge)
    with pytest.raises(RecursionError):
        they_verify_with(root, bound)
    with pytest.raises(DischargeError):
        prove(root, KEY, [bound])


@pytest.mark.parametrize("text", ["A", "AgE", "Ag", "MDAwMA", "ffff", "0\u00e9", "AgIBawAA"])
def test_bad_input_on_which_pymacaroons_fails_in_many_ways_is_a_decode_error(text: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        pymacaroons.Macaroon.deserialize(text)
    assert raised.type is not DecodeError
    with pytest.raises(DecodeError):
        decode(text)
