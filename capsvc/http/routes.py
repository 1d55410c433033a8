"""The routes: one table, from which the application, its guards and its contract are all made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from capsvc.http.auth import Auth
from capsvc.http.changes import PATH as CHANGES
from capsvc.http.changes import Feeds, SignedPage
from capsvc.http.discharges import PATH, Asked, Discharged, Discharges
from capsvc.http.endpoint import Endpoint
from capsvc.http.introspection import Introspected, Introspection, NotActive, OneToken
from capsvc.http.leaks import PATH as LEAKS
from capsvc.http.leaks import Received, Report, Reports
from capsvc.http.logins import IdTokenLogin, Login, Logins
from capsvc.http.revocations import PasswordChange, Revocation, Revocations, Revoked, SaltRows
from capsvc.http.service import Service
from capsvc.http.tokens import Described, Renewal, SealedToken, Token, Tokens
from capsvc.http.users import Addition, Change, Changed, UserRow, UserRows, Users
from capsvc.http.verification import Active, Inactive, Question, Verification
from capsvc.names import ADMIN, RESERVED_AUDIENCES, VERIFY

OfRequests = Callable[[Request], Awaitable[Response]]
"""An endpoint as Starlette has it; the others are plain ASGI."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``audiences`` are those whose capabilities open it (None is that of none); empty: no guard.

    ``verifies`` says of one without a guard that it asks for a capability itself, ``form`` that its body is
    a form and not JSON.
    """

    method: str
    path: str
    endpoint: OfRequests | Endpoint
    summary: str
    audiences: tuple[str | None, ...] = ()
    takes: type[msgspec.Struct] | tuple[type[msgspec.Struct], ...] | None = None
    gives: tuple[type[msgspec.Struct], ...] = ()
    status: int = 200
    errors: tuple[int, ...] = field(default=())
    query: tuple[str, ...] = ()
    verifies: bool = False
    form: bool = False


OWN = (None,)
"""An ordinary capability, for the service itself."""


def routes(service: Service) -> list[Route]:
    """List the routes of a service, except those that describe it."""
    tokens = Tokens(service)
    revocations, users, introspection = Revocations(service), Users(service), Introspection(service)
    admin = (ADMIN,)
    asking = () if service.settings.open_verify else (VERIFY,)
    body_errors = (400, 413, 415)
    return [
        Route("POST", "/v1/tokens", Logins(service), "Log in and get a macaroon",
              takes=(Login, IdTokenLogin), gives=(Token,), status=201, errors=(*body_errors, 401, 403, 429)),
        Route("POST", "/v1/tokens/renew", tokens.renew, "Renew a live capability to which nothing was appended",
              (*OWN, *RESERVED_AUDIENCES), Renewal, (Token, SealedToken), 201, body_errors),
        Route("POST", "/v1/verify", Verification(service), "Verify a token for a resource server",
              asking, Question, (Active, Inactive), 200, body_errors),
        Route("POST", "/v1/introspect", introspection.introspect, "Introspect a token, as in RFC 7662",
              asking, OneToken, (Introspected, NotActive), 200, body_errors, form=True),
        Route("POST", "/v1/revoke", introspection.revoke, "Take back the token that is sent, as in RFC 7009",
              takes=OneToken, errors=(*body_errors, 403), form=True),
        Route("POST", LEAKS, Reports(service).report, "Report a token that was found somewhere",
              takes=Report, gives=(Received,), status=202, errors=(*body_errors, 429)),
        Route("GET", CHANGES, Feeds(service).show, "Read what changed, as a resource server on its own does",
              gives=(SignedPage,), errors=(400, 404, 409), query=("audience", "since", "skip", "wait")),
        Route("GET", "/v1/auth", Auth(service), "Authenticate a request for a proxy",
              status=204, errors=(400, 401, 403), verifies=True),
        Route("GET", "/v1/capability", tokens.describe, "See what the presented capability may do",
              (*OWN, *RESERVED_AUDIENCES), gives=(Described,)),
        Route("GET", "/v1/salts", revocations.salts, "List the names in one's salt column",
              (*OWN, ADMIN), gives=(SaltRows,), errors=(404,), query=("user",)),
        Route("POST", "/v1/revocations", revocations.revoke, "Take back a name, a token, or everything",
              (*OWN, ADMIN), Revocation, (Revoked,), 200, (*body_errors, 404)),
        Route("POST", "/v1/password", revocations.change_password, "Change one's password, and all salts with it",
              OWN, PasswordChange, (Revoked,), 200, (*body_errors, 429)),
        Route("POST", PATH, Discharges(service).discharge, "Discharge a third-party caveat that names one's user",
              OWN, Asked, (Discharged,), 200, body_errors),
        Route("POST", "/v1/users", users.add, "Add a user", admin, Addition, (UserRow,), 201, (*body_errors, 409, 429)),
        Route("GET", "/v1/users", users.list, "List users", admin, gives=(UserRows,), query=("after",)),
        Route("GET", "/v1/users/{user}", users.show, "See a user", admin, gives=(UserRow,), errors=(404,)),
        Route("PATCH", "/v1/users/{user}", users.change, "Disable, enable or change a user",
              admin, Change, (Changed,), 200, (*body_errors, 404, 429)),
    ]  # fmt: skip
