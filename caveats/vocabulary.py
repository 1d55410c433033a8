"""The vocabulary: which attributes there are, and of what type each is.

A vocabulary is a value. Extending one gives another; none is ever changed, so there is nothing to
register and no order in which to import things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from caveats.attribute import AttributeType, Host, Text, Time, TokenSet
from caveats.encoding import HALF_CHARACTER
from caveats.errors import PredicateError
from caveats.network import Network
from caveats.number import Number
from caveats.opaque import Digest, Salt, Unique
from caveats.path import PathType
from caveats.predicate import ATTRIBUTE_NAME, Predicate, split

_READ_BY_VERIFIERS: Mapping[str, type[AttributeType]] = MappingProxyType(
    {"time": Time, "user": Text, "audience": TokenSet, "salt": Salt, "nonce": Unique, "request": Unique}
)
_REMEMBERED, _REMEMBERED_LENGTH = 1024, 128
"""So many predicates are remembered, and only short ones: what a stranger sends must not add up."""


class Vocabulary(Mapping[str, AttributeType]):
    """An immutable mapping of attribute names to their types."""

    __slots__ = ("_remembered", "known", "types")

    types: Mapping[str, AttributeType]
    """What this mapping maps; looked up for every caveat, at a fifth of the cost of a Mapping's own methods."""

    known: Callable[[str | bytes | None], Predicate | None]
    """Finds a predicate that was parsed before and is remembered still; else None."""

    def __init__(self, types: Mapping[str, AttributeType]) -> None:
        for name, type in types.items():
            if not ATTRIBUTE_NAME.fullmatch(name):
                raise ValueError("an attribute's name is 1 to 32 of a-z, 0-9 and _, a letter first")
            if not isinstance(type, AttributeType):
                raise TypeError(f"the type of {name} is one of this package's attribute types")
            if _READ_BY_VERIFIERS.get(name, type.__class__) is not type.__class__:
                raise ValueError(f"verifiers read {name} themselves: its type stays {_READ_BY_VERIFIERS[name].name}")
        self.types = MappingProxyType(dict(types))
        self._remembered: dict[str | bytes | None, Predicate] = {}
        self.known = self._remembered.get

    def extend(self, /, **types: AttributeType) -> Vocabulary:
        """Return a vocabulary with further attributes. Raises ValueError for a name that is taken."""
        for name in types:
            if name in self.types:
                raise ValueError(f"the vocabulary already has an attribute {name}")
        return Vocabulary({**self.types, **types})

    def parse(self, text: str | bytes) -> Predicate:
        """Read a predicate's text, or the UTF-8 bytes of one.

        Raises PredicateError for whatever is not understood, with a reason to act on: an unknown
        attribute or operator, a value that its type does not read, text that is not UTF-8.
        """
        predicate = self._remembered.get(text)
        if predicate is None:
            predicate = self._parse(text)
            if len(text) <= _REMEMBERED_LENGTH:
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[text] = predicate
        return predicate

    def spell(self, predicate: str | Predicate) -> bytes:
        """Check that a predicate is understood, and write it as a caveat's bytes. Raises PredicateError."""
        if isinstance(predicate, Predicate):
            return str(predicate).encode("utf-8")
        self.parse(predicate)
        return predicate.encode("utf-8") if isinstance(predicate, str) else predicate

    def _parse(self, text: str | bytes) -> Predicate:
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8")
            except UnicodeDecodeError:
                raise PredicateError("a predicate is UTF-8") from None
        elif not isinstance(text, str):
            raise TypeError("a predicate is text")
        elif not text.isascii() and HALF_CHARACTER.search(text):
            raise PredicateError("a predicate is UTF-8, which has no half characters")
        attribute, operator, items = split(text)
        type = self.types.get(attribute)
        if type is None:
            raise PredicateError("its attribute is not in the vocabulary")
        return Predicate.of(attribute, type, operator, items)

    def __getitem__(self, name: str) -> AttributeType:
        return self.types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)

    def __repr__(self) -> str:
        return f"<Vocabulary {' '.join(self.types)}>"


BUILTIN = Vocabulary(
    {
        "time": Time(),
        "user": Text(is_name=True),
        "method": TokenSet(),
        "host": Host(),
        "audience": TokenSet(),
        "action": TokenSet(),
        "path": PathType(absolute=True),
        "resource": PathType(absolute=False),
        "ip": Network(),
        "body": Digest(),
        "query": Digest(),
        "salt": Salt(),
        "nonce": Unique(),
        "request": Unique(),
    }
)

DECLARABLE: Mapping[str, AttributeType] = MappingProxyType(
    {"text": Text(), "tokens": TokenSet(), "path": PathType(absolute=False), "number": Number(), "network": Network()}
)
"""What an application may declare in its settings, by the name of the type."""
