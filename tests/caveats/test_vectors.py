"""The language-neutral vectors of tests/vectors: predicates, paths and whole verdicts."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from caveats import (
    BUILTIN,
    DECLARABLE,
    CaveatUnmet,
    DecodeError,
    DischargeError,
    Expired,
    InvalidMacaroon,
    Macaroon,
    PredicateError,
    Request,
    Revoked,
    Salts,
    Verifier,
    Vocabulary,
    decode,
    encode,
)
from caveats.encoding import decode_base64

VECTORS = Path(__file__).parents[1] / "vectors"
Case = dict[str, Any]


def _load(name: str) -> Case:
    loaded: Case = json.loads((VECTORS / name).read_text("ascii"))
    return loaded


def _each(*lists: list[Case]) -> list[Any]:
    return [pytest.param(case, id=case["about"]) for cases in lists for case in cases]


def _vocabulary(declared: dict[str, str]) -> Vocabulary:
    return BUILTIN.extend(**{name: DECLARABLE[type] for name, type in declared.items()})


PREDICATES, PATHS, VERDICTS = _load("predicates.json"), _load("paths.json"), _load("verdicts.json")
DECLARED = _vocabulary(PREDICATES["vocabulary"])


def test_vectors_are_many_and_of_either_answer() -> None:
    parses = Counter(case["parses"] for case in PREDICATES["cases"])
    met = Counter(case["met"] for case in PATHS["cases"] + PATHS["resources"])
    outcomes = Counter(case["outcome"] for case in VERDICTS["cases"])
    assert min(parses[True], parses[False]) >= 60
    assert min(met[True], met[False]) >= 35
    assert min(outcomes[each] for each in ("permitted", "invalid", "expired", "revoked", "unmet")) >= 10


@pytest.mark.parametrize("case", _each([case for case in PREDICATES["cases"] if case["parses"]]))
def test_predicate_parses_and_prints_back(case: Case) -> None:
    predicate = DECLARED.parse(case["text"])
    assert (predicate.attribute, predicate.operator) == (case["attribute"], case["operator"])
    assert predicate.items == tuple(case["items"])
    assert str(predicate) == case["text"]
    assert DECLARED.parse(case["text"].encode("utf-8")) == predicate


@pytest.mark.parametrize("case", _each([case for case in PREDICATES["cases"] if not case["parses"]]))
def test_predicate_is_refused(case: Case) -> None:
    with pytest.raises(PredicateError):
        DECLARED.parse(case["text"] if "text" in case else b64decode(case["text_b64"], validate=True))


@pytest.mark.parametrize("case", _each(PATHS["cases"], PATHS["resources"]))
def test_path_meets_its_caveat_or_does_not(case: Case) -> None:
    if "resource" in case:
        request = Request(resource=case["resource"])
    else:
        request = Request(path=case["path"] if "path" in case else b64decode(case["path_b64"], validate=True))
    assert (BUILTIN.parse(case["caveat"]).refusal(request.facts) is None) is case["met"]


@pytest.mark.parametrize("case", _each([case for case in VERDICTS["cases"] if case["rebuilds"]]))
def test_token_is_what_minting_gives(case: Case) -> None:
    macaroon = Macaroon.mint(bytes.fromhex(case["root_key_hex"]), case["identifier"], case["location"])
    for caveat in case["caveats"]:
        if isinstance(caveat, str):
            macaroon = macaroon.append(caveat.encode("utf-8"))
        else:
            key, nonce = bytes.fromhex(caveat["key_hex"]), bytes.fromhex(caveat["nonce_hex"])
            macaroon = macaroon.entrust(caveat["location"], key, caveat["identifier"].encode("utf-8"), nonce)
    assert encode(macaroon) == case["token"]


def _verdict(case: Case) -> tuple[str, list[Case], Case | None]:
    root_key = bytes.fromhex(case["root_key_hex"])
    rows = {
        user: {name: None if salt is None else decode_base64(salt) for name, salt in names.items()}
        for user, names in case["salts"].items()
    }

    def salts(user: str, names: tuple[str, ...]) -> Salts:
        held = rows.get(user, {})
        return Salts({name: held[name] for name in names if name in held}, case["panic"] or "")

    facts = {name: value.encode() if name in ("body", "query") else value for name, value in case["request"].items()}
    request = Request(_vocabulary(case["vocabulary"]), time=case["now"], **facts)
    verifier = Verifier(lambda _: root_key, case["audience"], timedelta(seconds=case["longest_seconds"]))
    try:
        capability = verifier.verify(case["token"], request, salts, case["discharges"])
    except (DecodeError, InvalidMacaroon, DischargeError):
        return "invalid", [], None
    except Expired:
        return "expired", [], None
    except Revoked:
        return "revoked", [], None
    except CaveatUnmet as found:
        named = [{"position": u.position, "predicate": u.predicate, "discharge": u.discharge} for u in found.unmet]
        return "unmet", named, None
    fields = ("user", "audience", "nonce", "not_before", "not_after", "expires", "narrowings")
    return (
        "permitted",
        [],
        {
            **{name: getattr(capability, name) for name in fields},
            "salt_names": list(capability.salt_names),
        },
    )


@pytest.mark.parametrize("case", _each(VERDICTS["cases"]))
def test_verdict(case: Case) -> None:
    assert _verdict(case) == (case["outcome"], case["unmet"], case.get("capability"))


def test_only_these_invalid_tokens_already_fail_to_decode() -> None:
    invalid = [case for case in VERDICTS["cases"] if case["outcome"] == "invalid"]
    undecodable = set()
    for case in invalid:
        try:
            decode(case["token"])
        except DecodeError:
            undecodable.add(case["about"])
    assert undecodable == {
        "65 caveats are too many",
        "a byte after the signature",
        "an empty token",
        "no macaroon",
        "padding is another spelling",
    }
