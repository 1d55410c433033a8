"""JSON of strangers: read in the one way in which every parser has to read it, or not at all."""

from __future__ import annotations

import json
from typing import Any


class NotJSON(ValueError):
    """These bytes are no JSON, or parsers would read different things in them. The message says why."""


def parse(raw: bytes) -> Any:
    """Parse UTF-8. Raises NotJSON for a member that stands twice in one object, NaN and half a character too."""
    try:
        members = json.loads(raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_refuse)
        if b"\\u" in raw:  # an escape can name half a character, which no text may hold
            json.dumps(members, ensure_ascii=False).encode("utf-8")
    except NotJSON:
        raise
    except UnicodeError:
        raise NotJSON("it is not UTF-8, or an escape in it is half a character") from None
    except (ValueError, RecursionError):
        raise NotJSON("it is cut off or misspelled, too deep, or a number in it is too long") from None
    return members


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJSON("a member stands twice in one object")
    return members


def _refuse(constant: str) -> Any:
    raise NotJSON(f"{constant} is not JSON")
