"""Cookies of one name each, which only this very host can set, over a secure connection.

A browser takes a ``__Host-`` cookie from nobody but the host itself, for the whole host (RFC 6265bis,
section 4.1.3.2), so that no subdomain and no path can plant one or overrule it.
"""

from __future__ import annotations

from starlette.types import Scope

from capsvc.http.problems import HTTPProblem, Problem

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return the value of a cookie, None where it was not sent. Raises a 400 where it was sent twice."""
    sent = b";".join(value for header, value in scope["headers"] if header == b"cookie").decode("latin-1")
    pairs = [each.strip(" \t").partition("=") for each in sent.split(";")]
    values = [value for found, _, value in pairs if found == name]
    if len(values) > 1:
        detail = f"The cookie {name} was sent twice: delete the cookies of this site, then log in again."
        raise HTTPProblem(Problem(400, "bad-request", "The request cannot be read", detail))
    return values[0] if values else None


def write_cookie(name: str, value: str) -> str:
    """Write a ``Set-Cookie`` for a cookie that the browser forgets when it is closed."""
    return f"{name}={value}; {_ATTRIBUTES}"


def drop_cookie(name: str) -> str:
    """Write a ``Set-Cookie`` that makes the browser forget a cookie."""
    return f"{name}=; {_ATTRIBUTES}; Max-Age=0"
