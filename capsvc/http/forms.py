"""Form bodies, as OAuth sends them: read to a cap, strictly; and the errors that its clients look for."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from starlette.requests import Request

from capsvc.http.body_fact import read_raw
from capsvc.http.problems import HTTPProblem, Problem

_KIND = "application/x-www-form-urlencoded"
_PARAMETERS = 64
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


async def read_form(request: Request, limit: int) -> dict[str, str]:
    """Read the parameters of a form, without those that are empty. Raises a 400, 413 or 415."""
    kinds = [value for name, value in request.scope["headers"] if name == b"content-type"]
    if len(kinds) != 1 or kinds[0].decode("latin-1").partition(";")[0].strip().lower() != _KIND:
        raise HTTPProblem(
            Problem(415, "not-a-form", "The body is not a form", f"Send the body with `Content-Type: {_KIND}`.")
        )
    raw = await read_raw(request.receive, limit)
    try:
        text = raw.decode("ascii")
        if _BAD_ESCAPE.search(text):
            raise ValueError
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_PARAMETERS
        )
    except ValueError:
        raise oauth_problem("invalid_request", "The body is not a form, or has too many parameters.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise oauth_problem("invalid_request", "A parameter stands twice in the body.")
    return {name: value for name, value in form.items() if value}


def token_of(form: dict[str, str]) -> str:
    """Return the parameter ``token``. Raises a 400 where there is none."""
    if "token" not in form:
        raise oauth_problem("invalid_request", "The parameter token is missing.")
    return form["token"]


def oauth_problem(error: str, detail: str) -> HTTPProblem:
    """A 400 in the service's one shape, with the members that RFC 6749 section 5.2 gives an error."""
    members = {"error": error, "error_description": detail}
    slug = "bad-request" if error == "invalid_request" else error.replace("_", "-")
    return HTTPProblem(Problem(400, slug, "The request cannot be read", detail, {}, members))
