"""Narrowing: the command that delegates. It needs neither a home nor a network."""

from __future__ import annotations

import json
import os
import re
import secrets
import string
import sys
import time
from typing import Annotated

import typer

import caveats
from capsvc.cli.arguments import AsJson, Declared, ProfileOption, TokenArgument, read_token, seconds, vocabulary
from capsvc.cli.facts import check_method
from capsvc.cli.wording import ends_of, is_unknown, whole
from capsvc.errors import CapsvcError
from caveats import (
    InvalidMacaroon,
    KeyName,
    Predicate,
    PredicateError,
    Scope,
    Vocabulary,
    check_salt_name,
    decode,
    scope,
    time_text,
)
from caveats.encoding import encode_base64, encode_item
from caveats.predicate import shown

_SUFFIX = string.ascii_lowercase + string.digits
_SUFFIX_CHARACTERS, _SALT_BYTES = 8, 16
_CHOSEN_CHARACTERS = 64 - 1 - _SUFFIX_CHARACTERS
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_Several = Annotated[list[str], typer.Option(help="May be repeated.")]


def attenuate(
    token: TokenArgument,
    predicates: Annotated[list[str], typer.Argument(metavar="PREDICATE", help="Such as 'path ^= /docs'.")] = [],
    get: Annotated[bool, typer.Option("--get", help="Reading alone: the methods GET and HEAD.")] = False,
    method: _Several = [],
    path: Annotated[
        list[str], typer.Option(help="This path and all under it, as decoded text: '/a b'; may be repeated.")
    ] = [],
    exact_path: Annotated[list[str], typer.Option(help="This path alone, as decoded text; may be repeated.")] = [],
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help="Until so long from now, such as 10m.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Such as 2026-12-22T06:00:00Z.")] = "",
    audience: Annotated[str, typer.Option(help="One verifier alone; the token has to be for it.")] = "",
    ip: Annotated[list[str], typer.Option(help="From this address or network; may be repeated.")] = [],
    action: _Several = [],
    resource: Annotated[list[str], typer.Option(help="This resource and all under it; may be repeated.")] = [],
    revocable_as: Annotated[str, typer.Option(metavar="NAME", help="A name to take this copy back by.")] = "",
    profile: ProfileOption = "",
    declare: Declared = [],
    show: Annotated[bool, typer.Option("--show", help="Show what it permits, before and after, on stderr.")] = False,
    as_json: AsJson = False,
) -> None:
    """Narrow a token: print a copy that forbids more. Offline; each predicate is checked.

    A copy that nothing could permit is refused, and a caveat that changes nothing is warned of. With
    --revocable-as the copy gets a salt of its own, whose name is remembered in --profile, else in the profile
    that the token comes from, else in ``default``: ``capsvc revoke NAME`` finds it.
    """
    salt_name = _salt_name(revocable_as) if revocable_as else ""
    methods = [*(["GET", "HEAD"] if get else []), *map(check_method, method)]
    appended = [
        *_one("method", "in", methods),
        *_one("path", "^=", path),
        *_one("path", "in", exact_path),
        *([f"time < {time_text(time.time() + seconds(span))}"] if span else []),
        *([f"time < {until}"] if until else []),
        *_one("audience", "in", [audience] if audience else []),
        *_one("ip", "in", [_network(each) for each in ip]),
        *_one("action", "in", action),
        *_one("resource", "^=", resource),
        *predicates,
        *([f"salt = {salt_name}/{encode_base64(secrets.token_bytes(_SALT_BYTES))}"] if salt_name else []),
    ]
    if not appended:
        raise typer.BadParameter("say what to append: a predicate, or an option such as --get, --path or --for")
    words, text = vocabulary(declare), read_token(token)
    understood = [_parsed(each, words) for each in appended]
    narrowed = caveats.attenuate(text, *understood, vocabulary=words)
    before, after = scope(text, words), scope(narrowed, words)
    own = _own_audience(text)
    _demand_possible(own, understood, after)
    first = len(decode(text).unverified_caveats)
    idle = {each - first for each in after.redundant} | {
        place for place, each in enumerate(understood) if _changes_nothing(each, own)
    }
    redundant = [(first + place, each) for place, each in enumerate(appended) if place in idle]
    for each in (each for each in (*path, *exact_path) if _ESCAPE.search(each)):
        typer.echo(f"warning: {shown(each)} is taken as it is written, and not percent-decoded", err=True)
    for position, predicate in redundant:
        typer.echo(f"warning: caveat {position} changes nothing: {shown(predicate)}", err=True)
    if show or (sys.stderr is not None and sys.stderr.isatty()):
        typer.echo(f"before\n{_indented(before)}\nafter\n{_indented(after)}", err=True)
    if salt_name:
        _remember(profile or (token[1:] if token.startswith(":") else ""), revocable_as, salt_name)
    if as_json:
        told = [{"position": position, "predicate": whole(predicate)} for position, predicate in redundant]
        answer = {"macaroon": narrowed, "scope": [whole(str(each)) for each in after.predicates], "redundant": told}
        typer.echo(json.dumps(answer))
    else:
        typer.echo(narrowed)


