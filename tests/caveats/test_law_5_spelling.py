"""Law 5: in each format one macaroon has one spelling, and every other text is refused or worth nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    BUILTIN,
    DecodeError,
    Format,
    Limits,
    Macaroon,
    PredicateError,
    VerificationError,
    decode,
    encode,
    prove,
)
from caveats.encoding import decode_base64, decode_item, encode_base64, encode_item, read_varint, write_varint
from caveats.wire import decode_binary, encode_binary
from tests.caveats import strategies as some

BINARY = (Format.V1, Format.V2)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CHARACTERS = ALPHABET + "+/=. \n\0{\u00e9\ud800"


@settings(max_examples=200, deadline=None)
@given(some.minted(), st.sampled_from(Format))
def test_law_5_decoding_what_was_encoded_gives_the_same_macaroon_and_the_same_text(
    minted: some.Minted, format: Format
) -> None:
    text = encode(minted.macaroon, format)
    assert decode(text) == minted.macaroon
    assert encode(text, format) == text


@settings(max_examples=200, deadline=None)
@given(some.minted(), st.data())
def test_law_5_a_changed_byte_is_refused_or_is_another_macaroon_with_its_own_one_spelling(
    minted: some.Minted, data: st.DataObject
) -> None:
    format = data.draw(st.sampled_from(BINARY))
    raw = encode_binary(minted.macaroon, format)
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 3)))
    changed = raw[:start] + data.draw(st.binary(max_size=3)) + raw[end:]
    try:
        macaroon = decode_binary(changed)
    except DecodeError:
        return
    assert encode_binary(macaroon, format) == changed
    assert (macaroon == minted.macaroon) == (changed == raw)


@settings(max_examples=150, deadline=None)
@given(some.minted(), st.randoms(), st.booleans())
def test_law_5_json_in_any_order_with_any_white_space_is_normalised(
    minted: some.Minted, random: Random, as_base64: bool
) -> None:
    def shuffled(members: dict[str, object]) -> dict[str, object]:
        pairs = list(members.items())
        random.shuffle(pairs)
        if as_base64:
            pairs = [("i64", encode_base64(value.encode())) if name == "i" else (name, value) for name, value in pairs]
        return dict(pairs)

    normal = encode(minted.macaroon, Format.JSON)
    members = json.loads(normal)
    other = json.dumps(shuffled({**members, "c": list(map(shuffled, members["c"]))}), indent=random.randint(0, 2))
    assert decode(other, Limits(characters=100_000)) == minted.macaroon
    assert encode(decode(other, Limits(characters=100_000)), Format.JSON) == normal


def every_edit(text: str) -> list[str]:
    """Every deletion, every change and every insertion of one character."""
    edits = [text[:at] + text[at + 1 :] for at in range(len(text))]
    for character in CHARACTERS:
        edits += [text[:at] + character + text[at + 1 :] for at in range(len(text)) if text[at] != character]
        edits += [text[:at] + character + text[at:] for at in range(len(text) + 1)]
    return edits


def fate(edited: str, genuine: Macaroon, key: bytes, discharges: tuple[Macaroon, ...], format: Format) -> str:
    """Say what becomes of an edited text; fail if it is a second spelling or proves something else."""
    try:
        macaroon = decode(edited)
    except DecodeError:
        return "refused"
    assert encode(macaroon, format) == edited, "a second spelling"
    assert macaroon != genuine, "a second spelling"
    try:
        prove(macaroon, key, discharges)
    except VerificationError:
        return "invalid"
    assert some.without_locations(macaroon) == some.without_locations(genuine)
    return "another location"


@pytest.mark.parametrize("format", BINARY)
def test_law_5_no_edit_of_one_character_gives_another_text_of_what_verifies(format: Format) -> None:
    root = Macaroon.mint(b"root key", "k1", "https://id").append(b"user = alice")
    root = root.entrust("3rd", b"caveat key", b"ask", bytes(24)).append(b"x\xff")
    discharges = (root.bind(Macaroon.mint(b"caveat key", b"ask")),)
    edits = every_edit(encode(root, format))
    fates = Counter(fate(edited, root, b"root key", discharges, format) for edited in edits)
    assert prove(root, b"root key", discharges)
    assert min(fates[name] for name in ("refused", "invalid", "another location")) > 100, fates


@settings(max_examples=200, deadline=None)
@given(some.minted(), st.sampled_from(BINARY), st.data())
def test_law_5_no_edit_of_one_character_in_any_token_verifies(
    minted: some.Minted, format: Format, data: st.DataObject
) -> None:
    text = encode(minted.macaroon, format)
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.sampled_from(["", *CHARACTERS]))
    edited = text[:at] + put + text[at + data.draw(st.integers(0 if put else 1, 1)) :]
    if edited != text:
        fate(edited, minted.macaroon, minted.key, minted.bound, format)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=CHARACTERS, max_size=12))
def test_law_5_a_text_that_is_base64_is_the_one_that_its_bytes_are_written_as(text: str) -> None:
    try:
        raw = decode_base64(text)
    except DecodeError:
        return
    assert encode_base64(raw) == text


def test_law_5_of_all_texts_of_two_characters_just_those_without_spare_bits_are_base64() -> None:
    accepted = 0
    for text in (first + second for first in CHARACTERS for second in CHARACTERS):
        try:
            raw = decode_base64(text)
        except DecodeError:
            continue
        accepted += 1
        assert encode_base64(raw) == text
    assert accepted == 256


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_law_5_a_varint_reads_back_and_leaves_what_follows(value: int, following: bytes) -> None:
    written = write_varint(value)
    assert read_varint(written + following, 0) == (value, len(written))


@settings(max_examples=300)
@given(st.binary(max_size=11))
def test_law_5_bytes_that_are_a_varint_are_the_one_way_to_write_it(raw: bytes) -> None:
    try:
        value, end = read_varint(raw, 0)
    except DecodeError:
        return
    assert write_varint(value) == raw[:end]


@given(st.text())
def test_law_5_an_item_reads_back(text: str) -> None:
    if text:
        assert decode_item(encode_item(text)) == text


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from("ab%20AFfC3\u00e9 \t/"), max_size=10))
def test_law_5_a_text_that_is_an_item_is_the_one_that_its_value_is_written_as(text: str) -> None:
    try:
        item = decode_item(text)
    except PredicateError:
        return
    assert encode_item(item) == text


@settings(max_examples=300, deadline=None)
@given(some.predicates)
def test_law_5_a_predicate_prints_as_its_text(text: str) -> None:
    assert str(some.VOCABULARY.parse(text)) == text
    assert some.VOCABULARY.parse(text.encode()) == some.VOCABULARY.parse(text)


def test_law_5_whatever_reads_as_a_predicate_after_an_edit_prints_as_that_text() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=500, deadline=None)
    @given(some.predicates, st.data())
    def check(text: str, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(text)))
        put = data.draw(st.sampled_from(["", " ", "%20", "%2F", "0", "/", ".", ":", "a", "Z", "\n", "\u00e9"]))
        edited = text[:at] + put + text[at + data.draw(st.integers(0, 1)) :]
        try:
            predicate = some.VOCABULARY.parse(edited)
        except PredicateError:
            seen[False] += 1
        else:
            seen[True] += 1
            assert str(predicate) == edited

    check()
    assert min(seen.values()) > 50, seen


@pytest.mark.parametrize("attribute", sorted(some.VOCABULARY))
def test_law_5_every_operator_of_every_type_is_generated(attribute: str) -> None:
    generated = {operator for name, operator in some.OPERATORS if name == attribute}
    assert generated == some.VOCABULARY[attribute].operators
    assert attribute in BUILTIN or attribute in ("amount", "label")


@given(some.minted(), st.text(min_size=1, max_size=8))
def test_law_5_a_location_is_no_part_of_what_is_signed(minted: some.Minted, location: str) -> None:
    moved = replace(minted.macaroon, unverified_location=location)
    assert prove(moved, minted.key, minted.bound) == prove(minted.macaroon, minted.key, minted.bound)
