"""The same capability for every contender: who, from when until when, a nonce, a salt, and what was narrowed."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

from caveats import Authority, KeyName, Macaroon, Mint, Request, Salts, Verifier, encode
from caveats.encoding import encode_base64

KEY = bytes(range(32))
LOCATION = "https://caps.example.org"
BEGINS, ENDS, NOW = "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z", "2026-11-25T12:00:00Z"
SALT = b"sixteen salt bytes"[:16]
BOUND = (
    "time < 2026-11-25T12:00:30Z",
    "method = GET",
    "host = api.example.org",
    "path = /docs/2026/report",
    "query = sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    "body = sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
)
"""What a request-bound copy carries, beside a value that stands in it once."""

REQUEST = Request(
    time=NOW, method="GET", host="api.example.org", path="/docs/2026/report", query=b"", body=b"", ip="192.0.2.7"
)
_COLUMN = Salts({"default": SALT})


def column(user: str, names: tuple[str, ...]) -> Salts:
    """The salt from memory."""
    return _COLUMN


def nonce() -> str:
    """128 random bits as text."""
    return encode_base64(os.urandom(16))


def root() -> Macaroon:
    """A fresh root with authority's five caveats."""
    return Authority(KeyName("k1"), nonce(), "alice", "default", SALT, BEGINS, ENDS).mint(KEY, LOCATION)


_MINT = Mint(KeyName("k1"), KEY, LOCATION)


def mint() -> str:
    """A fresh root as text, of a mint that stands ready."""
    return _MINT.mint(Authority(KeyName("k1"), nonce(), "alice", "default", SALT, BEGINS, ENDS))


def bound(macaroon: Macaroon) -> Macaroon:
    """A copy of a macaroon that is bound to one request."""
    return macaroon.attenuate(*BOUND, f"request = {nonce()}")


def verifier(remembered: int = 1024) -> Verifier:
    """Our verifier, with or without its memory of proven chains."""
    return Verifier({KeyName("k1"): KEY}.get, remembered=remembered)


def claims() -> dict[str, Any]:
    """The claims of a JWT that says the same."""
    seconds = [int(datetime.fromisoformat(text).timestamp()) for text in (BEGINS, ENDS)]
    return {
        "iss": LOCATION, "sub": "alice", "iat": seconds[0], "exp": seconds[1], "jti": nonce(),
        "salt": f"default/{encode_base64(SALT)}",
    }  # fmt: skip


def at() -> datetime:
    """The time at which everything is verified."""
    return datetime.fromisoformat(NOW)


def pymacaroons_verify(extra: dict[str, str] | None = None) -> Callable[[str], object]:
    """Verify with pymacaroons, holding every caveat to what it asks, as a user of that library would."""
    import pymacaroons

    exact = {"user": "alice", "salt": f"default/{encode_base64(SALT)}", **(extra or {})}

    def permits(predicate: str) -> bool:
        attribute, operator, value = predicate.split(" ", 2)
        if attribute == "time":
            return value > NOW if operator == "<" else value <= NOW
        return attribute in ("nonce", "request") or exact.get(attribute) == value

    def run(token: str) -> object:
        checking = pymacaroons.Verifier()
        checking.satisfy_general(permits)
        return checking.verify(pymacaroons.Macaroon.deserialize(token), KEY)

    return run


def texts(n: int) -> list[str]:
    """So many distinct roots as text."""
    return [encode(root()) for _ in range(n)]
