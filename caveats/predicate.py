"""A predicate: one attribute, one operator, one value or several. Text that a person can read.

Grammar (design section 4)::

    predicate = attribute SP operator SP value
    value     = item *(SP item)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from caveats.attribute import AttributeType
from caveats.encoding import decode_item, encode_item
from caveats.errors import PredicateError
from caveats.opaque import SALT_NAME

ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_UNPRINTABLE = re.compile(
    r"[^\x20-\x7e\u00a1-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    r"|[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Control characters, and those that nobody sees but that turn, part or hide what stands beside them."""

_SALT = re.compile(rf"salt = ({SALT_NAME})/[A-Za-z0-9_-]{{22}}")
SHOWN_CHARACTERS = 200
"""What is longer is cut here, and ends in an ellipsis."""

NOT_UNDERSTOOD = "use a copy without it"
"""What to do about a caveat that no verifier understands."""

OUT_OF_PLACE = "it has no place in a discharge", "get a discharge without it"
"""Why a salt or a nonce in a discharge is refused, and what to do about it."""


@dataclass(frozen=True, slots=True, repr=False)
class Predicate:
    """A predicate that was understood: it prints back to its text, and it only ever refuses.

    ``items`` are the decoded values in their order; ``operand`` is what the attribute's type made of
    them. Made by :meth:`caveats.Vocabulary.parse`.
    """

    attribute: str
    operator: str
    items: tuple[str, ...]
    type: AttributeType
    operand: Any

    @classmethod
    def of(cls, attribute: str, type: AttributeType, operator: str, items: tuple[str, ...]) -> Self:
        """Make a predicate of an attribute whose type is known. Raises PredicateError."""
        if operator not in type.operators:
            raise PredicateError(f"{attribute} knows the operators {' '.join(sorted(type.operators))}")
        try:
            return cls(attribute, operator, items, type, type.operand(operator, items))
        except ValueError as wrong:
            raise PredicateError(str(wrong)) from None

    def __str__(self) -> str:
        """Print the predicate as its one text. That of a salt holds the salt: do not log it."""
        return f"{self.attribute} {self.operator} {' '.join(map(encode_item, self.items))}"

    def __repr__(self) -> str:
        return f"<Predicate {shown(str(self))}>"

    def refusal(self, facts: Mapping[str, Any]) -> str | None:
        """Say why the facts do not meet this predicate; None when they do. Absent is never met."""
        if self.attribute not in facts and self.type.needs_fact:
            return f"the request does not say its {self.attribute}"
        return self.type.refusal(self.operator, self.operand, facts.get(self.attribute))

    def instead(self, facts: Mapping[str, Any]) -> str:
        """Say what would have to differ in facts that were refused, as a phrase to act on."""
        if self.attribute not in facts:
            return self.type.absent.format(self.attribute)
        return self.type.instead(self.operator, tuple(map(encode_item, self.items)), facts[self.attribute])


def split(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Split a predicate's text into attribute, operator and decoded items. Raises PredicateError."""
    attribute, _, rest = text.partition(" ")
    operator, space, value = rest.partition(" ")
    if not space:
        raise PredicateError("a predicate is: attribute, space, operator, space, value")
    return attribute, operator, tuple(map(decode_item, value.split(" ")))


def printable(text: str) -> str:
    """Print any text for a person: on one line, bounded, and with what does not show, or turns a line, escaped."""
    text = _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def shown(caveat: str | bytes) -> str:
    """Print any first-party caveat for a person: as :func:`printable` does, and without the salt in it."""
    text = caveat if isinstance(caveat, str) else caveat.decode("utf-8", "backslashreplace")
    if text.lstrip()[:4].lower() == "salt":
        salt = _SALT.fullmatch(text)
        text = f"salt = {salt[1]}/…" if salt else "salt …"
    return printable(text)
