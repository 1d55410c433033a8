"""Introspection (RFC 7662) and revocation (RFC 7009): the faces that gateways and OAuth clients know.

Both only translate: what verifies and what takes back is the same as behind the service's own routes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import REVOKE, Act, Presented
from capsvc.http.bodies import Secret, answer
from capsvc.http.callers import Callers
from capsvc.http.facts import connection_facts
from capsvc.http.forms import oauth_problem, read_form, token_of
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.middleware import verify
from capsvc.node import Presentation
from caveats import Capability, CaveatUnmet, KeyName, MacaroonError
from caveats.request import FROM_AUTHORITY
from caveats.wire import decode_text

_NEVER_FROM_CALLERS = FROM_AUTHORITY | {"time", "request"}


class OneToken(Secret):
    """The form of both routes. Introspection reads facts of the request beside it: ``method``, ``path``, …"""

    token: str
    token_type_hint: str = ""


class Introspected(msgspec.Struct, omit_defaults=True):
    """The token is active. Times are seconds since the epoch; ``scope`` holds the actions that were asked about."""

    active: Literal[True]
    sub: str
    iss: str
    jti: str
    iat: int
    nbf: int
    exp: int
    token_type: str
    aud: str | msgspec.UnsetType = msgspec.UNSET
    scope: str | msgspec.UnsetType = msgspec.UNSET


class NotActive(msgspec.Struct):
    """It is not, for whatever reason."""

    active: Literal[False]


class Introspection:
    """The endpoints that speak OAuth."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._callers = Callers(service)
        self._limit = service.settings.body_bytes

    async def introspect(self, request: Request) -> Response:
        """``POST /v1/introspect``.

        A predicate on the request is met only by a fact that the form tells: a gateway that tells none
        gets ``active: false`` for a token that is narrowed to some requests (law 3).
        """
        form = await read_form(request, self._limit)
        token, audience = token_of(form), await self._callers.audience(request.scope)
        facts = self._facts(form)
        try:
            asked = self._service.node.request(**facts)
        except (TypeError, ValueError) as wrong:
            raise oauth_problem("invalid_request", f"{wrong}.") from None
        try:
            verdict = await verify(self._service.node, Presentation(token), asked, (audience,))
        except MacaroonError:
            return answer(NotActive(False))
        return answer(self._introspected(verdict.capability, facts.get("action", ())))

    async def revoke(self, request: Request) -> Response:
        """``POST /v1/revoke``: the token authorises its own revocation, so far as its caveats permit this request."""
        form = await read_form(request, self._limit)
        token = token_of(form)
        facts = connection_facts(request.scope, self._service.proxies)
        node = self._service.node
        try:
            unverified = decode_text(token, node.settings.limits)
            if any(each.verification_id for each in unverified.unverified_caveats):
                # To say 200 of a token that is still good beside its discharge would be to lie.
                raise oauth_problem(
                    "unsupported_token_type", "A token that needs discharges is taken back by its nonce."
                )
            audience = KeyName.unverified(unverified.unverified_identifier).audience
            if audience in node.settings.exported_audiences:  # who has the exported key could take back anybody's
                raise oauth_problem(
                    "unsupported_token_type", f"A token for {audience} is taken back by POST /v1/revocations."
                )
            verdict = await verify(node, Presentation(token), node.request(**facts), (audience,))
        except CaveatUnmet:
            raise
        except MacaroonError:  # RFC 7009, 2.2: what is not valid is as good as taken back
            return Response(None, 200, {"Cache-Control": "no-store"})
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        revision = await to_thread.run_sync(self._take_back, verdict.capability)
        return Response(None, 200, {"Cache-Control": "no-store", "X-Capsvc-Revision": str(revision)})

    def _take_back(self, capability: Capability) -> int:
        """Take back the name that its holder gave it last; without one, its nonce, and all that shares it."""
        store, now, user = self._service.store, self._service.node.now(), capability.user
        name = capability.salt_names[-1] if len(capability.salt_names) > 1 else None
        if name is not None:
            revision = store.revoke_name(user, name, now)
        else:
            revision = store.revoke_nonce(user, capability.nonce, now)
        nonce = capability.nonce if name is None else None
        presented = Presented.of(capability)
        self._service.record(
            Act(act=REVOKE, who=user, whom=user, name=name, nonce=nonce, revision=revision, presented=presented)
        )
        return revision

    def _facts(self, form: dict[str, str]) -> dict[str, Any]:
        """Pick the facts of a form: a parameter that names no attribute is ignored, as RFC 7662 wants it."""
        facts: dict[str, Any] = {
            name: value
            for name, value in form.items()
            if name in self._service.node.vocabulary and name not in _NEVER_FROM_CALLERS
        }
        if "action" in facts:
            facts["action"] = facts["action"].split(" ")
        if "query" in facts:
            facts["query"] = facts["query"].encode("utf-8")
        return facts

    def _introspected(self, capability: Capability, actions: tuple[str, ...]) -> Introspected:
        begins = _seconds(capability.not_before)
        return Introspected(
            True,
            capability.user,
            self._service.location,
            capability.nonce,
            begins,
            begins,
            _seconds(capability.expires),
            "Bearer",
            capability.audience or msgspec.UNSET,
            " ".join(actions) or msgspec.UNSET,
        )


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())
