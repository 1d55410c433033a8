"""The types of attribute: which operators each has, how its values read, and when a fact meets them.

A type only ever refuses. Three methods are all that a verdict needs:

- ``operand(operator, items)`` reads a caveat's values, or raises ValueError;
- ``fact(value)`` reads what a request says, or raises TypeError or ValueError (a caller's mistake);
- ``refusal(operator, operand, fact)`` gives the reason why the fact does not meet the operand, else None.

Two more take caveats apart for people:

- ``meet(demands)`` writes the weakest demands that imply all of these, or None where no fact meets them
  all. What the same facts meet is written in the same way, so some imply others exactly when the meet of
  all is their own;
- ``instead(operator, items, fact)`` says what would have to differ in a fact that was refused.

And one puts caveats together from what was seen: ``cover(facts, most)`` writes the tightest demands that all of
some facts meet.

Facts and operands are plain comparable values, so that no type keeps state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from unicodedata import is_normalized

from caveats.encoding import HALF_CHARACTER

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIRST, _END = "0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z"
"""The first time that there is, and where the last one ends: no caveat can say that."""

Written = tuple[str, tuple[str, ...]]
"""A demand as a caveat writes it: operator and items."""


def time_text(moment: datetime | int | float | str) -> str:
    """Write a moment as the 20 characters ``YYYY-MM-DDTHH:MM:SSZ``, UTC, floored to the second.

    Takes an aware datetime, seconds since the epoch, or such a text, which is checked to be a real
    date. Texts of this form sort as the moments do. Raises ValueError or TypeError.
    """
    if isinstance(moment, bool):
        raise TypeError("a time is a datetime, seconds or text")
    if isinstance(moment, (int, float)):
        try:
            moment = datetime.fromtimestamp(math.floor(moment), UTC)
        except (OverflowError, OSError, ValueError):
            raise ValueError("a time lies within the years 1 to 9999") from None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("a time needs its time zone")
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("a time lies within the years 1 to 9999") from None
        return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    if not isinstance(moment, str):
        raise TypeError("a time is a datetime, seconds or text")
    try:
        real = datetime.fromisoformat(moment[:19]).isoformat() + "Z" == moment
    except ValueError:
        real = False
    if not real:
        raise ValueError("a time is exactly YYYY-MM-DDTHH:MM:SSZ and a real date")
    return moment


class AttributeType:
    """The contract of a type; see the module's docstring."""

    name: ClassVar[str]
    operators: ClassVar[frozenset[str]]
    needs_fact: ClassVar[bool] = True
    absent: ClassVar[str] = "say the {}"
    """What to do where a request does not say the fact."""
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> Any:
        """Read the values of a caveat. Raises ValueError."""
        raise NotImplementedError

    def fact(self, value: Any) -> Any:
        """Read the fact of a request. Raises TypeError or ValueError."""
        raise NotImplementedError

    def refusal(self, operator: str, operand: Any, fact: Any) -> str | None:
        """Say why a fact does not meet an operand; None when it does."""
        raise NotImplementedError

    def meet(self, demands: Sequence[tuple[str, Any]]) -> tuple[Written, ...] | None:
        """Write the weakest demands that imply these, each an operator and its operand; None for no fact at all."""
        raise NotImplementedError

    def instead(self, operator: str, items: tuple[str, ...], fact: Any) -> str:
        """Say what would have to differ in a fact that was refused, as a phrase to act on."""
        raise NotImplementedError

    def cover(self, facts: Set[Any], most: int) -> tuple[Written, ...] | None:
        """Write the tightest demands of at most so many items that all of some facts meet; None for none."""
        return None


def only(items: tuple[str, ...]) -> str:
    """Return the one item of an operator that takes one. Raises ValueError."""
    if len(items) != 1:
        raise ValueError("this operator takes one value; write a space inside a value as %20")
    return items[0]


def one_of(items: Sequence[str]) -> tuple[Written, ...] | None:
    """Write the demand for one of some items, in their order; None where there are none."""
    return (("in" if len(items) > 1 else "=", tuple(items)),) if items else None


def either(items: tuple[str, ...]) -> str:
    """Name one or several alternatives: ``a, b or c``."""
    return " or ".join(filter(None, (", ".join(items[:-1]), items[-1])))


