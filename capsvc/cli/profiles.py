"""Commands on profiles."""

from __future__ import annotations

import json
import os

import typer

from capsvc.cli.arguments import AsJson
from capsvc.cli.command import Commands
from capsvc.profiles import Profiles

app = Commands(help="Profiles: a kept token for each service.", no_args_is_help=True)


@app.command(name="list")
def list_profiles(as_json: AsJson = False) -> None:
    """List the profiles with their services and the names that can be revoked; never a token."""
    profiles = Profiles.of(os.environ).all()
    if as_json:
        told = {
            name: {"url": each.url, "holds_token": bool(each.token), "revocable": each.revocable}
            for name, each in profiles.items()
        }
        typer.echo(json.dumps(told))
        return
    for name, each in profiles.items():
        typer.echo(f"{name}\t{each.url or '-'}\t{'token' if each.token else 'no token'}\t{' '.join(each.revocable)}")
