"""The header: a copy of a token that is good for one request, as curl sends it."""

from __future__ import annotations

import json
import re
import time
from typing import Annotated

import typer

from capsvc.cli.arguments import (
    AsJson,
    Declared,
    ProfileOption,
    TokenOption,
    read_contents,
    read_token,
    said_token,
    vocabulary,
)
from capsvc.cli.facts import BodyFile, check_method
from capsvc.cli.wording import ends_of, is_unknown
from capsvc.errors import CapsvcError
from caveats import Vocabulary, decode, scope, time_text
from caveats.predicate import shown


def header(
    method: str,
    url: str,
    token: TokenOption = "",
    profile: ProfileOption = "",
    body_file: BodyFile = None,
    no_body: Annotated[
        bool, typer.Option("--no-body", help="Bind no body, for a guard that cannot see it: nginx's auth_request.")
    ] = False,
    declare: Declared = [],
    as_json: AsJson = False,
) -> None:
    """Print an Authorization header that is good for one request alone, for half a minute. Offline.

    For curl: `curl -H "$(capsvc header GET URL)" URL`. The token itself does not travel. What its caveats
    forbid anyway is refused here already.
    """
    from capsvc.client import bind_url

    if no_body and body_file is not None:
        raise typer.BadParameter("say --body-file or --no-body, not both")
    check_method(method)
    if re.search(r"\s", url):
        raise CapsvcError("a URL is like https://api.example/docs/7")
    body = None if no_body else read_contents(body_file) if body_file is not None else b""
    original, now = read_token(said_token(token, profile)), time.time()
    try:
        bound = bind_url(original, method, url, now, body)
    except ValueError as wrong:
        raise CapsvcError(str(wrong)) from None
    _demand_useful(original, bound, now, vocabulary(declare))
    typer.echo(json.dumps({"Authorization": f"Bearer {bound}"}) if as_json else f"Authorization: Bearer {bound}")


def _demand_useful(original: str, bound: str, now: float, words: Vocabulary) -> None:
    """Raise CapsvcError where no guard could let the copy in; warn of what only the application can tell."""
    caveats = decode(original).unverified_caveats
    found = scope(bound, words)
    if ends_of(scope(original, words)) <= time_text(now):
        raise CapsvcError("the token has expired: `capsvc login USER` gets another")
    if found.third_parties:
        raise CapsvcError(
            f"{found.third_parties[0]}, and this header carries none: docs/third-parties.md says what collects it"
        )
    for each in found.not_understood:
        reason = f"caveat {each.position} is not understood: {each.predicate}: {each.reason}"
        if not is_unknown(caveats[each.position].identifier, words):
            raise CapsvcError(reason)
        typer.echo(f"warning: {reason}; say --declare NAME=TYPE if the application declares it", err=True)
    against = sorted({each for clash in found.contradictions for each in clash.positions if each < len(caveats)})
    if against:
        named = (f"caveat {each}: {shown(caveats[each].identifier)}" for each in against)
        raise CapsvcError(f"the token does not permit this request: {'; '.join(named)}")
