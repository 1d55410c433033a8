"""Law 9: decoding whatever bytes ends in a macaroon or in DecodeError, in time and memory linear in them."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymacaroons.serializers import JsonSerializer

from caveats import DecodeError, Format, InvalidMacaroon, Limits, Macaroon, decode, encode, prove
from caveats.encoding import encode_base64, write_varint
from caveats.wire import decode_binary, encode_binary
from tests.caveats import strategies as some

ANY_SIZE = Limits(characters=10**7, caveats=10**6)
SIGNATURE = b"\x06\x20" + bytes(32)


def outcome(text: str, limits: Limits = ANY_SIZE) -> bool:
    """Decode; whatever is raised but DecodeError fails the test."""
    try:
        return isinstance(decode(text, limits), Macaroon)
    except DecodeError:
        return False


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.text(alphabet='{}[]":,liv64cs2 \\u', max_size=60).map("{".__add__)))
def test_law_9_any_text_is_a_macaroon_or_a_decode_error(text: str) -> None:
    outcome(text)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", b"\x02", b"\x02\x02\x01k\0", b"0012location ", b"000fidentifier "]), st.binary(max_size=200)
)
def test_law_9_any_bytes_are_a_macaroon_or_a_decode_error(head: bytes, tail: bytes) -> None:
    outcome(encode_base64(head + tail))


pieces_v2 = st.sampled_from(
    [
        b"\0",
        b"\x01\x01x",
        b"\x02\x01k",
        b"\x02\0",
        b"\x04\x01v",
        b"\x04\0",
        SIGNATURE,
        b"\x06\x01s",
        b"\x02\x80\0",
        b"\x07\0",
    ]
)
pieces_v1 = st.sampled_from(
    b"000elocation \n|0010identifier \n|0009cid \n|000acid c\n|000avid v\n|0009vid \n|0009cl l\n|-001|ffff".split(b"|")
)  # fmt: skip


def test_law_9_pieces_of_the_formats_in_any_order_are_a_macaroon_or_a_decode_error() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=500, deadline=None)
    @given(st.lists(pieces_v2, max_size=6), st.lists(pieces_v1, max_size=6), st.booleans())
    def check(second: list[bytes], first: list[bytes], whole: bool) -> None:
        end = (b"\0" + SIGNATURE, b"002fsignature " + bytes(32) + b"\n") if whole else (b"", b"")
        seen[outcome(encode_base64(b"\x02\x02\x01k\0" + b"".join(second) + end[0]))] += 1
        seen[outcome(encode_base64(b"000elocation \n0010identifier \n" + b"".join(first) + end[1]))] += 1

    check()
    assert min(seen.values()) > 20, seen


@settings(max_examples=200, deadline=None)
@given(some.minted(), st.sampled_from([Format.V1, Format.V2]), st.data())
def test_law_9_a_token_with_parts_cut_out_doubled_and_changed_is_a_macaroon_or_a_decode_error(
    minted: some.Minted, format: Format, data: st.DataObject
) -> None:
    raw = encode_binary(minted.macaroon, format)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, len(raw)))
        raw = data.draw(
            st.sampled_from([raw[:start] + raw[end:], raw[:end] + raw[start:], raw[:start] + b"\xff" + raw[end:]])
        )
    outcome(encode_base64(raw))


@pytest.mark.parametrize("format", Format)
def test_law_9_every_truncation_of_a_token_is_a_decode_error(format: Format) -> None:
    macaroon = (
        Macaroon.mint(b"k", "k1", "https://id")
        .append(b"a = b", b"\xff")
        .entrust("3rd", b"caveat key", b"ask", bytes(24))
    )
    text = encode(macaroon, format)
    assert outcome(text)
    assert not any(outcome(text[:length]) for length in range(len(text)))
    assert not any(outcome(text[start:]) for start in range(1, len(text)))


names = st.sampled_from(["v", "l", "i", "i64", "c", "s", "s64", "v64", "x"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("A" * 43), st.just(2)
)
values = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4))
)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"v": values, "i": values, "c": st.one_of(values, st.lists(values)), "s64": values}
    )
)
def test_law_9_json_of_any_shape_is_a_macaroon_or_a_decode_error(members: dict[str, object]) -> None:
    outcome(json.dumps(members))
    outcome(json.dumps({"i": "k1", "s64": "A" * 43, **members}))


@pytest.mark.parametrize(
    "members",
    [
        '"v":true', '"v":2.0', '"v":"2"', '"v":null', '"v":-2', '"v":NaN', '"v":1e999', '"c":{}', '"c":null',
        '"c":[null]', '"c":[[]]', '"c":[{}]', '"c":[{"i":"a","i64":"YQ"}]', '"c":[{"i":"a","v":""}]',
        '"c":[{"i":"a","l":""}]',
        '"c":[{"i":"a","l":"x"}]', '"c":[{"i":"a","v64":"YQ","l":1}]', '"l":null', '"l":"\\ud800"', '"l":"a","l":"a"',
        '"i64":"YQ"', '"c":[{"i":"\\udfff"}]', '"x":1', '"c":[{"i":1}]', '"c":[{"i64":"YR"}]',
        pytest.param('"v":' + "9" * 5000, id="a number of 5000 digits"),
        pytest.param('"v":' + "[" * 5000, id="5000 lists"),
        pytest.param('"c":' + "[" * 4000 + "]" * 4000, id="4000 closed lists"),
        pytest.param('"v":' + '{"v":' * 1300, id="1300 objects"),
    ],
)  # fmt: skip
def test_law_9_json_that_is_not_in_the_format_is_a_decode_error(members: str) -> None:
    assert outcome('{"i":"k1","s64":"' + "A" * 43 + '"}')
    assert not outcome('{"i":"k1","s64":"' + "A" * 43 + '",' + members + "}")


def v2(caveats: bytes) -> str:
    return encode_base64(b"\x02\x02\x01k\0" + caveats + b"\0" + SIGNATURE)


def v1(caveats: bytes) -> str:
    return encode_base64(b"000elocation \n0010identifier \n" + caveats + b"002fsignature " + bytes(32) + b"\n")


SHAPES: dict[str, Callable[[int], str]] = {
    "noise": lambda size: "".join(chr(45 + at * 7919 % 78) for at in range(size)),
    "base64 of noise": lambda size: encode_base64(bytes(2 + at * 7919 % 254 * (at > 0) for at in range(size * 3 // 4))),
    "spaces": lambda size: " " * size,
    "opened braces": lambda size: '{"c":' * (size // 5),
    "opened brackets": lambda size: '{"c":' + "[" * size,
    "digits": lambda size: '{"v":' + "9" * size + "}",
    "escapes": lambda size: '{"i":"' + "\\u00e9" * (size // 6) + '","s64":"' + "A" * 43 + '"}',
    "white space in JSON": lambda size: '{"i":"k",' + " " * size + '"s64":"' + "A" * 43 + '"}',
    "unfinished string": lambda size: '{"' + "a" * size,
    "members": lambda size: "{" + ",".join(f'"{at}":1' for at in range(size // 8)) + "}",
    "caveats in JSON": lambda size: '{"i":"","c":[' + '{"i":""},' * (size // 9) + '{"i":""}],"s":"' + "A" * 32 + '"}',
    "empty caveats": lambda size: v2(b"\x02\0\0" * (size // 4)),
    "empty caveats in format 1": lambda size: v1(b"0009cid \n" * (size // 12)),
    "third parties": lambda size: v2(b"\x02\0\x04\x01v\0" * (size // 8)),
    "one long caveat": lambda size: v2(b"\x02" + write_varint(size * 3 // 4 - 50) + bytes(size * 3 // 4 - 50) + b"\0"),
    "an endless varint": lambda size: encode_base64(b"\x02\x02" + b"\x80" * (size * 3 // 4)),
    "end marks": lambda size: encode_base64(b"\x02\x02\x01k" + bytes(size * 3 // 4)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_law_9_the_worst_eight_kibibytes_are_read_or_refused(shape: str) -> None:
    text = SHAPES[shape](8192)
    outcome(text, Limits())
    outcome(text)


def lines_run(text: str) -> int:
    """Count the lines of Python that decoding runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        outcome(text)
    finally:
        sys.settrace(before)
    return count


