"""Sets of prefixes, such as paths by segments or networks by bits: which lies under which, and their meet.

A key is a sequence, and lies under another that it begins with. A set of keys stands for all that lies
under one of them. Two keys either nest or have nothing in common, so a meet is a set of keys again. Each
key is only cut to the lengths that occur, so that a long list costs no comparison of each with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any, TypeVar

Key = TypeVar("Key", bound=str | tuple[Any, ...])


def under(keys: Iterable[Key], prefixes: Set[Key]) -> set[Key]:
    """Return the keys that lie under one of the prefixes, or are one."""
    lengths = {len(each) for each in prefixes}
    return {key for key in keys if any(key[:length] in prefixes for length in lengths)}


def meet(one: Set[Key], other: Set[Key]) -> set[Key]:
    """Return the prefixes of what lies under both: of two that nest, the inner."""
    return under(one, other) | under(other, one)


def outermost(prefixes: Set[Key]) -> set[Key]:
    """Leave out the prefixes that lie under another one of them."""
    lengths = {len(each) for each in prefixes}
    return {key for key in prefixes if not any(key[:length] in prefixes for length in lengths if length < len(key))}
