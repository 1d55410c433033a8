"""Tokens: log in, renew, and see what a presented capability may do."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import API, MINT, OIDC, RENEW, Presented
from capsvc.authority import Minted
from capsvc.errors import IdTokenRefused
from capsvc.http.bodies import Secret, answer, fit, read, read_members
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.stores import DEFAULT_SALT_NAME
from caveats import Capability, Format, Predicate, PredicateError, attenuate, encode
from caveats.authority import AUTHORITY_CAVEATS
from caveats.encoding import encode_base64
from caveats.scope import weakest

_FORMATS = {1: Format.V1, 2: Format.V2}
_LEFT_OUT = frozenset({"salt", "nonce", "request"})
Lifetime = Annotated[int, msgspec.Meta(ge=0)]


class Login(Secret, forbid_unknown_fields=True):
    """A user logs in."""

    user: str
    password: str
    audience: str | None = None
    salt: str = DEFAULT_SALT_NAME
    lifetime: Lifetime = 0
    caveats: list[str] = msgspec.field(default_factory=list)
    format: Literal[1, 2] = 2


class IdTokenLogin(Secret, forbid_unknown_fields=True):
    """A user logs in with an ID token of a configured issuer."""

    id_token: str
    audience: str | None = None
    salt: str = DEFAULT_SALT_NAME
    lifetime: Lifetime = 0
    caveats: list[str] = msgspec.field(default_factory=list)
    format: Literal[1, 2] = 2


class Renewal(msgspec.Struct, forbid_unknown_fields=True):
    """A live capability asks for a later expiry."""

    lifetime: Lifetime = 0
    format: Literal[1, 2] = 2


class Token(Secret):
    """A fresh macaroon, and what stands in it. Times are RFC 3339 in UTC."""

    macaroon: str
    user: str
    audience: str | None
    salt: str
    nonce: str
    issued: str
    expires: str


class SealedToken(msgspec.Struct):
    """A fresh macaroon for who presented a bound copy: the JSON of a Token, sealed for the original's holder."""

    sealed: str


class Described(msgspec.Struct):
    """What a capability may do: everything that meets each predicate of ``scope``."""

    user: str
    audience: str | None
    salt: list[str]
    nonce: str
    issued: str
    expires: str
    scope: list[str]
    revision: int


class Tokens:
    """The endpoints for tokens."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def log_in(self, request: Request) -> Response:
        """``POST /v1/tokens``."""
        members = await read_members(request.scope, request.receive, self._service.settings.body_bytes)
        address = self._service.address(request)
        if not isinstance(members, dict) or "id_token" not in members:
            return answer(await self.issue(fit(members, Login), address), 201)
        if "user" in members or "password" in members:
            raise bad_request("Say user and password, or id_token, and not both.")
        return answer(await self._exchange(fit(members, IdTokenLogin), address), 201)

    async def issue(self, login: Login, address: str | None, via: str = API) -> Token:
        """Mint what a login from an address asks for. Raises what the one renderer of problems knows."""
        appended = self._predicates(login.caveats)
        try:
            return await self._service.authority.log_in(
                login.user, login.password, login.audience, login.salt, login.lifetime, address=address,
                then=lambda minted: self._handed_out(minted, appended, login.format, via),
            )  # fmt: skip
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None

    async def _exchange(self, login: IdTokenLogin, address: str | None) -> Token:
        """Mint for an ID token, narrowed to what its issuer's configuration says before anything else."""
        appended, federation = self._predicates(login.caveats), self._service.federation
        if federation is None:
            raise IdTokenRefused("no identity provider is configured here: log in with user and password")
        try:
            federated = await federation.log_in(
                login.id_token, login.audience, login.salt, login.lifetime, address=address
            )
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        narrowed, via = [*federated.caveats, *appended], OIDC + federated.name
        return await to_thread.run_sync(
            self._handed_out, federated.minted, narrowed, login.format, via, federated.subject
        )

    def _handed_out(
        self, minted: Minted, appended: list[Predicate], format: int, via: str, subject: str | None = None
    ) -> Token:
        """Narrow what was minted, and record it."""
        ends = [minted.written.not_after, *(str(each.operand) for each in appended if _is_end(each))]
        try:
            narrowed = attenuate(minted.token, *appended, limits=self._service.settings.limits)
        except PredicateError as wrong:
            raise bad_request(f"caveats: {wrong}.") from None
        token = _token(narrowed, minted, format, min(ends))
        if len(token.macaroon) > self._service.settings.limits.characters:  # format 1 is longer
            raise bad_request(
                f"With these caveats the token has more than {self._service.settings.limits.characters} characters."
            )
        self._service.record(minted.act(MINT, via, narrowed=[str(each) for each in appended], subject=subject))
        return token

    def _predicates(self, caveats: list[str]) -> list[Predicate]:
        """Read the caveats to append, before anything slow is done for them."""
        most = self._service.settings.caveats - AUTHORITY_CAVEATS
        if len(caveats) > most:
            raise bad_request(f"A login appends at most {most} caveats.")
        predicates = []
        for position, text in enumerate(caveats):
            try:
                predicates.append(self._service.node.vocabulary.parse(text))
            except PredicateError as wrong:
                raise bad_request(f"caveats[{position}]: {wrong}.") from None
        return predicates

    async def renew(self, request: Request) -> Response:
        """``POST /v1/tokens/renew``."""
        renewal = await read(request, Renewal, self._service.settings.body_bytes)
        capability = self._service.verdict(request).capability
        minted = await to_thread.run_sync(self._service.authority.renew, capability, renewal.lifetime)
        await self._service.recorded(minted.act(RENEW, presented=Presented.of(capability)))
        token = _token(minted.token, minted, renewal.format, minted.written.not_after)
        if not capability.narrowings:
            return answer(token, 201)
        sealed = self._service.authority.seal_for(capability, msgspec.json.encode(token))
        return answer(SealedToken(encode_base64(sealed)), 201)

    async def describe(self, request: Request) -> Response:
        """``GET /v1/capability``."""
        verdict = self._service.verdict(request)
        return answer(described(verdict.capability, verdict.revision))


def described(capability: Capability, revision: int) -> Described:
    """Describe a capability, without its salts."""
    return Described(
        capability.user,
        capability.audience,
        list(capability.salt_names),
        capability.nonce,
        capability.not_before,
        capability.expires,
        permitted(capability),
        revision,
    )


def permitted(capability: Capability) -> list[str]:
    """List the meet of all proven predicates, a discharge's too, without those that only a service decides.

    Salts stay secret, and the nonce and a request's number forbid nothing.
    """
    if not capability.holders and not capability.discharged:  # as most are, and there is nothing to meet
        return [text.decode("utf-8") for text in (capability.minted[1], capability.minted[3], capability.minted[4])]
    met = weakest((*capability.predicates, *capability.discharge_predicates))
    return [str(each) for each in met if each.attribute not in _LEFT_OUT]


def _is_end(predicate: Predicate) -> bool:
    return (predicate.attribute, predicate.operator) == ("time", "<")


def _token(token: str, minted: Minted, format: int, expires: str) -> Token:
    written = minted.written
    try:
        text = encode(token, _FORMATS[format]) if format != 2 else token
    except ValueError as wrong:
        raise bad_request(f"{wrong}.") from None
    return Token(
        text,
        written.user,
        written.key_name.audience,
        written.salt_name,
        written.nonce,
        written.not_before,
        expires,
    )
