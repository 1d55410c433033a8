"""Request-bound presentation: what travels is a copy that is good for one request, and never the original.

:class:`BoundAuth` is for httpx2 and httpx, :class:`RequestsAuth` for requests. Neither is imported
before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capsvc.client.binding import bind_request, bind_url

if TYPE_CHECKING:
    from capsvc.client.httpx_auth import BoundAuth
    from capsvc.client.requests_auth import RequestsAuth

__all__ = ["BoundAuth", "RequestsAuth", "bind_request", "bind_url"]


def __getattr__(name: str) -> Any:
    if name == "BoundAuth":
        from capsvc.client.httpx_auth import BoundAuth

        return BoundAuth
    if name == "RequestsAuth":
        from capsvc.client.requests_auth import RequestsAuth

        return RequestsAuth
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
