"""Administration: users, the key ring, and how verifications end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio import to_thread
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import CHANGE_USER, CONSOLE, REVOKE, Act
from capsvc.console.forms import Fields, Forms
from capsvc.console.logins import login_page
from capsvc.console.pages import page
from capsvc.console.picture import Picture, draw
from capsvc.console.revisions import acknowledged, see_revision
from capsvc.console.sessions import ADMINISTRATION, Sessions
from capsvc.http.service import Service
from capsvc.stores import StoredKey, User

_PAGE = 50


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the page shows."""

    users: list[User]
    following: str
    keys: list[StoredKey]
    picture: Picture


class Administration:
    """The page of administrators, and what its forms do."""

    def __init__(self, service: Service, sessions: Sessions, forms: Forms) -> None:
        self._service = service
        self._sessions = sessions
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """``GET /administration``; without a session, the form to log in."""
        session = await self._sessions.find(request, ADMINISTRATION)
        if session is None:
            return login_page(ADMINISTRATION)
        after = request.query_params.get("after", "")
        seen = await to_thread.run_sync(self._look, after)
        revision = await acknowledged(request, self._service.store)
        return page("administration", session=session, seen=seen, after=after, revision=revision)

    async def disable(self, request: Request) -> Response:
        """``POST /administration/disable``: nothing that the user holds is accepted from then on."""
        return await self._disable(request, True)

    async def enable(self, request: Request) -> Response:
        """``POST /administration/enable``: she can log in again; what she held before stays refused."""
        return await self._disable(request, False)

    async def revoke(self, request: Request) -> Response:
        """``POST /administration/revoke``: all that a user holds."""
        store = self._service.store
        return await self._change(request, store.revoke_all, Act(act=REVOKE, who="", via=CONSOLE, all=True))

    async def _disable(self, request: Request, disabled: bool) -> Response:
        store = self._service.store
        act = Act(act=CHANGE_USER, who="", via=CONSOLE, disabled=disabled)
        return await self._change(request, lambda user, now: store.set_disabled(user, disabled, now), act)

    async def _change(self, request: Request, change: Callable[[str, str], int], act: Act) -> Response:
        """Do to the user of a form what an act says that does not yet say who did it, and to whom."""
        session, fields = await self._forms.read(request, ADMINISTRATION)
        user = fields.get("user", "")
        revision = await to_thread.run_sync(change, user, self._service.node.now())
        await self._service.recorded(replace(act, who=session.user, whom=user, revision=revision))
        return see_revision(ADMINISTRATION.path, revision, **_after(fields))

    def _look(self, after: str) -> _Seen:
        users = self._service.store.users(after, _PAGE)
        following = users[-1].name if len(users) == _PAGE else ""
        picture = draw(self._service.outcomes.read(), int(time.time()) // 60)
        return _Seen(users, following, self._service.store.keys()[1], picture)


def _after(fields: Fields) -> dict[str, str]:
    """Which page of users the form stood on."""
    return {"after": fields["after"]} if "after" in fields else {}