def _one(attribute: str, operator: str, items: list[str]) -> list[str]:
    """One predicate of one or several items; none of none."""
    unique = tuple(dict.fromkeys(items))
    several = "=" if operator == "in" and len(unique) == 1 and attribute != "ip" else operator
    return [f"{attribute} {several} {' '.join(map(encode_item, unique))}"] if unique else []


def _network(address: str) -> str:
    if "/" in address:
        return address
    return f"{address}/{128 if ':' in address else 32}"


def _salt_name(chosen: str) -> str:
    """Add a random suffix: somebody else's name, or one that was taken back once, must not be hit by chance."""
    name = f"{chosen}.{''.join(secrets.choice(_SUFFIX) for _ in range(_SUFFIX_CHARACTERS))}"
    try:
        return check_salt_name(name)
    except ValueError:
        raise CapsvcError(
            f"--revocable-as takes 1 to {_CHOSEN_CHARACTERS} ASCII letters, digits, '.', '_' or '-',"
            " a letter or digit first"
        ) from None


def _parsed(text: str, words: Vocabulary) -> Predicate:
    try:
        return words.parse(text)
    except PredicateError as wrong:
        hint = "; say --declare NAME=TYPE if the application declares it" if is_unknown(text, words) else ""
        raise CapsvcError(f"{shown(text)}: {wrong}{hint}") from None


def _own_audience(text: str) -> frozenset[str] | None:
    """The audience that authority names in the identifier, which no scope sees; None where no service wrote it."""
    try:
        own = KeyName.unverified(decode(text).unverified_identifier).audience
    except InvalidMacaroon:
        return None
    return frozenset({own}) if own else frozenset()


def _demand_possible(own: frozenset[str] | None, appended: list[Predicate], after: Scope) -> None:
    """Raise CapsvcError, with one line that says why, where no request could be permitted."""
    if after.contradictions:
        raise CapsvcError(f"nothing would be permitted: {'; '.join(map(str, after.contradictions))}")
    if ends_of(after) <= time_text(time.time()):
        raise CapsvcError("nothing would be permitted: it has expired")
    for each in appended:
        if each.attribute == "audience" and own is not None and each.refusal({"audience": own}) is not None:
            whose = f"the audience {' '.join(own)}" if own else "no audience: log in with --audience"
            raise CapsvcError(f"nothing would be permitted: {each}, but the token is for {whose}")


def _changes_nothing(predicate: Predicate, own: frozenset[str] | None) -> bool:
    """Tell of a predicate whether it forbids nothing, whatever stands before it."""
    return predicate.attribute == "nonce" or (predicate.attribute == "audience" and bool(own))


def _remember(profile: str, chosen: str, salt_name: str) -> None:
    from capsvc.profiles import DEFAULT_PROFILE, Profiles

    # Before the copy is printed: what could not be taken back by its name is not given away.
    profile = profile or DEFAULT_PROFILE
    Profiles.of(os.environ).remember(profile, chosen, salt_name)
    typer.echo(f"revocable as {chosen} ({salt_name}), remembered in profile {profile}", err=True)


def _indented(what: Scope) -> str:
    return "\n".join(f"  {line}" for line in str(what).splitlines())
