"""Sessions: a macaroon that is narrowed to the console, kept in a cookie beside when it was last used.

The macaroon is proven anew for each request, so that revocation, expiry and a disabled user count at
once. It carries the absolute timeout. The idle timeout is the second at which the session was last seen,
in the cookie too, under a MAC over both: whoever holds nothing but a macaroon cannot make a session of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest

from anyio import to_thread
from starlette.requests import Request
from starlette.types import Scope

from capsvc.acts import CONSOLE, MINT, REVOKE, Act
from capsvc.authority import Minted
from capsvc.console.cookies import read_cookie, write_cookie
from capsvc.hkdf import hkdf_sha256
from capsvc.http.facts import connection_facts
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.keyring import KeyRing
from capsvc.names import ADMIN, CONSOLE_SALT_NAME
from capsvc.node import Presentation
from caveats import MacaroonError, attenuate
from caveats.encoding import encode_base64

SALT_NAME = CONSOLE_SALT_NAME
_VALUE = re.compile(r"([1-9][0-9]{0,15})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]+)")
_REFRESH_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Realm:
    """A part of the console that one logs in to by itself: for an audience, in a cookie of its own."""

    name: str
    cookie: str
    audience: str | None

    @property
    def path(self) -> str:
        """Where its pages are."""
        return f"/{self.name}"

    @property
    def narrowing(self) -> str:
        """What narrows a session's macaroon to the realm, so that it opens nothing of the API."""
        return f"path ^= {self.path} /logout"


MINE = Realm("mine", "__Host-capsvc", None)
ADMINISTRATION = Realm("administration", "__Host-capsvc-admin", ADMIN)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was proven for one request.

    ``form_token`` has to come back with each form; ``renewed`` is the ``Set-Cookie`` that says when the
    session was last seen, empty where none is due.
    """

    realm: Realm
    user: str
    expires: str
    form_token: str = field(repr=False)
    renewed: str = field(repr=False)


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self._service = service
        self._lifetime = min(settings.console_lifetime, settings.max_lifetime)
        self._idle = settings.console_idle
        self._refresh = min(_REFRESH_SECONDS, settings.console_idle // 4)

    async def begin(self, realm: Realm, user: str, password: str, address: str | None) -> str:
        """Check a password from an address; return the ``Set-Cookie`` of a new session. Raises what a login raises."""

        def cookie(minted: Minted) -> str:
            token = attenuate(minted.token, realm.narrowing, limits=self._service.settings.limits)
            self._service.record(minted.act(MINT, CONSOLE, narrowed=[realm.narrowing]))
            return self._cookie(realm, minted.written.key_name.key_id, token)

        return await self._service.authority.log_in(
            user, password, realm.audience, SALT_NAME, self._lifetime, address=address, then=cookie
        )

    async def find(self, request: Request, realm: Realm) -> Session | None:
        """Prove the session of a request; None where there is none, or none any more.

        Raises a 400 for a request that cannot be read, StoreUnavailable where the store cannot say.
        """
        value = _VALUE.fullmatch(read_cookie(request.scope, realm.cookie) or "")
        if value is None:
            return None
        seen, mac, token = value.groups()
        try:
            return await to_thread.run_sync(self._prove, request.scope, realm, int(seen), mac, token)
        except ValueError as wrong:  # a fact that the session's predicate asks for, and that cannot be read
            raise bad_request(f"{wrong}.") from None

    def end(self, user: str) -> int:
        """End every session of a user, in all her browsers, and return the revision."""
        revision = self._service.store.revoke_name(user, SALT_NAME, self._service.node.now())
        self._service.record(Act(act=REVOKE, who=user, via=CONSOLE, whom=user, name=SALT_NAME, revision=revision))
        return revision

    def _prove(self, scope: Scope, realm: Realm, seen: int, mac: str, token: str) -> Session | None:
        node = self._service.node
        request = node.request_later(lambda: connection_facts(scope, self._service.proxies))
        try:
            capability = node.verify(Presentation(token), request, (realm.audience,)).capability
        except MacaroonError:
            return None
        key_id, now = capability.key_name.key_id, self._second()
        key = node.ring().console_key(key_id)
        if key is None or not compare_digest(cookie_mac(key, seen, token), mac) or now - seen > self._idle:
            return None
        renewed = self._cookie(realm, key_id, token) if now - seen >= self._refresh else ""
        return Session(realm, capability.user, capability.expires, form_token(key, capability.nonce), renewed)

    def _cookie(self, realm: Realm, key_id: str, token: str) -> str:
        return write_cookie(realm.cookie, cookie_value(self._service.node.ring(), key_id, self._second(), token))

    def _second(self) -> int:
        return int(datetime.fromisoformat(self._service.node.now()).timestamp())


def cookie_value(ring: KeyRing, key_id: str, seen: int, token: str) -> str:
    """Write what a cookie holds of a session that was last seen at a second. Raises KeyError for no such key."""
    key = ring.console_key(key_id)
    if key is None:
        raise KeyError(key_id)
    return f"{seen}.{cookie_mac(key, seen, token)}.{token}"


def cookie_mac(key: bytes, seen: int, token: str) -> str:
    """Authenticate that a token is a session's and when it was last seen."""
    return encode_base64(hkdf_sha256(key, "seen", str(seen), token))


def form_token(key: bytes, nonce: str) -> str:
    """Make the token of the forms of one session."""
    return encode_base64(hkdf_sha256(key, "form", nonce))
