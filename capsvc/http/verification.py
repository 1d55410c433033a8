"""Verification for others: ``/v1/verify``, which resource servers ask."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from starlette.types import Receive, Scope

from capsvc.errors import StoreBusy
from capsvc.http.bodies import Secret, json_answer, read_body
from capsvc.http.callers import Callers
from capsvc.http.endpoint import Answer, Endpoint
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.http.tokens import permitted
from capsvc.middleware import verify_patiently
from capsvc.node import Node, Presentation, Ring
from caveats import Capability, CaveatUnmet, Expired, MacaroonError, Request, Revoked

_NEVER_FROM_CALLERS = frozenset({"time", "audience", "user", "nonce", "salt", "request"})
_PLAIN = {
    "method": re.compile("[A-Z]{1,32}").fullmatch,
    "host": re.compile("[a-z0-9]{1,63}([.-][a-z0-9]{1,63}){0,8}").fullmatch,
    "path": re.compile("(/[A-Za-z0-9_-]{1,64}){1,32}").fullmatch,
    "resource": re.compile("[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,32}").fullmatch,
}
"""Facts that their types read without fail."""


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
    """One proven caveat that the request does not meet; ``instead`` is what would have to differ."""

    position: int
    predicate: str
    reason: str
    discharge: int | None = None
    instead: str = ""


class Inactive(msgspec.Struct, omit_defaults=True):
    """It does not. ``unmet`` is there for the reason ``unmet`` alone."""

    active: bool
    reason: str
    unmet: list[UnmetCaveat] = []


class Verification(Endpoint):
    """``POST /v1/verify``: always 200 to an authorised caller."""

    def __init__(self, service: Service) -> None:
        self._node = service.node
        self._callers = Callers(service)
        self._body_bytes = service.settings.body_bytes

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer what a token permits, or why it permits nothing."""
        node = self._node
        question = await read_body(scope, receive, Question, self._body_bytes)
        audience = await self._callers.audience(scope)
        try:
            request = _request(node, question.request)
        except (TypeError, ValueError) as wrong:
            raise bad_request(f"request: {wrong}.") from None
        presentation, revision = Presentation(question.token, tuple(question.discharges)), question.min_revision
        try:
            try:
                found = node.verify(presentation, request, (audience,), min_revision=revision, patient=False)
            except StoreBusy:
                found = await verify_patiently(node, presentation, request, (audience,), revision)
        except MacaroonError as error:
            return json_answer(_inactive(error))
        return json_answer(_active(found.capability, found.revision))


def _request(node: Node[Ring], told: dict[str, Any]) -> Request:
    """Make the request of a question. Raises TypeError or ValueError for a fact that cannot be read.

    Plain ones can be, and are read only when a predicate asks: reading a method and a path costs 5 µs.
    """
    for name, value in told.items():
        plain = _PLAIN.get(name)
        if plain is None or type(value) is not str or not plain(value):
            return node.request(**_facts(told))
    return node.request_later(lambda: told)


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
        permitted(capability),
        revision,
    )


def _inactive(error: MacaroonError) -> Inactive:
    if isinstance(error, CaveatUnmet):
        return Inactive(False, "unmet", [UnmetCaveat(*each) for each in error.unmet])
    if isinstance(error, Expired):
        return Inactive(False, "expired")
    return Inactive(False, "revoked" if isinstance(error, Revoked) else "invalid")
