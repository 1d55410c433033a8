"""Numbers, exact: a caveat on an amount must not depend on how a float rounds."""

from __future__ import annotations

import re

from caveats.attribute import AttributeType, only

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_NUMBER_DIGITS = 18


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

    @staticmethod
    def written(scaled: int) -> str:
        """Write a held number as the shortest decimal text."""
        digits = str(abs(scaled)).rjust(_NUMBER_DIGITS + 1, "0")
        fraction = digits[-_NUMBER_DIGITS:].rstrip("0")
        return "-" * (scaled < 0) + digits[:-_NUMBER_DIGITS] + ("." + fraction if fraction else "")
