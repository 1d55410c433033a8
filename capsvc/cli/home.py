"""Commands that open the home: make it, serve it, verify with it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import sys
import time
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated

import typer

from capsvc.cli.arguments import AsJson, TokenArgument, read_token
from capsvc.cli.facts import (
    ActionOption,
    AddressOption,
    BodyFile,
    FactOption,
    HostOption,
    MethodOption,
    PathOption,
    QueryOption,
    ResourceOption,
    told_facts,
)
from capsvc.cli.record import record
from capsvc.disk import write_private
from capsvc.errors import CapsvcError
from caveats import CaveatUnmet, time_text

if TYPE_CHECKING:
    from capsvc.home import Home


def init(
    first_user: Annotated[str, typer.Option(help="The first user, who may administer; empty for none.")] = "admin",
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where there is a home.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a home: a store, a key ring with one key, and a first user with a random password."""
    from capsvc.home import Home
    from capsvc.names import RESERVED_AUDIENCES, check_user_name
    from capsvc.passwords import Passwords
    from capsvc.stores import NewUser

    home = Home.of(os.environ)
    if if_missing and home.exists:
        if as_json:
            typer.echo(json.dumps({"home": str(home.path), "made": False}))
        return
    try:
        name = check_user_name(first_user) if first_user else ""
    except ValueError as wrong:
        raise CapsvcError(f"--first-user: {wrong}") from None
    now = time_text(time.time())
    store = home.create(now)
    if name:
        password = token_urlsafe(18)
        store.add_users([NewUser(name, Passwords(home.settings).hash(password), RESERVED_AUDIENCES)], now)
        write_private(home.first_password_file, f"{password}\n".encode())
        write_private(home.path / "first-user", f"{name}\n".encode())
    store.close()
    record(home, "init", whom=name or None)
    if as_json:
        typer.echo(json.dumps({"home": str(home.path), "made": True, "first_user": name or None}))
    else:
        typer.echo(f"made a home at {home.path}", err=True)


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.")] = -1,
    workers: Annotated[int, typer.Option(help="How many processes.")] = 0,
) -> None:
    """Serve the home over HTTP."""
    import uvicorn

    from capsvc import process
    from capsvc.home import Home
    from capsvc.http.app import application
    from capsvc.http.connections import Connection
    from capsvc.http.service import Service
    from capsvc.http.workers import Workers
    from capsvc.logs import SERVER_LOGS

    given = {"CAPSVC_HOST": host, "CAPSVC_PORT": str(port) if port >= 0 else "", "CAPSVC_WORKERS": str(workers or "")}
    os.environ.update({name: value for name, value in given.items() if value})
    home = Home.of(os.environ)
    home.demand()
    settings = home.settings
    process.raise_descriptors()
    listening = _listen(settings.host, settings.port)
    os.environ["CAPSVC_PORT"] = str(listening.getsockname()[1])
    home = Home.of(os.environ)
    service = Service.of(home)  # fails here, with one clear line, and not in a worker
    config = uvicorn.Config(
        "capsvc.http.app:create" if settings.workers > 1 else application(service),
        factory=settings.workers > 1,
        workers=settings.workers,
        http=Connection,
        timeout_keep_alive=settings.idle_seconds,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=SERVER_LOGS,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=10,
        timeout_worker_healthcheck=30,  # on a machine that is busy a worker takes more than the usual 5 s to start
    )
    address = home.settings.address
    write_private(home.address_file, f"{address}\n".encode())
    typer.echo(_greeting(home, address), err=True)
    if settings.workers > 1:
        service.close()
        Workers(config, sockets=[listening]).run()
    else:
        # Once it has ended gracefully, uvicorn raises the signal that it was ended by again: to end well is 0.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server = uvicorn.Server(config)
        process.settle()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def verify(
    token: TokenArgument,
    method: MethodOption = "",
    host: HostOption = "",
    path: PathOption = "",
    query: QueryOption = None,
    ip: AddressOption = "",
    body: BodyFile = None,
    action: ActionOption = [],
    resource: ResourceOption = "",
    fact: FactOption = [],
    audience: Annotated[str, typer.Option(help="The audience to verify for; none by default.")] = "",
    discharge: Annotated[list[str], typer.Option(metavar="TOKEN", help="A bound discharge.")] = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = True,
) -> None:
    """Verify a token for a request with the home's keys and salts. Exit code 0 permits, 1 refuses."""
    from capsvc.home import Home
    from capsvc.node import Node, Presentation

    home = Home.of(os.environ)
    node = Node(home.open_store(), home.shares, home.settings)
    facts = told_facts(method, host, path, query, ip, body, action, resource, fact)
    if not facts.keys().isdisjoint({"time", "user", "audience", "salt", "nonce"}):
        raise CapsvcError("time, user, audience, salt and nonce are never facts that are told")
    presentation = Presentation(read_token(token), tuple(map(read_token, discharge)))
    try:
        verdict = node.verify(presentation, node.request(**facts), (audience or None,))
    except (TypeError, ValueError) as wrong:
        raise CapsvcError(f"a fact is wrong: {wrong}") from None
    except CaveatUnmet as unmet:
        lines = [
            f"  caveat {each.position}: {each.predicate}: {each.reason}{each.instead and '; '}{each.instead}"
            for each in unmet.unmet
        ]
        raise CapsvcError("\n".join(["this request is not permitted", *lines])) from None
    capability = verdict.capability
    permitted = {
        "user": capability.user,
        "audience": capability.audience,
        "salt": capability.salt_names,
        "expires": capability.expires,
        "revision": verdict.revision,
    }
    typer.echo(json.dumps(permitted))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as wrong:
        number = (wrong.errno or 0) if isinstance(wrong, OSError) else 0
        reason = os.strerror(number) if number > 0 else "no such address"
        raise CapsvcError(f"cannot listen on {host}:{port}: {reason}; choose another with --port") from None


def _greeting(home: Home, address: str) -> str:
    """What a stranger needs: the address, and the story as lines to paste."""
    lines = [f"capsvc serves {home.path} at {address}"]
    first_user = home.path / "first-user"
    if home.first_password_file.exists() and first_user.exists():
        here = Path.cwd()
        password = home.first_password_file
        shown = password.relative_to(here) if password.is_relative_to(here) else password
        user = shlex.quote(first_user.read_text().strip())
        command = shlex.quote(_command(here))
        lines += [
            f"first user {user}, password in {shown}",
            "",
            "To paste in another terminal, in this directory:",
            "  umask 077",
            f"  {command} login {user} --password-file {shlex.quote(str(shown))} > token",
            f"  {command} attenuate @token 'path ^= /v1/salts' 'method = GET' 'time < {_soon()}' > narrowed",
            f"  {command} verify @narrowed --method GET --path /v1/salts",
            f"  {command} salts @narrowed",
            f"  {command} revoke default --token @token",
            f"  {command} salts @narrowed",
        ]
        if home.path != here / "var":
            lines[4:4] = [f"  export CAPSVC_HOME={shlex.quote(str(home.path))}"]
    return "\n".join(lines)


def _command(here: Path) -> str:
    command = Path(sys.argv[0]).absolute()
    return str(command.relative_to(here)) if command.is_relative_to(here) else str(command)


def _soon() -> str:
    return time_text(time.time() + 3600)
