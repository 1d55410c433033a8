"""Discharges over HTTP: a ticket goes in, a discharge or a problem comes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import DISCHARGE, Act, Presented
from capsvc.discharges import discharge
from capsvc.errors import Refused, TicketError
from capsvc.http.bodies import Secret, answer, read
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.http.tokens import Lifetime
from capsvc.tickets import TICKET_BYTES, Ticket
from caveats import BUILTIN, Capability, DecodeError, PredicateError, time_text
from caveats.encoding import decode_base64

PATH = "/v1/discharges"
"""Where a third party answers, after the location that stands in the caveat."""

TicketText = Annotated[str, msgspec.Meta(max_length=TICKET_BYTES * 4 // 3 + 2)]


class Asked(Secret, forbid_unknown_fields=True):
    """A third-party caveat's identifier, in URL-safe base64, asks to be discharged."""

    ticket: TicketText
    lifetime: Lifetime = 0


class Discharged(Secret):
    """A discharge, not yet bound, and when it expires at the latest."""

    discharge: str
    expires: str


def read_ticket(text: str) -> bytes:
    """Read a ticket's bytes. Raises TicketError."""
    try:
        return decode_base64(text)
    except DecodeError:
        raise TicketError from None


class Discharges:
    """The endpoint for discharges. It authenticates the user whom a ticket names, by her own capability."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def discharge(self, request: Request) -> Response:
        """``POST /v1/discharges``."""
        asked = await read(request, Asked, self._service.settings.body_bytes)
        capability = self._service.verdict(request).capability
        discharged = await to_thread.run_sync(self._discharge, asked, capability)
        presented = Presented.of(capability)
        await self._service.recorded(
            Act(act=DISCHARGE, who=capability.user, ends=discharged.expires, presented=presented)
        )
        return answer(discharged)

    def _discharge(self, asked: Asked, capability: Capability) -> Discharged:
        node, settings = self._service.node, self._service.settings
        raw = read_ticket(asked.ticket)
        ticket = Ticket.open(raw, node.ring().ticket_key)
        if _user(ticket.condition) != capability.user:
            raise Refused("the ticket asks for another user: the one whom it names has to present her own capability")
        if asked.lifetime > settings.max_discharge_lifetime:
            raise Refused(f"a discharge lives 1 to {settings.max_discharge_lifetime} seconds")
        span = timedelta(seconds=asked.lifetime or settings.discharge_lifetime)
        # What a capability brings about does not outlive it.
        expires = min(time_text(datetime.fromisoformat(node.now()) + span), capability.expires)
        return Discharged(discharge(raw, ticket, expires, location=self._service.location), expires)


def _user(condition: str) -> str:
    """The user whom a condition names. Raises a 400 for a condition of another kind: it is not understood here."""
    try:
        predicate = BUILTIN.parse(condition)
    except PredicateError:
        predicate = None
    if predicate is None or (predicate.attribute, predicate.operator) != ("user", "="):
        raise bad_request("The ticket's condition is not `user = name`, the one that this service can find true.")
    return predicate.items[0]
