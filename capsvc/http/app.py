"""The ASGI application of the service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from capsvc import counters, process
from capsvc.console.pages import refusal
from capsvc.console.routes import is_for_people
from capsvc.console.routes import routes as pages
from capsvc.errors import CapsvcError
from capsvc.home import Home
from capsvc.http.auth import Auth
from capsvc.http.connections import STATE, Connections
from capsvc.http.contract import Contract
from capsvc.http.dispatch import Dispatching
from capsvc.http.doors import Doors
from capsvc.http.endpoint import Endpoint
from capsvc.http.exchanges import Exchanges
from capsvc.http.metrics import Metrics
from capsvc.http.problems import HTTPProblem, Problem, problem_of
from capsvc.http.readiness import Readiness
from capsvc.http.routes import Route, routes
from capsvc.http.service import Service
from capsvc.middleware import CapabilityMiddleware
from capsvc.outcomes import WRITE_SECONDS
from caveats import MacaroonError

_TITLES = {404: "There is no such route", 405: "The route does not have this method"}


def create() -> Starlette:
    """Make the application of the home that the environment names; for servers that take a factory.

    It hardens the process, for in each worker this comes first.
    """
    process.harden()
    app = application(Service.of(Home.of(os.environ)))
    process.settle()
    return app


def application(service: Service) -> Starlette:
    """Make the application of a service. It closes the service when it shuts down."""
    table = routes(service)
    contract = Contract(service, table)
    guarded = {(route.path, route.method): _guarded(service, route) for route in table}
    described = [
        StarletteRoute("/openapi.json", contract.openapi),
        StarletteRoute("/.well-known/capsvc", contract.well_known),
        StarletteRoute("/livez", contract.live),
        StarletteRoute("/readyz", Readiness(service).show),
        StarletteRoute("/metrics", Metrics(service).show),
        # Envoy asks with the method and, behind this, the path of whom it asks about.
        StarletteRoute("/v1/auth/{original:path}", Auth(service, "/v1/auth")),
    ]

    log = service.log if service.settings.access_log else None
    exchanges = Exchanges(service.proxies, service.counters.answers, log)
    # Where ID tokens are taken, what a login costs is known only once its body was read.
    demands = {(b"/v1/tokens", b"POST"): service.slots.demand_room} if service.federation is None else {}
    doors = Doors(demands, exchanges)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with anyio.create_task_group() as beside:
            beside.start_soon(_keep_outcomes, service)
            beside.start_soon(_keep_counts, service)
            yield {STATE: Connections(service.settings, doors, service.polls.end)}
            beside.cancel_scope.cancel()
        service.write_outcomes()
        service.close()

    app = Dispatching(
        dict(_ahead(table, guarded)),
        exchanges,
        routes=[*_by_path(table, guarded), *described, *pages(service)],
        lifespan=lifespan,
        exception_handlers={
            HTTPProblem: _render,
            MacaroonError: _render,
            CapsvcError: _render,
            HTTPException: _render,
            Exception: _render,
        },
    )
    app.router.redirect_slashes = False  # one spelling of each path, and no redirect that a token would follow
    return app


async def _keep_outcomes(service: Service) -> None:
    """Write every few seconds how verifications ended, for as long as the service runs."""
    await to_thread.run_sync(service.outcomes.forget)
    while True:
        await anyio.sleep(WRITE_SECONDS)
        await to_thread.run_sync(service.write_outcomes)


async def _keep_counts(service: Service) -> None:
    """Show the other workers every second what this one counted, for as long as the service runs."""
    while True:
        await anyio.sleep(counters.WRITE_SECONDS)
        service.write_counts()


def _by_path(table: list[Route], guarded: Mapping[tuple[str, str], ASGIApp]) -> Iterator[StarletteRoute]:
    """Make one route a path, so that a method that it does not have is answered with all that it has."""
    for path in dict.fromkeys(route.path for route in table):
        endpoints = {route.method: guarded[path, route.method] for route in table if route.path == path}
        yield StarletteRoute(path, _Methods(endpoints), methods=list(endpoints))


def _ahead(table: list[Route], guarded: Mapping[tuple[str, str], ASGIApp]) -> Iterator[tuple[tuple[str, str], ASGIApp]]:
    """List what is dispatched ahead of the router: plain ASGI applications, at a path that is one fixed text."""
    for route in table:
        if isinstance(route.endpoint, Endpoint):
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                yield (route.path, method), guarded[route.path, route.method]


def _guarded(service: Service, route: Route) -> ASGIApp:
    endpoint = route.endpoint if isinstance(route.endpoint, Endpoint) else request_response(route.endpoint)
    if not route.audiences:
        return endpoint
    return CapabilityMiddleware(
        endpoint,
        service.node,
        route.audiences,
        body_bytes=service.settings.body_bytes,
        replay_guard=service.replay_guard,
    )


class _Methods:
    """An ASGI application for one path: an endpoint a method; HEAD is GET's."""

    def __init__(self, endpoints: Mapping[str, ASGIApp]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._endpoints[method](scope, receive, send)


async def _render(request: Request, error: Exception) -> Response:
    """Answer an error: to people with a page, to programs with JSON."""
    for_people = is_for_people(request.scope["path"])
    problem = _of_http(error, for_people) if isinstance(error, HTTPException) else problem_of(error)
    return refusal(problem) if for_people else problem.response()


def _of_http(error: HTTPException, for_people: bool) -> Problem:
    title = _TITLES.get(error.status_code, "The request cannot be served")
    slug = {404: "no-such-route", 405: "no-such-method"}.get(error.status_code, "bad-request")
    detail = "Look at the address again." if for_people else "GET /openapi.json lists what there is."
    return Problem(error.status_code, slug, title, detail, dict(error.headers or {}))
