"""Request-bound presentation: a copy of a token that is good for one request, for half a minute.

The original never travels. Who captures the copy can repeat exactly that request until it ends; headers
are not bound. Design section 9.
"""

from __future__ import annotations

from secrets import token_bytes
from urllib.parse import unquote_to_bytes, urlsplit

from caveats import BUILTIN, PredicateError, Request, attenuate, time_text
from caveats.encoding import encode_base64, encode_item

BOUND_SECONDS = 30
_DEFAULT_PORTS = {"http": 80, "https": 443}


def bind(token: str, method: str, url: str, now: float, body: bytes = b"") -> str:
    """Narrow a token to one request, from now on. Raises ValueError for a request that cannot be bound.

    Raises DecodeError for what is no token.
    """
    host, path, query = _target(url)
    try:
        text = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the path is not UTF-8") from None
    stated = [
        f"time < {time_text(now + BOUND_SECONDS)}",
        f"method = {encode_item(method)}",
        f"host = {encode_item(host)}",
        f"path = {encode_item(text)}",
        f"query = {BUILTIN['query'].fact(query.encode())}",
        f"body = {BUILTIN['body'].fact(body)}",
        f"request = {encode_base64(token_bytes(16))}",
    ]
    request = Request(time=now, method=method, host=host, path=path, query=query.encode(), body=body)
    for each in stated:
        try:
            reason = BUILTIN.parse(each).refusal(request.facts)
        except PredicateError as wrong:
            reason = str(wrong)
        if reason is not None:  # what the service would refuse is better said here
            raise ValueError(f"the request cannot be bound: {reason}")
    return attenuate(token, *stated)


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
