"""Verification for others: ``/v1/verify`` for resource servers, ``/v1/auth`` for proxies."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.errors import Refused
from capsvc.http.bodies import Secret, answer, read
from capsvc.http.facts import original_facts
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.http.tokens import scope
from capsvc.middleware import VERDICT, verify
from capsvc.names import RESERVED_AUDIENCES, VERIFY
from capsvc.node import Presentation
from caveats import Capability, CaveatUnmet, Expired, MacaroonError, Revoked

_NEVER_FROM_CALLERS = frozenset({"time", "audience", "user", "nonce", "salt", "request"})
_UNRESERVED = "!#$&'()*+,-.:;=?@[]^_`{|}~"


class Question(Secret, forbid_unknown_fields=True):
    """Does this token permit this request?

    ``request`` holds facts by attribute: ``path`` as on the wire, ``query`` the raw query string,
    ``body`` its digest, ``action`` a list; attributes of the settings' vocabulary too.
    """

    token: str
    discharges: Annotated[list[str], msgspec.Meta(max_length=64)] = msgspec.field(default_factory=list)
    request: dict[str, Any] = msgspec.field(default_factory=dict)
    min_revision: Annotated[int, msgspec.Meta(ge=0)] = 0


class Active(msgspec.Struct):
    """It does."""

    user: str
    audience: str | None
    salt: list[str]
    issued: str
    expires: str
    scope: list[str]
    revision: int
    active: bool = True


class UnmetCaveat(msgspec.Struct, omit_defaults=True):
    """One proven caveat that the request does not meet."""

    position: int
    predicate: str
    reason: str
    discharge: int | None = None


class Inactive(msgspec.Struct, omit_defaults=True):
    """It does not. ``unmet`` is there for the reason ``unmet`` alone."""

    active: bool
    reason: str
    unmet: list[UnmetCaveat] = []


class Verification:
    """The endpoints that verify for others."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def verify(self, request: Request) -> Response:
        """``POST /v1/verify``: always 200 to an authorised caller."""
        question = await read(request, Question, self._service.settings.body_bytes)
        audience = await self._audience_of_caller(request)
        try:
            facts = self._service.node.request(**_facts(question.request))
        except (TypeError, ValueError) as wrong:
            raise bad_request(f"request: {wrong}.") from None
        presentation = Presentation(question.token, tuple(question.discharges))
        try:
            verdict = await verify(self._service.node, presentation, facts, (audience,), question.min_revision)
        except MacaroonError as error:
            return answer(_inactive(error))
        return answer(_active(verdict.capability, verdict.revision))

    async def auth(self, request: Request) -> Response:
        """``GET /v1/auth``: the proxy's original request, as its headers tell it."""
        presentation = unverified_presentation(request.scope, self._service.settings.header_characters)
        try:
            facts = self._service.node.request(**original_facts(request.scope, self._service.proxies))
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        audience = self._service.settings.audience or None
        verdict = await verify(self._service.node, presentation, facts, (audience,))
        return Response(
            None, 204, {"X-Capsvc-User": _header_text(verdict.capability.user), "Cache-Control": "no-store"}
        )

    async def _audience_of_caller(self, request: Request) -> str | None:
        """The caller's own audience, the one of her audiences that is not reserved; else the setting's."""
        if VERDICT in request.scope:
            caller = self._service.verdict(request).capability.user
            user = await to_thread.run_sync(self._service.store.user, caller)
            own = [each for each in user.audiences if each not in RESERVED_AUDIENCES]
            if len(own) > 1:
                raise Refused(f"{caller} has the audiences {' '.join(own)}: a user that asks {VERIFY} has one at most")
            if own:
                return own[0]
        return self._service.settings.audience or None


def _facts(told: dict[str, Any]) -> dict[str, Any]:
    for name in told:
        if name in _NEVER_FROM_CALLERS:
            raise ValueError(f"{name} is never taken from the caller")
    facts = dict(told)
    if isinstance(facts.get("query"), str):
        facts["query"] = facts["query"].encode("utf-8", "surrogatepass")
    return facts


def _active(capability: Capability, revision: int) -> Active:
    return Active(
        capability.user,
        capability.audience,
        list(capability.salt_names),
        capability.not_before,
        capability.expires,
        scope(capability),
        revision,
    )


def _inactive(error: MacaroonError) -> Inactive:
    if isinstance(error, CaveatUnmet):
        return Inactive(False, "unmet", [UnmetCaveat(*each) for each in error.unmet])
    if isinstance(error, Expired):
        return Inactive(False, "expired")
    return Inactive(False, "revoked" if isinstance(error, Revoked) else "invalid")


def _header_text(user: str) -> str:
    """Write a user's name as ASCII: what is not, and %, is percent-encoded from UTF-8."""
    return quote(user, safe=_UNRESERVED)
