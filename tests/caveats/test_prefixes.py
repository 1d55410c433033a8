"""Sets of prefixes against their meaning: all that begins with one of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import prefixes

_KEYS = st.sets(st.text("01", max_size=4), max_size=5)
_ALL = [f"{number:0{size}b}"[:size] for size in range(6) for number in range(2**size)]


def _stands_for(keys: set[str]) -> set[str]:
    return {each for each in _ALL if any(each.startswith(key) for key in keys)}


@settings(max_examples=150, deadline=None)
@given(_KEYS, _KEYS)
def test_a_meet_stands_for_what_both_stand_for(one: set[str], other: set[str]) -> None:
    assert _stands_for(prefixes.meet(one, other)) == _stands_for(one) & _stands_for(other)
    assert prefixes.under(one, other) == one & _stands_for(other)


@settings(max_examples=150, deadline=None)
@given(_KEYS)
def test_the_outermost_stand_for_the_same_and_none_lies_under_another(keys: set[str]) -> None:
    outer = prefixes.outermost(keys)
    assert _stands_for(outer) == _stands_for(keys)
    assert not [each for each in outer for other in outer if each != other and each.startswith(other)]


def test_keys_may_be_tuples_and_the_empty_key_is_above_everything() -> None:
    assert prefixes.meet({("", "a"), ("", "b", "c")}, {("", "b"), ("", "a", "d")}) == {("", "a", "d"), ("", "b", "c")}
    assert prefixes.under({(), ("a",)}, {()}) == {(), ("a",)}
    assert prefixes.outermost({(), ("a",)}) == {()}
