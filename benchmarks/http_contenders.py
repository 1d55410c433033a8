"""What takes load over HTTP, each in a server process of its own: ``python -m benchmarks.http_contenders bare``.

A contender prints its port. All of them run as ``capsvc serve`` does: one uvicorn worker on uvloop and
httptools, no access log, no proxy headers. The home is the one of ``CAPSVC_HOME``.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.tokens import KEY, LOCATION


async def _ok(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _echo(request: Request) -> Response:
    return JSONResponse({"seen": len(await request.json())})


async def _jwt(request: Request) -> Response:
    import jwt

    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise jwt.InvalidTokenError
        claims = jwt.decode(token, KEY, ["HS256"], {"require": ["exp", "sub", "jti"]}, issuer=LOCATION)
    except jwt.InvalidTokenError:
        return PlainTextResponse("unauthorized", 401)
    return PlainTextResponse(claims["sub"])


def bare() -> ASGIApp:
    """An endpoint that checks nothing."""
    return Starlette(routes=[Route("/", _ok)])


def json() -> ASGIApp:
    """An endpoint that reads a JSON body and answers JSON, and checks nothing."""
    return Starlette(routes=[Route("/", _echo, methods=["POST"])])


def pyjwt() -> ASGIApp:
    """An endpoint that checks a PyJWT HS256 token, as PyJWT's documentation has it."""
    import jwt  # noqa: F401 - so that the first request does not pay for it

    return Starlette(routes=[Route("/", _jwt)])


def service() -> ASGIApp:
    """The whole service, on a real home."""
    from capsvc.http.app import create

    return create()


def guarded() -> ASGIApp:
    """The bare endpoint behind our middleware, on a real home."""
    from capsvc.home import Home
    from capsvc.middleware import CapabilityMiddleware
    from capsvc.node import Node

    home = Home.of(os.environ)
    return CapabilityMiddleware(bare(), Node(home.open_store(), home.shares, home.settings))


CONTENDERS: dict[str, Callable[[], ASGIApp]] = {each.__name__: each for each in (bare, json, pyjwt, service, guarded)}


def main(name: str) -> None:
    """Serve one contender on a free port of loopback until a signal ends it."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config: Any = uvicorn.Config(
        CONTENDERS[name](), loop="uvloop", http="httptools", proxy_headers=False, server_header=False,
        access_log=False, log_level="warning", lifespan="on",
    )  # fmt: skip
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1])
