"""Commands that take back: a name, one macaroon, all of a user's, everyone's; and the logout of a profile."""

from __future__ import annotations

import json
import os
import time
from typing import Annotated, Any

import typer

from capsvc.cli.arguments import AsJson, ProfileOption, TokenArgument, TokenOption, read_token, said_token
from capsvc.cli.service import ServiceRefusal, ServiceUnreached, UrlOption, get, is_same, post, service_of
from capsvc.errors import CapsvcError
from capsvc.profiles import DEFAULT_PROFILE, Profiles, check_profile_name
from caveats import check_salt_name, decode, time_text
from caveats.predicate import shown

_ROUTE = "/v1/revocations"
_AUTHORITY = ("nonce", "user")
"""How a macaroon of a service begins."""


def logout(
    profile: ProfileOption = DEFAULT_PROFILE,
    forget: Annotated[bool, typer.Option("--forget", help="Only forget it, without asking the service.")] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke a profile's macaroon with all that was cut from it, and forget it."""
    token = f":{profile}"
    capability = read_token(token)
    revision, said = None, "forgotten"
    if not forget:
        nonce = {"nonce": _unverified(capability, "nonce")}
        try:
            revision = post(service_of(token, ""), _ROUTE, nonce, capability)["revision"]
            said = f"revoked, revision {revision}"
        except ServiceRefusal as refusal:
            if refusal.slug not in ("revoked-token", "expired-token"):
                raise CapsvcError(f"{refusal}; --forget forgets it here alone") from None
            said = f"it was {refusal.slug.removesuffix('-token')} already: forgotten"
        except ServiceUnreached as unreached:
            raise CapsvcError(f"{unreached} --forget forgets it here alone") from None
    Profiles.of(os.environ).forget(profile)
    typer.echo(json.dumps({"profile": profile, "revision": revision}) if as_json else said)


def revoke(
    name: Annotated[str, typer.Argument(help="What was named --revocable-as, or a name of the salt column.")] = "",
    token: TokenOption = "",
    url: UrlOption = "",
    exact: Annotated[bool, typer.Option("--exact", help="The name as it stands; nothing is looked up.")] = False,
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
    in --profile, else in all profiles of the service; and the service is asked whether a login had that
    name. Both are taken back. A name that is found nowhere is an error: with --exact it is taken as it stands.
    """
    if everyone != bool(before):
        raise typer.BadParameter("--everyone and --before TIME belong together; --before now is everything until now")
    if exact and not name:
        raise typer.BadParameter("--exact needs a NAME")
    if bool(name) + bool(nonce) + this + all + everyone != 1:
        raise CapsvcError("say exactly one of NAME, --nonce, --this, --all and --everyone")
    if everyone and user:
        raise CapsvcError("say --user or --everyone, not both")
    if profile and check_profile_name(profile) not in Profiles.of(os.environ).all():
        raise CapsvcError(f"there is no profile {profile}: `capsvc profile list` shows them")
    token = said_token(token, "" if token and not token.startswith(":") else profile)
    capability, url = read_token(token), service_of(token, url)
    if this:
        nonce = _unverified(capability, "nonce")
    wanted: dict[str, Any] = {"user": user} if user else {}
    if not name:
        wanted |= {"all": True} if all else {"everyone": True} if everyone else {"nonce": nonce}
        wanted |= {"before": time_text(time.time()) if before == "now" else before} if before else {}
        revision = post(url, _ROUTE, wanted, capability)["revision"]
        typer.echo(json.dumps({"revision": revision}) if as_json else f"revoked, revision {revision}")
        return
    try:
        check_salt_name(name)  # before it is repeated in an error: it may be a token, by mistake
    except ValueError as wrong:
        raise CapsvcError(f"NAME: {wrong}") from None
    names = [name] if exact else _names(name, profile, url, capability, user)
    for each in names:
        revision = post(url, _ROUTE, wanted | {"name": each}, capability)["revision"]
        if not as_json:
            typer.echo(f"revoked{'' if names == [name] else f' {each}'}, revision {revision}")
    if as_json:
        typer.echo(json.dumps({"revision": revision, "names": names}))


def report_leak(token: TokenArgument, url: UrlOption = "", as_json: AsJson = False) -> None:
    """Report a token that was found somewhere, whoever's it is: the service takes it back, and no more with it."""
    answer = post(service_of(token, url), "/v1/leaks", {"token": read_token(token)})
    typer.echo(json.dumps(answer) if as_json else answer["detail"])


def _names(name: str, profile: str, url: str, capability: str, user: str) -> list[str]:
    """Find the salts' names that a name stands for. Raises CapsvcError where there are none."""
    remembered = [] if user else _remembered(name, profile, url, capability)
    try:
        rows = get(url, "/v1/salts", {"user": user} if user else {}, capability)["salts"]
        unknown = f"{url} has no live name {shown(name)}"
    except ServiceRefusal as refusal:
        if refusal.slug != "unmet-caveat":
            raise
        rows, unknown = [], f"this token may not ask {url} for its names"
    issued = any((row["name"], row["kind"], row["revoked"]) == (name, "issued", False) for row in rows)
    # A name that a login had comes last: it may be the one of this very capability.
    names = [*(each for each in remembered if each != name), *([name] if issued or name in remembered else [])]
    if not names:
        raise CapsvcError(
            f"nothing was taken back: {_nowhere(name, profile)} and {unknown}; --exact takes it back as it stands"
        )
    return names


def _remembered(name: str, profile: str, url: str, capability: str) -> list[str]:
    """The names that profiles remember under a name: in one profile, else in all of this service and user."""
    found: dict[str, None] = {}
    user = _unverified(capability, "user")
    for each, kept in Profiles.of(os.environ).all().items():
        is_here = not kept.url or is_same(kept.url, url)
        # What is remembered with another user's token stands in another column.
        is_hers = not kept.token or _unverified(kept.token, "user") == user
        if each == profile and not (is_here and is_hers):
            raise CapsvcError(f"profile {profile} is of another {'user' if is_here else 'service'} than the token")
        if each == profile or (not profile and is_here and is_hers):
            found |= dict.fromkeys(kept.names_of(name))
    return list(found)


def _nowhere(name: str, profile: str) -> str:
    others = [each for each, kept in Profiles.of(os.environ).all().items() if kept.names_of(name)]
    where = f"profile {profile} does not remember" if profile else "no profile of this service and user remembers"
    hint = f" (profile {', '.join(others)} does: say --profile)" if others else ""
    return f"{where} {shown(name)}{hint},"


def _unverified(token: str, attribute: str) -> str:
    """Read what authority says in its first caveats. Raises CapsvcError where it is not a service's macaroon."""
    caveats = decode(token).unverified_caveats
    position, begins = _AUTHORITY.index(attribute), f"{attribute} = ".encode()
    if len(caveats) <= position or not caveats[position].identifier.startswith(begins):
        raise CapsvcError(f"this token does not begin with {attribute}: it is not a macaroon of a service")
    return caveats[position].identifier.removeprefix(begins).decode("utf-8", "replace")
