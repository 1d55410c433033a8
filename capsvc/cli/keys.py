"""Commands on the key ring."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capsvc.cli.arguments import AsJson
from capsvc.cli.command import Commands
from capsvc.cli.record import record
from capsvc.errors import CapsvcError, SettingsError
from caveats import time_text

if TYPE_CHECKING:
    from capsvc.home import Home

app = Commands(
    help="The key ring: rotate on one machine; on several, add a key everywhere and promote it; retire the old one."
    " Export what a resource server on its own verifies with.",
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
    _say_exported(home, f"before you promote {key_id}")
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
    _say_exported(home, f"now: until then what {key_id} signs is refused there")
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


@app.command()
def export(
    audience: Annotated[str, typer.Option(help="The audience; it stands in the setting exported_audiences.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The file to write, mode 0600.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the keys of one audience into a file, for a resource server that verifies on its own."""
    from capsvc.exported import ExportedKeys
    from capsvc.home import Home
    from capsvc.keyring import KeyRing
    from capsvc.names import RESERVED_AUDIENCES

    home = Home.of(os.environ)
    settings = home.settings
    if audience in RESERVED_AUDIENCES:
        raise CapsvcError(f"the keys of {audience} are never exported: it is for the service's own routes")
    if audience not in settings.exported_audiences:
        raise CapsvcError(
            f"the keys of {audience} are not to be exported: only those of audiences in the setting"
            " exported_audiences are (CAPSVC_EXPORTED_AUDIENCES); put it there, and start the services again"
        )
    if to.exists():
        _demand_replaceable(to, replace)
    store = home.open_store()
    longest = store.longest(settings.max_lifetime) + settings.clock_skew
    keys = KeyRing.load(store, home.shares).exported(audience)
    try:
        ExportedKeys(settings.url or settings.address, audience, longest, keys).write(to)
    except OSError as wrong:
        raise CapsvcError(f"{to} cannot be written: {wrong.strerror}") from None
    record(home, "export keys", audience=audience)
    if as_json:
        typer.echo(json.dumps({"file": str(to), "audience": audience, "keys": list(keys)}))
        return
    typer.echo(f"wrote {to}: the keys {' '.join(keys)} of the audience {audience}")
    typer.echo(
        f"who has it verifies capabilities for {audience}, and can write any; it opens nothing else."
        " After `keys add`, export again before `keys promote`",
        err=True,
    )


def _demand_replaceable(file: Path, replace: bool) -> None:
    """Raise CapsvcError unless a file that is there holds exported keys, and is to be replaced."""
    from capsvc.exported import ExportedKeys

    if not replace:
        raise CapsvcError(f"there is a file {file} already: say --replace to write it anew")
    try:
        ExportedKeys.read(file)
    except SettingsError:
        raise CapsvcError(f"{file} is no file of exported keys: delete it, or choose another") from None


def _say_exported(home: Home, when: str) -> None:
    if home.settings.exported_audiences:
        names = " ".join(home.settings.exported_audiences)
        typer.echo(f"resource servers have exported keys ({names}): export them again {when}", err=True)


def _now() -> str:
    return time_text(time.time())
