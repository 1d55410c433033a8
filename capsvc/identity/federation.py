"""Federation: logs in whom a configured issuer vouches for, to no more than is configured for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread

from capsvc.authority import Authority, Minted
from capsvc.counters import ACCEPTED, REFUSED
from capsvc.errors import IdTokenRefused, Refused
from capsvc.identity.claims import Template
from capsvc.identity.id_token import IdToken, accept, unproven
from capsvc.identity.issuer import Issuer
from capsvc.identity.provider import Provider
from capsvc.keyring import KeyRing
from capsvc.node import Node
from capsvc.rates import Rates
from capsvc.settings import Settings
from capsvc.stores import DEFAULT_SALT_NAME, Assertion
from caveats import Predicate, check_salt_name


@dataclass(frozen=True, slots=True)
class Federated:
    """A macaroon that was minted for an ID token; the caveats that have to be appended before it is handed out."""

    minted: Minted
    caveats: tuple[Predicate, ...]
    name: str
    """The issuer's."""
    subject: str


@dataclass(frozen=True, slots=True)
class _Source:
    issuer: Issuer
    provider: Provider
    fixed: tuple[Predicate, ...]
    templates: tuple[Template, ...]


class Federation:
    """The issuers of one service."""

    def __init__(self, settings: Settings, node: Node[KeyRing], authority: Authority, rates: Rates) -> None:
        words = settings.words
        self._settings = settings
        self._node = node
        self._authority = authority
        self._rates = rates
        self._sources = {
            each.issuer: _Source(each, Provider(each.issuer, each.name), each.fixed(words), each.templates(words))
            for each in settings.identity
        }

    async def log_in(
        self,
        text: str,
        audience: str | None,
        salt_name: str = DEFAULT_SALT_NAME,
        lifetime: int = 0,
        *,
        address: str | None = None,
    ) -> Federated:
        """Prove an ID token, use it up, and mint for its user.

        ``lifetime`` is in seconds, 0 for the usual one; ``address`` is where the ID token comes from. Raises
        IdTokenRefused; Refused for an audience or a lifetime beyond what is configured, a claim that is missing or
        cannot be written, a disabled user; ValueError for a salt's name that is none; TooMany, ProviderUnavailable,
        StoreUnavailable.
        """
        check_salt_name(salt_name)
        logins = self._node.counters.logins
        with self._rates.id_token_try(address):
            try:
                federated = await self._log_in(text, audience, salt_name, lifetime)
            except IdTokenRefused:
                logins[REFUSED] += 1
                raise
        logins[ACCEPTED] += 1
        return federated

    async def _log_in(self, text: str, audience: str | None, salt_name: str, lifetime: int) -> Federated:
        token = IdToken.read(text)
        source = self._sources.get(token.unverified_issuer)
        if source is None:
            raise unproven()
        await source.provider.prove(token)
        issuer, now = source.issuer, int(datetime.fromisoformat(self._node.now()).timestamp())
        login = accept(token, issuer.client_id, now, self._settings.clock_skew)
        span = self._span(issuer, lifetime)
        if audience is not None and audience not in issuer.audiences:
            raise Refused(f"{issuer.name}'s users may not have macaroons for the audience {audience}")
        caveats = (*source.fixed, *(each.fill(login.claims) for each in source.templates))
        assertion = Assertion(
            issuer.issuer, login.subject, login.marks, login.begins, login.ends, issuer.name, issuer.audiences
        )
        minted = await to_thread.run_sync(self._authority.admit, assertion, audience, salt_name, span)
        # With a caveat behind authority's it is not renewed: whether she may still log in, her provider knows.
        ends = self._node.vocabulary.parse(f"time < {minted.written.not_after}")
        return Federated(minted, (*caveats, ends), issuer.name, login.subject)

    def _span(self, issuer: Issuer, lifetime: int) -> int:
        most = issuer.max_lifetime or self._settings.max_lifetime
        if lifetime > most:
            raise Refused(f"a lifetime is 1 to {most} seconds for {issuer.name}'s users")
        return lifetime or min(most, self._settings.lifetime)
