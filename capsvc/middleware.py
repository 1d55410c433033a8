"""Plain ASGI middleware that lets nothing through to an application without a capability for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capsvc.errors import StoreBusy
from capsvc.http.body_fact import BODY_BYTES, declared_length, demand_body_alone, read_raw
from capsvc.http.facts import Headers, Proxies, connection_facts, read_headers
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import bad_request, problem_of
from capsvc.node import Node, Presentation, Ring, Verdict
from caveats import CaveatUnmet, Request

if TYPE_CHECKING:
    from capsvc.replay import ReplayGuard

VERDICT = "capsvc.verdict"
"""Where in the ASGI scope the application finds the :class:`capsvc.node.Verdict`."""

Facts = Callable[[Scope], Mapping[str, Any]]


class CapabilityMiddleware:
    """Guards an ASGI application.

    HTTP requests pass when their capability, for one of ``audiences`` (None is that of none), permits
    them; websockets are guarded as GET; lifespan passes; anything else is refused. ``facts`` tells
    what only the application knows, such as its actions. Where the one thing that is not met is a
    ``body`` caveat, the body is read, up to ``body_bytes``, and checked before the application runs.
    With a ``replay_guard`` only request-bound copies pass, each of them once.
    """

    def __init__(
        self,
        app: ASGIApp,
        node: Node[Ring],
        audiences: Sequence[str | None] = (None,),
        facts: Facts | None = None,
        body_bytes: int = BODY_BYTES,
        replay_guard: ReplayGuard | None = None,
    ) -> None:
        self._app = app
        self._node = node
        self._audiences = tuple(audiences)
        self._facts = facts
        self._body_bytes = body_bytes
        self._replay_guard = replay_guard
        self._longest = node.settings.header_characters
        self._proxies = Proxies.of(node.settings.trusted_proxies, node.settings.forwarded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify, then call the application; or answer with a problem."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise ValueError(f"no capability can guard a connection of type {scope['type']}")
        try:
            headers = read_headers(scope, self._proxies)
            presentation = unverified_presentation(headers, self._longest)
            if self._facts is None:
                request = self._node.request_later(lambda: connection_facts(scope, self._proxies))
            else:
                request = self._request(scope, self._facts)
            try:
                verdict = self._node.verify(presentation, request, self._audiences, patient=False)
            except (StoreBusy, CaveatUnmet, ValueError) as why:
                verdict, receive = await self._again(why, presentation, request, scope, receive, headers)
            if self._replay_guard is not None:
                await self._replay_guard.admit(verdict.capability)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                raise
            await problem(scope, receive, send)
            return
        scope[VERDICT] = verdict  # in place, as Starlette sets its user: a copy of the scope costs 0.4 µs
        await self._app(scope, receive, send)

    def _request(self, scope: Scope, facts: Facts) -> Request:
        """Make a request that tells its facts when a predicate asks, and the application's own ones at once."""
        told = facts(scope)
        try:
            said = self._node.request(**told)
        except ValueError as wrong:
            raise bad_request(str(wrong)) from None
        if not said.now:
            raise TypeError("an application's facts do not say user, audience, salt or nonce")
        return self._node.request_later(lambda: {**connection_facts(scope, self._proxies), **told})

    async def _again(
        self,
        why: StoreBusy | CaveatUnmet | ValueError,
        presentation: Presentation,
        request: Request,
        scope: Scope,
        receive: Receive,
        headers: Headers,
    ) -> tuple[Verdict, Receive]:
        """Verify once more, with patience or with the body, where that can change the answer; else raise it."""
        try:
            if isinstance(why, StoreBusy):
                try:
                    return await verify_patiently(self._node, presentation, request, self._audiences), receive
                except CaveatUnmet as unmet:
                    why = unmet
            if not isinstance(why, CaveatUnmet):
                raise why
            demand_body_alone(why, request)
            body, receive = await _read(headers, receive, self._body_bytes)
            request = request.saying(body=body)
            return await verify(self._node, presentation, request, self._audiences), receive
        except ValueError as wrong:  # a fact that a predicate asked for, and that cannot be read
            raise bad_request(str(wrong)) from None


async def verify(
    node: Node[Ring],
    presentation: Presentation,
    request: Request,
    audiences: Sequence[str | None],
    min_revision: int = 0,
) -> Verdict:
    """Verify without ever blocking the event loop: at once, or on a thread where the store is locked."""
    try:
        return node.verify(presentation, request, audiences, min_revision=min_revision, patient=False)
    except StoreBusy:
        return await verify_patiently(node, presentation, request, audiences, min_revision)


async def verify_patiently(
    node: Node[Ring],
    presentation: Presentation,
    request: Request,
    audiences: Sequence[str | None],
    min_revision: int = 0,
) -> Verdict:
    """Verify on a thread, which can wait for a store that is locked for the moment."""
    from anyio import to_thread

    return await to_thread.run_sync(lambda: node.verify(presentation, request, audiences, min_revision=min_revision))


async def _read(headers: Headers, receive: Receive, limit: int) -> tuple[bytes, Receive]:
    """Read the whole body up to a limit; return it with a receive that gives it once more."""
    declared_length(headers, limit)  # refuses what is too large before it is read
    body = await read_raw(receive, limit)
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return body, again
