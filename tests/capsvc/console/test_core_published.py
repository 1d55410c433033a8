"""The console's JavaScript core and the published vectors of other libraries: what is read, written and proven."""

from __future__ import annotations

from typing import Any

from caveats import Format, Macaroon, MacaroonError, decode, encode, prove
from caveats.encoding import encode_base64
from tests.capsvc.console.javascript import Core, as_text, fields
from tests.capsvc.console.test_core import INVALID, decoding
from tests.caveats.published import VECTORS, as_bytes, built, named, respelled, texts, unwrapped


def test_every_published_text_is_taken_or_refused_alike_as_it_stands_and_in_the_one_spelling(core: Core) -> None:
    published = texts().values()
    cases = core.agree(map(decoding, [*published, *map(unwrapped, published), *map(respelled, published)]))
    assert sum(each.is_answered for each in cases) >= 100
    assert sum(not each.is_answered for each in cases) >= 20


def test_every_malformed_and_altered_text_is_refused_alike(core: Core) -> None:
    malformed = VECTORS["malformed"] + VECTORS["altered"]["cases"]
    found = [each[name] for each in malformed for name in ("token", "text", "raw_b64") if name in each]
    found += [respelled(each["text"]) for each in malformed if "text" in each]
    found += [encode_base64(as_bytes(each["raw_b64"])) for each in malformed if "raw_b64" in each]
    assert len(found) >= 50
    assert not any(each.is_answered for each in core.agree(map(decoding, found)))


def test_every_published_chain_is_computed_to_its_published_signature(core: Core) -> None:
    for case in named(VECTORS["signatures"]).values():
        if "key_mode" not in case:
            command = {"do": "signature", "token": encode(built(case)), "key": as_text(case["key_text"].encode())}
            assert core.answers(command) == [{"signature": as_text(bytes.fromhex(case["signature_hex"]))}]


def test_every_published_chain_of_a_third_party_is_computed_to_its_published_signature(core: Core) -> None:
    signed = [each for each in VECTORS["third_party"] if {"key_text", "signature_hex", "caveats"} <= each.keys()]
    for case in signed:
        command = {"do": "signature", "token": encode(built(case)), "key": as_text(case["key_text"].encode())}
        assert core.answers(command) == [{"signature": as_text(bytes.fromhex(case["signature_hex"]))}]
    assert signed


def is_proven(token: str, key: bytes) -> bool:
    """Whether the Python proves a chain without discharges."""
    try:
        prove(token, key)
    except MacaroonError:
        return False
    return True


def test_every_published_presentation_without_discharges_is_proven_alike(core: Core) -> None:
    verdicts = []
    for case in VECTORS["verification"]:
        for token in map(respelled, case["tokens"]):
            key, proven = case["key_text"].encode(), is_proven(token, case["key_text"].encode())
            answer = core.answer("prove", token=token, key=as_text(key))
            assert answer == (shown_fields(token) if proven else INVALID)
            verdicts.append(proven)
    assert min(verdicts.count(True), verdicts.count(False)) >= 4


def shown_fields(token: str) -> dict[str, Any]:
    """The fields of a token of format 1 or 2."""
    return fields(decode(token), Format.V2 if token.startswith("A") else Format.V1)


def test_every_published_serialization_is_written_as_published(core: Core) -> None:
    for case in named(VECTORS["serialization"]).values():
        macaroon: Macaroon = built(case)
        answer: Any = core.answer("decode", token=encode(macaroon))
        assert answer["texts"] == [case["v1_token"], case["v2_token"], case["v2j_text"]]
