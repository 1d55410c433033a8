"""No published value is left out: each is checked as it stands, or is an exception that docs/ explains."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caveats import DecodeError, DischargeError, Format, Macaroon, chain, decode, encode, prove
from caveats.encoding import decode_base64
from tests.caveats.published import VECTORS, as_bytes, built, is_json, is_json_v1, named, texts, unwrapped

PAGE = Path(__file__).parents[2] / "docs" / "published-vectors.md"
SCENARIOS = VECTORS["third_party_scenarios"]
_FILES = [f"serialization/libmacaroons/serialization_{n}/as_published" for n in (1, 2, 3)]
_VERSION_1 = [f"caveat_v1_{n}" for n in range(1, 7)] + ["root_v1_1", "root_v1_2"]
_VERSION_2 = [each.replace("v1", "v2") for each in _VERSION_1]
_PAIR = "third_party/go-generated/my-identifier/forms"
_EQUAL = "json/equal caveat encodings/equal"

EXCEPTIONS_BY_REASON = {
    "padded base64": [
        *(f"{each}/v2" for each in _FILES),
        f"{_EQUAL}/2",
        "signatures/pymacaroons/padding/note",
        "codec/base64/2",
        "codec/base64/7",
    ],
    "standard alphabet": [
        "verification/macaroons.net/tampered-2015/tokens/0",
        "verification/readme/tampered-2020/tokens/0",
        "non_ascii/LND admin.macaroon, v2 with protobuf identifier/token",
        f"{_PAIR}/v1/0",
        f"{_PAIR}/v2/0",
        f"{_PAIR}/v2/1",
        "third_party/readme/third-party/json_v2/0",
        f"{_EQUAL}/1",
        f"{_EQUAL}/3",
        *(f"codec/base64/{position}" for position in (1, 3, 6, 8)),
    ],
    "base64 twice": [
        *(f"{each}/{field}" for each in _FILES for field in ("v1", "v2j")),
        *(f"verification/libmacaroons/{each}.vtest/tokens_as_published/0" for each in _VERSION_1),
    ],
    "empty text": ["codec/base64/11"],
    "wrong version declared": [f"verification/libmacaroons/{each}.vtest/declared_version" for each in _VERSION_2],
    "JSON of format 1": [
        "json/v1 JSON with explicit nulls/text",
        "json/v1 JSON, third party, key unknown/text",
        "json/v1 JSON of serialization_3 (same signature)/text",
        "third_party/readme/third-party/json_v1",
        f"{_PAIR}/json_v1/0",
        f"{_PAIR}/json_v1/1",
    ],
    "JSON in another form": [
        "third_party/readme/third-party/json_v2/1",
        "third_party/readme/third-party/json_v2/2",
        f"{_PAIR}/json_v2/0",
        f"{_PAIR}/json_v2/1",
        f"{_EQUAL}/4",
    ],
    "control characters in JSON": ["codec/json_field_choice/1", "codec/json_field_choice/2"],
    "truncated key": [f"signatures/libmacaroons/hmac-sanity-{n}/signature_hex" for n in range(4)],
    "underived key": ["signatures/macaroons.js/raw-key/signature_hex"],
    "the binding of mack": ["codec/primitives/bind_sha256_concat"],
    "two discharges of one identifier": [
        "scenarios/one caveat, two discharges/0",
        "scenarios/one caveat, two discharges/2",
        "extra/two discharges for one caveat: every first-party predicate of both must be evaluated (libmacaroons#48)",
    ],
    "lenient libraries": [
        "scenarios/one caveat, two discharges/1",
        "scenarios/one caveat, two discharges/3",
        "scenarios/one discharge used for two macaroons/0",
        "scenarios/unused discharge/0",
    ],
}
EXCEPTIONS = {name: reason for reason, names in EXCEPTIONS_BY_REASON.items() for name in names}

# How many entries each section has, and the name of every field in it that a test reads.
SECTIONS = {
    "serialization": (3, "location identifier caveats key_text as_published v1 v2 v2j v1_token v2_token v2j_text"),
    "verification": (
        21,
        "declared_version actual_version expect key_text satisfy_exact satisfy_general tokens_as_published tokens "
        "signature_hex identifier location mint_caveats",
    ),
    "signatures": (
        32,
        "location identifier key_text key_mode caveats signature_hex token_v1 token_version",
    ),
    "malformed": (42, "expect token raw_b64 level format text"),
    "json": (6, "text expect equal invalid key_text rule"),
    "third_party": (
        6,
        "nonce key_text identifier location caveats cid cl vid_b64 vid_hex caveat_key_text signature_hex token_v1 "
        "token_v2 json_v1 json_v2 text discharges unbound_hex bound_hex expect discharge verdict satisfy_exact forms "
        "v1 v2",
    ),
    "codec": (
        6,
        "primitives op key_text key_hex hex data_text vid_ascii cid discharge identifier root_sig_text "
        "discharge_sig_text base64 input expect uvarint value bytes v1_packets field data data_len packet "
        "json_field_choice cases id_b64",
    ),
    "third_party_scenarios": (
        4,
        "scenarios extra macaroons key id location caveats cid cl caveat_key_text cases true error lenient_libs "
        "predicates_checked_sorted verdict",
    ),
    "non_ascii": (
        6,
        "key_text identifier location caveats cid cl caveat_key_text identifier_b64 json_v2_i64 caveat_b64 "
        "signature_hex token expect",
    ),
    "altered": (2, "cases token"),
}
NOT_VALUES = frozenset({"id", "source", "about", "note", "base64_note", "rule", "recomputed", "pymacaroons_0_13_0"})
PARTS = {
    "primitives": 6,
    "base64": 12,
    "uvarint": 21,
    "v1_packets": 4,
    "cases of json_field_choice": 6,
    "scenarios": 10,
    "cases of scenarios": 17,
    "extra": 4,
    "altered": 13,
}


def trouble_with_text(text: str) -> str | None:
    """Say what keeps the library from reading a published text, or from writing it so."""
    try:
        macaroon = decode(text)
    except DecodeError:
        if is_json_v1(text):
            return "JSON of format 1"
        return "base64 twice" if unwrapped(text) != text else trouble_with_base64(text)
    format = Format.JSON if is_json(text) else Format.V2 if as_bytes(text)[0] == 2 else Format.V1
    return None if encode(macaroon, format) == text else "JSON in another form"


def trouble_with_base64(text: str) -> str:
    if not text:
        return "empty text"
    found = re.search(r'64": ?"[^"]*[+/]' if is_json(text) else "[+/]", text)
    return "standard alphabet" if found else "padded base64"


def trouble_with_key(case: dict[str, Any]) -> str | None:
    if built(case).signature.hex() == case["signature_hex"]:
        return None
    return {"raw": "underived key", "truncate32": "truncated key"}[case["key_mode"]]


def trouble_with_decoding(case: dict[str, Any]) -> str | None:
    try:
        ours = decode_base64(case["input"])
    except DecodeError:
        ours = None
    expected = None if case["expect"] is None else case["expect"].encode()
    return None if ours == expected else trouble_with_base64(case["input"])


def trouble_with_scenario(scenario: dict[str, Any], case: dict[str, Any]) -> str | None:
    root, *discharges = map(built, scenario["macaroons"])
    try:
        prove(root, scenario["macaroons"][0]["key"].encode(), [root.bind(each) for each in discharges])
        is_proven = True
    except DischargeError:
        is_proven = False
    if is_proven != (case.get("error") is None or case["error"].startswith("condition")):
        return "two discharges of one identifier"
    return "lenient libraries" if "lenient_libs" in case else None


def found_exceptions() -> dict[str, str]:
    """Find every published value that the library does not take, or give, just as it stands."""
    found: dict[str, str | None] = {name: trouble_with_text(text) for name, text in texts().items()}
    for name, case in named(VECTORS["signatures"]).items():
        found[f"signatures/{name}/signature_hex"] = trouble_with_key(case)
    for position, case in enumerate(VECTORS["codec"]["base64"]):
        found[f"codec/base64/{position}"] = trouble_with_decoding(case)
    for position, case in enumerate(VECTORS["codec"]["json_field_choice"]["cases"]):
        written = encode(Macaroon.mint(b"key", as_bytes(case["id_b64"])), Format.JSON)
        if ('"i64":' in written) != case["base64"]:
            found[f"codec/json_field_choice/{position}"] = "control characters in JSON"
    for case in VECTORS["codec"]["primitives"]:
        if case["op"].startswith("bind_"):
            ours = chain.bind(case["root_sig_text"].encode(), case["discharge_sig_text"].encode())
            found[f"codec/primitives/{case['op']}"] = None if ours.hex() == case["hex"] else "the binding of mack"
    for name, case in named(VECTORS["verification"]).items():
        if case.get("declared_version") != case.get("actual_version") and "declared_version" in case:
            found[f"verification/{name}/declared_version"] = "wrong version declared"
    for name, scenario in named(SCENARIOS["scenarios"]).items():
        for position, case in enumerate(scenario["cases"]):
            found[f"scenarios/{name}/{position}"] = trouble_with_scenario(scenario, case)
    for name, case in named(SCENARIOS["extra"], "macaroons").items():
        found[f"extra/{name}"] = trouble_with_scenario(case, {})
    return {name: reason for name, reason in found.items() if reason}


def fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from fields(each)


def test_the_listed_exceptions_are_exactly_those_that_are_found() -> None:
    assert found_exceptions() == EXCEPTIONS
    assert len(EXCEPTIONS) == sum(map(len, EXCEPTIONS_BY_REASON.values())) > 0


def test_every_section_of_the_file_is_tested() -> None:
    assert VECTORS.keys() - {"_about", "sources"} == SECTIONS.keys()


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_holds_as_many_entries_as_are_tested_and_no_field_that_no_test_reads(section: str) -> None:
    size, read = SECTIONS[section]
    assert len(VECTORS[section]) == size
    assert set(fields(VECTORS[section])) - NOT_VALUES == set(read.split()) - NOT_VALUES


def test_the_parts_of_sections_hold_as_many_entries_as_are_tested() -> None:
    codec = VECTORS["codec"]
    found = {name: len(codec[name]) for name in ("primitives", "base64", "uvarint", "v1_packets")}
    found["cases of json_field_choice"] = len(codec["json_field_choice"]["cases"])
    found |= {name: len(SCENARIOS[name]) for name in ("scenarios", "extra")}
    found["cases of scenarios"] = sum(len(each["cases"]) for each in SCENARIOS["scenarios"])
    found["altered"] = len(VECTORS["altered"]["cases"])
    assert found == PARTS


def test_the_page_explains_every_exception_and_counts_it() -> None:
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {reason: int(count) for reason, count, _ in rows} == Counter(EXCEPTIONS.values())
    assert all(why.strip() for _, _, why in rows)
