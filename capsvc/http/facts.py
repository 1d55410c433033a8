"""The facts of a request, from the connection and from proxies that are trusted to tell.

Everything is taken from the ASGI scope's raw parts: ``raw_path`` and not the decoded ``path``, header
bytes and not joined headers. A header that stands twice is refused where it would decide something.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from starlette.types import Scope

from capsvc.http.problems import bad_request

_PARTS = ("Method", "Uri", "Host", "Proto", "For")
_DEFAULT_PORTS = {"http": ":80", "ws": ":80", "https": ":443", "wss": ":443"}
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")


@dataclass(frozen=True, slots=True)
class Proxies:
    """The peers whose forwarded headers are believed, and the one convention that they follow."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    prefix: str

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


def header(scope: Scope, name: str) -> str | None:
    """Return a header's value as Latin-1, None where it is missing. Raises a 400 where it stands twice."""
    wanted = name.lower().encode("ascii")
    found = [value for key, value in scope["headers"] if key == wanted]
    if len(found) > 1:
        raise bad_request(f"The header {name} stands twice.")
    return found[0].decode("latin-1") if found else None


def connection_facts(scope: Scope, proxies: Proxies) -> dict[str, Any]:
    """Tell method, host, path, query, address and, where there is none, body of a request to this server."""
    forwarded = _forwarded(scope, proxies)
    host = header(scope, "Host")
    facts = {
        "method": scope.get("method", "GET"),
        "host": _host(forwarded["Host"] or host, forwarded["Proto"] or scope["scheme"]),
        "path": scope.get("raw_path", b"").partition(b"?")[0],
        "query": scope["query_string"],
        "ip": _address(scope, proxies, forwarded["For"]),
    }
    if scope["type"] == "websocket" or not _declares_body(scope):
        facts["body"] = b""
    return facts


def original_facts(scope: Scope, proxies: Proxies) -> dict[str, Any]:
    """Tell the facts of the request that a proxy asks about; what it does not forward is absent."""
    forwarded = _forwarded(scope, proxies)
    header(scope, "Host")  # of no use here, and refused where it stands twice
    facts: dict[str, Any] = {"ip": _address(scope, proxies, forwarded["For"])}
    method, uri = forwarded["Method"], forwarded["Uri"]
    if method is not None:
        if not _METHOD.fullmatch(method):
            raise bad_request(f"The header {proxies.prefix}-Method holds no method.")
        facts["method"] = method
    if uri is not None:
        path, _, query = uri.partition("?")
        facts["path"], facts["query"] = path.encode("latin-1"), query.encode("latin-1")
    if forwarded["Host"] is not None:
        facts["host"] = _host(forwarded["Host"], forwarded["Proto"] or "")
    return facts


def _forwarded(scope: Scope, proxies: Proxies) -> dict[str, str | None]:
    """Read the forwarded headers of the one convention, from a trusted peer; else they say nothing."""
    client = scope.get("client")
    if not client or not proxies.trust(client[0]):
        return dict.fromkeys(_PARTS)
    return {part: header(scope, f"{proxies.prefix}-{part}") for part in _PARTS}


def _host(value: str | None, scheme: str) -> str | None:
    """Normalise a host: lower case, without the default port of its scheme; None where it is none."""
    if not value or not value.isascii():
        return None
    return value.lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), "\0"))


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


def _declares_body(scope: Scope) -> bool:
    length = header(scope, "Content-Length")
    return header(scope, "Transfer-Encoding") is not None or (length is not None and length != "0")
