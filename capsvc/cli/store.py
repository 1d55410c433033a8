"""Commands on the store as a whole."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capsvc.cli.arguments import AsJson
from capsvc.cli.command import Commands
from capsvc.errors import CapsvcError

if TYPE_CHECKING:
    from capsvc.stores.postgresql import PostgreSQLStore
    from capsvc.stores.sqlite import SQLiteStore

app = Commands(help="The store as a whole.", no_args_is_help=True)
_DATABASE = "postgresql"


@app.callback()
def _only() -> None:
    pass


@app.command()
def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="A file, or `postgresql`: the setting `store` says where.")
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="The other of the two. It has to be empty.")],
    as_json: AsJson = False,
) -> None:
    """Copy everything between an SQLite file and a PostgreSQL database, with the services stopped."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from capsvc.stores.copy import copy_all

    if "://" in source + target:  # not repeated: it may hold a password, which others see in a list of processes
        raise CapsvcError("an address is no argument: say postgresql, and put the address into CAPSVC_STORE")
    if (source == _DATABASE) == (target == _DATABASE):
        raise CapsvcError("one of the two is a file, and the other is postgresql")
    console = Console(stderr=True)
    columns = TextColumn("copying"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()
    with (
        ExitStack() as opened,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        made = Path(target) if target != _DATABASE else None
        stores = [opened.enter_context(closing(_opened(each, made))) for each in (source, target)]
        task = bar.add_task("copying", total=None)
        try:
            counts = copy_all(
                stores[0], stores[1], lambda total: bar.update(task, total=total), lambda rows: bar.advance(task, rows)
            )
        except BaseException:
            if made is not None:
                made.unlink(missing_ok=True)
            raise
    said = "copied " + ", ".join(f"{count} {table}" for table, count in counts.items() if table != "state")
    typer.echo(json.dumps(dict(counts)) if as_json else said, err=not as_json)


def _opened(name: str, made: Path | None) -> SQLiteStore | PostgreSQLStore:
    from capsvc.home import Home
    from capsvc.stores.sqlite import SQLiteStore

    if name != _DATABASE:
        if made is None or str(made) != name:
            return SQLiteStore(Path(name))
        try:
            return SQLiteStore.create(made)
        except FileExistsError:
            raise CapsvcError(f"there is a file {made} already: nothing was changed") from None
    from capsvc.stores.postgresql import PostgreSQLStore

    address = Home.of(os.environ).settings.store
    if not address:
        raise CapsvcError("the setting store says no address: put it into CAPSVC_STORE")
    return PostgreSQLStore(address)
