"""Commands that speak HTTP to a service: log in, renew, list salts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from capsvc.cli.arguments import AsJson, PasswordStdin, TokenArgument, read_password, read_text, read_token, seconds
from capsvc.cli.service import UrlOption, address, get, post, service_of
from capsvc.profiles import Profiles, check_profile_name


def login(
    user: Annotated[str, typer.Argument(help="Who logs in; nobody with an ID token, which says it.")] = "",
    url: UrlOption = "",
    audience: Annotated[str, typer.Option(help="The verifier that the macaroon is for; none by default.")] = "",
    salt: Annotated[str, typer.Option(metavar="NAME", help="The name to revoke it by, such as laptop.")] = "",
    lifetime: Annotated[str, typer.Option(help="Such as 8h or 30d; the service's usual one by default.")] = "",
    caveat: Annotated[list[str], typer.Option(metavar="PREDICATE", help="Append at once; may be repeated.")] = [],
    password_stdin: PasswordStdin = False,
    password_file: Annotated[Path | None, typer.Option(help="Read the password from a file.")] = None,
    id_token_file: Annotated[
        str, typer.Option(metavar="FILE", help="Log in with an identity provider's ID token; - for stdin.")
    ] = "",
    profile: Annotated[str, typer.Option(metavar="NAME", help="Keep the macaroon there, and print nothing.")] = "",
    as_json: AsJson = False,
) -> None:
    """Log in and print a macaroon, alone on stdout; with --profile keep it instead."""
    if profile:
        Profiles.of(os.environ).all()  # fails here, before anything was minted
        check_profile_name(profile)
    span, url = seconds(lifetime), url or address()
    wanted: dict[str, Any] = {"lifetime": span, "caveats": caveat}
    if id_token_file:
        if user or password_stdin or password_file:
            raise typer.BadParameter("an ID token says who logs in: leave out the user and the password")
        wanted["id_token"] = read_text(id_token_file)
    elif user:
        wanted |= {"user": user, "password": read_password(password_stdin, file=password_file)}
    else:
        raise typer.BadParameter("say who logs in, or --id-token-file")
    wanted |= {name: value for name, value in (("audience", audience), ("salt", salt)) if value}
    answer = post(url, "/v1/tokens", wanted)
    _give(answer, profile, url, as_json)


def renew(
    token: TokenArgument,
    url: UrlOption = "",
    lifetime: Annotated[str, typer.Option(help="Such as 8h or 30d; the service's usual one by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print a fresh macaroon with a later expiry for a live one to which nothing was appended.

    Where a profile's macaroon is renewed, the fresh one is kept there instead.
    """
    span, capability, url = seconds(lifetime), read_token(token), service_of(token, url)
    answer = post(url, "/v1/tokens/renew", {"lifetime": span}, capability)
    _give(answer, token[1:] if token.startswith(":") else "", url, as_json)


def salts(
    token: TokenArgument,
    url: UrlOption = "",
    user: Annotated[str, typer.Option(help="Another user's; needs a capability for capsvc.admin.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the names by which a user's macaroons can be taken back, and those that were."""
    capability, url = read_token(token), service_of(token, url)
    rows = get(url, "/v1/salts", {"user": user} if user else {}, capability)["salts"]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']}\t{row['kind']}\t{'revoked' if row['revoked'] else 'current'} since {row['changed']}")


def _give(answer: Any, profile: str, url: str, as_json: bool) -> None:
    """Keep a fresh macaroon in a profile, or print it."""
    if profile:
        Profiles.of(os.environ).keep(profile, url, answer["macaroon"])
        typer.echo(f"kept in profile {profile}", err=True)
        answer = {name: value for name, value in answer.items() if name != "macaroon"}
    if as_json:
        typer.echo(json.dumps(answer))
    elif not profile:
        typer.echo(answer["macaroon"])
