"""What JSON Schema can say of bodies beyond their types: patterns, lengths, formats, and what goes together.

The types decide what is read; this only tells it to whoever reads the contract. A format that JSON Schema does
not know (``user-name``, ``predicate``, ``ticket``, ``text``, ``utc-second``) is explained in docs/hostile-input.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from capsvc.http.changes import LARGEST, WAIT
from capsvc.names import RESERVED_AUDIENCES
from caveats import AttributeType, Vocabulary
from caveats.authority import AUDIENCE
from caveats.opaque import SALT_NAME
from caveats.request import FROM_AUTHORITY

Schema = dict[str, Any]

_BASE64 = {"pattern": "^[A-Za-z0-9_-]+$"}
_UNIQUE = {"pattern": "^[A-Za-z0-9_-]{21}[AQgw]$"}
_SECOND = {"format": "utc-second", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}
_SALT_NAME = {"pattern": f"^{SALT_NAME}$"}
_AUDIENCES = {
    "pattern": rf"^(?:{'|'.join(each.replace('.', '[.]') for each in RESERVED_AUDIENCES)}|(?!capsvc[.]){AUDIENCE})$"
}
_LARGEST_NUMBER = 10**18 - 1

_EVERYWHERE: Mapping[str, Schema] = {
    "issued": _SECOND, "expires": _SECOND, "created": _SECOND, "changed": _SECOND, "nonce": _UNIQUE,
    "macaroon": _BASE64, "discharge": _BASE64, "sealed": _BASE64,
}  # fmt: skip
"""By the name of a member."""

_HERE: Mapping[tuple[str, str], Schema] = {
    ("Login", "audience"): {"pattern": f"^{AUDIENCE}$"},
    ("Login", "salt"): _SALT_NAME,
    ("Login", "caveats"): {"format": "predicate"},
    ("Login", "password"): {"format": "password"},
    ("IdTokenLogin", "id_token"): {"format": "id-token"},
    ("IdTokenLogin", "audience"): {"pattern": f"^{AUDIENCE}$"},
    ("IdTokenLogin", "salt"): _SALT_NAME,
    ("IdTokenLogin", "caveats"): {"format": "predicate"},
    ("Addition", "user"): {"format": "user-name", "minLength": 1, "maxLength": 128},
    ("Addition", "audiences"): _AUDIENCES,
    ("Change", "audiences"): _AUDIENCES,
    ("Asked", "ticket"): {"format": "ticket"},
    ("Revocation", "name"): _SALT_NAME,
    ("Revocation", "before"): _SECOND,
    ("OneToken", "token"): {"minLength": 1},
    ("SaltRow", "kind"): {"enum": ["issued", "holder", "nonce"]},
    ("Inactive", "reason"): {"enum": ["invalid", "expired", "revoked", "unmet"]},
}
"""By the name of a struct and of its member."""

_REVISION: Schema = {"schema": {"type": "integer", "minimum": 0, "maximum": LARGEST}}
PARAMETERS: Mapping[str, Schema] = {
    "audience": {"required": True, "schema": {"type": "string", "pattern": f"^{AUDIENCE}$"}},
    "since": _REVISION,
    "skip": _REVISION,
    "wait": {"schema": {"type": "string", "pattern": f"^({WAIT})$"}},
}
"""What a parameter of a query is beyond a text that may be left out, by its name."""

_NOT_SAID: Mapping[str, Schema] = {
    "name": {"type": "null"}, "nonce": {"type": "null"}, "all": {"const": False},
    "everyone": {"const": False}, "before": {"type": "null"},
}  # fmt: skip


def _taking_back(said: str, how: Schema) -> Schema:
    """One of the ways to say what to take back: this member, and none of the others."""
    return {"required": [said], "properties": {**_NOT_SAID, said: how}}


_TOGETHER: Mapping[str, Schema] = {
    "Revocation": {
        "oneOf": [
            _taking_back("name", {"type": "string"}),
            _taking_back("nonce", {"type": "string"}),
            _taking_back("all", {"const": True}),
            {
                "required": ["everyone", "before"],
                "properties": {
                    **_NOT_SAID, "everyone": {"const": True}, "before": {"type": "string"}, "user": {"type": "null"}
                },
            },
        ]
    },
    "OneToken": {"additionalProperties": {"type": "string"}},
    "Change": {
        "anyOf": [
            {"required": [said], "properties": {said: {"type": kind}}}
            for said, kind in (("disabled", "boolean"), ("audiences", "array"), ("password", "string"))
        ]
    },
}  # fmt: skip
"""Which members go together, by the name of the struct."""

_DIGEST: Schema = {"type": "string", "pattern": "^sha-256:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"}
_HOST: Schema = {"type": "string", "pattern": "^[ -@[-~]+$"}
_NEVER_TOLD = FROM_AUTHORITY | {"time", "request"}
_FACTS: Mapping[str, Schema] = {
    "text": {"type": "string", "format": "text", "minLength": 1},
    "tokens": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}},
        ]
    },
    "host": {"anyOf": [_HOST, {"type": "array", "items": _HOST}]},
    "path": {"type": "string"},
    "number": {
        "anyOf": [
            {"type": "integer", "minimum": -_LARGEST_NUMBER, "maximum": _LARGEST_NUMBER},
            {"type": "string", "pattern": "^-?(?=(?:[.]?[0-9]){1,18}$)(?:0|[1-9][0-9]*)(?:[.][0-9]+)?$"},
        ]
    },
    "network": {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
    "digest": _DIGEST,
}
"""How a question tells a fact, by the name of its type."""


def refine(components: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Add to the schemas of structs, by their names, what their types do not tell."""
    for struct, schema in components.items():
        for member, described in schema.get("properties", {}).items():
            more = _HERE.get((struct, member)) or _EVERYWHERE.get(member, {})
            for text in _of_type(described, "string"):
                text.update(more)
            for number in _of_type(described, "integer"):
                if member in ("revision", "position", "discharge"):
                    number["minimum"] = 0
        schema.update(_TOGETHER.get(struct, {}))
    if "Question" in components:
        components["Question"]["properties"]["request"] = _facts(vocabulary)


def _of_type(schema: Schema, kind: str) -> Iterator[Schema]:
    """Find the schemas of a type: this one, an alternative of it, or that of its items."""
    if schema.get("type") == kind:
        yield schema
    for each in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from _of_type(each, kind)


def _facts(vocabulary: Vocabulary) -> Schema:
    """Describe the facts of a question: those of the vocabulary that a caller may tell, each or null."""
    told = {name: _fact(name, type) for name, type in vocabulary.items() if name not in _NEVER_TOLD}
    return {"type": "object", "properties": told, "additionalProperties": False, "default": {}}


def _fact(name: str, type: AttributeType) -> Schema:
    schema = {"type": "string"} if name == "query" else _FACTS[type.name]
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
