"""A request: the facts that predicates are held against, the time among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

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

    vocabulary: Vocabulary
    now: str
    """The time, for a verifier; empty where the request does not say it, or says what authority says."""
    _facts: Mapping[str, Any] | Callable[[], Mapping[str, Any]]

    def __init__(self, vocabulary: Vocabulary = BUILTIN, /, **facts: Any) -> None:
        read = _read(vocabulary, facts)
        self._set(vocabulary, read.get("time", "") if FROM_AUTHORITY.isdisjoint(read) else "", MappingProxyType(read))

    @classmethod
    def later(cls, vocabulary: Vocabulary, now: str, tell: Callable[[], Mapping[str, Any]]) -> Self:
        """Make a request at a time, as :func:`caveats.time_text` writes it, that tells the rest when asked.

        Most capabilities ask for nothing but the time. ``tell`` gives what the keyword arguments would
        be, without the time; what they would raise is raised where a predicate first asks.
        """
        request = _bare(cls)
        _set_vocabulary(request, vocabulary)
        _set_now(request, now)
        _set_facts(request, tell)
        return request

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the request says, by attribute, each as its type reads it."""
        if not callable(self._facts):
            return self._facts
        told = self._facts()
        if not FROM_AUTHORITY.isdisjoint(told):
            raise ValueError("a request to verify does not say user, audience, salt or nonce")
        return MappingProxyType({"time": self.now, **_read(self.vocabulary, told)})

    def __repr__(self) -> str:
        """Name the facts without their values: salts may be among them."""
        return f"<Request at {self.now}>" if callable(self._facts) else f"<Request saying {' '.join(self._facts)}>"

    def saying(self, /, **facts: Any) -> Request:
        """Return the same request with further facts, or other ones."""
        more = {**self.facts, **_read(self.vocabulary, facts)}
        now = more.get("time", "") if FROM_AUTHORITY.isdisjoint(more) else ""
        request = Request.__new__(Request)
        request._set(self.vocabulary, now, MappingProxyType(more))
        return request

    def _set(
        self, vocabulary: Vocabulary, now: str, facts: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    ) -> None:
        _set_vocabulary(self, vocabulary)
        _set_now(self, now)
        _set_facts(self, facts)


_bare = object.__new__
# What object.__setattr__ does, at a third of the cost: a service makes one for every request.
_set_vocabulary, _set_now, _set_facts = (getattr(Request, slot).__set__ for slot in ("vocabulary", "now", "_facts"))


def _read(vocabulary: Vocabulary, facts: Mapping[str, Any]) -> dict[str, Any]:
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
    return read
