"""The binding: the caveats that make a copy good for one request alone (design section 9)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from secrets import token_bytes
from urllib.parse import urlsplit

from caveats import BUILTIN, Digest, Predicate, PredicateError, attenuate, decode, encode, time_text
from caveats.encoding import encode_base64, encode_item
from caveats.path import Path

WINDOW_SECONDS = 30
BOUND = ("time", "method", "host", "path", "query", "body", "request")
"""The attributes of a whole binding, in the order in which it appends them."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_UNIQUE_BYTES = 16
_PARSED = 256
_HOST_CHARACTERS = 253
_OF_NOTHING = "sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
_DIGEST, _UNIQUE = BUILTIN["body"], BUILTIN["request"]


def bind_request(
    token: str,
    method: str,
    host: str,
    path: str | bytes,
    query: bytes,
    body: bytes | str | None,
    now: float,
    window: int = WINDOW_SECONDS,
    *,
    scheme: str = "https",
) -> str:
    """Narrow a token to one request, and to the next ``window`` seconds.

    ``host`` is what the Host header will say, ``path`` is as on the wire, percent-encoded, and ``query``
    the raw query string. ``body`` is its bytes or its digest as ``sha-256:…``; None leaves it out, which
    is only right where whoever verifies cannot see it. ``scheme`` tells which port a host need not name.
    A token in 2-JSON, which no service takes, gives a copy in format 2.
    Raises ValueError for a request that no caveat can be bound to, DecodeError for what is no token, and
    PredicateError for a copy that is more than verifiers take.
    """
    caveats: list[str | Predicate] = [
        _time(int(now) + window),
        *_place(method, normalise_host(host, scheme), path),
        _digest("query", query),
    ]
    if body is not None:
        caveats.append(_digest("body", body))
    unique = encode_base64(token_bytes(_UNIQUE_BYTES))
    # Last: a verifier remembers no text that ends in `request`, which it will not see again.
    caveats.append(Predicate("request", "=", (unique,), _UNIQUE, unique))
    return attenuate(encode(decode(token)) if token.startswith("{") else token, *caveats)


def bind_url(token: str, method: str, url: str, now: float, body: bytes | None = b"") -> str:
    """Do what :func:`bind_request` does, for a URL as people write it.

    Raises what :func:`bind_request` does.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("a URL is like https://api.example/docs/7")
    if len(parts.hostname) > _HOST_CHARACTERS:  # each of thousands of characters takes IDNA 10 µs
        raise ValueError(f"a host has at most {_HOST_CHARACTERS} characters")
    if not (parts.path + parts.query).isascii() or set(parts.path + parts.query) & set(" \t\r\n"):
        raise ValueError("a path and a query are percent-encoded")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    host = f"[{host}]" if ":" in host else host
    host = host if parts.port is None else f"{host}:{parts.port}"
    return bind_request(
        token, method, host, parts.path or "/", parts.query.encode("ascii"), body, now, scheme=parts.scheme
    )


def normalise_host(host: str, scheme: str) -> str:
    """Write a host as a verifier's facts do: lower case, without the default port of its scheme."""
    return host.lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), "\0"))


def check_digest(digest: str) -> str:
    """Return the digest of a body if it is written as one, ``sha-256:…``; else raise ValueError."""
    return Digest().fact(digest)


@lru_cache(2)
def _time(ends: int) -> str:
    return f"time < {time_text(ends)}"


@lru_cache(_PARSED)
def _place(method: str, host: str, path: str | bytes) -> tuple[str, ...]:
    """What a client asks for again and again. As text, by which the vocabulary knows what it has read before."""
    found = Path.from_wire(path.encode("utf-8") if isinstance(path, str) else path)
    if found.problem:
        raise ValueError(
            f"{found.problem}, so it meets no path caveat and cannot be bound: ask for it under a path without"
            " dot segments, doubled slashes and encoded slashes, or present the token with an ordinary header"
        )
    return tuple(_exactly(name, value) for name, value in (("method", method), ("host", host), ("path", found.text)))


def _exactly(name: str, value: str) -> str:
    caveat = f"{name} = {encode_item(value)}"
    try:
        BUILTIN.parse(caveat)
    except PredicateError as wrong:
        raise ValueError(f"a copy cannot be bound to this {name}: {wrong}") from None
    return caveat


def _digest(attribute: str, value: bytes | str) -> str | Predicate:
    if value == b"":
        return f"{attribute} = {_OF_NOTHING}"
    if isinstance(value, bytes):
        value = "sha-256:" + encode_base64(sha256(value).digest())
    else:
        check_digest(value)
    return Predicate(attribute, "=", (value,), _DIGEST, value)
