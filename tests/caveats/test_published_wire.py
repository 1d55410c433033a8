"""Published tokens and fields of the three formats: one spelling is read, every other one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caveats import Caveat, DecodeError, Format, Limits, Macaroon, decode, encode, prove, wire
from caveats.encoding import decode_base64, encode_base64, read_varint, write_varint
from caveats.wire import decode_binary, encode_binary
from tests.caveats.published import (
    VECTORS,
    ZERO_NONCE,
    as_bytes,
    built,
    from_json_v1,
    is_json,
    is_json_v1,
    named,
    over,
    respelled,
    texts,
    unwrapped,
)

CODEC = VECTORS["codec"]
JSON = named(VECTORS["json"])
NON_ASCII = named(VECTORS["non_ascii"])
MALFORMED = VECTORS["malformed"]
READABLE = {name: text for name, text in texts().items() if not is_json_v1(text)}
TEXT_FORMATS = {"v1_token": Format.V1, "v2_token": Format.V2, "v2j_text": Format.JSON}


def same_in_every_format(macaroon: Macaroon) -> bool:
    return all(decode(encode(macaroon, format)) == macaroon for format in Format)


def format_of(text: str) -> Format:
    if is_json(text):
        return Format.JSON
    return Format.V2 if as_bytes(text)[:1] == b"\x02" else Format.V1


def is_one_spelling(text: str) -> bool:
    return json.loads(respelled(text)) == json.loads(text) if is_json(text) else respelled(text) == text


@over({name: text for name, text in READABLE.items() if is_one_spelling(text)})
def test_a_published_text_in_the_one_spelling_is_read(case: str) -> None:
    assert isinstance(decode(case), Macaroon)


@over({name: text for name, text in READABLE.items() if not is_one_spelling(text)})
def test_a_published_text_in_another_spelling_is_refused(case: str) -> None:
    with pytest.raises(DecodeError):
        decode(case)


@over({name: text for name, text in READABLE.items() if not is_json(unwrapped(text))})
def test_the_same_bytes_in_the_one_spelling_are_read_and_written_alike(case: str) -> None:
    text = respelled(case)
    assert encode(text, format_of(text)) == text
    assert encode_binary(decode(text), format_of(text)) == as_bytes(unwrapped(case))


@over({name: text for name, text in READABLE.items() if is_json(unwrapped(text))})
def test_the_same_json_in_the_one_spelling_is_read_and_written_in_normal_form(case: str) -> None:
    normal = encode(respelled(case), Format.JSON)
    assert decode(normal) == decode(respelled(case))
    assert encode(normal, Format.JSON) == normal


@over({name: text for name, text in texts().items() if is_json_v1(text)})
def test_json_of_format_1_is_refused(case: str) -> None:
    with pytest.raises(DecodeError, match="a member that format 2 does not have"):
        decode(case)


@over({name: text for name, text in texts().items() if is_json_v1(text)})
def test_what_json_of_format_1_holds_survives_our_formats(case: str) -> None:
    assert same_in_every_format(from_json_v1(case))


@over({f"{name}/{field}": (e, field) for name, e in named(VECTORS["serialization"]).items() for field in TEXT_FORMATS})
def test_a_serialization_is_what_we_write_and_read(case: tuple[dict[str, Any], str]) -> None:
    entry, field = case
    assert encode(built(entry), TEXT_FORMATS[field]) == entry[field]
    assert decode(entry[field]) == built(entry)


@over(named(VECTORS["serialization"]))
def test_a_serialization_file_holds_the_same_tokens_wrapped(case: dict[str, Any]) -> None:
    unwrapped_all = {field: as_bytes(text) for field, text in case["as_published"].items()}
    assert unwrapped_all == {
        "v1": case["v1_token"].encode(),
        "v2": as_bytes(case["v2_token"]),
        "v2j": case["v2j_text"].encode(),
    }


@over(named(VECTORS["verification"], "tokens_as_published"))
def test_a_verification_file_holds_the_same_tokens_wrapped(case: dict[str, Any]) -> None:
    assert [respelled(each) for each in case["tokens_as_published"]] == case["tokens"]


@over(named(MALFORMED, "token"))
def test_a_malformed_token_ends_in_a_decode_error(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode(case["token"])
    with pytest.raises(DecodeError):
        decode_binary(as_bytes(case["token"]))


@over(named(MALFORMED, "raw_b64"))
def test_malformed_bytes_end_in_a_decode_error(case: dict[str, Any]) -> None:
    raw = as_bytes(case["raw_b64"])
    for attempt in (lambda: decode_binary(raw), lambda: decode(encode_base64(raw)), lambda: decode(case["raw_b64"])):
        with pytest.raises(DecodeError):
            attempt()


@over(named(MALFORMED, "raw_b64", "level"))
def test_a_malformed_part_is_refused_wherever_it_stands_in_a_macaroon(case: dict[str, Any]) -> None:
    part = as_bytes(case["raw_b64"])
    for format, cuts in ((Format.V1, (0, 15, 36)), (Format.V2, (1, 4, 12))):
        whole = encode_binary(Macaroon.mint(b"key", "keyid", "x").append(b"caveat"), format)
        for cut in cuts:
            assert decode_binary(whole)
            with pytest.raises(DecodeError):
                decode_binary(whole[:cut] + part)
            if part:
                with pytest.raises(DecodeError):
                    decode_binary(whole[:cut] + part + whole[cut:])


@over({name: each for name, each in named(MALFORMED, "raw_b64").items() if "varint" in name})
def test_a_malformed_varint_is_refused_as_the_length_of_a_field(case: dict[str, Any]) -> None:
    field = b"" if "length" in case["id"] else b"\x02"
    with pytest.raises(DecodeError, match="a field"):
        decode_binary(b"\x02" + field + as_bytes(case["raw_b64"]))


@over(named(MALFORMED, "text"))
def test_malformed_json_ends_in_a_decode_error(case: dict[str, Any]) -> None:
    for text in (case["text"], respelled(case["text"])):
        with pytest.raises(DecodeError):
            decode(text)


@over({name: each for name, each in named(MALFORMED, "text").items() if "ambiguous" in name})
def test_json_that_gives_a_field_twice_is_refused_for_that(case: dict[str, Any]) -> None:
    members = json.loads(respelled(case["text"]))
    if "s" not in members:
        members["s64"] = encode_base64(bytes(32))
    with pytest.raises(DecodeError, match="ambiguous"):
        decode(json.dumps(members))


def test_every_malformed_vector_has_one_thing_to_read_and_expects_an_error() -> None:
    assert all(len(each.keys() & {"token", "raw_b64", "text"}) == 1 for each in MALFORMED)
    assert all(each["expect"].startswith("clean parse error") for each in MALFORMED)
    assert all(each.get("format", "json") == "json" for each in MALFORMED)


@over(named(VECTORS["altered"]["cases"]))
def test_an_altered_spelling_of_a_good_token_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode(case["token"])


def test_json_of_version_2_is_read_and_holds_the_published_serialization() -> None:
    serialization = named(VECTORS["serialization"])["libmacaroons/serialization_2"]
    assert decode(JSON["v=2 accepted"]["text"]) == built(serialization)


def test_equal_encodings_of_a_caveat_are_equal_in_the_one_spelling() -> None:
    equal = [text for name, text in READABLE.items() if name.startswith("json/equal")]
    assert len(equal) == len(JSON["equal caveat encodings"]["equal"]) == 5
    assert len({decode(respelled(text)) for text in equal}) == 1


def test_a_caveat_given_both_ways_is_refused() -> None:
    both = f'{{"i":"x","c":[{JSON["equal caveat encodings"]["invalid"]}],"s64":"{encode_base64(bytes(32))}"}}'
    with pytest.raises(DecodeError, match="ambiguous"):
        decode(both)


@over(named(VECTORS["json"], "key_text"))
def test_json_of_format_1_holds_a_chain_that_its_key_signs(case: dict[str, Any]) -> None:
    members = json.loads(case["text"])
    caveats = [each["cid"] for each in members["caveats"]]
    ours = built({**members, "key_text": case["key_text"], "caveats": caveats})
    assert ours == from_json_v1(case["text"])
    assert prove(ours, case["key_text"].encode()).caveats == ours.unverified_caveats


def test_a_packet_of_format_1_has_at_most_65535_bytes_and_format_2_has_no_limit() -> None:
    assert "65526" in JSON["v1 JSON packet-size limits"]["rule"]
    minted, roomy = Macaroon.mint(b"key", "keyid"), Limits(characters=1 << 18)
    longest, longer = minted.append(b"x" * 65526), minted.append(b"x" * 65527)
    assert decode(encode(longest, Format.V1), roomy) == longest
    assert decode(encode(longer, Format.V2), roomy) == longer
    with pytest.raises(ValueError, match="too long for format 1"):
        encode(longer, Format.V1)


@over({str(position): each for position, each in enumerate(CODEC["base64"])})
def test_base64_is_read_exactly_in_its_one_spelling(case: dict[str, Any]) -> None:
    if case["expect"] is not None and encode_base64(case["expect"].encode()) == case["input"]:
        assert decode_base64(case["input"]) == case["expect"].encode()
    elif case["input"]:
        with pytest.raises(DecodeError):
            decode_base64(case["input"])
    with pytest.raises(DecodeError):
        decode(case["input"])


def test_the_empty_text_is_base64_of_nothing_and_no_macaroon() -> None:
    assert {each["expect"] for each in CODEC["base64"] if not each["input"]} == {"", None}
    assert decode_base64("") == b""
    with pytest.raises(DecodeError):
        decode("")


@over({str(each["value"]): each for each in CODEC["uvarint"]})
def test_a_varint_is_read_and_written_as_published(case: dict[str, Any]) -> None:
    assert write_varint(case["value"]) == bytes(case["bytes"])
    assert read_varint(bytes(case["bytes"]), 0) == (case["value"], len(case["bytes"]))


@over({each["field"] + "/" + each.get("data", "too long"): each for each in CODEC["v1_packets"]})
def test_a_packet_is_read_and_written_as_published(case: dict[str, Any]) -> None:
    out, key = bytearray(), case["field"].encode()
    if "packet" not in case:
        assert case["expect"] == "too big, refused"
        with pytest.raises(ValueError, match="too long for format 1"):
            wire._add_packet(out, key, b"x" * case["data_len"])
        return
    wire._add_packet(out, key, case["data"].encode())
    assert out.decode() == case["packet"]
    assert wire._read_packet(bytes(out), 0, key) == (case["data"].encode(), len(out))


@over({each["id_b64"]: each for each in CODEC["json_field_choice"]["cases"]})
def test_an_identifier_is_text_in_json_exactly_when_it_is_utf_8(case: dict[str, Any]) -> None:
    macaroon = Macaroon.mint(b"key", as_bytes(case["id_b64"]))
    written = json.loads(encode(macaroon, Format.JSON))
    assert ("i64" in written) == (b"\xff" in as_bytes(case["id_b64"]))
    as_base64 = {key: value for key, value in written.items() if key != "i"}
    as_base64["i64"] = encode_base64(macaroon.unverified_identifier)
    assert decode(json.dumps(written)) == decode(json.dumps(as_base64)) == macaroon


def test_text_that_is_not_ascii_survives_every_format_and_is_proven() -> None:
    case = NON_ASCII["macaroon with non-ascii text"]
    root, third = built(case), case["caveats"][1]
    assert same_in_every_format(root)
    assert encode(encode(root, Format.JSON), Format.JSON) == encode(root, Format.JSON)
    assert (root.unverified_location, root.unverified_caveats[1].location) == (case["location"], third["cl"])
    assert root.unverified_caveats[1].verification_id.startswith(ZERO_NONCE)
    discharge = root.bind(Macaroon.mint(third["caveat_key_text"].encode(), third["cid"], third["cl"]))
    proof = prove(encode(root), case["key_text"].encode(), [encode(discharge)])
    assert [each.identifier.decode() for each in proof.caveats] == [each["cid"] for each in case["caveats"]]


def test_a_binary_identifier_survives_every_format_and_is_base64_in_json() -> None:
    case = NON_ASCII["binary identifier v2"]
    macaroon = built({**case, "identifier": as_bytes(case["identifier_b64"])})
    assert same_in_every_format(macaroon)
    assert json.loads(encode(macaroon, Format.JSON))["i64"] == case["json_v2_i64"]
    assert prove(encode(macaroon), case["key_text"].encode()).identifier == as_bytes(case["identifier_b64"])


def test_a_caveat_that_is_not_utf_8_survives_every_format_and_is_proven() -> None:
    caveat = as_bytes(NON_ASCII["caveat with invalid UTF-8 is accepted"]["caveat_b64"])
    macaroon = Macaroon.mint(b"key", "keyid").append(caveat)
    assert same_in_every_format(macaroon)
    assert prove(encode(macaroon, Format.V1), b"key").caveats == (Caveat(caveat),)


@over(named(VECTORS["non_ascii"], "signature_hex"))
def test_a_signature_that_ends_in_white_space_survives_every_format(case: dict[str, Any]) -> None:
    signature = bytes.fromhex(case["signature_hex"])
    assert signature[-1:].isspace()
    assert same_in_every_format(Macaroon("", b"keyid", (), signature))


@over(named(VECTORS["non_ascii"], "token", "expect"))
def test_a_token_of_an_unknown_key_is_read_with_its_published_fields(case: dict[str, Any]) -> None:
    macaroon = decode(respelled(case["token"]))
    assert case["expect"].startswith("parses")
    assert case.get("location", macaroon.unverified_location) == macaroon.unverified_location
    assert case.get("identifier", "").encode() in (b"", macaroon.unverified_identifier)
    assert same_in_every_format(macaroon)
