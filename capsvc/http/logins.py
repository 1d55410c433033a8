"""Logins: a password, or an ID token, for a macaroon.

A plain ASGI application, since whoever verifies meanwhile waits for as long as a login is read and answered.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from anyio import to_thread
from starlette.types import Receive, Scope

from capsvc.acts import API, MINT, OIDC
from capsvc.authority import Minted
from capsvc.errors import IdTokenRefused
from capsvc.http.bodies import Secret, fit, json_answer, read_members
from capsvc.http.endpoint import Answer, Endpoint
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.http.tokens import Lifetime, Token
from capsvc.stores import DEFAULT_SALT_NAME
from caveats import Predicate, PredicateError, attenuate
from caveats.authority import AUTHORITY_CAVEATS


class Wanted(Secret, forbid_unknown_fields=True, kw_only=True):
    """The macaroon that a login is for."""

    audience: str | None = None
    salt: str = DEFAULT_SALT_NAME
    lifetime: Lifetime = 0
    caveats: list[str] = msgspec.field(default_factory=list)
    format: Literal[1, 2] = 2


class Login(Wanted, kw_only=True):
    """A user logs in."""

    user: str
    password: str


class IdTokenLogin(Wanted, kw_only=True):
    """A user logs in with an ID token of a configured issuer."""

    id_token: str


class Logins(Endpoint):
    """``POST /v1/tokens``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer with a macaroon."""
        members = await read_members(scope, receive, self._service.settings.body_bytes)
        address = self._service.address(scope)
        if not isinstance(members, dict) or "id_token" not in members:
            return json_answer(await self.issue(fit(members, Login), address), 201)
        if "user" in members or "password" in members:
            raise bad_request("Say user and password, or id_token, and not both.")
        return json_answer(await self._exchange(fit(members, IdTokenLogin), address), 201)

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
        token = Token.of(minted, narrowed, format, min(ends))
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


def _is_end(predicate: Predicate) -> bool:
    return (predicate.attribute, predicate.operator) == ("time", "<")
