"""The public API as clients use it: mypy --strict checks this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from caveats import (
    BUILTIN,
    DECLARABLE,
    AnyMacaroon,
    AttributeType,
    Authority,
    Capability,
    Caveat,
    CaveatUnmet,
    Contradiction,
    Expired,
    Explained,
    Explanation,
    Format,
    KeyName,
    Limits,
    Macaroon,
    MacaroonError,
    Number,
    Predicate,
    Prefix,
    Proof,
    Request,
    Revoked,
    Salts,
    Scope,
    Shown,
    Text,
    ThirdParty,
    Unmet,
    VerificationError,
    Verifier,
    Vocabulary,
    check_audience,
    check_salt_name,
    decode,
    encode,
    explain,
    from_pymacaroons,
    prove,
    scope,
    show,
    time_text,
    to_pymacaroons,
)


class TheirCaveat:
    """A caveat as pymacaroons has it, by its shape alone."""

    caveat_id_bytes: bytes = b""
    verification_key_id: bytes | None = None
    location: str | None = None


class TheirMacaroon:
    """A macaroon as pymacaroons has it, by its shape alone."""

    def __init__(self) -> None:
        self.caveats: list[TheirCaveat] = []

    @property
    def location(self) -> str:
        return ""

    @property
    def identifier_bytes(self) -> bytes:
        return b""

    @property
    def signature_bytes(self) -> bytes:
        return b""


def narrowing(token: str) -> str:
    macaroon = decode(token)
    assert_type(macaroon, Macaroon)
    narrowed = macaroon.attenuate("method in GET HEAD", BUILTIN.parse("path ^= /docs"))
    assert_type(narrowed, Macaroon)
    assert_type(narrowed.append(b"raw"), Macaroon)
    assert_type(narrowed.entrust("https://other.example", b"key", b"ask"), Macaroon)
    assert_type(narrowed.bind(macaroon), Macaroon)
    assert_type(narrowed.inspect(), str)
    assert_type(narrowed.unverified_location, str)
    assert_type(narrowed.unverified_identifier, bytes)
    assert_type(narrowed.unverified_caveats, tuple[Caveat, ...])
    assert_type(narrowed.signature, bytes)
    return encode(narrowed, Format.V1)


def whatever_stands_for_a_macaroon(text: str, ours: Macaroon, theirs: TheirMacaroon) -> None:
    for each in (decode(text), decode(ours), decode(theirs), from_pymacaroons(theirs)):
        assert_type(each, Macaroon)
    for written in (encode(text), encode(ours, Format.JSON), encode(theirs, format=Format.V2)):
        assert_type(written, str)
    assert_type(to_pymacaroons(theirs, Format.V1), Any)
    anything: Sequence[AnyMacaroon] = [text, ours, theirs]
    assert_type(prove(text, b"key"), Proof)
    assert_type(prove(ours, b"key", [text, ours, theirs]), Proof)
    assert_type(prove(theirs, b"key", anything, Limits(depth=1)), Proof)
    decode(b"bytes")  # type: ignore[arg-type]
    decode(None)  # type: ignore[arg-type]
    encode(5)  # type: ignore[arg-type]


def minting() -> Macaroon:
    check_audience("billing")
    check_salt_name("default")
    begins, ends = time_text(datetime.now(UTC)), time_text(1_800_000_000)
    authority = Authority(KeyName("k1", "billing"), "A" * 22, "alice", "default", bytes(16), begins, ends)
    assert_type(authority.mint(b"key", "https://caps.example"), Macaroon)
    return Macaroon.mint(b"key", "k1", location="https://caps.example")


def keys(name: KeyName) -> bytes | None:
    assert_type(name.audience, str | None)
    return b"key" if name.key_id == "k1" else None


def salts(user: str, names: tuple[str, ...]) -> Salts:
    in_digests = Salts({"default": bytes(16)}, digest=lambda name, salt: name.encode() + salt)
    assert_type(in_digests.of([("default", bytes(16))]), Salts)
    return Salts(dict.fromkeys(names), panic="2026-11-22T06:00:00Z")


def verifying(text: str, ours: Macaroon, theirs: TheirMacaroon) -> Capability:
    verifier = Verifier(keys, audience="billing", longest=timedelta(days=30), limits=Limits(characters=4096))
    request = Request(time=datetime.now(UTC), method="GET", path="/docs", action=["read", "list"], body=b"")
    assert_type(request.saying(ip="192.0.2.1"), Request)
    try:
        assert_type(verifier.verify(ours, request, salts, discharges=[text, theirs]), Capability)
        assert_type(verifier.verify(theirs, request, salts), Capability)
        capability = verifier.verify(text, request, salts)
    except CaveatUnmet as found:
        assert_type(found.unmet, tuple[Unmet, ...])
        assert_type(found.unmet[0].discharge, int | None)
        raise
    except (Expired, Revoked) as found_late:
        as_verification: VerificationError = found_late
        as_family: MacaroonError = as_verification
        raise as_family from None
    assert_type(capability.user, str)
    assert_type(capability.audience, str | None)
    assert_type(capability.salt_names, tuple[str, ...])
    assert_type(capability.predicates, tuple[Predicate, ...])
    assert_type(capability.narrowings, int)
    return capability


def not_verifying(verifier: Verifier, token: str, request: Request) -> None:
    verifier.verify(token)  # type: ignore[call-arg]
    verifier.verify(token, request, lambda user: Salts({}))  # type: ignore[arg-type, misc]
    verifier.audience = "another"  # type: ignore[misc]


def languages() -> None:
    shop = BUILTIN.extend(amount=Number(), label=Text(), size=DECLARABLE["number"])
    assert_type(shop, Vocabulary)
    assert_type(shop["amount"], AttributeType)
    as_mapping: Mapping[str, AttributeType] = shop
    predicate = shop.parse("amount <= 5")
    assert_type(predicate, Predicate)
    assert_type(predicate.items, tuple[str, ...])
    assert_type(predicate.refusal(Request(shop, amount=5).facts), str | None)
    assert_type(Vocabulary(as_mapping).parse(b"amount <= 5"), Predicate)
    assert_type(minting().attenuate("amount <= 5", vocabulary=shop), Macaroon)


def prefixes(derived_key: bytes, macaroon: Macaroon) -> bytes:
    prefix = Prefix.of(derived_key, macaroon.unverified_identifier)
    longer, thirds = prefix.extend(macaroon.unverified_caveats)
    assert_type(longer, Prefix)
    assert_type(thirds, list[tuple[Caveat, bytes]])
    return longer.signature


def taking_apart(text: str, theirs: TheirMacaroon, request: Request) -> None:
    found = scope(text)
    assert_type(found, Scope)
    assert_type(scope(["method = GET", BUILTIN.parse("path ^= /docs"), b"user = alice"], BUILTIN), Scope)
    assert_type(found.predicates, tuple[Predicate, ...])
    assert_type(found.redundant, tuple[int, ...])
    assert_type(found.contradictions, tuple[Contradiction, ...])
    assert_type(found.not_understood, tuple[Unmet, ...])
    assert_type(found.third_parties, tuple[ThirdParty, ...])
    assert_type(found.permits_nothing, bool)
    assert_type(found.unmet(request), tuple[str, ...])
    assert_type(found.is_narrower_than(scope(theirs)), bool)
    explained = explain(text, request, vocabulary=BUILTIN, discharges=[text, theirs])
    assert_type(explained, Explanation)
    assert_type(explained.caveats, tuple[Explained, ...])
    assert_type(explained.unmet, tuple[Explained, ...])
    assert_type(explained.sentences, tuple[str, ...])
    for seen in (show(found), show(explained), show(text, at=datetime.now(UTC)), show(theirs, 1_800_000_000)):
        assert_type(seen, Shown)
        assert_type(seen.html, str)
    scope(5)  # type: ignore[arg-type]
    show(5)  # type: ignore[arg-type]
    found.unmet({"method": "GET"})  # type: ignore[arg-type]
    found.is_narrower_than(text)  # type: ignore[arg-type]
