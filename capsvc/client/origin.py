"""The origin: scheme, host and port, beyond which no token goes."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_BASE = re.compile(r"[A-Za-z]+://[^/?#]*")
_REMEMBERED = 64


class Origin(NamedTuple):
    """An origin as RFC 6454 compares them."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the origin of a URL. Raises ValueError for what is no http or https URL."""
        base = _BASE.match(url)
        return cls(*_read(base[0] if base else ""))

    @property
    def tells_time(self) -> bool:
        """Whether nobody in between can have written its ``Date``: over TLS, or on this machine."""
        return self.scheme == "https" or self._is_loopback

    @property
    def _is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@lru_cache(_REMEMBERED)
def _read(base: str) -> tuple[str, str, int]:
    parts = urlsplit(base)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("an origin is like https://api.example.org")
    return parts.scheme, parts.hostname.lower(), parts.port or _PORTS[parts.scheme]


def origins_of(urls: str | Collection[str]) -> frozenset[Origin]:
    """Read the origins that a token is for. Raises ValueError where there is none."""
    found = frozenset(map(Origin.of, (urls,) if isinstance(urls, str) else urls))
    if not found:
        raise ValueError("say for which origins the token is")
    return found
