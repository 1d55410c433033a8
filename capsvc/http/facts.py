"""The facts of a request, from the connection and from proxies that are trusted to tell.

Everything is taken from the ASGI scope's raw parts: ``raw_path`` and not the decoded ``path``, header
bytes and not joined headers. A header that stands twice is refused where it would decide something,
whether or not anybody asks for what it tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from starlette.types import Scope

from capsvc.http.problems import bad_request

_PARTS = ("Method", "Uri", "Host", "Proto", "For")
_DEFAULT_PORTS = {"http": ":80", "ws": ":80", "https": ":443", "wss": ":443"}
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_ALWAYS = frozenset({b"authorization", b"host"})
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})
_PEERS = 1024

Headers = dict[bytes, bytes]
"""Headers by lower-case name; each that decides something stood once."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The peers whose forwarded headers are believed, and the one convention that they follow."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    prefix: str
    names: dict[str, bytes] = field(init=False, repr=False, compare=False)
    """The convention's headers, by what they tell."""
    believes: Callable[[str], bool] = field(init=False, repr=False, compare=False)
    """Tells of a peer's address what :meth:`trust` tells."""

    def __post_init__(self) -> None:
        names = {part: f"{self.prefix}-{part}".lower().encode("ascii") for part in _PARTS}
        object.__setattr__(self, "names", names)
        # To read an address costs 3 µs, to look one up 0.1. Hops are not kept: they are texts of any length.
        object.__setattr__(self, "believes", lru_cache(_PEERS)(self.trust))

    @classmethod
    def of(cls, networks: Sequence[str], convention: str) -> Proxies:
        """Read networks in CIDR form, and ``X-Forwarded`` or ``X-Original``."""
        return cls(tuple(map(ip_network, networks)), convention)

    def trust(self, address: str) -> bool:
        """Tell whether an address is a trusted proxy's; what is no address is none."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self.networks)


def read_headers(scope: Scope, proxies: Proxies, own: bool = True) -> Headers:
    """Read the headers. Raises a 400 where one stands twice that decides something.

    ``own`` says that the request is this server's, and not one that a proxy asks about: then, except for
    a websocket's, those that declare a body decide too.
    """
    pairs = scope["headers"]
    headers: Headers = dict(pairs)
    if len(headers) != len(pairs):  # else nothing stands twice, which takes a third of the time to see
        forwarded = frozenset(proxies.names.values() if _is_from_proxy(scope, proxies) else ())
        of_body = _OF_BODIES if own and scope["type"] != "websocket" else frozenset()
        deciding = _ALWAYS | forwarded | of_body
        decided = [name for name, _ in pairs if name in deciding]
        for name in decided if len(decided) != len(set(decided)) else ():
            if decided.count(name) > 1:
                raise bad_request(f"The header {name.decode('ascii').title()} stands twice.")
    return headers


def _is_from_proxy(scope: Scope, proxies: Proxies) -> bool:
    client = scope.get("client")
    return client is not None and proxies.believes(client[0])


def connection_facts(scope: Scope, proxies: Proxies) -> dict[str, Any]:
    """Tell method, host, path, query, address and, where there is none, body of a request to this server."""
    headers = read_headers(scope, proxies)
    told = _forwarded(headers, scope, proxies)
    host = told["Host"] or _text(headers, b"host")
    facts = {
        "method": scope.get("method", "GET"),
        "host": _host(host, told["Proto"] or scope["scheme"]),
        "path": scope.get("raw_path", b"").partition(b"?")[0],
        "query": scope["query_string"],
        "ip": _address(scope, proxies, told["For"]),
    }
    if scope["type"] == "websocket" or not _may_have_body(headers, scope):
        facts["body"] = b""
    return facts


def connection_address(scope: Scope, proxies: Proxies) -> str | None:
    """Tell of a request to this server the address alone, as :func:`connection_facts` tells it. Raises a 400."""
    return _address(scope, proxies, _forwarded(read_headers(scope, proxies), scope, proxies)["For"])


def original_facts(scope: Scope, proxies: Proxies) -> dict[str, Any]:
    """Tell the facts of the request that a proxy asks about; what it does not forward is absent."""
    headers = read_headers(scope, proxies, own=False)
    told = _forwarded(headers, scope, proxies)
    facts: dict[str, Any] = {"ip": _original_address(scope, proxies, told["For"])}
    uri = told["Uri"]
    demand_method(headers, scope, proxies)
    if told["Method"] is not None:
        facts["method"] = told["Method"]
    if uri is not None:
        path, _, query = uri.partition("?")
        facts["path"], facts["query"] = path.encode("latin-1"), query.encode("latin-1")
    if told["Host"] is not None:
        facts["host"] = _host(told["Host"], told["Proto"] or "")
    return facts


def prefixed_facts(scope: Scope, proxies: Proxies, prefix: bytes) -> dict[str, Any]:
    """Tell the facts of a request that a proxy sends on itself, its path behind a prefix, as Envoy does.

    Method, path, query and host are the request's own; of the convention's headers only ``-For`` and
    ``-Proto`` are read, since the others come from whoever asked the proxy.
    """
    headers = read_headers(scope, proxies, own=False)
    told = _forwarded(headers, scope, proxies)
    facts: dict[str, Any] = {"ip": _original_address(scope, proxies, told["For"])}
    if _is_from_proxy(scope, proxies):
        facts["method"] = scope["method"]
        facts["host"] = _host(_text(headers, b"host"), told["Proto"] or "")
        raw = scope.get("raw_path", b"").partition(b"?")[0]
        if raw.startswith(prefix + b"/"):
            facts["path"], facts["query"] = raw.removeprefix(prefix), scope["query_string"]
    return facts


def demand_method(headers: Headers, scope: Scope, proxies: Proxies) -> None:
    """Raise a 400 where a proxy forwards a method that is none."""
    method = headers.get(proxies.names["Method"])
    if method is not None and not _METHOD.fullmatch(method) and _is_from_proxy(scope, proxies):
        raise bad_request(f"The header {proxies.prefix}-Method holds no method.")


def _forwarded(headers: Headers, scope: Scope, proxies: Proxies) -> dict[str, str | None]:
    """What the headers of the one convention tell; nothing where the peer is not believed."""
    if not _is_from_proxy(scope, proxies):
        return dict.fromkeys(_PARTS)
    return {part: _text(headers, name) for part, name in proxies.names.items()}


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _host(value: str | None, scheme: str) -> str | None:
    """Normalise a host: lower case, without the default port of its scheme; None where it is none."""
    if not value or not value.isascii():
        return None
    return value.lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), "\0"))


def _original_address(scope: Scope, proxies: Proxies, hops: str | None) -> str | None:
    """Find the address of whom a proxy asks about; its own is nobody's."""
    return None if hops is None and _is_from_proxy(scope, proxies) else _address(scope, proxies, hops)


def _address(scope: Scope, proxies: Proxies, hops: str | None) -> str | None:
    """Find the rightmost hop that is not a trusted proxy; None where the hops cannot be read."""
    client = scope.get("client")
    if not client:
        return None
    address: str = client[0]
    for hop in reversed(hops.split(",")) if hops else ():
        if not proxies.trust(address):
            break
        address = hop.strip()
    try:
        return str(ip_address(address.partition("%")[0]))
    except ValueError:
        return None


def _may_have_body(headers: Headers, scope: Scope) -> bool:
    """Tell whether there may be a body. Only in HTTP/1 does one that declares none have none."""
    length = headers.get(b"content-length")
    if b"transfer-encoding" in headers or length is None:
        return b"transfer-encoding" in headers or not scope.get("http_version", "1.1").startswith("1")
    return length != b"0"
