"""Laws 1, 2, 3 and 7 of design section 2 as properties; the others have modules of their own beside this one."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caveats
from caveats import (
    BUILTIN,
    Caveat,
    DischargeError,
    InvalidMacaroon,
    Macaroon,
    Predicate,
    PredicateError,
    Request,
    Salts,
    Verifier,
    Vocabulary,
    chain,
)
from caveats.encoding import encode_item
from tests.caveats import strategies as some

some_predicates = st.lists(st.one_of(some.predicates, some.met_often, some.met_often), max_size=3)
any_caveat = st.one_of(some.predicates.map(str.encode), st.binary(max_size=30))


def test_law_1_no_added_caveat_turns_a_denial_into_a_permit() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()

    @settings(max_examples=400, deadline=None)
    @given(some.presentations(), some_predicates, st.lists(any_caveat, min_size=1, max_size=2))
    def check(presented: some.Presented, held: list[str], added: list[bytes]) -> None:
        before = some.append(presented.macaroon, held)
        verdicts = presented.permits(before), presented.permits(before.append(*added))
        seen[verdicts] += 1
        assert verdicts != (False, True)

    check()
    assert seen[True, True] + seen[True, False] > 40, seen
    assert seen[True, False] > 15, seen
    assert seen[False, False] > 40, seen


def test_law_1_no_caveat_added_to_root_or_discharge_turns_a_denial_into_a_permit() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()

    @settings(max_examples=300, deadline=None)
    @given(
        some.presentations(),
        st.lists(st.one_of(some.predicates, some.met_often), max_size=1),
        any_caveat,
        st.booleans(),
    )
    def check(presented: some.Presented, held: list[str], added: bytes, to_root: bool) -> None:
        root = presented.macaroon.entrust("https://third.example", b"caveat key", b"ask", bytes(24))
        discharge = some.append(Macaroon.mint(b"caveat key", b"ask"), held)
        narrowed = (root.append(added), discharge) if to_root else (root, discharge.append(added))
        verdicts = (
            presented.permits(root, root.bind(discharge)),
            presented.permits(narrowed[0], narrowed[0].bind(narrowed[1])),
        )
        seen[verdicts] += 1
        assert verdicts != (False, True)

    check()
    assert min(seen[True, True] + seen[True, False], seen[False, False]) > 30, seen


def test_law_1_no_third_party_caveat_turns_a_denial_into_a_permit() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(some.presentations(), some_predicates)
    def check(presented: some.Presented, held: list[str]) -> None:
        before = some.append(presented.macaroon, held)
        after = before.entrust("", b"caveat key", b"ask", bytes(24))
        discharge = after.bind(Macaroon.mint(b"caveat key", b"ask"))
        permitted = presented.permits(before)
        seen[permitted] += 1
        assert presented.permits(after, discharge) == permitted, "an empty discharge adds nothing to what it answers"
        assert not presented.permits(after), "a caveat without its discharge forbids"

    check()
    assert min(seen.values()) > 20, seen


@settings(max_examples=150, deadline=None)
@given(some.presentations(), st.lists(any_caveat, max_size=3), st.integers(0, 255))
def test_law_2_no_predicate_and_no_salt_is_read_before_the_chain_is_proven(
    presented: some.Presented, added: list[bytes], bit: int
) -> None:
    root = presented.macaroon.append(*added)
    signature = bytearray(root.signature)
    signature[bit // 8] ^= 1 << bit % 8
    broken = replace(root, signature=bytes(signature))
    inserted = replace(root, unverified_caveats=(*root.unverified_caveats, Caveat(b"time < 2000-01-01T00:00:00Z")))

    def unread(*_: object) -> Salts:
        raise AssertionError("read before the chain was proven")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vocabulary, "parse", unread)
        patch.setattr(Predicate, "refusal", unread)
        for forged in (broken, inserted):
            with pytest.raises(InvalidMacaroon) as raised:
                Verifier(lambda name: presented.root_key, presented.audience).verify(forged, presented.request, unread)
            assert raised.value.args == (some.INVALID,)


@settings(max_examples=100, deadline=None)
@given(some.presentations(), st.lists(any_caveat, max_size=3), st.booleans())
def test_law_2_no_predicate_is_read_before_the_discharges_are_proven(
    presented: some.Presented, added: list[bytes], bound: bool
) -> None:
    root = presented.macaroon.append(*added).entrust("", b"caveat key", b"ask", bytes(24))
    forged = Macaroon.mint(b"another key" if bound else b"caveat key", b"ask").append(*added)

    def unread(*_: object) -> Salts:
        raise AssertionError("read before the chain was proven")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vocabulary, "parse", unread)
        patch.setattr(Predicate, "refusal", unread)
        with pytest.raises(DischargeError):
            presented.verify(root, root.bind(forged) if bound else forged)


NOT_UNDERSTOOD = {
    "time": ["time < 2026-02-30T00:00:00Z", "time < 2026-12-22T06:00:00+00:00", "time < 2026-12-22", "time >= a b"],
    "user": ["user = al/ice", "user = a b", "user in a\u0308", "user = %0A"],
    "host": ["host = Example.org", "host in b\u00fccher.example"],
    "path": ["path = docs", "path ^= /docs/../x", "path in /a//b", "path ^= /a /b/.;/"],
    "resource": ["resource = /x", "resource ^= a/../b"],
    "amount": ["amount < 05", "amount = 1e3", "amount = +1", "amount >= 1234567890123456789", "amount = \u0661"],
    "ip": [
        "ip in 10.0.0.1/8",
        "ip in 010.0.0.0/8",
        "ip in 10.0.0.0/255.0.0.0",
        "ip in 2001:DB8::/32",
        "ip in 10.0.0.0",
    ],
    "body": ["body = sha-256:AA", "body = md5:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"],
    "salt": ["salt = default", "salt = default/AA", "salt = -x/Zk2y0c2Qv3m0tA5Jx1mWmw"],
    "nonce": ["nonce = AA"],
}
MALFORMED = [
    "",
    " ",
    "user",
    "user =",
    "user = ",
    "user  = alice",
    " user = alice",
    "user = alice ",
    "user in a  b",
    "user = a%2f",
]
FULL = Request(
    some.VOCABULARY,
    time=some.NOW, user="alice", method="GET", host="example.org", audience="billing", action="read", path="/docs",
    resource="projects/42", ip="10.1.2.3", body=b"", query=b"", amount=5, label="alice",
    salt={"default": some.AUTHORITY_SALT}, nonce=some.NONCE, request=some.NONCE,
)  # fmt: skip


def refused(predicate: str, request: Request = FULL) -> bool:
    """Whether a verifier refuses a root that holds this caveat, though everything else in it is met."""
    facts = {name: each for name, each in request.facts.items() if name not in ("user", "audience", "salt", "nonce")}
    asked = Request(some.VOCABULARY, time=some.NOW).saying()
    object.__setattr__(asked, "_facts", facts)
    root = some.authority("alice", "billing").mint(b"root key", "")
    verifier = Verifier(lambda name: b"root key", "billing")
    lookup = lambda user, names: Salts({"default": some.AUTHORITY_SALT})  # noqa: E731
    assert verifier.verify(root, asked, lookup).user == "alice"
    try:
        verifier.verify(root.append(predicate.encode()), asked, lookup)
    except caveats.VerificationError:
        return True
    return False


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True), st.sampled_from(["=", "in", "<"]), some.keys)
def test_law_3_an_unknown_attribute_forbids(attribute: str, operator: str, value: bytes) -> None:
    if attribute not in some.VOCABULARY:
        assert refused(f"{attribute} {operator} {encode_item(value.decode('latin-1'))}")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(some.OPERATORS), st.one_of(st.sampled_from(["==", "!=", "~", "IN", "=<", ""]), st.text(max_size=3))
)
def test_law_3_an_unknown_operator_forbids(known: tuple[str, str], operator: str) -> None:
    attribute = known[0]
    if operator not in some.VOCABULARY[attribute].operators:
        assert refused(f"{attribute} {operator} 5")


@pytest.mark.parametrize("predicate", [*MALFORMED, *(each for them in NOT_UNDERSTOOD.values() for each in them)])
def test_law_3_a_value_that_does_not_parse_forbids(predicate: str) -> None:
    with pytest.raises(PredicateError):
        some.VOCABULARY.parse(predicate)
    assert refused(predicate)


def test_law_3_a_network_with_a_zone_is_not_understood() -> None:
    with pytest.raises(PredicateError):  # a fact's zone is left out, so this one would be met from every zone
        BUILTIN.parse("ip in fe80::%25eth0/64")


@settings(max_examples=150, deadline=None)
@given(some.predicates)
def test_law_3_an_absent_fact_forbids(text: str) -> None:
    predicate = some.VOCABULARY.parse(text)
    without = {name: fact for name, fact in FULL.facts.items() if name != predicate.attribute}
    if not predicate.type.needs_fact:
        assert predicate.attribute in ("nonce", "request"), "these alone forbid nothing by themselves"
        assert predicate.refusal(without) is None
    else:
        assert predicate.refusal(without) == f"the request does not say its {predicate.attribute}"


@pytest.mark.parametrize("attribute", ["method", "host", "action", "audience"])
def test_law_3_an_empty_set_forbids_in_the_request_and_in_the_caveat(attribute: str) -> None:
    value = "example.org" if attribute == "host" else "read"
    predicate = BUILTIN.parse(f"{attribute} = {value}")
    assert predicate.refusal(Request(**{attribute: value}).facts) is None
    assert predicate.refusal(Request(**{attribute: ()}).facts) == "the request names none"
    assert refused(f"{attribute} in ")


SOURCES = sorted(Path(caveats.__file__).parent.glob("**/*.py"))
PURE = frozenset(
    [
        "__future__",
        "binascii",
        "caveats",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "html",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "nacl",
        "operator",
        "pymacaroons",
        "re",
        "types",
        "typing",
        "unicodedata",
    ]
)
IMPURE_CALLS = frozenset(
    "open input print eval exec __import__ now utcnow today getenv import_module".split()  # noqa: SIM905
)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_law_7_the_package_reads_no_clock_file_network_or_environment(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert {each.name.partition(".")[0] for each in node.names} <= PURE, f"line {node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            assert node.level or (node.module or "").partition(".")[0] in PURE, f"line {node.lineno}"
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS, f"line {node.lineno}"
            assert "random" not in called, f"line {node.lineno}"


def test_law_7_only_a_verification_id_draws_random_bytes() -> None:
    sealing = {source.name for source in SOURCES if ".encrypt(" in source.read_text("utf-8")}
    assert sealing == {"chain.py"}
    assert chain.seal(bytes(32), b"k", bytes(24)) == chain.seal(bytes(32), b"k", bytes(24))
    assert chain.seal(bytes(32), b"k") != chain.seal(bytes(32), b"k")
