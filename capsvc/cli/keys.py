"""Commands on the key ring."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from capsvc.cli.arguments import AsJson
from capsvc.cli.command import Commands
from capsvc.cli.record import record
from caveats import time_text

app = Commands(
    help="The key ring: rotate on one machine; on several, add a key everywhere and promote it; retire the old one.",
    no_args_is_help=True,
)


@app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys with their states."""
    from capsvc.home import Home

    home = Home.of(os.environ)
    keys = home.open_store().keys()[1]
    if as_json:
        told = [{"key_id": key.key_id, "state": key.state, "changed": key.changed} for key in keys]
        typer.echo(json.dumps(told))
        return
    for key in keys:
        typer.echo(f"{key.key_id}\t{key.state}\tsince {key.changed}")


@app.command()
def add(as_json: AsJson = False) -> None:
    """Add a pending key: it verifies everywhere before it signs anywhere."""
    from capsvc import keyring
    from capsvc.home import Home

    home = Home.of(os.environ)
    key_id = keyring.add(home.open_store(), home.shares, _now())
    record(home, "add key", key=key_id)
    said = f"{key_id} is pending: copy {home.shares.path} to every node, then `capsvc keys promote {key_id}`"
    typer.echo(json.dumps({"key_id": key_id, "state": keyring.PENDING}) if as_json else said)


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Add a key and let it sign at once, where one machine has all services of this home."""
    from capsvc import keyring
    from capsvc.home import Home

    home = Home.of(os.environ)
    key_id = keyring.rotate(home.open_store(), home.shares, _now())
    record(home, "rotate key", key=key_id)
    said = f"{key_id} signs; back up {home.shares.path}"
    typer.echo(json.dumps({"key_id": key_id, "state": keyring.SIGNING}) if as_json else said)


@app.command()
def promote(key_id: str, as_json: AsJson = False) -> None:
    """Let a pending key sign; the one that signed until now only verifies."""
    from capsvc import keyring
    from capsvc.home import Home

    home = Home.of(os.environ)
    store = home.open_store()
    with home.shares.locked():
        keyring.demand_share(store, home.shares, key_id)
        keyring.promote(store, key_id, _now())
    record(home, "promote key", key=key_id)
    typer.echo(json.dumps({"key_id": key_id, "state": keyring.SIGNING}) if as_json else f"{key_id} signs")


@app.command()
def retire(
    key_id: str,
    leaked: Annotated[bool, typer.Option("--leaked", help="At once: every macaroon of this key is refused.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retire a key once nothing that it signed can be alive, or at once when it leaked."""
    from capsvc import keyring
    from capsvc.home import Home

    home = Home.of(os.environ)
    store = home.open_store()
    longest = timedelta(seconds=store.longest(home.settings.max_lifetime)) + home.settings.skew
    with home.shares.locked():
        keyring.retire(store, key_id, _now(), time_text(datetime.now(UTC) - longest), leaked)
    record(home, "retire key", key=key_id, leaked=leaked)
    typer.echo(json.dumps({"key_id": key_id, "state": keyring.RETIRED}) if as_json else f"{key_id} is retired")


def _now() -> str:
    return time_text(time.time())
