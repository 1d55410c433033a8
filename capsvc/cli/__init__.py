"""The command line. What a command needs is imported when it runs, so that the offline ones stay quick."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

import capsvc
from capsvc import process
from capsvc.cli import (
    doctor,
    header,
    home,
    keys,
    narrowing,
    offline,
    online,
    profiles,
    restoration,
    revocation,
    store,
    suggestion,
    users,
)
from capsvc.cli.command import Commands
from capsvc.errors import CapsvcError
from caveats import MacaroonError

app = Commands(
    help="Capabilities built on macaroons: log in once, narrow offline, verify anywhere, take back at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(home.init)
app.command()(home.serve)
app.command()(home.verify)
app.command()(restoration.backup)
app.command()(restoration.restore)
app.command()(restoration.recover)
app.command()(doctor.doctor)
app.command()(online.login)
app.command()(online.renew)
app.command()(online.salts)
app.command()(revocation.revoke)
app.command()(revocation.logout)
app.command()(revocation.report_leak)
app.command()(narrowing.attenuate)
app.command()(offline.inspect)
app.command()(offline.explain)
app.command()(header.header)
app.command(name="suggest")(suggestion.suggest_from_log)
app.add_typer(users.app, name="user")
app.add_typer(keys.app, name="keys")
app.add_typer(profiles.app, name="profile")
app.add_typer(store.app, name="store")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"capsvc {capsvc.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. What goes wrong is one line on stderr and exit code 1; a misuse is 2."""
    if isinstance(sys.stdin, TextIOWrapper):  # it may be closed
        sys.stdin.reconfigure(errors="surrogateescape")  # what is no text is refused where it is read
    if sys.stdout is None:  # before anything is done: a token would be lost, and a file opened in its place
        sys.exit("error: standard output is closed")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the terminal's encoding cannot say
    process.harden()  # most commands hold a token, a password or a key
    try:
        app()
    except (CapsvcError, MacaroonError) as error:
        sys.exit(f"error: {error}")
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.split(".")[0] in ("caveats", "capsvc"):
            raise
        extra = "postgres" if missing.name and missing.name.startswith("psycopg") else "service"
        sys.exit(f"error: this command needs {missing.name}: pip install 'capsvc[{extra}]'")
    except BrokenPipeError:
        sys.exit(1)
    except OSError as wrong:
        sys.exit(f"error: {wrong.strerror}")
