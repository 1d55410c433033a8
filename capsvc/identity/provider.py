"""A provider: finds its keys by discovery, remembers them, and proves with them who signed an ID token.

Keys are fetched when they are needed, asynchronously, by one request for all who wait. Strangers cannot make it fetch
more often than every few seconds, whatever they send.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx2
from anyio import to_thread

from capsvc.errors import ProviderUnavailable
from capsvc.identity.id_token import IdToken, unproven
from capsvc.identity.issuer import check_provider_url
from capsvc.identity.key_set import KeySet, PublicKey
from capsvc.logs import logger
from capsvc.strict_json import parse

FRESH_SECONDS = 600
"""So long keys are used without asking again whether the provider has withdrawn one."""

MOST_SECONDS = 3600
"""So long they are used where it does not answer. A provider that is away issues nothing that is worth waiting for."""

PAUSE_SECONDS = 5
"""So long nobody is asked again, whether there was an answer or none."""

_FETCH_SECONDS = 5.0
_MOST_BYTES = 262_144
_DISCOVERY = "/.well-known/openid-configuration"


class Provider:
    """The keys of one issuer. ``clock`` tells seconds and never goes back."""

    def __init__(self, issuer: str, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._name = name
        self._clock = clock
        self._asking = asyncio.Lock()
        self._trusted: ssl.SSLContext | None = None
        self._keys = KeySet({})
        self._fresh_until = self._expired_at = self._paused_until = -1.0
        self._answers = False

    async def prove(self, token: IdToken) -> None:
        """Prove that a key of this provider signed a token.

        Raises IdTokenRefused where none did; ProviderUnavailable where its keys are not known, or were not confirmed
        for too long.
        """
        if self._clock() >= self._fresh_until:
            await self._refresh()
        key = self._signer(token)
        if key is None:  # there may be another key since
            await self._refresh()
            key = self._signer(token)
        if self._clock() >= self._expired_at or (key is None and not self._answers):
            raise ProviderUnavailable(
                f"the keys of {self._name} are not known here, or have expired, and it does not answer: try again in"
                " a moment; the service's log says why",
                PAUSE_SECONDS,
            )
        if key is None:
            raise unproven()

    def _signer(self, token: IdToken) -> PublicKey | None:
        key = self._keys.find(token.unverified_key_id)
        return key if key is not None and key.has_signed(token) else None

    async def _refresh(self) -> None:
        """Fetch the keys, unless somebody just did. Where that fails, those that are known stay as old as they are."""
        async with self._asking:
            if self._clock() < self._paused_until:
                return
            began, self._answers = self._clock(), False
            try:
                with anyio.fail_after(_FETCH_SECONDS):
                    self._keys = await self._fetch()
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ValueError) as wrong:
                reason = str(wrong) if isinstance(wrong, ValueError) else type(wrong).__name__
                logger().warning("no keys of an identity provider", provider=self._name, reason=reason)
            else:
                self._fresh_until, self._expired_at = began + FRESH_SECONDS, began + MOST_SECONDS
                self._answers = True
            finally:
                self._paused_until = self._clock() + PAUSE_SECONDS

    async def _fetch(self) -> KeySet:
        if self._trusted is None:
            self._trusted = await to_thread.run_sync(ssl.create_default_context)  # which reads every certificate
        async with httpx2.AsyncClient(
            verify=self._trusted, timeout=_FETCH_SECONDS, trust_env=False, follow_redirects=False
        ) as client:
            found = await _get(client, self._issuer.rstrip("/") + _DISCOVERY)
            if not isinstance(found, dict) or found.get("issuer") != self._issuer:
                raise ValueError("what it publishes names another issuer, or none: the two have to be the same text")
            address = found.get("jwks_uri")
            if not isinstance(address, str):
                raise ValueError("what it publishes has no jwks_uri")
            try:
                check_provider_url(address)
            except ValueError as wrong:
                raise ValueError(f"its jwks_uri is not to be used: {wrong}") from None
            return KeySet.of(await _get(client, address))


async def _get(client: httpx2.AsyncClient, url: str) -> Any:
    """Fetch JSON, of which no more than a cap is read. Raises ValueError."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code != 200:
            raise ValueError(f"it answers {response.status_code}; redirects are not followed")
        raw = bytearray()
        async for chunk in response.aiter_raw():
            raw += chunk
            if len(raw) > _MOST_BYTES:
                raise ValueError(f"it answers with more than {_MOST_BYTES} bytes")
    return parse(bytes(raw))
