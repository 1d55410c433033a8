"""Guards: endpoints of Starlette and FastAPI that say which action on which resource they are."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser, SimpleUser
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

import caveats
from capsvc.http.body_fact import BODY_BYTES, demand_body_alone, demand_length, demand_whole
from capsvc.http.facts import Proxies, connection_facts, read_headers
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import HTTPProblem, bad_request, problem_of
from capsvc.middleware import VERDICT, verify
from capsvc.node import Node, Ring, Verdict
from capsvc.replay import ReplayGuard
from caveats import BUILTIN, CaveatUnmet
from caveats.path import Path
from caveats.request import FROM_AUTHORITY

_BACKEND = "capsvc.backend"
_PLACE = re.compile(r"{(\w+)(:path)?}")
_TOLD_OTHERWISE = FROM_AUTHORITY | {"time", "method", "host", "path", "query", "ip", "body", "request"}
CREDENTIAL = "capability"
"""The scope of Starlette's own ``requires`` that a verified capability gives."""


class CapabilityBackend(AuthenticationBackend):
    """Authenticates by capability, for Starlette's ``AuthenticationMiddleware``.

    Whoever presents none stays unauthenticated, and so does, until a guard adds what it knows, a
    capability that is narrowed to facts that no connection tells, such as actions and resources.
    """

    def __init__(
        self, node: Node[Ring], audiences: Sequence[str | None] = (None,), body_bytes: int = BODY_BYTES
    ) -> None:
        self._node = node
        self._audiences = tuple(audiences)
        self._body_bytes = body_bytes
        self._longest = node.settings.header_characters
        self._proxies = Proxies.of(node.settings.trusted_proxies, node.settings.forwarded)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Verify with the facts of the connection. Raises AuthenticationError, which :func:`refuse` renders."""
        conn.scope[_BACKEND] = self
        if not any(name == b"authorization" for name, _ in conn.scope["headers"]):
            return None
        try:
            verdict = await self._verdict(conn, {})
        except CaveatUnmet:
            return None
        except Exception as error:
            if problem_of(error).status == 500:
                raise
            raise AuthenticationError from error
        return _identity(verdict)

    async def verdict(self, request: Request | WebSocket, told: Mapping[str, Any]) -> Verdict:
        """Verify with the facts of the connection and further ones. Raises what the renderer of problems knows.

        Where the one thing that is not met is a ``body`` caveat, the body is read, up to ``body_bytes``; the
        endpoint finds it in the same request.
        """
        try:
            return await self._verdict(request, told)
        except CaveatUnmet as why:
            told = {**told, "body": await self._body(why, request, told)}
        return await self._verdict(request, told)

    async def _verdict(self, conn: HTTPConnection, told: Mapping[str, Any]) -> Verdict:
        presentation = unverified_presentation(read_headers(conn.scope, self._proxies), self._longest)
        return await verify(self._node, presentation, self._asked(conn, told), self._audiences)

    async def _body(self, why: CaveatUnmet, request: Request | WebSocket, told: Mapping[str, Any]) -> bytes:
        demand_body_alone(why, self._asked(request, told))
        assert isinstance(request, Request)  # noqa: S101 - a websocket has no body, which is a fact
        length = demand_length(read_headers(request.scope, self._proxies), self._body_bytes)
        return demand_whole(await request.body(), length)

    def _asked(self, conn: HTTPConnection, told: Mapping[str, Any]) -> caveats.Request:
        try:
            return self._node.request(**{**connection_facts(conn.scope, self._proxies), **told})
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None


class Guard:
    """What an endpoint demands: facts, in which ``{name}`` stands for the path parameter of that name.

    A parameter fills one segment; ``{name:path}`` may fill several. One that holds more than its place
    leaves the fact absent, so that whatever asks for it forbids. Raises ValueError for a fact that only the
    connection or authority tells, and for a value that can be none.
    """

    def __init__(self, facts: Mapping[str, str | Sequence[str]], replay_guard: ReplayGuard | None = None) -> None:
        for name, fact in facts.items():
            for each in (fact,) if isinstance(fact, str) else (*fact, *([] if fact else [""])):
                _check(name, each)
        self._facts = dict(facts)
        self._replay_guard = replay_guard

    def __call__(self, endpoint: Callable[..., Any]) -> Callable[[Any], Awaitable[Any]]:
        """Guard an endpoint of Starlette. It answers with a problem, or closes, what it does not let through."""

        @wraps(endpoint)
        async def guarded(connection: Request | WebSocket) -> Any:
            try:
                await self._permit(connection)
            except HTTPProblem as refused:
                if isinstance(connection, WebSocket):
                    return await connection.close(1008, refused.problem.title)
                return refused.problem.response()
            return await (endpoint if iscoroutinefunction(endpoint) else _on_thread(endpoint))(connection)

        return guarded

    async def permit(self, request: Request) -> Verdict:
        """Verify one request; for ``Depends`` of FastAPI. Raises HTTPProblem, which :func:`render` renders.

        With a replay guard it takes a request-bound copy, once.
        """
        return await self._permit(request)

    async def _permit(self, request: Request | WebSocket) -> Verdict:
        backend = request.scope.get(_BACKEND)
        if not isinstance(backend, CapabilityBackend):
            raise RuntimeError("a guard needs AuthenticationMiddleware with a CapabilityBackend")
        told = {name: _filled(fact, request.path_params) for name, fact in self._facts.items()}
        try:
            verdict = await backend.verdict(request, told)
            if self._replay_guard is not None:
                await self._replay_guard.admit(verdict.capability)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                raise
            raise HTTPProblem(problem) from None
        request.scope[VERDICT] = verdict
        request.scope["auth"], request.scope["user"] = _identity(verdict)
        return verdict


def requires(*, replay_guard: ReplayGuard | None = None, **facts: str | Sequence[str]) -> Guard:
    """Demand that a capability permits these facts: ``requires(action="docs:read", resource="docs/{id}")``.

    With a ``replay_guard`` only request-bound copies pass, each of them once.
    """
    return Guard(facts, replay_guard)


def _check(name: str, fact: str) -> None:
    """Find at its definition what would go wrong, or unnoticed, with every request."""
    if name in _TOLD_OTHERWISE:
        raise ValueError(f"{name} is told by the connection or by authority, and not by a guard")
    filled = _PLACE.sub("x", fact)
    if not filled or set("{}") & set(filled):
        raise ValueError(f"{name} is a text in which {{name}} or {{name:path}} stands for a path parameter")
    read = BUILTIN[name].fact(filled) if name in BUILTIN else filled
    if isinstance(read, Path) and read.problem:
        raise ValueError(f"{name}: {read.problem}")


def refuse(conn: HTTPConnection, error: AuthenticationError) -> Response:
    """Render what the backend raised: ``on_error`` of AuthenticationMiddleware."""
    cause = error.__cause__
    return problem_of(cause if isinstance(cause, Exception) else error).response()


async def render(request: Request, error: Exception) -> Response:
    """Render what a guard raised: the handler of HTTPProblem in an application that uses ``Depends``."""
    return problem_of(error).response()


def _identity(verdict: Verdict) -> tuple[AuthCredentials, BaseUser]:
    return AuthCredentials([CREDENTIAL]), SimpleUser(verdict.capability.user)


def _filled(fact: str | Sequence[str], parameters: Mapping[str, Any]) -> str | list[str] | None:
    """Fill the places of a fact; None where a parameter does not fit its place."""
    if not isinstance(fact, str):
        filled = [_filled(each, parameters) for each in fact]
        return [each for each in filled if isinstance(each, str)] if None not in filled else None
    for place in _PLACE.finditer(fact):
        if place[1] not in parameters:
            raise RuntimeError(f"the route has no path parameter {place[1]}")
        value = str(parameters[place[1]])
        if not value or ("/" in value and not place[2]):
            return None
    return _PLACE.sub(lambda place: str(parameters[place[1]]), fact)


def _on_thread(endpoint: Callable[..., Any]) -> Callable[[Request | WebSocket], Awaitable[Any]]:
    return lambda connection: run_in_threadpool(endpoint, connection)
