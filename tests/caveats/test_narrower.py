"""Is one macaroon narrower than another: never wrongly so, and whenever it is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import BUILTIN, Macaroon, Number, Scope, scope
from tests.caveats import boundaries as near
from tests.caveats import strategies as some

WORDS = near.VOCABULARY
BARE = Macaroon.mint(b"root key", "k1")


def of(*texts: str) -> Scope:
    return scope(texts, WORDS)


def test_no_request_shows_that_a_narrower_scope_permits_more() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()

    @settings(max_examples=250, deadline=None)
    @given(st.data(), near.stated(2), st.integers(0, 3), st.integers(0, 2))
    def check(data: st.DataObject, texts: list[str], kept: int, changed: int) -> None:
        others = [*texts[:kept], *(data.draw(_on_the_same(each)) for each in texts[:changed])]
        request = data.draw(near.asked(texts))
        if of(*texts).unmet(request):
            return
        narrower = of(*texts).is_narrower_than(of(*others))
        permitted = not of(*others).unmet(request)
        seen[narrower, permitted] += 1
        assert permitted or not narrower

    check()
    assert min(seen[True, True], seen[False, False]) > 8, seen


def _on_the_same(text: str) -> st.SearchStrategy[str]:
    return near.predicates_on(text.partition(" ")[0])


@pytest.mark.parametrize("attribute", near.NEEDING_A_FACT)
def test_one_is_narrower_exactly_when_all_facts_that_meet_it_meet_the_other(attribute: str) -> None:
    seen: Counter[bool] = Counter()
    some_texts = st.lists(near.predicates_on(attribute), min_size=1, max_size=2)

    @settings(max_examples=60, deadline=None)
    @given(some_texts, some_texts)
    def check(one: list[str], other: list[str]) -> None:
        narrower = near.meeting(near.read(one)) <= near.meeting(near.read(other))
        seen[narrower] += 1
        assert of(*one).is_narrower_than(of(*other)) is narrower

    check()
    assert min(seen[True], seen[False]) > 1, seen


def test_to_be_narrower_is_transitive() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(st.data(), st.sampled_from(sorted(WORDS)))
    def check(data: st.DataObject, attribute: str) -> None:
        some_texts = st.lists(near.predicates_on(attribute), max_size=2)
        a, b, c = (of(*data.draw(some_texts)) for _ in "abc")
        if a.is_narrower_than(b) and b.is_narrower_than(c):
            seen[a.permits_nothing] += 1
            assert a.is_narrower_than(c)

    check()
    assert seen[False] > 5, seen


@settings(max_examples=60, deadline=None)
@given(near.stated())
def test_each_scope_is_narrower_than_itself_in_any_order(texts: list[str]) -> None:
    assert of(*texts).is_narrower_than(of(*texts))
    assert of(*texts).is_narrower_than(of(*reversed(texts)))
    assert of(*texts).is_narrower_than(scope(of(*texts).predicates, WORDS))


@settings(max_examples=80, deadline=None)
@given(near.stated(), st.lists(st.one_of(near.stated(1).map(lambda them: them[0]), st.text(max_size=5)), max_size=3))
def test_an_attenuated_macaroon_is_narrower_than_what_it_was_cut_from(texts: list[str], added: list[str]) -> None:
    before = some.append(BARE, texts).entrust("https://third.example", b"key", b"ask", bytes(24))
    after = before.append(*(each.encode() for each in added)).entrust("", b"key", b"also", bytes(24))
    assert scope(after, WORDS).is_narrower_than(scope(before, WORDS))
    assert scope(before, WORDS).is_narrower_than(scope(after, WORDS)) is scope(before, WORDS).permits_nothing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["method = GET"], []),
        (["method = GET", "path = /docs"], ["path ^= /docs"]),
        (["path = /docs/"], ["path ^= /docs"]),
        (["path ^= /docs"], ["path ^= /docs/"]),
        (["ip in 10.0.0.0/8"], ["ip in 10.0.0.0/9 10.128.0.0/9"]),
        (["amount > 5"], ["amount >= 5.00000000000000001"]),
        (["amount in 1 2"], ["amount > 0", "amount <= 2"]),
        (["user = alice", "user = bob"], ["method = GET"]),
        ([], ["nonce = AAAAAAAAAAAAAAAAAAAAAA"]),
    ],
)
def test_it_is_narrower(one: list[str], other: list[str]) -> None:
    assert of(*one).is_narrower_than(of(*other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([], ["method = GET"]),
        ([], ["path ^= /"]),  # a request that does not say its path meets the one and not the other
        (["path ^= /docs"], ["path = /docs"]),
        (["path ^= /docs"], ["path ^= /docs/2026"]),
        (["path = /docs"], ["path = /docs/"]),
        (["amount >= 5"], ["amount > 5"]),
        (["user = alice"], ["user = alice", "user = bob"]),
        (["salt = a/AAAAAAAAAAAAAAAAAAAAAA"], ["salt = a/AAAAAAAAAAAAAAAAAAAAAQ"]),
        (["method = GET"], ["unknown = 5"]),
    ],
)
def test_it_is_not_narrower(one: list[str], other: list[str]) -> None:
    assert not of(*one).is_narrower_than(of(*other))


def test_a_third_partys_caveat_has_to_stand_in_the_narrower_one_too() -> None:
    asks = BARE.entrust("https://third.example", b"key", b"ask", bytes(24))
    asks_again = BARE.entrust("https://third.example", b"key", b"ask", b"another nonce of 24 byte")
    assert scope(asks).is_narrower_than(scope(BARE))
    assert not scope(BARE).is_narrower_than(scope(asks))
    assert scope(asks.attenuate("method = GET")).is_narrower_than(scope(asks))
    assert not scope(asks_again).is_narrower_than(scope(asks))
    nothing = BARE.append(b"not understood")
    assert scope(nothing).is_narrower_than(scope(asks))


def test_one_name_of_two_types_is_never_compared() -> None:
    one, other = (scope(["amount <= 5"], BUILTIN.extend(amount=Number())) for _ in range(2))
    assert one.is_narrower_than(one)
    assert not one.is_narrower_than(other)
