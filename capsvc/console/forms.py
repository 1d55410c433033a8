"""Forms: taken from the console's own pages alone, and from the session that they were shown to.

Two defences, either of which is enough: the browser says where a request comes from, and a token in the
form says which session it belongs to.
"""

from __future__ import annotations

from hmac import compare_digest

from starlette.datastructures import Headers
from starlette.requests import Request

from capsvc.client.origin import Origin
from capsvc.console.sessions import Realm, Session, Sessions
from capsvc.http.forms import read_form
from capsvc.http.problems import HTTPProblem, Problem
from capsvc.http.service import Service

Fields = dict[str, str]
"""What was filled in, without fields that were left empty."""

_ELSEWHERE = Problem(
    403, "cross-site", "The form was not sent from this site", "Open the page here, and send it from there."
)
_STALE = Problem(
    403, "stale-form", "The form belongs to another session", "Open the page again, and send it once more."
)
_NO_SESSION = Problem(401, "no-session", "You are not logged in, or not any more", "Log in, then send the form again.")


class Forms:
    """Reads forms. Each method raises an HTTPProblem for one that is not taken."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._sessions = sessions
        self._own = _origin(service.location)
        self._longest = service.settings.body_bytes

    async def read(self, request: Request, *realms: Realm) -> tuple[Session, Fields]:
        """Read a form of a session in one of some realms; return that session with what was filled in."""
        self._demand_same_origin(request.headers)
        found = [session for each in realms if (session := await self._sessions.find(request, each)) is not None]
        if not found:
            raise HTTPProblem(_NO_SESSION)
        fields = await read_form(request, self._longest)
        token = fields.pop("form_token", "").encode("utf-8")
        for session in found:
            if compare_digest(session.form_token.encode("utf-8"), token):
                return session, fields
        raise HTTPProblem(_STALE)

    async def read_login(self, request: Request) -> Fields:
        """Read a form to log in with, which no session can be asked for."""
        self._demand_same_origin(request.headers)
        return await read_form(request, self._longest)

    def _demand_same_origin(self, headers: Headers) -> None:
        """Raise a 403 unless the browser says that its own page sent this: by Sec-Fetch-Site, else by Origin."""
        sites = headers.getlist("sec-fetch-site")
        if sites == ["same-origin"]:
            return
        origins = [_origin(each) for each in headers.getlist("origin")]
        if sites or self._own is None or origins != [self._own]:
            raise HTTPProblem(_ELSEWHERE)


def _origin(text: str) -> Origin | None:
    try:
        return Origin.of(text)
    except ValueError:  # such as null, which a browser sends for a page that has none
        return None
