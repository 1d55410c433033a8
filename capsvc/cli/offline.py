"""Commands that look at a token, and present it, with neither a home nor a network."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

import caveats
from capsvc.cli.arguments import (
    AsJson,
    Declared,
    ProfileOption,
    TokenArgument,
    TokenOption,
    read_contents,
    read_token,
    said_token,
    vocabulary,
)
from capsvc.errors import CapsvcError
from caveats import Macaroon, Request, Scope, Vocabulary, decode, scope, time_text
from caveats.encoding import encode_base64
from caveats.predicate import shown
from caveats.wire import format_of

_SPANS = ((24 * 3600, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def inspect(token: TokenArgument, as_json: AsJson = False, declare: Declared = []) -> None:
    """Print what stands in a token, decoded and NOT verified. Offline; without signature and salts."""
    text, words = read_token(token), vocabulary(declare)
    macaroon = decode(text)
    found, now = scope(macaroon, words), time.time()
    if as_json:
        typer.echo(json.dumps(_described(macaroon, text, found, now, words), indent=2, ensure_ascii=False))
        return
    explained = caveats.explain(macaroon, Request(words)).caveats
    lines = [f"Decoded, not verified: {len(text)} characters of format {format_of(text).value}.", ""]
    lines += [f"location    {shown(macaroon.unverified_location)}"]
    lines += [f"identifier  {shown(macaroon.unverified_identifier)}"]
    lines += [f"{each.position:>4}  {each.whose:<11}  {each.predicate}" for each in explained]
    expires = _expires(found)
    if expires:
        lines += [f"expires     {expires}, {in_words(expires, now)}"]
    lines += ["", "scope", *(f"  {line}" for line in str(found).splitlines())]
    typer.echo("\n".join(lines))


def explain(
    token: TokenArgument,
    method: Annotated[str, typer.Option()] = "",
    host: Annotated[str, typer.Option()] = "",
    path: Annotated[str, typer.Option(help="As on the wire, percent-encoded.")] = "",
    query: Annotated[str | None, typer.Option(help="The raw query string.")] = None,
    ip: Annotated[str, typer.Option()] = "",
    body_file: Annotated[Path | None, typer.Option(help="A file that holds the body.")] = None,
    action: Annotated[list[str], typer.Option(help="May be repeated.")] = [],
    resource: Annotated[str, typer.Option()] = "",
    fact: Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="A fact of the vocabulary.")] = [],
    at: Annotated[str, typer.Option("--time", metavar="TIME", help="Now by default.")] = "",
    discharge: Annotated[list[str], typer.Option(metavar="TOKEN", help="A discharge.")] = [],
    declare: Declared = [],
    as_json: AsJson = False,
) -> None:
    """Hold every caveat of a token against a request; decoded, not verified. Exit code 0: all are met."""
    facts: dict[str, Any] = {"method": method, "host": host, "path": path, "ip": ip, "resource": resource}
    facts = {name: value for name, value in facts.items() if value} | ({"action": action} if action else {})
    facts |= {} if query is None else {"query": query.encode("utf-8", "surrogateescape")}
    facts |= {} if body_file is None else {"body": read_contents(body_file)}
    facts |= dict(each.partition("=")[::2] for each in fact)
    facts["time"] = at or time.time()
    try:
        request = Request(vocabulary(declare), **facts)
    except (TypeError, ValueError) as wrong:
        raise CapsvcError(f"a fact is wrong: {wrong}") from None
    found = caveats.explain(read_token(token), request, discharges=map(read_token, discharge))
    if as_json:
        told = {"verified": False, "met": not found.unmet, "caveats": [each._asdict() for each in found.caveats]}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        typer.echo(found)
    if found.unmet:
        raise typer.Exit(1)


def header(
    method: str,
    url: str,
    token: TokenOption = "",
    profile: ProfileOption = "",
    body_file: Annotated[Path | None, typer.Option(help="A file that holds the body.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print an Authorization header that is good for one request alone, for half a minute. Offline.

    For curl: `curl -H "$(capsvc header GET URL)" URL`. The token itself does not travel.
    """
    from capsvc.client import bind_url

    body = b"" if body_file is None else read_contents(body_file)
    try:
        bound = bind_url(read_token(said_token(token, profile)), method, url, time.time(), body)
    except ValueError as wrong:
        raise CapsvcError(str(wrong)) from None
    typer.echo(json.dumps({"Authorization": f"Bearer {bound}"}) if as_json else f"Authorization: Bearer {bound}")


def in_words(moment: str, now: float) -> str:
    """Say about how far a moment is: ``in 3 hours``, ``2 days ago``."""
    seconds = int(datetime.fromisoformat(moment).timestamp()) - int(now)
    unit, name = next((each for each in _SPANS if abs(seconds) >= each[0]), (1, "second"))
    count = round(abs(seconds) / unit)
    span = f"{count} {name}{'' if count == 1 else 's'}"
    return f"in {span}" if seconds > 0 else f"{span} ago"


def _expires(found: Scope) -> str:
    """The earliest end that stands in it; empty where there is none, or where its times contradict."""
    ends = (each.operand for each in found.predicates if (each.attribute, each.operator) == ("time", "<"))
    return next(ends, "")


def _described(macaroon: Macaroon, text: str, found: Scope, now: float, words: Vocabulary) -> dict[str, Any]:
    whose = [each.whose for each in caveats.explain(macaroon, Request(words)).caveats]
    listed: list[dict[str, Any]] = []
    for position, caveat in enumerate(macaroon.unverified_caveats):
        described = {"position": position, "caveat": shown(caveat.identifier), "whose": whose[position]}
        if caveat.is_third_party:
            described |= {"verification_id": encode_base64(caveat.verification_id), "location": caveat.location}
        listed.append(described)
    expires = _expires(found)
    return {
        "verified": False,
        "format": format_of(text).value,
        "characters": len(text),
        "location": macaroon.unverified_location,
        "identifier": shown(macaroon.unverified_identifier),
        "caveats": listed,
        "expires": expires or None,
        "expired": bool(expires) and expires <= time_text(now),
        "scope": [shown(str(each)) for each in found.predicates],
        "redundant": list(found.redundant),
        "contradictions": list(map(str, found.contradictions)),
    }
