"""The service as commands see it: where it is, one call over HTTP, and its refusals in the command line's words."""

from __future__ import annotations

import json
import os
import re
from typing import Annotated, Any

import typer

from capsvc.cli.arguments import read_file
from capsvc.errors import CapsvcError
from capsvc.profiles import Profiles
from caveats.predicate import shown

_TIMEOUT_SECONDS = 30.0
_PROBLEM = "urn:capsvc:problem:"
_LOST = "`capsvc login USER` gets another; else ask whoever gave you this one"
_IN_OUR_WORDS = {
    "invalid-token": "the token is not valid there, needs a discharge, or is for another audience:"
    " `capsvc inspect` shows which; `capsvc login USER` gets another",
    "expired-token": f"the capability is expired: {_LOST}",
    "revoked-token": f"the capability is revoked: {_LOST}",
}


class ServiceRefusal(CapsvcError):
    """The service was reached and says no. ``slug`` ends the type of its problem."""

    def __init__(self, slug: str, message: str) -> None:
        super().__init__(message)
        self.slug = slug


class ServiceUnreached(CapsvcError):
    """No service answers there."""


def check_url(url: str) -> str:
    """Return where a service is, if no user and no password stand in it. Raises CapsvcError."""
    if "@" in url:
        # Not repeated: what stands before it is a secret.
        raise CapsvcError("a service's URL has neither user nor password in it: leave out what ends in @")
    return url


UrlOption = Annotated[
    str,
    typer.Option(
        "--url", envvar="CAPSVC_URL", callback=check_url, help="Where the service is; else the address in the home."
    ),
]


def address() -> str:
    """Read the address that ``serve`` wrote into the home. Raises CapsvcError."""
    from capsvc.home import Home

    home = Home.of({key: value for key, value in os.environ.items() if key == "CAPSVC_HOME"})
    if not home.address_file.exists():
        raise CapsvcError(f"no address: say --url or CAPSVC_URL, or run `capsvc serve` with the home {home.path}")
    return read_file(home.address_file)


def service_of(token: str, url: str) -> str:
    """Find where a capability goes: what a profile keeps is sent to its own service and to no other."""
    if not token.startswith(":"):
        return url or address()
    own = Profiles.of(os.environ).token_of(token[1:]).url
    if url and not is_same(url, own):
        raise CapsvcError(f"profile {token[1:]} is for {own}, and --url or CAPSVC_URL says another service")
    return own


def is_same(url: str, other: str) -> bool:
    """Tell whether two URLs are of one service."""
    return url.rstrip("/").lower() == other.rstrip("/").lower()


def post(url: str, path: str, body: dict[str, Any], capability: str | None = None) -> Any:
    """Post to a service and return its answer. Raises CapsvcError."""
    return _call("POST", url, path, body, capability)


def get(url: str, path: str, query: dict[str, str], capability: str) -> Any:
    """Ask a service and return its answer. Raises CapsvcError."""
    from urllib.parse import urlencode

    return _call("GET", url, f"{path}?{urlencode(query)}" if query else path, None, capability)


def _call(method: str, url: str, path: str, body: dict[str, Any] | None, capability: str | None) -> Any:
    import httpx2

    from capsvc.client import BoundAuth

    base = url.rstrip("/")
    unreached = ServiceUnreached(f"no service answers at {shown(base)}: is it running, and is the address right?")
    if capability and not re.fullmatch(r"[!-~]+", capability):
        raise CapsvcError("a token is URL-safe base64, on one line")
    try:
        auth = BoundAuth(capability, base) if capability else None
    except ValueError:
        raise unreached from None
    try:
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise CapsvcError("names and passwords are UTF-8") from None
    try:
        response = httpx2.request(method, base + path, json=body, auth=auth, timeout=_TIMEOUT_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        raise unreached from None
    try:
        answer = response.json()
        if response.is_success:
            return _opened(answer, capability, response) if capability else answer
        raise _refusal(answer)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CapsvcError(f"{base} answers {response.status_code}, but not like a capsvc service") from None


def _refusal(answer: Any) -> ServiceRefusal:
    slug = answer["type"].removeprefix(_PROBLEM)
    theirs = f"{answer['title'][:1].lower()}{answer['title'][1:]}: {answer['detail']}"
    return ServiceRefusal(slug, _IN_OUR_WORDS.get(slug, theirs))


def _opened(answer: Any, capability: str, response: Any) -> Any:
    """Open an answer that was sealed for whoever holds the original."""
    if "sealed" not in answer:
        return answer
    from capsvc.sealing import unseal

    return json.loads(unseal(capability, response.request.headers["Authorization"], answer["sealed"]))
