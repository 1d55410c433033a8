"""The request id: what the lines of the logs and the answer of one request have in common.

It is made when somebody first asks for it, so that a request of which nothing is said pays nothing.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

    from capsvc.http.facts import Proxies

REQUEST_ID = "capsvc.request_id"
"""Where in the ASGI scope it stands once it was made."""

HEADER = b"x-request-id"
_TAKEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BYTES = 8
_NOBODY: tuple[Scope, Proxies | None] = ({}, None)
_served = ContextVar("capsvc served request", default=_NOBODY)


def serve(scope: Scope, proxies: Proxies) -> None:
    """Say which request is served from here on in this context. A proxy that is trusted may name it."""
    _served.set((scope, proxies))


def request_id() -> str | None:
    """Return the id of the request that is served; None where none is."""
    scope, proxies = _served.get()
    if proxies is None:
        return None
    if REQUEST_ID not in scope:
        scope[REQUEST_ID] = _told(scope, proxies) or token_hex(_BYTES)
    found: str = scope[REQUEST_ID]
    return found


def _told(scope: Scope, proxies: Proxies) -> str | None:
    """What a trusted proxy calls the request, if that is one name of plain characters."""
    client = scope.get("client")
    if client is None or not proxies.believes(client[0]):
        return None
    values = [value for name, value in scope["headers"] if name == HEADER]
    return values[0].decode("ascii") if len(values) == 1 and _TAKEN.fullmatch(values[0]) else None
