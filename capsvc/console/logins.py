"""Logging in, to either realm, and out of both."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.console.cookies import drop_cookie
from capsvc.console.forms import Forms
from capsvc.console.pages import page, see
from capsvc.console.sessions import ADMINISTRATION, MINE, Realm, Sessions
from capsvc.errors import Refused, TooBusy, TooMany
from capsvc.http.problems import Problem, problem_of
from capsvc.http.service import Service


class Logins:
    """The pages that begin and end sessions."""

    def __init__(self, service: Service, sessions: Sessions, forms: Forms) -> None:
        self._service = service
        self._sessions = sessions
        self._forms = forms

    async def log_in(self, request: Request) -> Response:
        """``GET /login`` and ``POST /login``."""
        return await self._log_in(request, MINE) if request.method == "POST" else login_page(MINE)

    async def administer(self, request: Request) -> Response:
        """``POST /administration/login``."""
        return await self._log_in(request, ADMINISTRATION)

    async def log_out(self, request: Request) -> Response:
        """``POST /logout``: ends every session of the user, in the other realm and in other browsers too."""
        session, _ = await self._forms.read(request, MINE, ADMINISTRATION)
        await to_thread.run_sync(self._sessions.end, session.user)
        return without_sessions(see("/login"))

    async def _log_in(self, request: Request, realm: Realm) -> Response:
        fields = await self._forms.read_login(request)
        user, address = fields.get("user", ""), self._service.address(request.scope)
        try:
            cookie = await self._sessions.begin(realm, user, fields.get("password", ""), address)
        except (Refused, TooBusy, TooMany) as error:
            return login_page(realm, user, problem_of(error))
        answer = see(realm.path)
        answer.headers.append("Set-Cookie", cookie)
        return answer


def login_page(realm: Realm, user: str = "", problem: Problem | None = None) -> Response:
    """Render the form to log in to a realm with, under what went wrong the last time."""
    answer = page("login", 200 if problem is None else problem.status, realm=realm, user=user, problem=problem)
    answer.headers.update({} if problem is None else problem.headers)
    return answer


def without_sessions(answer: Response) -> Response:
    """Have the browser forget its sessions along with an answer."""
    for realm in (MINE, ADMINISTRATION):
        answer.headers.append("Set-Cookie", drop_cookie(realm.cookie))
    return answer
