"""A copy of a token that is good for one request, for half a minute, from a URL as people write it.

The original never travels. Who captures the copy can repeat exactly that request until it ends; headers
are not bound. Design section 9.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from capsvc.client.binding import bind_request

BOUND_SECONDS = 30
_DEFAULT_PORTS = {"http": 80, "https": 443}


def bind(token: str, method: str, url: str, now: float, body: bytes = b"") -> str:
    """Narrow a token to one request, from now on. Raises ValueError for a request that cannot be bound.

    Raises DecodeError for what is no token.
    """
    host, path, query = _target(url)
    scheme = urlsplit(url).scheme
    return bind_request(token, method, host, path, query.encode(), body, now, BOUND_SECONDS, scheme=scheme)


def _target(url: str) -> tuple[str, str, str]:
    """Take a URL apart: the host as caveats write it, the path and the query as on the wire."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("a URL is like https://api.example/docs/7")
    if not (parts.path + parts.query).isascii() or set(parts.path + parts.query) & set(" \t\r\n"):
        raise ValueError("a path and a query are percent-encoded")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return host, parts.path or "/", parts.query
