"""Revisions: what a page says of a revocation once it is durable."""

from __future__ import annotations

from urllib.parse import urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.console.pages import see
from capsvc.stores import Store

_DIGITS = 15


def see_revision(path: str, revision: int, **query: str) -> Response:
    """Send the browser on to a page that says which revision acknowledged what it asked for."""
    return see(f"{path}?{urlencode({**query, 'revision': revision})}")


async def acknowledged(request: Request, store: Store) -> int:
    """Read the revision that a page was sent on with; 0 for none, and for one that the store has not come to."""
    told = request.query_params.get("revision", "")
    if not (told.isascii() and told.isdecimal()) or len(told) > _DIGITS:
        return 0
    return int(told) if int(told) <= await to_thread.run_sync(store.revision) else 0