class Time(AttributeType):
    """A second in UTC. ``time < T`` ends, ``time >= T`` begins."""

    name = "time"
    operators = frozenset({"<", ">="})
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> str:
        return time_text(only(items))

    def fact(self, value: datetime | int | float | str) -> str:
        return time_text(value)

    def refusal(self, operator: str, operand: str, fact: str) -> str | None:
        if operator == "<":
            return None if fact < operand else f"it is {fact}"
        return None if fact >= operand else f"it is only {fact}"

    def meet(self, demands: Sequence[tuple[str, str]]) -> tuple[Written, ...] | None:
        begins = max((operand for operator, operand in demands if operator == ">="), default=_FIRST)
        ends = min((operand for operator, operand in demands if operator == "<"), default=_END)
        if begins >= ends:
            return None
        lower = ((">=", (begins,)),) if begins > _FIRST or ends == _END else ()
        return lower + ((("<", (ends,)),) if ends < _END else ())

    def instead(self, operator: str, items: tuple[str, ...], fact: str) -> str:
        return f"ask before {items[0]}" if operator == "<" else f"ask at {items[0]} or later"

    def cover(self, facts: Set[str], most: int) -> tuple[Written, ...] | None:
        begins: Written = (">=", (min(facts),))
        try:
            return begins, ("<", (time_text(datetime.fromisoformat(max(facts)) + timedelta(seconds=1)),))
        except OverflowError:  # it is the last second that there is
            return (begins,)


class Text(AttributeType):
    """One text in Unicode's normal form C. A ``name`` (of a user) holds no ``/`` and no control character."""

    operators = frozenset({"=", "in"})
    __slots__ = ("_is_name",)

    def __init__(self, *, is_name: bool = False) -> None:
        self._is_name = is_name

    name = "text"

    def operand(self, operator: str, items: tuple[str, ...]) -> frozenset[str]:
        return frozenset(map(self.fact, (only(items),) if operator == "=" else items))

    def fact(self, value: str) -> str:
        if not isinstance(value, str):
            raise TypeError("a text is a str")
        if not value or not is_normalized("NFC", value) or HALF_CHARACTER.search(value):
            raise ValueError("a text is not empty, of whole characters, and in Unicode's normal form C")
        if self._is_name and ("/" in value or _CONTROL.search(value)):
            raise ValueError("a name holds no / and no control character")
        return value

    def refusal(self, operator: str, operand: frozenset[str], fact: str) -> str | None:
        return None if fact in operand else f"it is {fact}"

    def meet(self, demands: Sequence[tuple[str, frozenset[str]]]) -> tuple[Written, ...] | None:
        return one_of(sorted(frozenset.intersection(*(operand for _, operand in demands))))

    def instead(self, operator: str, items: tuple[str, ...], fact: str) -> str:
        return f"{'ask as' if self._is_name else 'make it'} {either(items)}"

    def cover(self, facts: Set[str], most: int) -> tuple[Written, ...] | None:
        return one_of(sorted(facts)) if len(facts) <= most else None


class TokenSet(AttributeType):
    """A set of tokens: every one that the request needs has to be among those allowed."""

    name = "tokens"
    operators = frozenset({"=", "in"})
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> frozenset[str]:
        return frozenset(map(self._token, (only(items),) if operator == "=" else items))

    def fact(self, value: str | Collection[str]) -> frozenset[str]:
        if not isinstance(value, (str, list, tuple, set, frozenset)):
            raise TypeError("tokens are a str or a list of them")
        return frozenset(map(self._token, (value,) if isinstance(value, str) else value))

    def refusal(self, operator: str, operand: frozenset[str], fact: frozenset[str]) -> str | None:
        if fact and fact <= operand:
            return None
        return f"the request needs {' '.join(sorted(fact - operand))}" if fact else "the request names none"

    def meet(self, demands: Sequence[tuple[str, frozenset[str]]]) -> tuple[Written, ...] | None:
        return one_of(sorted(frozenset.intersection(*(operand for _, operand in demands))))

    def instead(self, operator: str, items: tuple[str, ...], fact: frozenset[str]) -> str:
        return f"use {either(items)}"

    def cover(self, facts: Set[frozenset[str]], most: int) -> tuple[Written, ...] | None:
        tokens = frozenset().union(*facts)  # one request that needs none is permitted by no list
        return one_of(sorted(tokens)) if len(tokens) <= most and all(facts) else None

    def _token(self, value: str) -> str:
        if not isinstance(value, str):
            raise TypeError("a token is a str")
        if not value:
            raise ValueError("a token is not empty")
        return value


class Host(TokenSet):
    """Hosts: lower case, A-labels, without the default port of their scheme."""

    name = "host"
    __slots__ = ()

    def _token(self, value: str) -> str:
        if not super()._token(value).isascii() or value != value.lower() or _CONTROL.search(value):
            raise ValueError("a host is lower case and written in A-labels (xn--…)")
        return value
