"""Every operation beside pymacaroons: the same signatures, texts and verdicts wherever pymacaroons is right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pymacaroons
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.exceptions import CryptoError
from pymacaroons.exceptions import MacaroonInvalidSignatureException, MacaroonUnmetCaveatException
from pymacaroons.serializers import JsonSerializer

from caveats import (
    Caveat,
    Format,
    Macaroon,
    Request,
    Salts,
    VerificationError,
    Verifier,
    chain,
    decode,
    encode,
    from_pymacaroons,
    prove,
    to_pymacaroons,
)
from tests.caveats import strategies as some

VERSIONS = {Format.V1: pymacaroons.MACAROON_V1, Format.V2: pymacaroons.MACAROON_V2}
binary_formats = st.sampled_from([Format.V1, Format.V2])
texts = st.text(min_size=1, max_size=16)
plain = st.text(st.characters(codec="ascii"), min_size=1, max_size=16)
"""For locations and identifiers: of other characters pymacaroons counts the length wrong in format 1."""
nonces = st.binary(min_size=24, max_size=24)


class Third(NamedTuple):
    """A third-party caveat to append."""

    location: str
    key: bytes
    identifier: str
    nonce: bytes


steps = st.lists(st.one_of(texts, st.builds(Third, texts, some.keys, texts, nonces)), max_size=5)


def ours(key: bytes, identifier: str, location: str, steps: Iterable[str | Third]) -> Macaroon:
    macaroon = Macaroon.mint(key, identifier, location)
    for step in steps:
        if isinstance(step, Third):
            macaroon = macaroon.entrust(step.location, step.key, step.identifier.encode(), step.nonce)
        else:
            macaroon = macaroon.append(step.encode())
    return macaroon


def theirs(key: bytes, identifier: str, location: str, steps: Iterable[str | Third], format: Format) -> Any:
    macaroon = pymacaroons.Macaroon(location=location, identifier=identifier, key=key, version=VERSIONS[format])
    for step in steps:
        if isinstance(step, Third):
            macaroon.add_third_party_caveat(step.location, step.key, step.identifier, nonce=step.nonce)
        else:
            macaroon.add_first_party_caveat(step)
    return macaroon


@settings(max_examples=150, deadline=None)
@given(some.keys, plain, plain, steps, binary_formats)
def test_minting_and_attenuating_give_the_signature_and_the_text_of_pymacaroons(
    key: bytes, identifier: str, location: str, steps: list[str | Third], format: Format
) -> None:
    one, other = ours(key, identifier, location, steps), theirs(key, identifier, location, steps, format)
    assert one.signature.hex() == other.signature
    assert encode(one, format) == other.serialize()
    assert from_pymacaroons(other) == decode(other) == decode(other.serialize()) == one
    assert to_pymacaroons(one, format).serialize() == other.serialize()
    assert encode(other, format) == other.serialize()


@settings(max_examples=150, deadline=None)
@given(some.keys, texts, texts, steps)
def test_json_says_the_same_as_that_of_pymacaroons(
    key: bytes, identifier: str, location: str, steps: list[str | Third]
) -> None:
    one, other = ours(key, identifier, location, steps), theirs(key, identifier, location, steps, Format.V2)
    written = other.serialize(JsonSerializer())
    assert decode(written) == one
    assert json.loads(encode(one, Format.JSON)) == {"v": 2, "c": []} | json.loads(written)
    assert JsonSerializer().deserialize(encode(one, Format.JSON)).serialize() == other.serialize()


@settings(max_examples=100, deadline=None)
@given(some.keys, some.keys, steps, steps, binary_formats)
def test_binding_gives_the_discharge_of_pymacaroons(
    key: bytes, other_key: bytes, steps: list[str | Third], others: list[str | Third], format: Format
) -> None:
    root, discharge = ours(key, "k1", "here", steps), ours(other_key, "ask", "there", others)
    bound = to_pymacaroons(root, format).prepare_for_request(to_pymacaroons(discharge, format))
    assert encode(root.bind(discharge), format) == bound.serialize()


@settings(max_examples=60, deadline=None)
@given(some.minted(max_third=0, text_only=True), plain, st.lists(texts, max_size=4), binary_formats)
def test_what_either_attenuates_and_writes_the_other_reads_and_proves(
    minted: some.Minted, name: str, added: list[str], format: Format
) -> None:
    root = Macaroon.mint(minted.key, name, name).append(
        *(each.identifier for each in minted.macaroon.unverified_caveats)
    )
    foreign = pymacaroons.Macaroon.deserialize(encode(root, format))
    for each in added:
        foreign.add_first_party_caveat(each)
    ours = root.append(*map(str.encode, added))
    assert prove(foreign.serialize(), minted.key) == prove(ours, minted.key)
    verifier = pymacaroons.Verifier()
    verifier.satisfy_general(lambda predicate: True)
    assert verifier.verify(pymacaroons.Macaroon.deserialize(encode(ours, format)), minted.key)


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
@pytest.mark.parametrize("as_object", [False, True])
def test_a_capability_narrowed_by_plain_pymacaroons_verifies_as_one_narrowed_here(
    format: Format, as_object: bool
) -> None:
    root = some.authority().mint(b"root key", "https://id.example")
    foreign = pymacaroons.Macaroon.deserialize(encode(root, format))
    foreign.add_first_party_caveat("path ^= /docs").add_first_party_caveat("time < 2026-12-01T00:00:00Z")
    foreign.add_third_party_caveat("https://third.example", "caveat key", "ask")
    asked = pymacaroons.Macaroon(location="", identifier="ask", key="caveat key", version=VERSIONS[format])
    discharge = foreign.prepare_for_request(asked.add_first_party_caveat("method = GET"))
    token, sent = (foreign, discharge) if as_object else (foreign.serialize(), from_pymacaroons(discharge))

    def permitted(**facts: str) -> bool:
        request = Request(time=some.NOW, **facts)
        column = Salts({"default": some.AUTHORITY_SALT})
        try:
            capability = Verifier(lambda name: b"root key").verify(token, request, lambda *_: column, [sent])
        except VerificationError:
            return False
        return (capability.user, capability.expires) == ("alice", "2026-12-01T00:00:00Z")

    assert permitted(path="/docs/x", method="GET")
    assert not permitted(path="/docs/x", method="POST")
    assert not permitted(path="/pub", method="GET")


def our_verdict(macaroon: Macaroon, key: bytes, met: set[bytes], discharges: Iterable[Macaroon]) -> bool:
    """Prove the chain, then hold every predicate against the set of those that are met."""
    try:
        proof = prove(macaroon, key, discharges)
    except VerificationError:
        return False
    first = [each for chain in (proof, *proof.discharges) for each in chain.caveats if not each.is_third_party]
    return all(each.identifier in met for each in first)


def their_verdict(macaroon: Macaroon, key: bytes, met: set[bytes], discharges: Iterable[Macaroon]) -> bool:
    verifier = pymacaroons.Verifier()
    for each in met:
        verifier.satisfy_exact(each.decode())
    try:
        return verifier.verify(to_pymacaroons(macaroon), key, [to_pymacaroons(each) for each in discharges])
    except (MacaroonInvalidSignatureException, MacaroonUnmetCaveatException, CryptoError):
        return False


def first_party_of(*macaroons: Macaroon) -> list[bytes]:
    return [each.identifier for it in macaroons for each in it.unverified_caveats if not each.is_third_party]


OF_CAVEATS = ("nothing", "drop", "exchange", "insert", "signature", "key")
OF_DISCHARGES = ("missing", "unbound", "another's", "left over")


def changed(minted: some.Minted, change: str, at: int, new: bytes) -> tuple[Macaroon, bytes, tuple[Macaroon, ...]]:
    """What is presented, with which key, after one change."""
    macaroon, key, discharges = minted.macaroon, minted.key, minted.bound
    caveats = list(macaroon.unverified_caveats)
    at %= len(caveats) - 1
    if change == "drop":
        del caveats[at]
    elif change == "exchange":
        caveats[at : at + 2] = reversed(caveats[at : at + 2])
    elif change == "insert":
        caveats.insert(at, Caveat(new))
    elif change == "signature":
        macaroon = replace(macaroon, signature=bytes(32))
    elif change == "key":
        key += b"x"
    elif change == "missing":
        discharges = discharges[1:]
    elif change == "unbound":
        discharges = minted.discharges
    elif change == "another's":
        discharges = tuple(map(Macaroon.mint(b"x", b"x").bind, minted.discharges))
    elif change == "left over":
        discharges = (*discharges, macaroon.bind(Macaroon.mint(b"x", b"no one asked for this one")))
    return replace(macaroon, unverified_caveats=tuple(caveats)), key, discharges


@pytest.mark.parametrize("change", [*OF_CAVEATS, *OF_DISCHARGES])
def test_the_verdict_is_that_of_pymacaroons_except_where_it_overlooks_what_we_refuse(change: str) -> None:
    seen: Counter[bool] = Counter()
    presented = some.minted(min_caveats=2, max_third=2, text_only=True)
    if change in OF_DISCHARGES:
        presented = presented.filter(lambda minted: minted.discharges)

    @settings(max_examples=50, deadline=None)
    @given(presented, st.integers(0, 4), texts, st.sampled_from(["all", "all", "not the new", "one not"]))
    def check(minted: some.Minted, at: int, new: str, which: str) -> None:
        macaroon, key, discharges = changed(minted, change, at, new.encode())
        met = set(first_party_of(macaroon, *discharges))
        met -= {"all": set(), "not the new": {new.encode()}, "one not": set(sorted(met)[:1])}[which]
        one, other = our_verdict(macaroon, key, met, discharges), their_verdict(macaroon, key, met, discharges)
        seen[one] += 1
        assert not (one and change in ("insert", "left over"))
        assert one == other or change in ("insert", "left over")

    check()
    assert seen[change == "nothing"] >= 5, seen


@settings(max_examples=40, deadline=None)
@given(some.minted(min_caveats=2, max_third=2, text_only=True).filter(lambda minted: minted.discharges))
def test_both_refuse_a_macaroon_of_which_one_predicate_is_not_met(minted: some.Minted) -> None:
    every = set(first_party_of(minted.macaroon, *minted.discharges))
    assert our_verdict(minted.macaroon, minted.key, every, minted.bound)
    assert their_verdict(minted.macaroon, minted.key, every, minted.bound)
    for unmet in every:
        assert not our_verdict(minted.macaroon, minted.key, every - {unmet}, minted.bound)
        assert not their_verdict(minted.macaroon, minted.key, every - {unmet}, minted.bound)


@given(some.keys, texts.map(str.encode), st.binary(min_size=32, max_size=32))
def test_the_steps_of_the_chain_are_those_of_pymacaroons(key: bytes, message: bytes, signature: bytes) -> None:
    from pymacaroons import utils

    assert chain.derive_key(key) == utils.generate_derived_key(key)
    assert chain.hmac_sha256(key * 3, message) == utils.hmac_digest(key * 3, message)
    assert chain.start(signature, message).hex() == utils.hmac_hex(signature, message).decode()
    assert chain.extend(signature, message).hex() == utils.sign_first_party_caveat(signature, message).decode()
    sealed = utils.sign_third_party_caveat(signature, key, message).decode()
    assert chain.extend(signature, message, key).hex() == sealed
