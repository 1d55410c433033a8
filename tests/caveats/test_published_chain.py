"""Published signatures and verdicts: the chain of HMACs comes out as every other library computes it."""

from __future__ import annotations

from typing import Any

import pytest

from caveats import Format, InvalidMacaroon, Macaroon, chain, decode, encode, prove
from tests.caveats.published import VECTORS, built, named, over, respelled, verdict

SIGNATURES = named(VECTORS["signatures"])
VERIFICATION = named(VECTORS["verification"])
PRIMITIVES = {each["op"]: each for each in VECTORS["codec"]["primitives"]}
DERIVED = {name: each for name, each in SIGNATURES.items() if "key_mode" not in each}
OTHER_KEYS = {name: each for name, each in SIGNATURES.items() if "key_mode" in each}


def signature(case: dict[str, Any]) -> bytes:
    return bytes.fromhex(case["signature_hex"])


@over(DERIVED)
def test_a_chain_from_a_derived_key_has_the_published_signature(case: dict[str, Any]) -> None:
    assert built(case).signature == signature(case)


@over(OTHER_KEYS)
def test_a_chain_from_a_key_that_was_not_derived_differs_from_ours(case: dict[str, Any]) -> None:
    macaroon = built(case)
    assert macaroon.signature != signature(case)
    with pytest.raises(InvalidMacaroon):
        prove(Macaroon(case["location"], *unsigned(macaroon), signature(case)), case["key_text"].encode())


@over(OTHER_KEYS)
def test_a_chain_from_a_key_used_as_it_is_has_the_published_signature(case: dict[str, Any]) -> None:
    key = case["key_text"].encode()
    first = {"raw": key, "truncate32": key[:32].ljust(32, b"\0")}[case["key_mode"]]
    signed = chain.start(first, case["identifier"].encode())
    for caveat in case["caveats"]:
        signed = chain.extend(signed, caveat.encode())
    assert signed == signature(case)


def unsigned(macaroon: Macaroon) -> tuple[bytes, tuple[Any, ...]]:
    return macaroon.unverified_identifier, macaroon.unverified_caveats


@over(named(VECTORS["signatures"], "token_v1"))
def test_a_published_token_is_the_macaroon_that_its_key_signs(case: dict[str, Any]) -> None:
    macaroon = built(case)
    format = Format.V2 if case.get("token_version") == 2 else Format.V1
    assert decode(respelled(case["token_v1"])) == macaroon
    assert encode(macaroon, format) == respelled(case["token_v1"])


@over(named(VECTORS["signatures"], "token_v1"))
def test_a_published_token_is_proven_with_its_key_and_with_no_other(case: dict[str, Any]) -> None:
    token, key = respelled(case["token_v1"]), case["key_text"].encode()
    assert [each.identifier.decode() for each in prove(token, key).caveats] == case["caveats"]
    with pytest.raises(InvalidMacaroon):
        prove(token, key + b"!")


@over(named(VECTORS["verification"], "actual_version"))
def test_a_published_presentation_has_the_published_verdict(case: dict[str, Any]) -> None:
    token, *discharges = (decode(respelled(each)) for each in case["tokens"])
    assert verdict(token, case["key_text"].encode(), case["satisfy_exact"], discharges) == case["expect"]


@over(named(VECTORS["verification"], "actual_version"))
def test_a_published_presentation_is_of_the_version_found_in_it(case: dict[str, Any]) -> None:
    for token in map(respelled, case["tokens"]):
        assert encode(token, Format(case["actual_version"])) == token


@over(named(VECTORS["verification"], "mint_caveats"))
def test_a_macaroon_minted_as_in_the_readme_has_the_published_verdict(case: dict[str, Any]) -> None:
    macaroon = built({**case, "caveats": case["mint_caveats"]})
    assert verdict(macaroon, case["key_text"].encode(), case["satisfy_exact"]) == case["expect"]


def test_every_published_presentation_is_a_token_or_is_minted() -> None:
    assert all(bool(each["tokens"]) != ("mint_caveats" in each) for each in VERIFICATION.values())
    assert all(("actual_version" in each) != ("mint_caveats" in each) for each in VERIFICATION.values())


def test_both_verdicts_are_published() -> None:
    verdicts = [each["expect"] for each in VERIFICATION.values()]
    assert (verdicts.count("authorized"), verdicts.count("unauthorized")) == (7, 14)


def test_no_published_presentation_needs_a_predicate_beyond_equality() -> None:
    assert [name for name, each in VERIFICATION.items() if each.get("satisfy_general")] == []


@over(named(VECTORS["verification"], "signature_hex"))
def test_a_published_forgery_carries_its_published_signature(case: dict[str, Any]) -> None:
    assert [decode(respelled(each)).signature for each in case["tokens"]] == [signature(case)]


@over({name: each for name, each in VERIFICATION.items() if "tampered" in name})
def test_a_published_forgery_does_not_prove_though_every_caveat_holds(case: dict[str, Any]) -> None:
    (token,) = map(respelled, case["tokens"])
    assert {each.identifier.decode() for each in decode(token).unverified_caveats} == set(case["satisfy_exact"])
    with pytest.raises(InvalidMacaroon):
        prove(token, case["key_text"].encode())


def test_the_published_key_is_derived() -> None:
    case = PRIMITIVES["derive_key"]
    assert chain.derive_key(case["key_text"].encode()).hex() == case["hex"]


def test_the_published_hmac_is_computed() -> None:
    case = PRIMITIVES["hmac"]
    assert chain.hmac_sha256(case["key_text"].encode(), case["data_text"].encode()).hex() == case["hex"]


def test_the_published_step_of_a_third_party_is_computed() -> None:
    case = PRIMITIVES["sign_third_party"]
    signed = chain.extend(bytes.fromhex(case["key_hex"]), case["cid"].encode(), case["vid_ascii"].encode())
    assert signed.hex() == case["hex"]


def test_the_published_hmac_of_two_is_the_step_of_a_third_party() -> None:
    case = PRIMITIVES["hmac_concat"]
    verification_id, identifier = (each.encode() for each in case["data_text"])
    assert chain.extend(case["key_text"].encode(), identifier, verification_id).hex() == case["hex"]


def test_the_published_binding_is_computed() -> None:
    case = PRIMITIVES["bind"]
    discharge = built({**case["discharge"], "caveats": []})
    assert chain.bind(case["root_sig_text"].encode(), discharge.signature).hex() == case["hex"]


def test_the_binding_of_mack_is_not_ours() -> None:
    case = PRIMITIVES["bind_sha256_concat"]
    ours = chain.bind(case["root_sig_text"].encode(), case["discharge_sig_text"].encode())
    assert len(ours) == len(bytes.fromhex(case["hex"]))
    assert ours.hex() != case["hex"]
