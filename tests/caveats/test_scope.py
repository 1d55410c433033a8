"""The scope: exact for every request, minimal, and right about what is redundant or contradictory."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    BUILTIN,
    DecodeError,
    Macaroon,
    Number,
    Request,
    Scope,
    Vocabulary,
    encode,
    scope,
    to_pymacaroons,
)
from caveats.scope import weakest
from tests.caveats import boundaries as near
from tests.caveats import strategies as some

WORDS = near.VOCABULARY
BARE = Macaroon.mint(b"root key", "k1")


def printed(*texts: str) -> list[str]:
    return [str(each) for each in scope(texts, WORDS).predicates]


def test_a_scope_leaves_nothing_unmet_exactly_when_every_predicate_is_met() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=250, deadline=None)
    @given(st.data(), near.stated())
    def check(data: st.DataObject, texts: list[str]) -> None:
        request = data.draw(near.asked(texts))
        predicates = near.read(texts)
        met = all(each.refusal(request.facts) is None for each in predicates)
        found = scope(some.append(BARE, texts), WORDS)
        met = met and not near.two_salts_of_one_name(predicates)
        seen[met] += 1
        assert (found.unmet(request) == ()) is met
        assert not (found.permits_nothing and met)

    check()
    assert min(seen.values()) > 50, seen


def test_a_scope_is_exact_for_the_requests_of_the_laws_too() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.one_of(some.predicates, some.met_often), min_size=1, max_size=4), some.requests())
    def check(texts: list[str], request: Request) -> None:
        predicates = [some.VOCABULARY.parse(each) for each in texts]
        met = all(each.refusal(request.facts) is None for each in predicates)
        seen[met] += 1
        assert (scope(texts, some.VOCABULARY).unmet(request) == ()) is (
            met and not near.two_salts_of_one_name(predicates)
        )

    check()
    assert min(seen.values()) > 12, seen


@pytest.mark.parametrize("attribute", near.NEEDING_A_FACT)
def test_nothing_is_permitted_exactly_when_no_fact_meets_all(attribute: str) -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=50, deadline=None)
    @given(st.lists(near.predicates_on(attribute), min_size=1, max_size=4))
    def check(texts: list[str]) -> None:
        empty = not near.meeting(near.read(texts))
        seen[empty] += 1
        found = scope(texts, WORDS)
        assert found.permits_nothing is empty
        assert [each.attribute for each in found.contradictions] == [attribute] * empty

    check()
    assert seen[False] > 2, seen
    assert seen[True], seen


@pytest.mark.parametrize("attribute", near.NEEDING_A_FACT)
def test_what_the_same_facts_meet_is_written_in_the_same_way(attribute: str) -> None:
    some_texts = st.lists(near.predicates_on(attribute), min_size=1, max_size=3)

    @settings(max_examples=50, deadline=None)
    @given(some_texts, some_texts)
    def check(one: list[str], other: list[str]) -> None:
        same = near.meeting(near.read(one)) == near.meeting(near.read(other))
        assert (printed(*one) == printed(*other)) is same

    check()


@settings(max_examples=80, deadline=None)
@given(near.stated())
def test_the_predicates_print_back_and_their_own_scope_is_themselves(texts: list[str]) -> None:
    found = scope(texts, WORDS)
    for each in found.predicates:
        assert WORDS.parse(str(each)) == each
    again = scope(found.predicates, WORDS)
    assert again == Scope(found.predicates)
    for each in found.predicates:
        assert scope([other for other in found.predicates if other != each], WORDS).predicates != found.predicates


@settings(max_examples=80, deadline=None)
@given(near.stated())
def test_the_weakest_predicates_are_those_of_the_scope(texts: list[str]) -> None:
    predicates = [WORDS.parse(each) for each in texts]
    whole = scope(predicates, WORDS)
    if whole.permits_nothing:
        with pytest.raises(ValueError, match="no request"):
            weakest(predicates)
    else:
        assert weakest(predicates) == whole.predicates


@settings(max_examples=80, deadline=None)
@given(near.stated())
def test_redundant_are_those_without_which_the_scope_is_the_same(texts: list[str]) -> None:
    found = scope(texts, WORDS)
    needed = [position for position in range(len(texts)) if position not in found.redundant]
    without = scope([texts[position] for position in needed], WORDS)
    assert set(without.predicates) == set(found.predicates)
    assert {each.attribute for each in without.contradictions} == {each.attribute for each in found.contradictions}
    assert without.redundant == ()
    first: dict[str, int] = {}
    for position, text in enumerate(texts):
        if first.setdefault(text, position) != position and WORDS.parse(text).type.needs_fact:
            assert position in found.redundant, "of two that are the same, the later one is redundant"


@settings(max_examples=80, deadline=None)
@given(near.stated())
def test_a_contradiction_holds_and_needs_each_of_its_caveats(texts: list[str]) -> None:
    for attribute, positions in scope(texts, WORDS).contradictions:
        assert all(texts[position].startswith(f"{attribute} ") for position in positions)
        assert scope([texts[position] for position in positions], WORDS).permits_nothing
        for left_out in positions:
            rest = [texts[position] for position in positions if position != left_out]
            assert not scope(rest, WORDS).permits_nothing


@pytest.mark.parametrize(
    ("texts", "weakest"),
    [
        (["time < 2026-12-22T06:00:00Z", "time < 2026-12-01T00:00:00Z"], ["time < 2026-12-01T00:00:00Z"]),
        (
            ["time < 2026-12-01T00:00:00Z", "time >= 2026-11-22T06:00:00Z", "time >= 2026-11-21T06:00:00Z"],
            ["time >= 2026-11-22T06:00:00Z", "time < 2026-12-01T00:00:00Z"],
        ),
        (["time >= 0001-01-01T00:00:00Z"], ["time >= 0001-01-01T00:00:00Z"]),
        (["user in alice bob", "user in bob carol alice"], ["user in alice bob"]),
        (["method in GET HEAD POST", "method in HEAD GET"], ["method in GET HEAD"]),
        (["method in GET HEAD", "method in HEAD POST"], ["method = HEAD"]),
        (["path ^= /docs /pub", "path ^= /docs/2026"], ["path ^= /docs/2026"]),
        (["path ^= /docs/ /docs/2026 /pub"], ["path ^= /docs /pub"]),
        (["path ^= / /docs"], ["path ^= /"]),
        (["path in /a /b/c /b/", "path ^= /b"], ["path in /b/ /b/c"]),
        (["path in /docs /docs/", "path = /docs/"], ["path = /docs/"]),
        (["resource ^= projects", "resource ^= projects/42 inbox"], ["resource ^= projects/42"]),
        (["amount >= 2", "amount <= 5", "amount < 7"], ["amount >= 2", "amount <= 5"]),
        (["amount > 2", "amount < 5"], ["amount > 2", "amount < 5"]),
        (["amount in 1 2 7", "amount < 7.0"], ["amount in 1 2"]),
        (["amount in 2.50 10 -1", "amount > 0"], ["amount in 2.5 10"]),
        (["amount >= 5", "amount <= 5.0"], ["amount = 5"]),
        (["amount > 5", "amount < 5.00000000000000002"], ["amount = 5.00000000000000001"]),
        (["amount <= 999999999999999999"], ["amount <= 999999999999999999"]),
        (["amount >= -999999999999999999", "amount < 4"], ["amount < 4"]),
        (["ip in 10.0.0.0/8 2001:db8::/32", "ip in 10.1.0.0/16"], ["ip in 10.1.0.0/16"]),
        (["ip in 10.0.0.0/9 10.128.0.0/9 10.3.0.0/16"], ["ip in 10.0.0.0/8"]),
        (["ip in ::fffe:0:0/96"], ["ip in ::fffe:0:0/95"]),  # the other half is the mapped addresses
        (
            ["salt = b/AAAAAAAAAAAAAAAAAAAAAA", "salt = a/AAAAAAAAAAAAAAAAAAAAAQ", "salt = b/AAAAAAAAAAAAAAAAAAAAAA"],
            ["salt = a/AAAAAAAAAAAAAAAAAAAAAQ", "salt = b/AAAAAAAAAAAAAAAAAAAAAA"],
        ),
        (["nonce = AAAAAAAAAAAAAAAAAAAAAA", "request = AAAAAAAAAAAAAAAAAAAAAQ"], []),
    ],
)
def test_the_weakest_predicates_that_say_the_same(texts: list[str], weakest: list[str]) -> None:
    assert printed(*texts) == weakest
    assert printed(*reversed(texts)) == weakest


@pytest.mark.parametrize(
    ("texts", "positions"),
    [
        (["time >= 2026-12-22T06:00:00Z", "method = GET", "time < 2026-12-22T06:00:00Z"], (0, 2)),
        (["time < 0001-01-01T00:00:00Z"], (0,)),
        (["user = alice", "user in bob carol"], (0, 1)),
        (["method in GET HEAD", "method in GET PUT", "method in HEAD PUT"], (0, 1, 2)),
        (["path ^= /docs", "path ^= /docs/2026", "path = /docsx"], (0, 2)),
        (["path = /docs", "path = /docs/"], (0, 1)),
        (["amount > 5", "amount < 5.00000000000000001"], (0, 1)),
        (["amount > 10", "amount < 10.0000000000000001"], (0, 1)),
        (["amount > 999999999999999999"], (0,)),
        (["ip in 0.0.0.0/0", "ip in ::/0"], (0, 1)),
        (["body = " + near.VALUES["body"][0], "body = " + near.VALUES["body"][1]], (0, 1)),
        (["salt = a/AAAAAAAAAAAAAAAAAAAAAA", "salt = a/AAAAAAAAAAAAAAAAAAAAAQ"], (0, 1)),
    ],
)
def test_a_contradiction_names_the_caveats_that_make_it(texts: list[str], positions: tuple[int, ...]) -> None:
    found = scope(texts, WORDS)
    assert [each.positions for each in found.contradictions] == [positions]
    assert found.permits_nothing
    assert "AAAA" not in str(found)


def test_what_is_not_understood_permits_nothing_and_says_where_it_stands() -> None:
    found = scope(BARE.append(b"method = GET", b"amount <= 5", b"salt = x", b"\xff"))
    assert [(each.position, each.reason) for each in found.not_understood] == [
        (1, "its attribute is not in the vocabulary"),
        (2, "a salt is its name, /, and 22 characters of base64"),
        (3, "a predicate is UTF-8"),
    ]
    assert found.permits_nothing
    assert len(found.unmet(Request(method="GET"))) == 3
    assert not scope(BARE.append(b"amount <= 5"), BUILTIN.extend(amount=Number())).permits_nothing


def test_third_parties_are_named_and_change_nothing_else() -> None:
    first = BARE.attenuate("method = GET")
    found = scope(first.entrust("https://third.example", b"key", b"ask", bytes(24)).attenuate("path ^= /docs"))
    assert [(each.position, each.caveat.location) for each in found.third_parties] == [(1, "https://third.example")]
    assert list(map(str, found.predicates)) == ["method = GET", "path ^= /docs"]
    assert found.unmet(Request(method="GET", path="/docs")) == ()
    assert str(found) == "method = GET\npath ^= /docs\ncaveat 1 needs a discharge from https://third.example"


def test_a_scope_is_told_of_whatever_stands_for_a_macaroon_or_of_predicates() -> None:
    macaroon = BARE.attenuate("method = GET", "path ^= /docs")
    of = scope(macaroon)
    assert of == scope(encode(macaroon)) == scope(to_pymacaroons(macaroon))
    assert (
        of == scope(["method = GET", b"path ^= /docs"]) == scope(map(BUILTIN.parse, ["method = GET", "path ^= /docs"]))
    )
    with pytest.raises(DecodeError):
        scope("method = GET")
    for wrong in (5, None, b"method = GET", [None]):
        with pytest.raises(TypeError):
            scope(wrong)  # type: ignore[arg-type]


def test_predicates_of_another_vocabulary_are_not_understood() -> None:
    assert scope([WORDS.parse("amount <= 5")]).permits_nothing
    assert scope([BUILTIN.parse("method = GET")], Vocabulary({})).permits_nothing


def test_a_scope_without_caveats_says_so_and_is_no_permit() -> None:
    found = scope(BARE)
    assert (found.predicates, found.unmet(Request()), str(found)) == ((), (), "no caveat narrows it")
    with pytest.raises(TypeError):
        bool(found)


def test_an_unmet_scope_names_what_is_unmet_as_a_person_reads_it() -> None:
    found = scope(["method in GET HEAD", "path ^= /docs", "user = alice", "user = bob"])
    assert found.unmet(Request(method="POST", path="/docs")) == (
        "user: caveats 2, 3 contradict each other",
        "method in GET HEAD: the request needs POST",
    )
    assert repr(found) == "<Scope of nothing>"
    assert str(scope(["amount > 999999999999999999"], WORDS)) == "amount: caveat 0 can never be met"


@settings(max_examples=50, deadline=None)
@given(near.stated())
def test_law_8_neither_print_nor_repr_of_a_scope_holds_a_salt(texts: list[str]) -> None:
    found = scope(texts, WORDS)
    said = f"{found} {found!r} {found.predicates!r} {found.unmet(Request(salt={'default': None}))}"
    for salt in near.VALUES["salt"]:
        assert salt.partition("/")[2] not in said.replace("nonce = ", "").replace("request = ", "")


def test_long_lists_meet_as_short_ones_do() -> None:
    networks = [f"10.{high}.{low}.0/24" for high in range(8) for low in range(40)]
    halves = [" ".join(networks[start : start + 160]) for start in (0, 80)]
    paths = [" ".join(f"/{prefix}{number}/x" for number in range(450)) for prefix in "aa"]
    texts = [*(f"ip in {each}" for each in halves), *(f"path ^= {each}" for each in paths)]
    found = scope(texts)
    assert [len(each.items) for each in found.predicates] == [4, 450]
