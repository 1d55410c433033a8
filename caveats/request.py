"""A request: the facts that predicates are held against, the time among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from caveats.vocabulary import BUILTIN, Vocabulary

FROM_AUTHORITY = frozenset({"user", "audience", "salt", "nonce"})
"""What a verifier takes from authority and from itself, and never from a request."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Request:
    """The facts of one request, immutable. What it does not carry, it does not say.

    Facts are keyword arguments named as the vocabulary's attributes; None leaves one out. ``time`` is
    an aware datetime, seconds since the epoch or text; ``path`` is the path as on the wire,
    percent-encoded; ``body`` and ``query`` are the bytes themselves or their digest as text; ``action``,
    ``method``, ``host`` and ``audience`` are one token or several.

    Raises TypeError or ValueError for a fact that its type does not read, or that is not in the
    vocabulary: these are the caller's mistakes.
    """

    facts: Mapping[str, Any]
    vocabulary: Vocabulary
    now: str
    """The time, for a verifier; empty where the request does not say it, or says what authority says."""

    def __init__(self, vocabulary: Vocabulary = BUILTIN, /, **facts: Any) -> None:
        read = {}
        for name, value in facts.items():
            if value is None:
                continue
            if name not in vocabulary:
                raise TypeError(f"the vocabulary has no attribute {name}")
            try:
                read[name] = vocabulary[name].fact(value)
            except ValueError as wrong:
                raise ValueError(f"{name}: {wrong}") from None
        self._set(read, vocabulary)

    def __repr__(self) -> str:
        """Name the facts without their values: salts may be among them."""
        return f"<Request saying {' '.join(self.facts)}>"

    def saying(self, /, **facts: Any) -> Request:
        """Return the same request with further facts, or other ones."""
        more = Request(self.vocabulary, **facts)
        more._set({**self.facts, **more.facts}, self.vocabulary)
        return more

    def _set(self, facts: dict[str, Any], vocabulary: Vocabulary) -> None:
        object.__setattr__(self, "facts", MappingProxyType(facts))
        object.__setattr__(self, "vocabulary", vocabulary)
        object.__setattr__(self, "now", facts.get("time", "") if FROM_AUTHORITY.isdisjoint(facts) else "")
