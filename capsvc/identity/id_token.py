"""ID tokens (OpenID Connect Core section 2): read strictly, and held to who, for whom and when once they are proven."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeGuard

from capsvc.errors import IdTokenExpired, IdTokenRefused
from capsvc.strict_json import parse
from caveats import DecodeError, time_text
from caveats.encoding import HALF_CHARACTER, decode_base64, encode_base64

USABLE_SECONDS = 600
"""So long after it was issued an ID token is taken, though it says that it lives longer: it is for a login, now."""

_MOST_CHARACTERS = 16_384
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_TEXT_CHARACTERS = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NEVER_READ = frozenset({"crit", "b64", "jwk", "jku", "x5u"})
"""Header parameters that would say how to read the token, or bring a key along: nobody here follows them."""
_LAST_SECOND = 253_402_300_799


def unproven() -> IdTokenRefused:
    """The one refusal of everything short of a proven signature."""
    return IdTokenRefused(
        "the ID token is not valid here: check that it is a whole ID token (no access token), that its issuer is one"
        " that this service is configured with, and that a key which that issuer publishes has signed it"
    )


@dataclass(frozen=True, slots=True, repr=False)
class IdToken:
    """An ID token that was split into its parts, of which none is proven."""

    text: str
    unverified_algorithm: str
    unverified_key_id: str | None
    unverified_claims: Mapping[str, Any]

    @classmethod
    def read(cls, text: str) -> IdToken:
        """Read a JWS in compact form. Raises IdTokenRefused."""
        found = _COMPACT.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
        if found is None:
            raise unproven()
        try:
            header, claims, _ = map(decode_base64, found.groups())
            header, claims = parse(header), parse(claims)
        except (ValueError, DecodeError):
            raise unproven() from None
        if not isinstance(header, dict) or not isinstance(claims, dict) or _NEVER_READ & header.keys():
            raise unproven()
        algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if not isinstance(algorithm, str) or not (key_id is None or _is_text(key_id)):
            raise unproven()
        if not isinstance(kind, str) or kind.upper() != "JWT":  # an access or a logout token has one of its own
            raise unproven()
        return cls(text, algorithm, key_id, claims)

    @property
    def unverified_issuer(self) -> str:
        """Who says that it issued this; empty where nobody does."""
        issuer = self.unverified_claims.get("iss")
        return issuer if isinstance(issuer, str) else ""


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """What an ID token says whose signature is proven, and which is for us and for now.

    ``begins`` and ``ends`` are when it can have been issued at the earliest, and when it is taken nowhere any more.
    """

    subject: str
    marks: tuple[str, ...]
    begins: str
    ends: str
    claims: Mapping[str, Any]


def accept(token: IdToken, client_id: str, now: int, skew: int) -> Login:
    """Accept a token whose signature is proven. ``now`` is in seconds since 1970, ``skew`` in seconds.

    Raises IdTokenRefused, which says what is wrong with it; IdTokenExpired is one of its kinds.
    """
    claims = token.unverified_claims
    _demand_id(claims)
    _demand_ours(claims, client_id)
    issued, ends = _window(claims, now, skew)
    subject, number = claims.get("sub"), claims.get("jti")
    if not _is_text(subject) or not (number is None or _is_text(number)):
        raise IdTokenRefused("the ID token's sub, or its jti, is no text of 1 to 255 characters")
    signed = token.text.rpartition(".")[0]
    marks = (_mark("signed", signed),) if number is None else (_mark("signed", signed), _mark("jti", number))
    # Another node's clock may differ from this one's by the skew, beside the provider's.
    return Login(subject, marks, time_text(issued - 2 * skew), time_text(ends + 2 * skew), claims)


def _demand_id(claims: Mapping[str, Any]) -> None:
    """Refuse what is signed by the same keys for something else: a logout token, Keycloak's and Cognito's others."""
    if "events" in claims or claims.get("typ", "ID") != "ID" or claims.get("token_use", "id") != "id":
        raise IdTokenRefused("this is a token of the provider, but no ID token: send the id_token of its answer")


def _demand_ours(claims: Mapping[str, Any], client_id: str) -> None:
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or party not in (None, client_id) or (len(audiences) > 1 and party is None):
        raise IdTokenRefused(
            "the ID token is for another client: its aud has to hold the client_id that this service is configured"
            " with, and its azp, which it needs beside several of them, has to be it"
        )


def _window(claims: Mapping[str, Any], now: int, skew: int) -> tuple[int, int]:
    """Return when the token was issued, and when it ends. Raises IdTokenRefused."""
    issued, ends, begins = _second(claims, "iat"), _second(claims, "exp"), _second(claims, "nbf", "iat")
    here = f"it is {time_text(now)} here"
    if max(issued, begins) > now + skew:
        raise IdTokenRefused(
            f"the ID token is from the future, {here}: compare the clocks of this service and of the provider"
        )
    ends = min(ends, issued + USABLE_SECONDS)
    if ends + skew <= now:
        raise IdTokenExpired(
            f"the ID token is expired, or older than {USABLE_SECONDS} seconds, {here}: get another from the provider;"
            " where that is refused too, compare the clocks of both"
        )
    return issued, ends


def _second(claims: Mapping[str, Any], name: str, instead: str = "") -> int:
    value = claims.get(name, claims.get(instead))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LAST_SECOND:
        raise IdTokenRefused(f"the ID token's {name} is no time in seconds since 1970")
    return int(value)


def _is_text(value: Any) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _TEXT_CHARACTERS
        and not _CONTROL.search(value)
        and not HALF_CHARACTER.search(value)
    )


def _mark(what: str, text: str) -> str:
    return encode_base64(sha256(f"{what}\0{text}".encode()).digest())
