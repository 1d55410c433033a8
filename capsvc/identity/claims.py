"""Claims: what an issuer says of a user, written into caveats by templates of the configuration.

A template is a predicate in which ``{}`` stands in one item, such as ``resource ^= projects/{}``. What a claim says is
put into the item itself and never into text, so that it cannot end the item, the predicate or the caveat. Where it
cannot be written there is no caveat, and then no login either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capsvc.errors import Refused
from caveats import Predicate, PredicateError, Vocabulary
from caveats.attribute import AttributeType
from caveats.encoding import HALF_CHARACTER
from caveats.predicate import split

_PLACE = "{}"
_NOT_CONFIGURED = frozenset({"salt", "nonce", "request"})
"""What only authority, a holder or a request can say."""


@dataclass(frozen=True, slots=True)
class Template:
    """A predicate with one place for what a claim says, which may stand for several items."""

    claim: str
    attribute: str
    type: AttributeType
    operator: str
    items: tuple[str, ...]

    @classmethod
    def parse(cls, claim: str, text: str, vocabulary: Vocabulary) -> Template:
        """Read a template. Raises ValueError, which says what is wrong with it."""
        try:
            attribute, operator, items = split(text)
            if sum(each.count(_PLACE) for each in items) != 1:
                raise ValueError("a template has {} exactly once, in its value")
            if attribute not in vocabulary or attribute in _NOT_CONFIGURED:
                raise ValueError("its attribute is not one that can be configured")
            type = vocabulary[attribute]
            if operator not in type.operators:
                raise ValueError(f"{attribute} knows the operators {' '.join(sorted(type.operators))}")
            said = tuple(each for each in items if _PLACE not in each)
            if said:
                Predicate.of(attribute, type, operator, said)
        except PredicateError as wrong:
            raise ValueError(str(wrong)) from None
        return cls(claim, attribute, type, operator, items)

    def fill(self, claims: Mapping[str, Any]) -> Predicate:
        """Write the predicate for proven claims. Raises Refused where the claim is missing or cannot be written."""
        said = _texts(claims.get(self.claim))
        items = tuple(
            text
            for each in self.items
            for text in ([each.replace(_PLACE, one) for one in said] if _PLACE in each else [each])
        )
        try:
            if not said:
                raise PredicateError("nothing is said")
            return Predicate.of(self.attribute, self.type, self.operator, items)
        except PredicateError:
            raise Refused(
                f"the claim {self.claim} is missing, empty or not such that {self.attribute} can be held to it:"
                " ask whoever runs the identity provider"
            ) from None


def read_fixed(text: str, vocabulary: Vocabulary) -> Predicate:
    """Read a predicate that every login of an issuer gets. Raises ValueError."""
    try:
        predicate = vocabulary.parse(text)
    except PredicateError as wrong:
        raise ValueError(str(wrong)) from None
    if predicate.attribute in _NOT_CONFIGURED:
        raise ValueError("its attribute is not one that can be configured")
    return predicate


def _texts(value: Any) -> tuple[str, ...]:
    """List what a claim says, each once; nothing where any of it is no text and no whole number."""
    found = tuple(map(_text, value if isinstance(value, list) else [value]))
    return tuple(dict.fromkeys(found)) if all(found) else ()


def _text(value: Any) -> str:
    if isinstance(value, str) and not HALF_CHARACTER.search(value):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
