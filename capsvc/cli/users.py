"""Commands on users."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capsvc.cli.arguments import AsJson, PasswordStdin, read_password, unreadable
from capsvc.cli.command import Commands
from capsvc.cli.record import record
from capsvc.cli.user_import import UserImport, opened
from capsvc.errors import CapsvcError
from caveats import time_text

if TYPE_CHECKING:
    from capsvc.home import Home
    from capsvc.stores import Store, User

app = Commands(help="Users: add, list, disable, enable, change, import.", no_args_is_help=True)

Audiences = Annotated[list[str], typer.Option("--audience", help="She may have macaroons for it; may be repeated.")]


@app.command()
def add(user: str, audience: Audiences = [], password_stdin: PasswordStdin = False, as_json: AsJson = False) -> None:
    """Add a user."""
    from capsvc.names import check_audiences, check_user_name
    from capsvc.stores import NewUser

    home = _home()
    store = home.open_store()
    try:
        name, audiences = check_user_name(user), check_audiences(audience)
    except ValueError as wrong:
        raise CapsvcError(str(wrong)) from None
    hash = _hash(home, read_password(password_stdin, confirm=True))
    if store.add_users([NewUser(name, hash, audiences)], _now()):
        raise CapsvcError(f"the name {name} is taken: names are never reused, choose another")
    record(home, "add user", whom=name, audiences=[*audiences])
    _say({"user": name, "audiences": audiences}, f"added {name}", as_json)


@app.command(name="list")
def list_users(as_json: AsJson = False) -> None:
    """List the users, one a line: name, state, audiences."""
    users = _all_users(_home().open_store())
    if not as_json:
        for user in users:
            typer.echo(f"{user.name}\t{'disabled' if user.disabled else 'enabled'}\t{' '.join(user.audiences)}")
        return
    # One document, written as it is read: there may be a million.
    before = "["
    for user in users:
        told = {"user": user.name, "disabled": user.disabled, "audiences": user.audiences}
        typer.echo(f"{before}{json.dumps(told)}", nl=False)
        before = ",\n"
    typer.echo("[]" if before == "[" else "]")


@app.command()
def disable(user: str, as_json: AsJson = False) -> None:
    """Disable a user: everything that she holds is refused from now on."""
    _set_disabled(user, True, as_json)


@app.command()
def enable(user: str, as_json: AsJson = False) -> None:
    """Enable a user again. What she held before stays refused: she logs in anew."""
    _set_disabled(user, False, as_json)


@app.command()
def passwd(user: str, password_stdin: PasswordStdin = False, as_json: AsJson = False) -> None:
    """Set a user's password; everything that she holds is refused from now on."""
    home = _home()
    store = home.open_store()
    _known(store, user)
    hash = _hash(home, read_password(password_stdin, "New password", confirm=True))
    revision = store.set_password(user, hash, _now())
    record(home, "change user", whom=user, password=True, revision=revision)
    _say({"user": user, "revision": revision}, f"changed the password of {user}, revision {revision}", as_json)


@app.command(name="import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(help="JSON lines: {user, password, audiences?}, an Argon2id PHC string each; - for stdin."),
    ],
    as_json: AsJson = False,
) -> None:
    """Import users with ready Argon2id hashes. A bad line is named and left out; the others come in."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    home = _home()
    store = home.open_store()
    console = Console(stderr=True)
    columns = TextColumn("importing"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    try:
        with opened(file) as lines, bar as progress:
            importing = UserImport(lines, progress)
            try:
                for batch in importing.batches():
                    importing.settle(batch, store.add_users((user for _, user in batch), _now()))
            finally:  # what came in before something went wrong is in
                record(home, "import users", added=importing.added, left_out=importing.left_out)
    except OSError as wrong:
        raise unreadable(file, wrong) from None
    added, left_out = importing.added, importing.left_out
    said = f"imported {_counted(added, 'user')}, left out {_counted(left_out, 'line')}"
    _say({"imported": added, "left_out": left_out}, said, as_json)
    if left_out:
        sys.exit(1)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _all_users(store: Store) -> Iterator[User]:
    page = store.users()
    while page:
        yield from page
        page = store.users(page[-1].name)


def _known(store: Store, user: str) -> None:
    if not user:
        raise CapsvcError("say which user: her name is empty here")
    store.user(user)


def _set_disabled(user: str, disabled: bool, as_json: bool) -> None:
    home = _home()
    store = home.open_store()
    _known(store, user)
    revision = store.set_disabled(user, disabled, _now())
    record(home, "change user", whom=user, disabled=disabled, revision=revision)
    said = f"{'disabled' if disabled else 'enabled'} {user}, revision {revision}"
    _say({"user": user, "disabled": disabled, "revision": revision}, said, as_json)


def _say(told: dict[str, Any], said: str, as_json: bool) -> None:
    """Say what was done: as JSON on standard output, or in words on standard error."""
    typer.echo(json.dumps(told) if as_json else said, err=not as_json)


def _hash(home: Home, password: str) -> str:
    from capsvc.passwords import Passwords

    try:
        return Passwords(home.settings).hash(password)
    except ValueError as wrong:
        raise CapsvcError(str(wrong)) from None


def _home() -> Home:
    from capsvc.home import Home

    return Home.of(os.environ)


def _now() -> str:
    return time_text(time.time())
