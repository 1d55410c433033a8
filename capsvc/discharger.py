"""A discharger of one's own: an ASGI application made from a callback that answers yes, no, or go there first."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from anyio import to_thread
from starlette.requests import Request
from starlette.types import Receive, Scope

from capsvc.discharges import Ask, discharge
from capsvc.http.bodies import json_answer, read_body
from capsvc.http.discharges import PATH, Asked, Discharged, read_ticket
from capsvc.http.endpoint import Answer, Endpoint
from capsvc.http.problems import HTTPProblem, Problem
from capsvc.ticket_keys import KeyFinder
from capsvc.tickets import Ticket
from caveats import BUILTIN, Predicate, PredicateError, Vocabulary, time_text
from caveats.encoding import encode_base64

TICKET = "capsvc.ticket"
"""Where in the ASGI scope a callback finds a name for the ticket: no secret, and the same when it comes back."""

LIFETIME_SECONDS = 300
_BODY_BYTES = 8192
_COME_BACK_SECONDS = "1"


@dataclass(frozen=True, slots=True)
class Yes:
    """The condition is true. ``caveats`` narrow the discharge; ``asks`` are conditions for other third parties."""

    caveats: Sequence[str | Predicate] = ()
    asks: Sequence[Ask] = ()


@dataclass(frozen=True, slots=True)
class No:
    """The condition is not true; the reason goes to whoever asks."""

    reason: str

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str):
            raise TypeError("a reason is a str")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A person has to go to a URL first; whoever asks then comes back with the same ticket."""

    url: str = field(repr=False)


Decision = Yes | No | Elsewhere
Decide = Callable[[str, Request], Decision | Awaitable[Decision]]
"""Decides about a condition. The request shows who asks: its headers, its address, and in its scope :data:`TICKET`."""


class Discharger(Endpoint):
    """Answers ``POST …/v1/discharges`` for one third party.

    ``decide`` gets the condition of a ticket that one of ``keys`` opened, and the request; a plain function
    runs on a thread. Every discharge expires after ``lifetime`` seconds, or earlier if the asker or a caveat
    says so. Nothing but a :class:`Yes` discharges: an exception, or anything else that it returns, is an
    internal error. It is for the callback to know who asks: a ticket says only what is asked.
    """

    def __init__(
        self,
        decide: Decide,
        keys: KeyFinder,
        *,
        location: str = "",
        lifetime: int = LIFETIME_SECONDS,
        vocabulary: Vocabulary = BUILTIN,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if lifetime < 1:
            raise ValueError("a discharge lives at least a second")
        self._decide = decide
        self._keys = keys
        self._location = location
        self._lifetime = lifetime
        self._vocabulary = vocabulary
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Callable[..., Awaitable[None]]) -> None:
        """Answer one request; start and stop without more ado."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await super().__call__(scope, receive, send)
        else:
            raise ValueError(f"a discharger does not answer connections of type {scope['type']}")

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer one ticket, or raise the problem."""
        if not scope["path"].endswith(PATH):
            raise HTTPProblem(Problem(404, "no-such-route", "There is no such route", f"Send tickets to POST {PATH}."))
        if scope["method"] != "POST":
            raise HTTPProblem(
                Problem(405, "no-such-method", "The route does not have this method", "It has POST.", {"Allow": "POST"})
            )
        asked = await read_body(scope, receive, Asked, _BODY_BYTES)
        raw = read_ticket(asked.ticket)
        ticket = Ticket.open(raw, self._keys)
        scope[TICKET] = encode_base64(sha256(raw).digest()[:16])
        decision = await self._decided(ticket.condition, Request(scope))
        if isinstance(decision, No):
            raise HTTPProblem(Problem(403, "discharge-denied", "The third party says no", decision.reason))
        if isinstance(decision, Elsewhere):
            raise HTTPProblem(_interaction(decision.url))
        if not isinstance(decision, Yes):
            raise TypeError("a discharger's callback answers Yes, No or Elsewhere")
        expires = time_text(int(self._clock()) + min(asked.lifetime or self._lifetime, self._lifetime))
        try:
            text = discharge(
                raw,
                ticket,
                expires,
                decision.caveats,
                decision.asks,
                location=self._location,
                vocabulary=self._vocabulary,
            )
        except PredicateError as wrong:  # the callback's mistake, and not what was presented
            raise ValueError(f"a discharger's callback answers with a caveat that is none: {wrong}") from None
        return json_answer(Discharged(text, expires))

    async def _decided(self, condition: str, request: Request) -> object:
        if inspect.iscoroutinefunction(self._decide):
            return await self._decide(condition, request)
        decision = await to_thread.run_sync(self._decide, condition, request)
        return await decision if inspect.isawaitable(decision) else decision


def _interaction(url: str) -> Problem:
    return Problem(
        401,
        "interaction-needed",
        "A person has to go elsewhere first",
        "Open the address in `interaction`, then come back with the same ticket.",
        {"WWW-Authenticate": 'Interaction realm="capsvc"', "Retry-After": _COME_BACK_SECONDS},
        {"interaction": url},
    )


async def _live(receive: Receive, send: Callable[..., Awaitable[None]]) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
