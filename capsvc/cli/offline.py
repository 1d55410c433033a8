"""Commands on tokens that need neither a home nor a network."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

import caveats
from capsvc.cli.arguments import TokenArgument, read_token
from capsvc.errors import CapsvcError
from caveats import BUILTIN, DECLARABLE, Macaroon, Vocabulary, decode
from caveats.encoding import encode_base64
from caveats.predicate import shown
from caveats.wire import format_of

Declared = Annotated[
    list[str],
    typer.Option("--declare", metavar="NAME=TYPE", help="An attribute of the application, such as amount=number."),
]


def attenuate(
    token: TokenArgument,
    predicates: Annotated[list[str], typer.Argument(metavar="PREDICATE...", help="Such as 'path ^= /docs'.")],
    declare: Declared = [],
) -> None:
    """Narrow a token: print a copy that forbids more. Offline; each predicate is checked."""
    typer.echo(caveats.attenuate(read_token(token), *predicates, vocabulary=_vocabulary(declare)))


def inspect(
    token: TokenArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what stands in a token, decoded and NOT verified. Offline; without signature and salts."""
    text = read_token(token)
    macaroon = decode(text)
    if as_json:
        typer.echo(json.dumps(_described(macaroon, text), indent=2, ensure_ascii=False))
    else:
        typer.echo(
            f"{macaroon.inspect()}\n\nDecoded, not verified: {len(text)} characters of format {format_of(text).value}."
        )


def _vocabulary(declared: list[str]) -> Vocabulary:
    types = {}
    for each in declared:
        name, _, type = each.partition("=")
        if type not in DECLARABLE:
            raise CapsvcError(f"--declare takes NAME=TYPE with a type of {', '.join(DECLARABLE)}")
        types[name] = DECLARABLE[type]
    try:
        return BUILTIN.extend(**types)
    except ValueError as wrong:
        raise CapsvcError(f"--declare: {wrong}") from None


def _described(macaroon: Macaroon, text: str) -> dict[str, Any]:
    caveats: list[dict[str, Any]] = []
    for position, caveat in enumerate(macaroon.unverified_caveats):
        described = {"position": position, "caveat": shown(caveat.identifier)}
        if caveat.is_third_party:
            described |= {"verification_id": encode_base64(caveat.verification_id), "location": caveat.location}
        caveats.append(described)
    return {
        "verified": False,
        "format": format_of(text).value,
        "characters": len(text),
        "location": macaroon.unverified_location,
        "identifier": shown(macaroon.unverified_identifier),
        "caveats": caveats,
    }
