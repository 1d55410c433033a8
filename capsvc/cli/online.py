"""Commands that speak HTTP to a service: log in and out, renew, list salts, revoke."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from capsvc.cli.arguments import (
    AsJson,
    PasswordStdin,
    ProfileOption,
    TokenArgument,
    TokenOption,
    UrlOption,
    read_file,
    read_password,
    read_token,
    said_token,
    seconds,
)
from capsvc.errors import CapsvcError
from capsvc.profiles import DEFAULT_PROFILE, Profiles, check_profile_name
from caveats import decode

_TIMEOUT_SECONDS = 30.0


def login(
    user: str,
    url: UrlOption = "",
    audience: Annotated[str, typer.Option(help="The verifier that the macaroon is for; none by default.")] = "",
    salt: Annotated[str, typer.Option(metavar="NAME", help="The name to revoke it by, such as laptop.")] = "",
    lifetime: Annotated[str, typer.Option(help="Such as 8h or 30d; the service's usual one by default.")] = "",
    caveat: Annotated[list[str], typer.Option(metavar="PREDICATE", help="Append at once; may be repeated.")] = [],
    password_stdin: PasswordStdin = False,
    password_file: Annotated[Path | None, typer.Option(help="Read the password from a file.")] = None,
    profile: Annotated[str, typer.Option(metavar="NAME", help="Keep the macaroon there, and print nothing.")] = "",
    as_json: AsJson = False,
) -> None:
    """Log in and print a macaroon, alone on stdout; with --profile keep it instead."""
    if profile:
        Profiles.of(os.environ).all()  # fails here, before anything was minted
        check_profile_name(profile)
        url = url or _address()
    password = read_file(password_file) if password_file else read_password(password_stdin)
    wanted = {"user": user, "password": password, "lifetime": seconds(lifetime), "caveats": caveat}
    wanted |= {name: value for name, value in (("audience", audience), ("salt", salt)) if value}
    answer = _post(url, "/v1/tokens", wanted)
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
    url = _service_of(token, url)
    answer = _post(url, "/v1/tokens/renew", {"lifetime": seconds(lifetime)}, read_token(token))
    _give(answer, token[1:] if token.startswith(":") else "", url, as_json)


def logout(
    profile: ProfileOption = DEFAULT_PROFILE,
    forget: Annotated[bool, typer.Option("--forget", help="Only forget it, without asking the service.")] = False,
) -> None:
    """Revoke a profile's macaroon with all that was cut from it, and forget it."""
    token = f":{profile}"
    capability = read_token(token)
    if forget:
        Profiles.of(os.environ).forget(profile)
        return
    nonce = {"nonce": _unverified_nonce(capability)}
    revision = _post(_service_of(token, ""), "/v1/revocations", nonce, capability)["revision"]
    Profiles.of(os.environ).forget(profile)
    typer.echo(f"revoked, revision {revision}")


def revoke(
    name: Annotated[str, typer.Argument(help="What was named --revocable-as, or a salt's name.")] = "",
    token: TokenOption = "",
    url: UrlOption = "",
    nonce: Annotated[str, typer.Option(help="Take back one macaroon and what was cut from it.")] = "",
    this: Annotated[bool, typer.Option("--this", help="Take back the macaroon of --token itself.")] = False,
    all: Annotated[bool, typer.Option("--all", help="Log out everywhere.")] = False,
    everyone: Annotated[bool, typer.Option("--everyone", help="Every user; needs --before.")] = False,
    before: Annotated[str, typer.Option(metavar="TIME", help="Such as 2026-11-22T06:00:00Z, or now.")] = "",
    user: Annotated[str, typer.Option(help="Another user's; needs a capability for capsvc.admin.")] = "",
    profile: ProfileOption = "",
    as_json: AsJson = False,
) -> None:
    """Take back a name, one macaroon, all of a user's, or everyone's. Prints the revision once it is durable.

    A name that was chosen with --revocable-as stands for every copy that was made with it. It is looked up
    in --profile, else in the profile that --token names, else in ``default``.
    """
    token = said_token(token, "" if token and not token.startswith(":") else profile)
    capability, url = read_token(token), _service_of(token, url)
    if this:
        nonce = _unverified_nonce(capability)
    if bool(name) + bool(nonce) + all + everyone != 1:
        raise CapsvcError("say exactly one of NAME, --nonce, --this, --all and --everyone")
    if everyone and user:
        raise CapsvcError("say --user or --everyone, not both")
    if before == "now":
        before = _now()
    wanted: dict[str, Any] = {"all": True} if all else {"everyone": True} if everyone else {}
    wanted |= {key: value for key, value in (("nonce", nonce), ("before", before), ("user", user)) if value}
    if not name:
        revision = _post(url, "/v1/revocations", wanted, capability)["revision"]
        typer.echo(json.dumps({"revision": revision}) if as_json else f"revoked, revision {revision}")
        return
    where = profile or (token[1:] if token.startswith(":") else DEFAULT_PROFILE)
    kept = Profiles.of(os.environ).all().get(where)
    remembered = kept.revocable.get(name, ()) if kept and not user else ()
    for each in remembered or (name,):
        revision = _post(url, "/v1/revocations", wanted | {"name": each}, capability)["revision"]
        text = f"revoked {each}, revision {revision}" if remembered else f"revoked, revision {revision}"
        typer.echo(json.dumps({"name": each, "revision": revision}) if as_json else text)


