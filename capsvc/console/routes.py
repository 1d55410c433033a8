"""The routes of the console, and which paths are for people at all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from capsvc.console.files import Files
from capsvc.console.pages import page
from capsvc.http.service import Service

_FOR_PROGRAMS = ("v1", ".well-known", "openapi.json", "livez", "readyz", "metrics")


def is_for_people(path: str) -> bool:
    """Tell whether what goes wrong at a path is told as a page, and not as JSON."""
    return path.startswith("/") and path.split("/")[1] not in _FOR_PROGRAMS


def routes(service: Service) -> list[BaseRoute]:
    """List the routes of a service's console."""
    return [
        Route("/", _inspect),
        Route("/inspect", _inspect),
        Route("/narrow", _narrow),
        Mount("/static", Files()),
    ]


async def _inspect(request: Request) -> Response:
    return page("inspect")


async def _narrow(request: Request) -> Response:
    return page("narrow")
