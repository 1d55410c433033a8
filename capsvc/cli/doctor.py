"""The command that looks at a home and says what is wrong."""

from __future__ import annotations

import json
import os

import typer

from capsvc.cli.arguments import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Check the home and say what is wrong and what to do, one line each; exit code 1 if anything is."""
    from capsvc.diagnosis import diagnose
    from capsvc.errors import SettingsError
    from capsvc.home import Home
    from capsvc.settings import Settings

    found: list[str] = []
    try:
        home = Home.of(os.environ)
    except SettingsError as wrong:
        found.append(str(wrong))
        home = Home(Home.at(os.environ), Settings())
    found += diagnose(home)
    if as_json:
        typer.echo(json.dumps({"home": str(home.path), "wrong": found}))
    else:
        typer.echo("\n".join(found) or f"nothing is wrong with {home.path}")
    if found:
        raise typer.Exit(1)
