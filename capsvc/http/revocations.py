"""Revocations: see the names in one's salt column, and take back what stands behind them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import PASSWORD, REVOKE, Act, Presented
from capsvc.errors import Refused
from capsvc.http.bodies import Secret, answer, read
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.names import ADMIN
from caveats import BUILTIN, PredicateError, check_salt_name, time_text


class Revocation(msgspec.Struct, forbid_unknown_fields=True):
    """Take back exactly one thing: a name, a nonce, all of a user's, or everyone's from before an instant.

    ``user`` and ``everyone`` need a capability for the audience ``capsvc.admin``.
    """

    name: str | None = None
    nonce: str | None = None
    all: bool = False
    everyone: bool = False
    before: str | None = None
    user: str | None = None


class Revoked(msgspec.Struct):
    """What was taken back is durable. A verifier that has seen this revision refuses it."""

    revision: int


class PasswordChange(Secret, forbid_unknown_fields=True):
    """The current password and the new one."""

    current: str
    new: Annotated[str, msgspec.Meta(min_length=8, max_length=1024)]


class SaltRow(msgspec.Struct):
    """A row of the salt column, without its salt. ``kind`` is issued, holder or nonce."""

    name: str
    kind: str
    revoked: bool
    changed: str


class SaltRows(msgspec.Struct):
    """The rows of a user."""

    salts: list[SaltRow]


class Revocations:
    """The endpoints that take back."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def salts(self, request: Request) -> Response:
        """``GET /v1/salts``."""
        user = self._whose(request, request.query_params.get("user"))
        rows = await to_thread.run_sync(self._service.store.salt_names, user)
        return answer(SaltRows([SaltRow(row.name, row.kind, row.revoked, row.changed) for row in rows]))

    async def revoke(self, request: Request) -> Response:
        """``POST /v1/revocations``."""
        wanted = await read(request, Revocation, self._service.settings.body_bytes)
        if wanted.everyone and wanted.user is not None:
            raise bad_request("Say user or everyone, not both.")
        kinds = [wanted.name is not None, wanted.nonce is not None, wanted.all, wanted.everyone]
        if sum(kinds) != 1 or (wanted.before is not None) != wanted.everyone:
            raise bad_request("Say exactly one of name, nonce, all, or everyone with before.")
        revision = await to_thread.run_sync(self._revoke, request, wanted)
        return answer(Revoked(revision))

    async def change_password(self, request: Request) -> Response:
        """``POST /v1/password``: changes all of the user's salts too."""
        change = await read(request, PasswordChange, self._service.settings.body_bytes)
        capability = self._service.verdict(request).capability
        user, address = capability.user, self._service.address(request.scope)
        revision = await self._service.authority.change_password(user, change.current, change.new, address=address)
        presented = Presented.of(capability)
        await self._service.recorded(Act(act=PASSWORD, who=user, whom=user, revision=revision, presented=presented))
        return answer(Revoked(revision))

    def _revoke(self, request: Request, wanted: Revocation) -> int:
        store, now = self._service.store, self._service.node.now()
        own = self._service.verdict(request).capability
        if wanted.everyone:
            self._demand_admin(request)
            try:
                before = time_text(wanted.before or "")
            except ValueError as wrong:
                raise bad_request(f"before: {wrong}.") from None
            revision = self._service.authority.panic(before)
            self._service.record(
                Act(act=REVOKE, who=own.user, before=before, revision=revision, presented=Presented.of(own))
            )
            return revision
        user = self._whose(request, wanted.user)
        if wanted.name is not None:
            try:
                revision = store.revoke_name(user, check_salt_name(wanted.name), now)
            except ValueError as wrong:
                raise bad_request(f"name: {wrong}.") from None
        elif wanted.nonce is not None:
            try:
                BUILTIN.parse(f"nonce = {wanted.nonce}")
            except PredicateError as wrong:
                raise bad_request(f"nonce: {wrong}.") from None
            revision = store.revoke_nonce(user, wanted.nonce, now)
        else:
            revision = store.revoke_all(user, now)
        self._service.record(
            Act(
                act=REVOKE,
                who=own.user,
                whom=user,
                name=wanted.name,
                nonce=wanted.nonce,
                all=wanted.all,
                revision=revision,
                presented=Presented.of(own),
            )
        )
        return revision

    def _whose(self, request: Request, named: str | None) -> str:
        """The user whose column is meant: the capability's own, or for an administrator any."""
        own = self._service.verdict(request).capability.user
        if named is None or named == own:
            return own
        self._demand_admin(request)
        return named

    def _demand_admin(self, request: Request) -> None:
        if self._service.verdict(request).capability.audience != ADMIN:
            raise Refused(f"this needs a capability for the audience {ADMIN}")
