"""Users, for administrators: add, list, change."""

from __future__ import annotations

from typing import Annotated

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import ADD_USER, CHANGE_USER, Act, Presented
from capsvc.http.bodies import Secret, answer, read
from capsvc.http.problems import HTTPProblem, Problem, bad_request
from capsvc.http.service import Service
from capsvc.names import check_audiences, check_user_name
from capsvc.stores import NewUser, User

_PAGE = 100
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=1024)]
Audiences = Annotated[list[str], msgspec.Meta(max_length=64)]


class Addition(Secret, forbid_unknown_fields=True):
    """A user to add."""

    user: str
    password: Password
    audiences: Audiences = msgspec.field(default_factory=list)


class Change(Secret, forbid_unknown_fields=True):
    """What to change of a user; each change takes back everything that she holds."""

    disabled: bool | None = None
    audiences: Audiences | None = None
    password: Password | None = None


class UserRow(msgspec.Struct):
    """A user."""

    user: str
    audiences: list[str]
    disabled: bool
    created: str


class UserRows(msgspec.Struct):
    """A page of users by name. ``next`` is what to ask for ``after``, null on the last page."""

    users: list[UserRow]
    next: str | None


class Changed(msgspec.Struct):
    """The user as she is now, and the revision of the change."""

    user: UserRow
    revision: int


class Users:
    """The endpoints for administrators."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def add(self, request: Request) -> Response:
        """``POST /v1/users``."""
        addition = await read(request, Addition, self._service.settings.body_bytes)
        try:
            name = check_user_name(addition.user)
            audiences = check_audiences(addition.audiences)
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        hash = await self._service.slots.run(self._service.passwords.hash, addition.password)
        new = NewUser(name, hash, audiences)
        taken = await to_thread.run_sync(self._service.store.add_users, [new], self._service.node.now())
        if taken:
            raise HTTPProblem(
                Problem(409, "name-taken", "The name is taken", "Names are never reused: choose another name.")
            )
        administrator = self._service.verdict(request).capability
        await self._service.recorded(
            Act(
                act=ADD_USER,
                who=administrator.user,
                whom=name,
                audiences=[*audiences],
                presented=Presented.of(administrator),
            )
        )
        return answer(_row(await to_thread.run_sync(self._service.store.user, name)), 201)

    async def list(self, request: Request) -> Response:
        """``GET /v1/users``."""
        after = request.query_params.get("after", "")
        users = await to_thread.run_sync(self._service.store.users, after, _PAGE)
        return answer(UserRows([_row(user) for user in users], users[-1].name if len(users) == _PAGE else None))

    async def show(self, request: Request) -> Response:
        """``GET /v1/users/{user}``."""
        return answer(_row(await to_thread.run_sync(self._service.store.user, request.path_params["user"])))

    async def change(self, request: Request) -> Response:
        """``PATCH /v1/users/{user}``."""
        change = await read(request, Change, self._service.settings.body_bytes)
        name = request.path_params["user"]
        try:
            audiences = None if change.audiences is None else check_audiences(change.audiences)
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        if change.disabled is None and change.audiences is None and change.password is None:
            raise bad_request("Say at least one of disabled, audiences and password.")
        hash = None
        if change.password is not None:
            hash = await self._service.slots.run(self._service.passwords.hash, change.password)
        changed = await to_thread.run_sync(self._change, name, change.disabled, audiences, hash)
        administrator = self._service.verdict(request).capability
        await self._service.recorded(
            Act(
                act=CHANGE_USER,
                who=administrator.user,
                whom=name,
                disabled=change.disabled,
                audiences=None if audiences is None else [*audiences],
                password=hash is not None,
                revision=changed.revision,
                presented=Presented.of(administrator),
            )
        )
        return answer(changed)

    def _change(self, name: str, disabled: bool | None, audiences: tuple[str, ...] | None, hash: str | None) -> Changed:
        store, now = self._service.store, self._service.node.now()
        revision = store.change_user(name, now, disabled=disabled, audiences=audiences, password=hash)
        return Changed(_row(store.user(name)), revision)


def _row(user: User) -> UserRow:
    return UserRow(user.name, list(user.audiences), user.disabled, user.created)
