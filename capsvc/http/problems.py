"""Errors over HTTP: one renderer for routes and middleware, RFC 9457 with a stable ``type``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from capsvc.errors import (
    CredentialsRefused,
    IdTokenExpired,
    IdTokenRefused,
    IdTokenUsed,
    NotSeenYet,
    ProviderUnavailable,
    Refused,
    Replayed,
    SettingsError,
    StoreBusy,
    StoreUnavailable,
    TicketError,
    TooBusy,
    TooMany,
    Unacknowledged,
    Unbound,
    UnknownUser,
)
from capsvc.logs import logger
from capsvc.request_id import HEADER, request_id
from caveats import CaveatUnmet, Expired, MacaroonError, Revoked

if TYPE_CHECKING:
    from starlette.responses import Response

STATUS = "capsvc.status"
"""Where in the ASGI scope the status stands that was answered, for who counts."""

_TYPE = "urn:capsvc:problem:"
_NO_STORE, _TYPED = (b"cache-control", b"no-store"), (b"content-type", b"application/problem+json")
_encode = json.JSONEncoder(ensure_ascii=False).encode
_REALM = 'Bearer realm="capsvc"'


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it goes over the wire. ``slug`` ends its type; ``members`` are further members."""

    status: int
    slug: str
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send this problem as an ASGI application: over HTTP, or as the refusal of a websocket."""
        is_websocket = scope["type"] == "websocket"
        if is_websocket and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": self.title})
            return
        kind = "websocket.http.response" if is_websocket else "http.response"
        scope[STATUS] = self.status
        headers, body = self.raw()
        if (name := request_id()) is not None:
            headers.append((HEADER, name.encode("ascii")))
        await send({"type": f"{kind}.start", "status": self.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})

    def raw(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Make the headers, their names in lower case, and the body."""
        members = {"type": _TYPE + self.slug, "title": self.title, "status": self.status, "detail": self.detail}
        body = _encode({**members, **self.members}).encode("utf-8")
        headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in self.headers.items()]
        return [*headers, _NO_STORE, _TYPED, (b"content-length", str(len(body)).encode("ascii"))], body

    def response(self) -> Response:
        """Make the response."""
        from starlette.responses import Response  # which loads much, and a resource server may refuse nothing for long

        headers, body = self.raw()
        response = Response(body, self.status)
        response.raw_headers = headers
        return response


class HTTPProblem(Exception):
    """Raised where a request cannot be served; carries what to answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


def bad_request(detail: str) -> HTTPProblem:
    """The request cannot be read, or says something that it may not."""
    return HTTPProblem(Problem(400, "bad-request", "The request cannot be read", detail))


_UNPROVEN = Problem(
    401,
    "invalid-token",
    "A valid capability is needed",
    "Send a capability as `Authorization: Bearer <token>`; get one from POST /v1/tokens.",
    {"WWW-Authenticate": _REALM},
)


def unproven() -> HTTPProblem:
    """No capability was presented: the very answer that an unproven one gets."""
    return HTTPProblem(_UNPROVEN)


def problem_of(error: Exception) -> Problem:
    """Say how an error is answered. Whatever is not known here is an internal error, without detail.

    Why the service itself cannot answer goes into its log, and not to strangers.
    """
    if isinstance(error, (SettingsError, StoreUnavailable)) and not isinstance(error, (StoreBusy, NotSeenYet)):
        logger().error("cannot answer", reason=str(error))
    if isinstance(error, HTTPProblem):
        return error.problem
    if isinstance(error, MacaroonError):
        return _of_macaroon(error)
    return _of_service(error)


def _of_macaroon(error: MacaroonError) -> Problem:
    if isinstance(error, (Expired, Revoked)):
        word = "expired" if isinstance(error, Expired) else "revoked"
        challenge = f'{_REALM}, error="invalid_token", error_description="{word}"'
        detail = "Get another one from POST /v1/tokens, or from whoever gave you this one."
        return Problem(401, f"{word}-token", f"The capability is {word}", detail, {"WWW-Authenticate": challenge})
    if isinstance(error, CaveatUnmet):
        unmet = [
            {"position": each.position, "predicate": each.predicate, "reason": each.reason, "instead": each.instead}
            | ({} if each.discharge is None else {"discharge": each.discharge})
            for each in error.unmet
        ]
        return Problem(
            403,
            "unmet-caveat",
            "The capability does not permit this request",
            str(error),
            {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'},
            {"unmet": unmet},
        )
    return _UNPROVEN


def _of_guard(error: Replayed | Unbound) -> Problem:
    word = "replayed" if isinstance(error, Replayed) else "unbound"
    title = "The request was presented before" if word == "replayed" else "A copy bound to this request is needed"
    detail = (
        "Each request needs a copy of its own: docs/clients.md says which classes make them."
        if word == "replayed"
        else f"This guard demands a bound copy: {error}. docs/clients.md says which classes make them."
    )
    challenge = f'{_REALM}, error="invalid_token", error_description="{word}"'
    return Problem(401, word, title, detail, {"WWW-Authenticate": challenge})


def _of_id_token(error: IdTokenRefused) -> Problem:
    word, title = "invalid", "The ID token is refused"
    if isinstance(error, IdTokenExpired):
        word, title = "expired", "The ID token is expired"
    elif isinstance(error, IdTokenUsed):
        word, title = "used", "The ID token cannot be used again"
    return Problem(401, f"{word}-id-token", title, _said(error), {"WWW-Authenticate": _REALM})


def _said(error: Exception) -> str:
    return f"{str(error)[:1].upper()}{str(error)[1:]}."


def _of_service(error: Exception) -> Problem:
    if isinstance(error, (Replayed, Unbound)):
        return _of_guard(error)
    if isinstance(error, IdTokenRefused):
        return _of_id_token(error)
    if isinstance(error, ProviderUnavailable):
        headers = {"Retry-After": str(error.retry_after)}
        return Problem(503, "provider-unavailable", "The identity provider does not answer", _said(error), headers)
    if isinstance(error, CredentialsRefused):
        return Problem(
            401, "invalid-credentials", "User and password are refused", str(error), {"WWW-Authenticate": _REALM}
        )
    if isinstance(error, Refused):
        return Problem(403, "refused", "The service will not do this", str(error))
    if isinstance(error, TicketError):
        detail = "The ticket does not open here: was it made for this third party, with a key that it still has?"
        return Problem(400, "bad-request", "The request cannot be read", detail)
    if isinstance(error, UnknownUser):
        return Problem(404, "unknown-user", "There is no such user", str(error))
    if isinstance(error, TooBusy):
        return Problem(429, "too-busy", "Too many logins at once", str(error), {"Retry-After": str(error.retry_after)})
    if isinstance(error, TooMany):
        return Problem(429, "too-many", "Too many from here", _said(error), {"Retry-After": str(error.retry_after)})
    if isinstance(error, StoreUnavailable):
        told = isinstance(error, (StoreBusy, NotSeenYet))
        detail = str(error) if told else "Nothing was permitted or changed; the service's log says why."
        if isinstance(error, Unacknowledged):
            detail = "The change may stand or not: ask for it again. The service's log says why."
        return Problem(503, "store-unavailable", "The store cannot say", detail, {"Retry-After": "1"})
    if isinstance(error, SettingsError):
        detail = "Nothing was permitted or changed; the service's log says why."
        return Problem(503, "not-ready", "The service is not ready", detail, {"Retry-After": "5"})
    return Problem(500, "internal-error", "Something went wrong in the service", "Its log says more.")
