"""An application behind CapabilityMiddleware, served by uvicorn: run as a script, it prints its port.

It answers with what it got: whether lifespan was passed, the body that it read, and whose capability
opened it. ``/items/7`` is the resource ``items/7``, and the query's ``do`` names actions.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from capsvc.home import Home
from capsvc.middleware import VERDICT, CapabilityMiddleware
from capsvc.node import Node


def facts(scope: Any) -> dict[str, Any]:
    """Tell the resource and the actions of a request."""
    query = parse_qs(scope["query_string"].decode())
    amount = query.get("amount", [None])[0]
    return {"resource": scope["path"].strip("/") or None, "action": query.get("do", []), "amount": amount}


class Echo:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.started = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": scope[VERDICT].capability.user})
            await send({"type": "websocket.close"})
        else:
            await self._answer(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        self.started = True
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        print("ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        body, pieces, more = b"", 0, True
        while more:
            message = await receive()
            body += message.get("body", b"")
            pieces += 1
            more = message.get("more_body", False)
        told = {
            "user": scope[VERDICT].capability.user,
            "started": self.started,
            "size": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
            "pieces": pieces,
        }
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def main() -> None:
    """Serve on a free port of loopback until a signal ends it."""
    home = Home.of(os.environ)
    node = Node(home.open_store(), home.shares, home.settings)
    app = CapabilityMiddleware(Echo(), node, audiences=("items", None), facts=facts, body_bytes=100_000)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, proxy_headers=False, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
