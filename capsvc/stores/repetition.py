"""Repetition: a transaction that was rolled back for another's sake is tried again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from capsvc.errors import StoreBusy

_ATTEMPTS = 5

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class Conflict(StoreBusy):
    """Two transactions got in each other's way, and this one was rolled back whole: it may be tried again."""


def repeated(method: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """Try a method again, a few times, where its transaction was rolled back for another's sake."""

    @wraps(method)
    def tried(*arguments: _Given.args, **named: _Given.kwargs) -> _Answer:
        for _ in range(_ATTEMPTS - 1):
            try:
                return method(*arguments, **named)
            except Conflict:
                continue
        return method(*arguments, **named)

    return tried
