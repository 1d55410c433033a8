"""Numbers, exact: a caveat on an amount must not depend on how a float rounds."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from itertools import pairwise

from caveats.attribute import AttributeType, Written, either, one_of, only

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_NUMBER_DIGITS = 18
_ONE = 10**_NUMBER_DIGITS
_LARGEST = (_ONE - 1) * _ONE
_PHRASES = {"<": "stay below", "<=": "go no higher than", ">": "go above", ">=": "go no lower than"}


class Number(AttributeType):
    """An exact decimal number of at most 18 digits, held as an integer of 10⁻¹⁸."""

    name = "number"
    operators = frozenset({"=", "<", "<=", ">", ">=", "in"})
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(map(self.fact, items if operator == "in" else (only(items),)))

    def fact(self, value: int | str) -> int:
        """An int, or a decimal as text. A float is refused: it is not exact."""
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise TypeError("a number is an int or a decimal as text")
        found = _NUMBER.fullmatch(value if isinstance(value, str) else str(value))
        if found is None or len(found[2]) + len(found[3] or "") > _NUMBER_DIGITS:
            raise ValueError("a number is -?(0|[1-9][0-9]*)(.[0-9]+)? with at most 18 digits")
        whole, fraction = found[2], found[3] or ""
        scaled = int(whole + fraction.ljust(_NUMBER_DIGITS, "0"))
        return -scaled if found[1] else scaled

    def refusal(self, operator: str, operand: tuple[int, ...], fact: int) -> str | None:
        bound = operand[0]
        met = (
            fact in operand
            if operator in ("=", "in")
            else fact < bound
            if operator == "<"
            else fact <= bound
            if operator == "<="
            else fact > bound
            if operator == ">"
            else fact >= bound
        )
        return None if met else f"it is {self.written(fact)}"

    def meet(self, demands: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[Written, ...] | None:
        lowest, highest, listed = -_LARGEST, _LARGEST, None
        for operator, operand in demands:
            if operator in ("=", "in"):
                listed = set(operand) if listed is None else listed.intersection(operand)
            elif operator in (">", ">="):
                lowest = max(lowest, number_after(operand[0]) if operator == ">" else operand[0])
            else:
                highest = min(highest, -number_after(-operand[0]) if operator == "<" else operand[0])
        if listed is not None:
            met = sorted(each for each in listed if lowest <= each <= highest)
            if len(met) < 2 or any(number_after(low) != high for low, high in pairwise(met)):
                return one_of(list(map(self.written, met)))
            lowest, highest = met[0], met[-1]
        if lowest >= highest:
            return None if lowest > highest else one_of([self.written(lowest)])
        lower, upper = self._bound(">", lowest), self._bound("<", highest)
        if lowest == -_LARGEST:
            return (upper,)
        return (lower,) if highest == _LARGEST else (lower, upper)

    def cover(self, facts: Set[int], most: int) -> tuple[Written, ...] | None:
        if len(facts) <= most:
            return self.meet([("in", tuple(facts))])
        return self.meet([(">=", (min(facts),)), ("<=", (max(facts),))])

    def instead(self, operator: str, items: tuple[str, ...], fact: int) -> str:
        return f"{_PHRASES.get(operator, 'make it')} {either(items)}"

    def _bound(self, operator: str, number: int) -> Written:
        """Write a bound, of two that no number lies between the shorter: ``> 5``, not ``>= 5.00000000000000001``."""
        beyond = -number_after(-number) if operator == ">" else number_after(number)
        inclusive, exclusive = self.written(number), self.written(beyond)
        if abs(beyond) > _LARGEST or len(inclusive) <= len(exclusive):
            return operator + "=", (inclusive,)
        return operator, (exclusive,)

    @staticmethod
    def written(scaled: int) -> str:
        """Write a held number as the shortest decimal text."""
        digits = str(abs(scaled)).rjust(_NUMBER_DIGITS + 1, "0")
        fraction = digits[-_NUMBER_DIGITS:].rstrip("0")
        return "-" * (scaled < 0) + digits[:-_NUMBER_DIGITS] + ("." + fraction if fraction else "")


def number_after(number: int) -> int:
    """Return the next larger held number of at most 18 digits: the more before the point, the fewer behind it."""
    whole = (number if number >= 0 else -number - 1) // _ONE
    return number + int(10 ** len(str(whole)))
