"""Commands that look at a token, with neither a home nor a network."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

import caveats
from capsvc.cli.arguments import AsJson, Declared, TokenArgument, read_token, vocabulary
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
from capsvc.cli.wording import NEVER, ends_of, in_words, is_text, whole
from capsvc.errors import CapsvcError
from caveats import Macaroon, Request, Scope, Vocabulary, decode, scope, time_text
from caveats.encoding import encode_base64
from caveats.predicate import shown
from caveats.wire import format_of


def inspect(token: TokenArgument, as_json: AsJson = False, declare: Declared = []) -> None:
    """Print what stands in a token, decoded and NOT verified. Offline; without signature and salts."""
    text, words = read_token(token), vocabulary(declare)
    macaroon = decode(text)
    found, now = scope(macaroon, words), time.time()
    if as_json:
        typer.echo(json.dumps(_described(macaroon, text, found, now, words), indent=2))
        return
    explained = caveats.explain(macaroon, Request(words)).caveats
    lines = [f"Decoded, not verified: {len(text)} characters of format {format_of(text).value}.", ""]
    lines += [f"location    {shown(macaroon.unverified_location)}"]
    lines += [f"identifier  {shown(macaroon.unverified_identifier)}"]
    lines += [f"{each.position:>4}  {each.whose:<11}  {each.predicate}" for each in explained]
    expires = ends_of(found)
    if expires != NEVER:
        lines += [f"expires     {expires}, {in_words(expires, now)}"]
    lines += ["", "scope", *(f"  {line}" for line in str(found).splitlines())]
    typer.echo("\n".join(lines))


def explain(
    token: TokenArgument,
    method: MethodOption = "",
    host: HostOption = "",
    path: PathOption = "",
    query: QueryOption = None,
    ip: AddressOption = "",
    body_file: BodyFile = None,
    action: ActionOption = [],
    resource: ResourceOption = "",
    fact: FactOption = [],
    at: Annotated[str, typer.Option("--time", metavar="TIME", help="Now by default.")] = "",
    discharge: Annotated[list[str], typer.Option(metavar="TOKEN", help="A discharge.")] = [],
    declare: Declared = [],
    as_json: AsJson = False,
) -> None:
    """Hold every caveat of a token against a request; decoded, not verified. Exit code 0: all are met."""
    facts = told_facts(method, host, path, query, ip, body_file, action, resource, fact)
    if "time" in facts:
        raise CapsvcError("--fact time: there is an option of its own for it")
    facts["time"] = at or time.time()
    try:
        request = Request(vocabulary(declare), **facts)
    except (TypeError, ValueError) as wrong:
        raise CapsvcError(f"a fact is wrong: {wrong}") from None
    found = caveats.explain(read_token(token), request, discharges=map(read_token, discharge))
    if as_json:
        told = {"verified": False, "met": not found.unmet, "caveats": [each._asdict() for each in found.caveats]}
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(found)
    if found.unmet:
        raise typer.Exit(1)


def _described(macaroon: Macaroon, text: str, found: Scope, now: float, words: Vocabulary) -> dict[str, Any]:
    whose = [each.whose for each in caveats.explain(macaroon, Request(words)).caveats]
    listed: list[dict[str, Any]] = []
    for position, caveat in enumerate(macaroon.unverified_caveats):
        described = {"position": position, "caveat": whole(caveat.identifier), "whose": whose[position]}
        if caveat.is_third_party or not is_text(caveat.identifier):
            described["identifier"] = encode_base64(caveat.identifier)
        if caveat.is_third_party:
            described |= {"verification_id": encode_base64(caveat.verification_id), "location": caveat.location}
        listed.append(described)
    expires, identifier = ends_of(found), macaroon.unverified_identifier
    return {
        "verified": False,
        "format": format_of(text).value,
        "characters": len(text),
        "location": macaroon.unverified_location,
        "identifier": identifier.decode("utf-8", "backslashreplace"),
        **({} if is_text(identifier) else {"identifier_base64": encode_base64(identifier)}),
        "caveats": listed,
        "expires": None if expires == NEVER else expires,
        "expired": expires <= time_text(now),
        "scope": [whole(str(each)) for each in found.predicates],
        "redundant": list(found.redundant),
        "contradictions": list(map(str, found.contradictions)),
    }
