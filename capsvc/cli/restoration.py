"""Commands around a copy of the database: make one, put one back, recover from one."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capsvc.cli.arguments import AsJson
from capsvc.cli.record import record
from capsvc.errors import CapsvcError
from caveats import time_text

if TYPE_CHECKING:
    from capsvc.home import Home
    from capsvc.restoration import Restoration

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether to go on.")]
_AFTERWARDS = "nothing that was issued before will be accepted, and everybody has to log in again"


def backup(
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the database into one file, while services run."""
    from capsvc.home import Home
    from capsvc.stores.backup import write_backup

    home = Home.of(os.environ)
    home.demand_file(f"pg_dump makes a copy of it; keep one of {home.shares.path} too, and not beside it")
    home.open_store().close()  # one that went back is not worth keeping
    size = write_backup(home.database, file, replace)
    if as_json:
        typer.echo(json.dumps({"backup": str(file), "bytes": size, "not_in_it": str(home.shares.path)}))
        return
    typer.echo(f"wrote {file}, {size} bytes, checked")
    typer.echo(f"it opens nothing without {home.shares.path}: keep a copy of that too, and not beside it", err=True)


def restore(file: File, yes: Yes = False, as_json: AsJson = False) -> None:
    """Put a backup in the place of the database, while services run: all that was issued before is refused."""
    from capsvc import restoration
    from capsvc.home import Home

    _ask(f"Users and passwords will be those of the backup; {_AFTERWARDS}.", yes)
    home = Home.of(os.environ)
    _tell(home, "restore", restoration.restore(home, file, time_text(time.time())), as_json)


def recover(yes: Yes = False, as_json: AsJson = False) -> None:
    """Change every salt, after the database was put back by other means than `capsvc restore`."""
    from capsvc import restoration
    from capsvc.home import Home

    _ask(f"Every salt is changed: {_AFTERWARDS}.", yes)
    home = Home.of(os.environ)
    _tell(home, "recover", restoration.recover(home, time_text(time.time())), as_json)


def _ask(warning: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CapsvcError(f"{warning[0].lower()}{warning[1:].rstrip('.')}; say --yes to do it")
    typer.confirm(f"{warning} Go on?", abort=True, err=True)


def _tell(home: Home, act: str, done: Restoration, as_json: bool) -> None:
    recovery = done.recovery
    record(home, act, revision=recovery.revision, key=done.signs, all=True)
    if as_json:
        told = {"revision": recovery.revision, "salts": recovery.salts, "retired": recovery.retired}
        typer.echo(json.dumps({**told, "signs": done.signs, "restart": not done.online}))
        return
    typer.echo(f"changed {recovery.salts} salts, revision {recovery.revision}")
    for key_id in recovery.retired:
        typer.echo(f"retired {key_id} again")
    if done.signs:
        typer.echo(f"added {done.signs}, which signs")
    if not done.online:
        typer.echo("start running services again: the database that they have open is gone", err=True)