def salts(
    token: TokenArgument,
    url: UrlOption = "",
    user: Annotated[str, typer.Option(help="Another user's; needs a capability for capsvc.admin.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the names by which a user's macaroons can be taken back, and those that were."""
    query = f"?{urlencode({'user': user})}" if user else ""
    rows = _call("GET", _service_of(token, url), f"/v1/salts{query}", None, read_token(token))["salts"]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
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
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif not profile:
        typer.echo(answer["macaroon"])


def _service_of(token: str, url: str) -> str:
    """Where a capability goes: what a profile keeps is sent to its own service and to no other."""
    if not token.startswith(":"):
        return url
    own = Profiles.of(os.environ).token_of(token[1:]).url
    if url and url.rstrip("/") != own.rstrip("/"):
        raise CapsvcError(f"profile {token[1:]} is for {own}, and --url or CAPSVC_URL says another service")
    return own


def _post(url: str, path: str, body: dict[str, Any], capability: str | None = None) -> Any:
    return _call("POST", url, path, body, capability)


def _call(method: str, url: str, path: str, body: dict[str, Any] | None, capability: str | None) -> Any:
    import httpx2

    from capsvc.client import BoundAuth

    base = (url or _address()).rstrip("/")
    if capability and not re.fullmatch(r"[!-~]+", capability):
        raise CapsvcError("a token is URL-safe base64, on one line")
    try:
        auth = BoundAuth(capability, base) if capability else None
    except ValueError:
        raise _no_service(base) from None
    try:
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise CapsvcError("names and passwords are UTF-8") from None
    try:
        response = httpx2.request(method, base + path, json=body, auth=auth, timeout=_TIMEOUT_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        raise _no_service(base) from None
    try:
        answer = response.json()
        if response.is_success:
            return _opened(answer, capability, response) if capability else answer
        raise CapsvcError(f"{answer['title'].lower()}: {answer['detail']}")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CapsvcError(f"{base} answers {response.status_code}, but not like a capsvc service") from None


def _no_service(base: str) -> CapsvcError:
    return CapsvcError(f"no service answers at {base}: is it running, and is the address right?")


def _opened(answer: Any, capability: str, response: Any) -> Any:
    """Open an answer that was sealed for whoever holds the original."""
    if "sealed" not in answer:
        return answer
    from capsvc.sealing import unseal

    return json.loads(unseal(capability, response.request.headers["Authorization"], answer["sealed"]))


def _address() -> str:
    from capsvc.home import Home

    home = Home.of({key: value for key, value in os.environ.items() if key == "CAPSVC_HOME"})
    if not home.address_file.exists():
        raise CapsvcError(f"no address: say --url or CAPSVC_URL, or run `capsvc serve` with the home {home.path}")
    return read_file(home.address_file)


def _unverified_nonce(token: str) -> str:
    first = next(iter(decode(token).unverified_caveats), None)
    if first is None or not first.identifier.startswith(b"nonce = "):
        raise CapsvcError("this token does not begin with a nonce: it is not a macaroon of a service")
    return first.identifier.removeprefix(b"nonce = ").decode("ascii", "replace")


def _now() -> str:
    import time

    from caveats import time_text

    return time_text(time.time())
