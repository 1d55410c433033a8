"""Commands on users."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from capsvc.cli.arguments import AsJson, PasswordStdin, read_password
from capsvc.errors import CapsvcError
from caveats import time_text

if TYPE_CHECKING:
    from rich.progress import Progress

    from capsvc.home import Home
    from capsvc.stores import NewUser

app = typer.Typer(help="Users: add, list, disable, enable, change, import.", no_args_is_help=True)

Audiences = Annotated[list[str], typer.Option("--audience", help="She may have macaroons for it; may be repeated.")]

_BATCH = 1000
_LONGEST_LINE = 64 * 1024


@app.command()
def add(user: str, audience: Audiences = [], password_stdin: PasswordStdin = False) -> None:
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
    typer.echo(f"added {name}", err=True)


@app.command(name="list")
def list_users(as_json: AsJson = False) -> None:
    """List the users, one a line: name, state, audiences. With --json each line is an object."""
    store = _home().open_store()
    after: str | None = ""
    while after is not None:
        page = store.users(after)
        for user in page:
            if as_json:
                told = {"user": user.name, "disabled": user.disabled, "audiences": list(user.audiences)}
                typer.echo(json.dumps(told, ensure_ascii=False))
                continue
            typer.echo(f"{user.name}\t{'disabled' if user.disabled else 'enabled'}\t{' '.join(user.audiences)}")
        after = page[-1].name if page else None


@app.command()
def disable(user: str) -> None:
    """Disable a user: everything that she holds is refused from now on."""
    typer.echo(f"disabled {user}, revision {_home().open_store().set_disabled(user, True, _now())}", err=True)


@app.command()
def enable(user: str) -> None:
    """Enable a user again. What she held before stays refused: she logs in anew."""
    typer.echo(f"enabled {user}, revision {_home().open_store().set_disabled(user, False, _now())}", err=True)


@app.command()
def passwd(user: str, password_stdin: PasswordStdin = False) -> None:
    """Set a user's password; everything that she holds is refused from now on."""
    home = _home()
    store = home.open_store()
    store.user(user)
    hash = _hash(home, read_password(password_stdin, "New password", confirm=True))
    typer.echo(f"changed the password of {user}, revision {store.set_password(user, hash, _now())}", err=True)


@app.command(name="import")
def import_users(
    file: Annotated[
        Path, typer.Argument(help="JSON lines: {user, password, audiences?}, an Argon2id PHC string each.")
    ],
) -> None:
    """Import users with ready Argon2id hashes. A bad line is named and left out; the others come in."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    store = _home().open_store()
    console = Console(stderr=True)
    columns = TextColumn("importing"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()
    try:
        with file.open("rb") as lines, Progress(*columns, console=console, transient=True) as progress:
            importing = _Import(lines, file.stat().st_size, progress)
            for batch in importing.batches():
                importing.settle(batch, store.add_users((user for _, user in batch), _now()))
    except OSError as wrong:
        raise CapsvcError(f"{file} cannot be read: {wrong.strerror}") from None
    typer.echo(f"imported {importing.added} users, left out {importing.left_out} lines", err=True)
    if importing.left_out:
        sys.exit(1)


class _Import:
    """Reads lines into batches, and says which were left out. Holds one batch at a time."""

    def __init__(self, lines: BinaryIO, size: int, progress: Progress) -> None:
        self.added = 0
        self.left_out = 0
        self._lines = lines
        self._progress = progress
        self._task = progress.add_task("importing", total=size)

    def batches(self) -> Iterator[list[tuple[int, NewUser]]]:
        users = self._users()
        while batch := list(islice(users, _BATCH)):
            yield batch
            self._progress.update(self._task, completed=self._lines.tell())

    def settle(self, batch: list[tuple[int, NewUser]], taken: list[str]) -> None:
        """Count a batch that is in the store; name the lines whose user's name was taken."""
        left = list(taken)
        for number, user in reversed(batch):
            if user.name in left:
                left.remove(user.name)
                self._leave_out(number, f"the name {user.name} is taken")
        self.added += len(batch) - len(taken)

    def _users(self) -> Iterator[tuple[int, NewUser]]:
        number = 0
        while line := self._lines.readline(_LONGEST_LINE):
            number += 1
            try:
                if len(line) == _LONGEST_LINE:
                    self._skip_rest()
                    raise ValueError(f"longer than {_LONGEST_LINE} bytes")
                user = _read_user(line)
            except ValueError as wrong:
                self._leave_out(number, str(wrong))
                continue
            if user:
                yield number, user

    def _skip_rest(self) -> None:
        while (more := self._lines.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
            pass

    def _leave_out(self, number: int, reason: str) -> None:
        self.left_out += 1
        self._progress.console.print(f"line {number}: {reason}", markup=False, highlight=False, soft_wrap=True)


def _read_user(line: bytes) -> NewUser | None:
    from capsvc.names import check_audiences, check_user_name
    from capsvc.passwords import check_phc
    from capsvc.stores import NewUser

    if not line.strip():
        return None
    try:
        members: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(members, dict) or not {"user", "password"} <= members.keys() <= {"user", "password", "audiences"}:
        raise ValueError("an object with user, password and perhaps audiences is wanted")
    audiences = members.get("audiences", [])
    texts = [members["user"], members["password"], *(audiences if isinstance(audiences, list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("user, password and each of audiences are text")
    return NewUser(check_user_name(texts[0]), check_phc(texts[1]), check_audiences(texts[2:]))


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
