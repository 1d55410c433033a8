"""JSON bodies: the quick way reads nothing that the strict way reads otherwise or refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capsvc.http.bodies import quick_members, strict_members
from capsvc.http.problems import HTTPProblem

_NUMBERS = st.integers() | st.floats() | st.sampled_from([2**53, 2**63, 2**64, -0.0, 10**400])
_TEXTS = st.text(max_size=6) | st.sampled_from(['":', '"', ":", '{"a":1}', "\\", "a", "b", ""])
_NAMES = st.sampled_from(["a", "b", "token", '":', "é", ""]) | st.text(max_size=3)


def _object(members: Any) -> Any:
    """Objects with names that may stand twice, and with odd white space, as text."""
    return st.tuples(st.lists(st.tuples(_NAMES, members), max_size=4), st.sampled_from(["", " ", "\n\t"])).map(
        lambda made: "{" + ",".join(f"{json.dumps(name)}{made[1]}:{made[1]}{value}" for name, value in made[0]) + "}"
    )


_VALUES = st.recursive(
    (_NUMBERS | _TEXTS | st.none() | st.booleans()).map(lambda value: json.dumps(value, ensure_ascii=False)),
    lambda inner: _object(inner) | st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
    max_leaves=8,
)
_BODIES = _VALUES.map(lambda text: text.encode("utf-8", "surrogatepass"))
_CHARACTERS = st.lists(st.sampled_from(list('{}[]":, \\0123456789.eE+-truefalsnNaIiy\n\x00\x1f\x7fé')), max_size=24)


def _hold_equal(raw: bytes) -> None:
    members = quick_members(raw)
    if members is not None:
        strict = strict_members(raw)
        assert repr(members) == repr(strict)


@given(_BODIES)
@example(b'{"a":1,"a":2}')
@example(b'{"token":"x","token":"x"}')
@example(b'{"a":"b","a" : "c"}')
@example(b'{"a":{"b":1,"b":1},"c":"d"}')
@example(b'{"a":[{"b":null},{"b":null,"b":null}]}')
def test_the_quick_way_equals_the_strict_way_for_anything_like_json(raw: bytes) -> None:
    _hold_equal(raw)


@given(_BODIES, st.integers(0, 200), st.binary(max_size=3))
def test_the_quick_way_equals_the_strict_way_for_broken_json(raw: bytes, at: int, put: bytes) -> None:
    _hold_equal(raw[: at % (len(raw) + 1)] + put + raw[at % (len(raw) + 1) :])
    _hold_equal(raw[: at % (len(raw) + 1)])


@given(_CHARACTERS)
def test_the_quick_way_equals_the_strict_way_for_characters_of_json(characters: list[str]) -> None:
    text = "".join(characters)
    for each in (text, "{" + text + "}", '{"a":' + text + "}", '{"a":"' + text + '"}'):
        _hold_equal(each.encode())


@pytest.mark.parametrize("byte", range(256))
def test_the_quick_way_equals_the_strict_way_for_every_byte_in_a_text(byte: int) -> None:
    for place in (b'{"a":"%c"}', b'{"%c":"a"}', b'{"a":%c}', b'%c{"a":1}', b'{"a":1}%c', b'{"a"%c:1}'):
        _hold_equal(place % byte)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}', b'{"a":"x","b":{"c":"d","c":"d"}}', b'{"a":"\\ud800"}', b'{"a":NaN}', b'{"a":Infinity}',
        b'{"\\u0061":1,"a":1}', b'{"a":1e400}', b'{"a":1.0}', b'{"a":18446744073709551616}', b'{"a":-1}', b"[]", b"",
        b"\xef\xbb\xbf{}", b'{"a":"\xed\xa0\x80"}', b'{"a":[[[[["b"]]]]]}', b'{"a":"\xff"}',
    ],
)  # fmt: skip
def test_what_parsers_read_in_different_ways_is_left_to_the_strict_way(raw: bytes) -> None:
    assert quick_members(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"token":"AgE","discharges":[],"request":{"method":"GET","action":["read","list"]},"min_revision":7}',
        b'{ "token" : "with \':\' and {}" , "request" : {} }', b"{}", b'{"a":null,"b":true}',
    ],
)  # fmt: skip
def test_what_most_ask_is_read_the_quick_way(raw: bytes) -> None:
    assert quick_members(raw) == strict_members(raw)


@pytest.mark.parametrize("depth", [5, 100, 990, 5000, 100_000])
def test_depth_ends_in_the_strict_ways_answer(depth: int) -> None:
    raw = b'{"a":' * depth + b"1" + b"}" * depth
    assert quick_members(raw) is None
    if depth > 5000:
        with pytest.raises(HTTPProblem):
            strict_members(raw)
