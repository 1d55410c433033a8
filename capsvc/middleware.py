"""Plain ASGI middleware that lets nothing through to an application without a capability for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capsvc.errors import StoreBusy
from capsvc.http.facts import Proxies, connection_facts, header
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import HTTPProblem, Problem, bad_request, problem_of
from capsvc.node import Node, Presentation, Verdict
from caveats import CaveatUnmet, Request

VERDICT = "capsvc.verdict"
"""Where in the ASGI scope the application finds the :class:`capsvc.node.Verdict`."""

_BODY_BYTES = 1024 * 1024
_TOO_LARGE = Problem(413, "body-too-large", "The body is too large", "Send less, or have the limit raised.")

Facts = Callable[[Scope], Mapping[str, Any]]


class CapabilityMiddleware:
    """Guards an ASGI application.

    HTTP requests pass when their capability, for one of ``audiences`` (None is that of none), permits
    them; websockets are guarded as GET; lifespan passes; anything else is refused. ``facts`` tells
    what only the application knows, such as its actions. Where the one thing that is not met is a
    ``body`` caveat, the body is read, up to ``body_bytes``, and checked before the application runs.
    """

    def __init__(
        self,
        app: ASGIApp,
        node: Node,
        audiences: Sequence[str | None] = (None,),
        facts: Facts | None = None,
        body_bytes: int = _BODY_BYTES,
    ) -> None:
        self._app = app
        self._node = node
        self._audiences = tuple(audiences)
        self._facts = facts
        self._body_bytes = body_bytes
        self._proxies = Proxies.of(node.settings.trusted_proxies, node.settings.forwarded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify, then call the application; or answer with a problem."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise ValueError(f"no capability can guard a connection of type {scope['type']}")
        try:
            presentation = unverified_presentation(scope, self._node.settings.header_characters)
            request = self._request(scope)
            try:
                verdict = await verify(self._node, presentation, request, self._audiences)
            except CaveatUnmet as unmet:
                if not _only_body(unmet, request):
                    raise
                body, receive = await _read(scope, receive, self._body_bytes)
                verdict = await verify(self._node, presentation, request.saying(body=body), self._audiences)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                raise
            await problem(scope, receive, send)
            return
        await self._app({**scope, VERDICT: verdict}, receive, send)

    def _request(self, scope: Scope) -> Request:
        facts = connection_facts(scope, self._proxies)
        if self._facts is not None:
            facts.update(self._facts(scope))
        try:
            return self._node.request(**facts)
        except ValueError as wrong:
            raise bad_request(str(wrong)) from None


async def verify(
    node: Node, presentation: Presentation, request: Request, audiences: Sequence[str | None], min_revision: int = 0
) -> Verdict:
    """Verify without ever blocking the event loop: at once, or on a thread where the store is locked."""
    try:
        return node.verify(presentation, request, audiences, min_revision=min_revision, patient=False)
    except StoreBusy:
        return await to_thread.run_sync(
            lambda: node.verify(presentation, request, audiences, min_revision=min_revision)
        )


def _only_body(unmet: CaveatUnmet, request: Request) -> bool:
    return "body" not in request.facts and all(each.predicate.startswith("body = ") for each in unmet.unmet)


async def _read(scope: Scope, receive: Receive, limit: int) -> tuple[bytes, Receive]:
    """Read the whole body up to a limit; return it with a receive that gives it once more."""
    declared = header(scope, "Content-Length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise HTTPProblem(_TOO_LARGE)
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise bad_request("The body ended before it was whole.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise HTTPProblem(_TOO_LARGE)
        chunks.append(chunk)
        more = message.get("more_body", False)
    body = b"".join(chunks)
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return body, again
