"""The wording of tokens: their caveats whole, their end, and what of them is not known here."""

from __future__ import annotations

from datetime import datetime

from caveats import Scope, Vocabulary
from caveats.predicate import ATTRIBUTE_NAME, shown

NEVER = "9999-12-31T23:59:60Z"
"""Later than every time that a caveat can say."""

_SPANS = ((24 * 3600, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def whole(caveat: str | bytes) -> str:
    """Write a first-party caveat as it is, however long, and without the salt in it."""
    text = caveat if isinstance(caveat, str) else caveat.decode("utf-8", "backslashreplace")
    return shown(text) if text.lstrip()[:4].lower() == "salt" else text


def is_text(identifier: bytes) -> bool:
    """Tell whether an identifier is UTF-8, so that its text is all of it."""
    try:
        identifier.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_unknown(predicate: str | bytes, words: Vocabulary) -> bool:
    """Tell whether a predicate is of an attribute that an application may have declared elsewhere."""
    text = predicate if isinstance(predicate, str) else predicate.decode("utf-8", "replace")
    name = text.partition(" ")[0]
    return bool(ATTRIBUTE_NAME.fullmatch(name)) and name not in words


def ends_of(found: Scope) -> str:
    """Find the earliest end that stands in a scope, or ``NEVER``: none, or its times contradict."""
    ends = (each.operand for each in found.predicates if (each.attribute, each.operator) == ("time", "<"))
    return next(ends, NEVER)


def in_words(moment: str, now: float) -> str:
    """Say how far a moment is, in its two largest units and rounded down: ``in 1 hour 30 minutes``."""
    seconds = int(datetime.fromisoformat(moment).timestamp()) - int(now)
    first = next((place for place, each in enumerate(_SPANS) if abs(seconds) >= each[0]), len(_SPANS) - 1)
    rest = abs(seconds)
    said: list[str] = []
    for unit, name in _SPANS[first : first + 2]:
        count, rest = divmod(rest, unit)
        if count or not said:
            said.append(f"{count} {name}{'' if count == 1 else 's'}")
    return f"in {' '.join(said)}" if seconds > 0 else f"{' '.join(said)} ago"
