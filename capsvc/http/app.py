"""The ASGI application of the service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from capsvc.errors import CapsvcError, SettingsError
from capsvc.home import Home
from capsvc.http.contract import Contract
from capsvc.http.problems import HTTPProblem, Problem, problem_of
from capsvc.http.routes import Route, routes
from capsvc.http.service import Service
from capsvc.middleware import CapabilityMiddleware
from caveats import MacaroonError

_TITLES = {404: "There is no such route", 405: "The route does not have this method"}


def create() -> Starlette:
    """Make the application of the home that the environment names; for servers that take a factory."""
    return application(Service.of(Home.of(os.environ)))


def application(service: Service) -> Starlette:
    """Make the application of a service. It closes the service when it shuts down."""
    table = routes(service)
    contract = Contract(service, table)
    described = [
        StarletteRoute("/openapi.json", contract.openapi),
        StarletteRoute("/.well-known/capsvc", contract.well_known),
        StarletteRoute("/livez", contract.live),
        StarletteRoute("/readyz", contract.ready),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.close()

    async def render(request: Request, error: Exception) -> Response:
        if isinstance(error, SettingsError):
            service.log.error("not ready", reason=str(error))
        return problem_of(error).response()

    return Starlette(
        routes=[*(_guarded(service, route) for route in table), *described],
        lifespan=lifespan,
        exception_handlers={
            HTTPProblem: render,
            MacaroonError: render,
            CapsvcError: render,
            HTTPException: _render_http,
            Exception: render,
        },
    )


def _guarded(service: Service, route: Route) -> StarletteRoute:
    guard = Middleware(CapabilityMiddleware, node=service.node, audiences=route.audiences)
    return StarletteRoute(
        route.path, route.endpoint, methods=[route.method], middleware=[guard] if route.audiences else None
    )


async def _render_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what this handler is registered for
    title = _TITLES.get(error.status_code, "The request cannot be served")
    slug = {404: "no-such-route", 405: "no-such-method"}.get(error.status_code, "bad-request")
    detail = "GET /openapi.json lists what there is."
    return Problem(error.status_code, slug, title, detail, dict(error.headers or {})).response()
