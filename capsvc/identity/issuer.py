"""Issuers: which OpenID Connect providers may log users in here, and what those may have. One ``[[identity]]`` each."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from capsvc.errors import SettingsError
from capsvc.identity.claims import Template, read_fixed
from capsvc.names import RESERVED_AUDIENCES, check_audiences
from caveats import Predicate, Vocabulary
from caveats.authority import AUTHORITY_CAVEATS

_LABEL = re.compile(r"[a-z][a-z0-9-]{0,31}")
_URL = re.compile(r"https?://[!-~]{1,240}")
_END = 1
"""Every login gets its end as a caveat beside authority's, so that it is not renewed."""


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An issuer of ID tokens. ``name`` begins its users' names; ``max_lifetime`` is in seconds, 0 for the service's."""

    issuer: str
    client_id: str
    name: str
    audiences: tuple[str, ...] = ()
    max_lifetime: int = 0
    caveats: tuple[str, ...] = ()
    claims: dict[str, str] = {}

    def fixed(self, vocabulary: Vocabulary) -> tuple[Predicate, ...]:
        """Read the predicates that every login gets. Raises ValueError."""
        return tuple(read_fixed(each, vocabulary) for each in self.caveats)

    def templates(self, vocabulary: Vocabulary) -> tuple[Template, ...]:
        """Read the templates of what claims say. Raises ValueError."""
        return tuple(Template.parse(claim, text, vocabulary) for claim, text in self.claims.items())


def check_issuers(issuers: tuple[Issuer, ...], vocabulary: Vocabulary, max_lifetime: int, caveats: int) -> None:
    """Check what is configured against the service's vocabulary and caps. Raises SettingsError, naming the setting."""
    for position, each in enumerate(issuers):
        for field in ("issuer", "name"):
            if getattr(each, field) in [getattr(other, field) for other in issuers[:position]]:
                raise SettingsError(f"identity[{position}].{field} is that of another identity too")
        for field in ("issuer", "client_id", "name", "audiences", "max_lifetime", "caveats", "claims"):
            try:
                _check(each, field, vocabulary, max_lifetime, caveats)
            except ValueError as wrong:
                raise SettingsError(f"identity[{position}].{field}: {wrong}") from None


def _check(issuer: Issuer, field: str, vocabulary: Vocabulary, max_lifetime: int, caveats: int) -> None:
    if field == "issuer":
        check_provider_url(issuer.issuer)
        if "?" in issuer.issuer:
            raise ValueError("it has no query")
    elif field == "client_id" and not re.fullmatch("[ -~]{1,255}", issuer.client_id):
        raise ValueError("it is the client id that capsvc, or its client, has there")
    elif field == "name" and not _LABEL.fullmatch(issuer.name):
        raise ValueError("it is 1 to 32 of a-z, 0-9 and -, a letter first")
    elif field == "audiences" and set(check_audiences(issuer.audiences)) & set(RESERVED_AUDIENCES):
        raise ValueError("the reserved ones are for users of this service's own")
    elif field == "max_lifetime" and not 0 <= issuer.max_lifetime <= max_lifetime:
        raise ValueError(f"it is at most max_lifetime, {max_lifetime}")
    elif field == "caveats":
        issuer.fixed(vocabulary)
    elif field == "claims":
        issuer.templates(vocabulary)
        if AUTHORITY_CAVEATS + _END + len(issuer.caveats) + len(issuer.claims) > caveats:
            raise ValueError(f"with authority's there would be more than {caveats} caveats")


def check_provider_url(url: str) -> str:
    """Return a provider's URL if keys may be fetched from there. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not _URL.fullmatch(url) or "@" in parts.netloc or "#" in url:
        raise ValueError("it is like https://idp.example.org/realms/one")
    if parts.scheme != "https" and not _is_loopback(host):
        raise ValueError("it is https; http only on a loopback address, for tests")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
