"""The explanation: every caveat, met or not, and what would have to differ."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    BUILTIN,
    DECLARABLE,
    DecodeError,
    DischargeError,
    Explained,
    Macaroon,
    PredicateError,
    Request,
    encode,
    explain,
    time_text,
    to_pymacaroons,
)
from tests.caveats import boundaries as near
from tests.caveats import strategies as some

BARE = Macaroon.mint(b"root key", "a foreign key")
NOW = "2026-11-25T12:00:00Z"
SALT = f"laptop/{'A' * 22}"


def verdicts(macaroon: Macaroon, request: Request, *discharges: Macaroon) -> list[str]:
    return [each.verdict for each in explain(macaroon, request, discharges=discharges).caveats]


def test_all_is_met_exactly_when_every_predicate_is_met() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=180, deadline=None)
    @given(st.data(), near.stated(), st.booleans())
    def check(data: st.DataObject, texts: list[str], minted: bool) -> None:
        request = data.draw(near.asked(texts))
        predicates = near.read(texts)
        facts = request.facts
        if minted:
            authority = some.authority("a", "b")
            predicates = [*authority.predicates, *predicates]
            facts = {"user": "a", "audience": frozenset("b"), **facts}
            macaroon = authority.mint(b"root key", "")
        else:
            macaroon = BARE
        found = explain(some.append(macaroon, texts), request)
        for each, predicate in zip(found.caveats, predicates, strict=True):
            if each.verdict == "decided by the salt column":
                assert (predicate.attribute, "salt" in facts) == ("salt", False)
            elif "another salt of that name" not in each.reason:
                assert (each.verdict == "met") is (predicate.refusal(facts) is None)
                assert (each.verdict == "met") is (each.reason == "") is (each.instead == "")
        met = all(each.refusal(facts) is None for each in predicates) and not near.two_salts_of_one_name(predicates)
        seen[met] += 1
        assert all(each.verdict == "met" for each in found.caveats) is met
        assert not met or found.sentences == ()

    check()
    assert min(seen.values()) > 25, seen


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=20), near.stated(1).map(lambda them: them[0].encode())), max_size=4))
def test_every_caveat_has_its_line_in_order_whatever_it_is(identifiers: list[bytes]) -> None:
    found = explain(BARE.append(*identifiers), Request(near.VOCABULARY))
    assert [each.position for each in found.caveats] == list(range(len(identifiers)))
    assert len(str(found).splitlines()) == len(identifiers) + 1
    assert len(found.sentences) == len(found.unmet)
    for identifier, each in zip(identifiers, found.caveats, strict=True):
        assert (each.verdict == "not understood") is (not _is_understood(identifier))


def _is_understood(identifier: bytes) -> bool:
    try:
        near.VOCABULARY.parse(identifier)
    except PredicateError:
        return False
    return True


def test_the_first_five_are_the_services_and_name_the_user_and_the_audience() -> None:
    root = some.authority("alice", "billing").mint(b"root key", "").attenuate("user = alice", "audience = mail")
    found = explain(root, Request(time=some.NOW))
    assert [each.whose for each in found.caveats] == ["service"] * 5 + ["holder"] * 2
    assert [each.verdict for each in found.caveats] == ["met", "met", "decided by the salt column"] + ["met"] * 3 + [
        "unmet"
    ]
    assert found.sentences == ("caveat 6: audience = mail: the request needs billing; use mail",)
    assert explain(root, Request(time=some.NOW, user="bob", salt={"default": None})).sentences[:2] == (
        "caveat 1: user = alice: it is bob; ask as alice",
        "caveat 2: salt = default/…: it was revoked; log in again, or ask whoever handed it on for another",
    )


def test_what_is_not_of_a_services_shape_is_all_a_holders_and_names_nobody() -> None:
    root = some.authority("alice").mint(b"root key", "")
    foreign = BARE.append(*(each.identifier for each in root.unverified_caveats))
    shorter = Macaroon.mint(b"root key", "k1").append(*(each.identifier for each in root.unverified_caveats[:4]))
    handed = Macaroon.mint(b"root key", "k1").entrust("", b"key", b"ask", bytes(24))
    handed = handed.append(*(each.identifier for each in root.unverified_caveats))
    for macaroon in (foreign, shorter, handed):
        found = explain(macaroon, Request(time=some.NOW))
        assert "service" not in {each.whose for each in found.caveats}
        assert "the request does not say its user" in {each.reason for each in found.caveats}


def test_third_parties_need_discharges_and_these_only_narrow() -> None:
    root = BARE.attenuate("method = GET").entrust("https://hr.example", b"key", b"ask", bytes(24))
    request = Request(method="GET", path="/docs")
    assert explain(root, request).sentences == (
        "caveat 1: third party at https://hr.example: no discharge answers it; get one from https://hr.example",
    )
    discharge = Macaroon.mint(b"key", b"ask").attenuate("path ^= /docs", "method = POST", f"salt = {SALT}")
    discharge = discharge.entrust("https://b.example", b"key", b"more", bytes(24))
    found = explain(root, request, discharges=[encode(root.bind(discharge))])
    assert [each.verdict for each in found.caveats] == ["met", "met", "met", "unmet", "unmet", "needs a discharge"]
    assert [each.whose for each in found.caveats] == ["holder"] + ["third party"] * 5
    assert found.sentences == (
        "discharge 0, caveat 1: method = POST: the request needs GET; use POST",
        "discharge 0, caveat 2: salt = laptop/…: it has no place in a discharge; get a discharge without it",
        "discharge 0, caveat 3: third party at https://b.example: no discharge answers it; get one from https://b.example",
    )


def test_law_6_a_discharge_that_is_repeated_or_that_nobody_asked_for_is_refused() -> None:
    root = BARE.entrust("https://hr.example", b"key", b"ask", bytes(24))
    answer, further = (Macaroon.mint(b"key", each) for each in (b"ask", b"more"))
    asking = answer.entrust("https://b.example", b"key", b"more", bytes(24))
    assert verdicts(root, Request(), asking, further) == ["met", "met"]
    looping = further.entrust("https://b.example", b"key", b"more", bytes(24))
    for sent in ([answer, answer], [answer, further], [answer, looping], [further]):
        with pytest.raises(DischargeError):
            explain(root, Request(), discharges=sent)


def test_two_salts_of_one_name_are_refused_though_the_column_may_know_neither() -> None:
    other = f"laptop/{'A' * 21}Q"
    root = BARE.attenuate(f"salt = {SALT}", f"salt = {SALT}", f"salt = {other}")
    assert verdicts(root, Request()) == ["decided by the salt column"] * 2 + ["unmet"]
    assert verdicts(root, Request(salt={})) == ["met", "met", "unmet"]


def test_it_takes_whatever_stands_for_a_macaroon_and_another_vocabulary() -> None:
    root = BARE.append(b"amount <= 5")
    request = Request(some.VOCABULARY, amount=5)
    assert explain(encode(root), request) == explain(to_pymacaroons(root), request) == explain(root, request)
    assert explain(root, request).caveats == (Explained(0, "amount <= 5", "holder", "met"),)
    assert verdicts(root, request) == ["met"]
    assert [each.verdict for each in explain(root, request, BUILTIN).caveats] == ["not understood"]
    with pytest.raises(DecodeError):
        explain("no macaroon", request)


def test_it_is_printed_as_a_checklist_that_says_first_that_it_proves_nothing() -> None:
    root = BARE.attenuate("method = GET", "path ^= /docs").append(b"\x1b[2J")
    found = explain(root, Request(method="POST", path="/docs"))
    assert str(found).splitlines() == [
        "decoded, not verified",
        "caveat 0  holder  unmet           method = GET: the request needs POST; use GET",
        "caveat 1  holder  met             path ^= /docs",
        "caveat 2  holder  not understood  \\x1b[2J: a predicate is: attribute, space, operator, space, value; "
        "use a copy without it",
    ]
    assert str(explain(BARE, Request())) == "decoded, not verified"
    assert repr(found) == "<Explanation of 3 caveats, 2 of them unmet, unverified>"
    with pytest.raises(TypeError):
        bool(found)


@settings(max_examples=50, deadline=None)
@given(st.data(), near.stated(), st.booleans())
def test_law_8_an_explanation_holds_no_salt_and_no_signature(data: st.DataObject, texts: list[str], tell: bool) -> None:
    root = some.append(some.authority().mint(b"root key", ""), texts).append(f"Salt = {SALT}".encode())
    root = root.entrust("https://hr.example", b"key", b"ask")
    answer = some.append(Macaroon.mint(b"key", b"ask"), texts)
    request = data.draw(near.asked(texts))
    found = explain(root, request.saying(salt={"default": None}) if tell else request, discharges=[answer])
    said = f"{found} {found!r} {found.caveats!r} {found.sentences}"
    said = re.sub(r"(nonce|request) = \S+", "", said)
    for secret in (*near.VALUES["salt"], SALT, f"/{some.encode_base64(some.AUTHORITY_SALT)}"):
        assert secret.partition("/")[2] not in said
    assert some.encode_base64(root.signature) not in said


PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith(("| `", "| third"))
]
WORDS = BUILTIN.extend(**{name: DECLARABLE[type] for name, type in {"amount": "number", "label": "text"}.items()})


def _said(cell: str) -> Request:
    """Read a row's request: ``name=value``, a list in commas; a body as its text, a salt as a name that was revoked."""
    facts: dict[str, Any] = {"time": NOW}
    for name, value in (each.split("=", 1) for each in re.findall(r"`([^`]*)`", cell)):
        if name == "action":
            facts[name] = tuple(filter(None, value.split(",")))
        else:
            facts[name] = {"body": value.encode(), "salt": {value: None}}.get(name, value)
    return Request(WORDS, **facts)


def _macaroon(cell: str) -> Macaroon:
    macaroon = BARE.append(*(each.encode() for each in re.findall(r"`([^`]*)`", cell)))
    third = re.search(r"third party at (\S+)", cell)
    return macaroon.entrust(third[1], b"key", b"ask", bytes(24)) if third else macaroon


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_refusal_reads_as_the_page_says(row: tuple[str, str, str]) -> None:
    caveats, request, sentences = row
    found = explain(_macaroon(caveats), _said(request))
    assert "<br>".join(found.sentences) == sentences


def test_the_page_shows_twenty_refusals_at_least_of_every_operator() -> None:
    assert len(ROWS) >= 20
    shown = {tuple(text.split(" ")[:2]) for row in ROWS for text in re.findall(r"`([^`]*)`", row[0])}
    kinds = {(type(WORDS[name]), operator) for name, operator in shown if name in WORDS}
    assert kinds >= {
        (type(each), operator)
        for each in (*DECLARABLE.values(), BUILTIN["time"], BUILTIN["salt"], BUILTIN["body"])
        for operator in each.operators
    }
    assert time_text(NOW) == NOW