def peak_memory(text: str) -> int:
    """The most bytes that decoding holds at once."""
    gc.collect()
    tracemalloc.start()
    try:
        outcome(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", SHAPES)
def test_law_9_twice_the_text_takes_at_most_twice_the_steps_and_memory(shape: str) -> None:
    once, twice = SHAPES[shape](8192), SHAPES[shape](16385)
    outcome(once)
    assert lines_run(twice) <= 2.2 * lines_run(once) + 100
    assert peak_memory(twice) <= 2.5 * peak_memory(once) + 20_000
    assert peak_memory(twice) <= 200 * len(twice) + 50_000


def test_law_9_ten_thousand_caveats_are_refused_by_default_and_read_where_they_are_allowed() -> None:
    macaroon = Macaroon.mint(b"k", "k1").append(*[b""] * 10_000)
    for format in Format:
        assert not outcome(encode(macaroon, format), Limits(characters=10**6))
        assert not outcome(encode(macaroon, format), Limits())
        assert decode(encode(macaroon, format), ANY_SIZE) == macaroon
    with pytest.raises(InvalidMacaroon):
        prove(macaroon, b"k")
    assert len(prove(macaroon, b"k", limits=ANY_SIZE).caveats) == 10_000


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_law_9_the_caps_are_exact(format: Format) -> None:
    full = encode(Macaroon.mint(b"k", "k1").append(*[b""] * 64), format)
    assert outcome(full, Limits(characters=len(full), caveats=64))
    assert not outcome(full, Limits(characters=len(full) - 1, caveats=64))
    assert not outcome(full, Limits(characters=len(full), caveats=63))
    with pytest.raises(DecodeError):
        decode_binary(bytes(8193))


@pytest.mark.parametrize("member", ['"c":[{}]', '"c":[{"v64":"YQ"}]', '"c":[{"i":"a","v":""}]', '"s":""', '"s":"x"'])
def test_law_9_what_pymacaroons_made_of_bad_json_is_a_decode_error(member: str) -> None:
    text = '{"v":2,"i":"k1",' + member + ("}" if '"s"' in member else ',"s64":"' + "A" * 43 + '"}')
    assert not outcome(text)
    foreign = JsonSerializer().deserialize(text)
    with pytest.raises(DecodeError):
        decode(foreign)
