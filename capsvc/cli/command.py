"""The command: what the command line demands of every argument, before any command sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.models import CommandFunctionType

_MAY_BE_EMPTY = frozenset({"query", "first_user"})
_MAY_BE_RAW = frozenset({"query", "token", "discharge"})
"""What may be no UTF-8: a query is bytes, and a token may stand in a file of any name."""


class Command(TyperCommand):
    """A command that takes no empty option for one that was left out, and no text that is not UTF-8.

    An empty option is most often a shell variable that is not set: were it no restriction, a copy would
    be handed on that permits more than was meant.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises BadParameter, which is a misuse."""
        rest = super().parse_args(ctx, args)
        for each in [] if ctx.resilient_parsing else self.params:
            name, value = each.name or "", ctx.params.get(each.name)
            said = value if isinstance(value, (list, tuple)) else [value]
            is_told = getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
            if is_told and "" in said and each.param_type_name == "option" and name not in _MAY_BE_EMPTY:
                raise typer.BadParameter("it is empty: leave the option out, or give it a value", param_hint=each.opts)
            if name not in _MAY_BE_RAW and any(isinstance(text, str) and not _is_utf8(text) for text in said):
                raise typer.BadParameter("it is not UTF-8", param_hint=each.opts)
        return rest


class Commands(typer.Typer):
    """A group whose commands are all such."""

    def command(self, *arguments: Any, **settings: Any) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Make a command of a function."""
        return super().command(*arguments, **{"cls": Command, **settings})


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
