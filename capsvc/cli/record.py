"""The record of what a command did to a home, in its audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from capsvc.home import Home


def record(home: Home, act: str, **details: Any) -> None:
    """Write an act into the audit log. It was done already: where that fails, say so and go on."""
    from capsvc.acts import COMMAND_LINE, Act, operator

    try:
        home.audit.append(Act(act=act, who=operator(), via=COMMAND_LINE, **details))
    except OSError as wrong:
        typer.echo(f"warning: it is done, but not in the audit log {home.audit.path}: {wrong.strerror}", err=True)
