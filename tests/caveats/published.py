"""The vectors that other libraries published: where they lie, and how their fields become macaroons.

They are data of others and never copied into this repository. Without their folder the tests skip.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from caveats import Caveat, Macaroon, Proof, VerificationError, prove
from caveats.encoding import encode_base64

FILE = Path(__file__).parents[2].parent / "shared" / "vectors" / "published.json"
if not FILE.parent.is_dir():
    pytest.skip("the published vectors are not here (../shared/vectors beside the repository)", allow_module_level=True)

VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
ZERO_NONCE = bytes(24)
_TO_URL = str.maketrans("+/", "-_", "=")


def named(entries: Iterable[dict[str, Any]], *fields: str) -> dict[str, dict[str, Any]]:
    """Give the entries that have all these fields, by their id or else by what they are about."""
    found = [(each.get("id") or each["about"], each) for each in entries if each.keys() >= set(fields)]
    assert len(dict(found)) == len(found)
    return dict(found)


def over(cases: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Run a test once for each case, under its name; to have none is a mistake."""
    assert cases
    return pytest.mark.parametrize("case", list(cases.values()), ids=list(cases))


def entrusted(macaroon: Macaroon, caveats: Iterable[str | dict[str, Any]]) -> Macaroon:
    """Append the caveats of a vector: texts, first parties with a ``cid`` alone, third parties with a key."""
    for caveat in caveats:
        if isinstance(caveat, str):
            macaroon = macaroon.append(caveat.encode())
        elif "caveat_key_text" not in caveat:
            macaroon = macaroon.append(caveat["cid"].encode())
        else:
            key = caveat["caveat_key_text"].encode()
            macaroon = macaroon.entrust(caveat.get("cl", ""), key, caveat["cid"].encode(), ZERO_NONCE)
    return macaroon


def built(entry: dict[str, Any]) -> Macaroon:
    """Make the macaroon of a vector from its root key, with our own operations."""
    key, identifier = entry.get("key_text") or entry["key"], entry.get("identifier") or entry["id"]
    return entrusted(Macaroon.mint(key.encode(), identifier, entry.get("location", "")), entry["caveats"])


def from_json_v1(text: str) -> Macaroon:
    """Read JSON of format 1, which the library does not: only to compare what it holds."""
    members = json.loads(text)
    return Macaroon(
        members["location"],
        members["identifier"].encode(),
        tuple(
            Caveat(each["cid"].encode(), as_bytes(each.get("vid") or ""), each.get("cl") or "")
            for each in members["caveats"]
        ),
        bytes.fromhex(members["signature"]),
    )


def as_bytes(text: str) -> bytes:
    """Read base64 of any alphabet and padding, as the lenient libraries do."""
    text = text.translate(_TO_URL)
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unwrapped(text: str) -> str:
    """Take off the outer base64 of a token that libmacaroons' files hold encoded twice."""
    raw = b"" if is_json(text) else as_bytes(text)
    return raw.decode() if raw.startswith((b"MDA", b"{")) else text


def respelled(text: str) -> str:
    """Write the same token in the one spelling of its base64: URL-safe, not padded, not wrapped."""
    text = unwrapped(text)
    return json.dumps(_respelled_json(json.loads(text))) if is_json(text) else encode_base64(as_bytes(text))


def _respelled_json(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _respelled_json(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_respelled_json(each) for each in value]
    return value.translate(_TO_URL) if name.endswith("64") else value


def is_json(text: str) -> bool:
    return text.startswith("{")


def is_json_v1(text: str) -> bool:
    return is_json(text) and "signature" in json.loads(text)


def texts() -> dict[str, str]:
    """Give every text that is published as a good macaroon, by section, name and field."""
    found: dict[str, str] = {}
    for section in ("serialization", "verification", "signatures", "json", "third_party", "non_ascii"):
        for name, entry in named(VECTORS[section]).items():
            for field in entry.keys() & _TEXT_FIELDS:
                found |= _texts(f"{section}/{name}/{field}", entry[field])
    padding = named(VECTORS["signatures"])["pymacaroons/padding"]
    found["signatures/pymacaroons/padding/note"] = padding["token_v1"] + "=" * (-len(padding["token_v1"]) % 4)
    equal = named(VECTORS["json"], "equal")["equal caveat encodings"]["equal"]
    found |= _texts("json/equal caveat encodings/equal", [with_caveat(each) for each in equal])
    return dict(sorted(found.items()))


_TEXT_FIELDS = frozenset(
    [
        "as_published",
        "v1_token",
        "v2_token",
        "v2j_text",
        "tokens",
        "tokens_as_published",
        "token_v1",
        "token_v2",
        "json_v1",
        "json_v2",
        "forms",
        "text",
        "token",
    ]
)


def _texts(path: str, value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {path: value}
    if "text" in value:
        return {path: value["text"]}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return {name: text for key, each in pairs for name, text in _texts(f"{path}/{key}", each).items()}


def with_caveat(caveat: str) -> str:
    """Put the JSON of one caveat into the JSON of a macaroon, in our normal form but for the caveat."""
    compact = json.dumps(json.loads(caveat), separators=(",", ":"))
    return f'{{"v":2,"i":"x","c":[{compact}],"s64":"{encode_base64(bytes(32))}"}}'


def unmet(proof: Proof, holds: Iterable[str]) -> list[str]:
    """List the first-party caveats of a proof, and of its discharges, that are not among those that hold."""
    caveats = [caveat for each in (proof, *proof.discharges) for caveat in each.caveats if not caveat.is_third_party]
    return [text for text in (caveat.identifier.decode() for caveat in caveats) if text not in set(holds)]


def verdict(token: str | Macaroon, key: bytes, holds: Iterable[str], discharges: Iterable[str | Macaroon] = ()) -> str:
    """Prove a chain and hold its caveats against what is true: authorized or unauthorized."""
    try:
        proof = prove(token, key, discharges)
    except VerificationError:
        return "unauthorized"
    return "unauthorized" if unmet(proof, holds) else "authorized"
