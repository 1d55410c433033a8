"""So much of JSON Schema as the contract uses. A word that is not known here is an error, not a pass."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
_KNOWN = {
    "$ref", "type", "properties", "required", "items", "anyOf", "oneOf", "enum", "default", "title", "description",
    "minimum", "maximum", "minLength", "maxLength", "maxItems", "additionalProperties", "pattern", "format",
}  # fmt: skip


def violations(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> list[str]:
    """List where a value does not fit a schema of a document. A member that no schema names is one."""
    assert set(schema) <= _KNOWN, f"this validator does not know {set(schema) - _KNOWN}"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        return violations(value, document["components"]["schemas"][name], document, at)
    for word, wanted in (("anyOf", 1), ("oneOf", 1)):
        if word in schema:
            fitting = [each for each in schema[word] if not violations(value, each, document, at)]
            good = len(fitting) >= wanted if word == "anyOf" else len(fitting) == wanted
            return [] if good else [f"{at}: {len(fitting)} of {word} fit"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: not one of {schema['enum']}"]
    if "type" not in schema:
        return []
    if not isinstance(value, _TYPES[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return [f"{at}: not of type {schema['type']}"]
    found = []
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{at}: not of the pattern {schema['pattern']}")
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{at}: too small or too large")
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value]
        found += [f"{at}.{name}: not in the schema" for name in value if name not in schema["properties"]]
        for name, each in schema["properties"].items():
            if name in value:
                found += violations(value[name], each, document, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for position, item in enumerate(value):
            found += violations(item, schema["items"], document, f"{at}[{position}]")
    return found
