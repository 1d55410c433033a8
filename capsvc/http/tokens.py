"""Tokens: renew a capability, and see what a presented one may do."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import RENEW, Presented
from capsvc.authority import Minted
from capsvc.http.bodies import Secret, answer, read
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from caveats import Capability, Format, encode
from caveats.encoding import encode_base64
from caveats.scope import weakest

_FORMATS = {1: Format.V1, 2: Format.V2}
_LEFT_OUT = frozenset({"salt", "nonce", "request"})
Lifetime = Annotated[int, msgspec.Meta(ge=0)]


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

    @classmethod
    def of(cls, minted: Minted, narrowed: str, format: int, expires: str) -> Self:
        """Say what stands in a fresh macaroon, and write what it was narrowed to, which is text of format 2.

        Raises a 400 where another format that is wanted cannot hold it.
        """
        written = minted.written
        try:
            text = encode(narrowed, _FORMATS[format]) if format != 2 else narrowed
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        return cls(
            text,
            written.user,
            written.key_name.audience,
            written.salt_name,
            written.nonce,
            written.not_before,
            expires,
        )


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

    async def renew(self, request: Request) -> Response:
        """``POST /v1/tokens/renew``."""
        renewal = await read(request, Renewal, self._service.settings.body_bytes)
        capability = self._service.verdict(request).capability
        minted = await to_thread.run_sync(self._service.authority.renew, capability, renewal.lifetime)
        await self._service.recorded(minted.act(RENEW, presented=Presented.of(capability)))
        token = Token.of(minted, minted.token, renewal.format, minted.written.not_after)
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
