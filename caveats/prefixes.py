"""Sets of prefixes, such as paths by segments or networks by bits: which lies under which, and their meet.

A key is a sequence, and lies under another that it begins with. A set of keys stands for all that lies
under one of them. Two keys either nest or have nothing in common, so a meet is a set of keys again. Each
key is only cut to the lengths that occur, so that a long list costs no comparison of each with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=str | tuple[Any, ...])


def under(keys: Iterable[Key], prefixes: Set[Key]) -> set[Key]:
    """Return the keys that lie under one of the prefixes, or are one."""
    lengths = {len(each) for each in prefixes}
    return {key for key in keys if any(key[:length] in prefixes for length in lengths)}


def meet(one: Set[Key], other: Set[Key]) -> set[Key]:
    """Return the prefixes of what lies under both: of two that nest, the inner."""
    return under(one, other) | under(other, one)


def cover(keys: Iterable[Key], most: int) -> set[Key] | None:
    """Return at most so many prefixes that all keys lie under, and that could not be longer without being more.

    Begins with the one prefix that all share, and parts the shortest that can still be parted, by what follows
    it. None where even that takes too many: nobody can write the empty prefix.
    """
    whole = sorted(set(keys))
    if not whole:
        return None
    found: list[Key] = []
    left = [_Shared(whole)]
    while left:
        left.sort(key=lambda each: (len(each.prefix), len(each.parts)))
        shared = left.pop(0)
        if shared.parts and len(found) + len(left) + len(shared.parts) <= most:
            left += map(_Shared, shared.parts)
        else:  # and never will be: there is only less room from here on
            found.append(shared.prefix)
    return None if len(found) > most or not all(found) else set(found)


class _Shared(Generic[Key]):
    """Some keys in their order, the longest prefix that they share, and their parts by what follows it."""

    def __init__(self, keys: list[Key]) -> None:
        first, last = keys[0], keys[-1]  # what these share, all between them share
        size = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
        self.prefix: Any = first[:size]
        self.parts: list[list[Key]] = []
        if len(first) > size:  # else a key ends here, and parts of the others would not cover it
            self.parts = [list(part) for _, part in groupby(keys, key=itemgetter(size))]


def outermost(prefixes: Set[Key]) -> set[Key]:
    """Leave out the prefixes that lie under another one of them."""
    lengths = {len(each) for each in prefixes}
    return {key for key in prefixes if not any(key[:length] in prefixes for length in lengths if length < len(key))}
