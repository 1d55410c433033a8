"""The routes of the console, and which addresses are for people at all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from capsvc.console.administration import Administration
from capsvc.console.files import Files
from capsvc.console.forms import Forms
from capsvc.console.logins import Logins
from capsvc.console.mine import Mine
from capsvc.console.pages import page
from capsvc.console.sessions import Sessions
from capsvc.http.service import Service

_FOR_PROGRAMS = ("v1", ".well-known", "openapi.json", "livez", "readyz", "metrics")


def is_for_people(path: str) -> bool:
    """Tell whether what goes wrong at a path is told as a page, and not as JSON."""
    return path.startswith("/") and path.split("/")[1] not in _FOR_PROGRAMS


def routes(service: Service) -> list[BaseRoute]:
    """List the routes of a service's console."""
    sessions = Sessions(service)
    forms = Forms(service, sessions)
    logins, mine = Logins(service, sessions, forms), Mine(service, sessions, forms)
    administration = Administration(service, sessions, forms)
    return [
        Route("/", _inspect),
        Route("/inspect", _inspect),
        Route("/narrow", _narrow),
        Route("/login", logins.log_in, methods=["GET", "POST"]),
        Route("/logout", logins.log_out, methods=["POST"]),
        Route("/mine", mine.show),
        Route("/mine/issue", mine.issue, methods=["POST"]),
        Route("/mine/revoke", mine.revoke, methods=["POST"]),
        Route("/mine/logout-everywhere", mine.log_out_everywhere, methods=["POST"]),
        Route("/mine/password", mine.change_password, methods=["POST"]),
        Route("/administration", administration.show),
        Route("/administration/login", logins.administer, methods=["POST"]),
        Route("/administration/disable", administration.disable, methods=["POST"]),
        Route("/administration/enable", administration.enable, methods=["POST"]),
        Route("/administration/revoke", administration.revoke, methods=["POST"]),
        Route("/static/{path:path}", Files().show),
    ]


async def _inspect(request: Request) -> Response:
    return page("inspect")


async def _narrow(request: Request) -> Response:
    return page("narrow")
