"""Mine: what one has out by name, issuing for an application, taking back, and one's password."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import CONSOLE, PASSWORD, REVOKE, Act
from capsvc.console.forms import Fields, Forms
from capsvc.console.logins import without_sessions
from capsvc.console.pages import page, see
from capsvc.console.revisions import acknowledged, see_revision
from capsvc.console.sessions import MINE, SALT_NAME, Session, Sessions
from capsvc.errors import Refused, TooBusy, TooMany
from capsvc.http.logins import Login, Logins
from capsvc.http.problems import HTTPProblem, Problem, bad_request, problem_of
from capsvc.http.service import Service
from capsvc.stores import DEFAULT_SALT_NAME, SaltName, User
from caveats import BUILTIN, PredicateError, Vocabulary, check_salt_name

_HOUR, _DAY = 3600, 24 * 3600
_LIFETIMES = {
    600: "10 minutes",
    _HOUR: "1 hour",
    8 * _HOUR: "8 hours",
    _DAY: "1 day",
    7 * _DAY: "7 days",
    30 * _DAY: "30 days",
    90 * _DAY: "90 days",
}
_DIGITS = 12
_EXPECTED = (HTTPProblem, Refused, TooBusy, TooMany)
"""What a form can do wrong: it is shown again, with a sentence."""
_UNCONFIRMED = Problem(
    400, "unconfirmed", "Nothing was revoked", "Tick the box beside the button to say that you mean it."
)


class Mine:
    """The pages of a user about herself."""

    def __init__(self, service: Service, sessions: Sessions, forms: Forms) -> None:
        self._service = service
        self._logins = Logins(service)
        self._sessions = sessions
        self._forms = forms
        longest = service.settings.max_lifetime
        self._lifetimes = {span: said for span, said in _LIFETIMES.items() if span <= longest} or {
            longest: "as long as may be"
        }

    async def show(self, request: Request) -> Response:
        """``GET /mine``."""
        session = await self._sessions.find(request, MINE)
        if session is None:
            return see("/login")
        return await self._page(session, revision=await acknowledged(request, self._service.store))

    async def issue(self, request: Request) -> Response:
        """``POST /mine/issue``: shows the macaroon in the answer itself, and nowhere else, ever."""
        session, fields = await self._forms.read(request, MINE)
        try:
            login = _login(session.user, fields, self._service.node.vocabulary)
            token = await self._logins.issue(login, self._service.address(request.scope), CONSOLE)
        except _EXPECTED as error:
            return await self._page(session, problem_of(error), fields)
        return page("issued", session=session, token=token)

    async def revoke(self, request: Request) -> Response:
        """``POST /mine/revoke``: one name, or one macaroon by its nonce."""
        session, fields = await self._forms.read(request, MINE)
        try:
            revision = await to_thread.run_sync(self._revoke, session.user, fields)
        except _EXPECTED as error:
            return await self._page(session, problem_of(error))
        if fields.get("name") == SALT_NAME:
            return _ended("The sessions of the console are over, this one too.", revision)
        return see_revision("/mine", revision)

    async def log_out_everywhere(self, request: Request) -> Response:
        """``POST /mine/logout-everywhere``: changes all salts."""
        session, fields = await self._forms.read(request, MINE)
        if "confirm" not in fields:
            return await self._page(session, _UNCONFIRMED)
        store, now = self._service.store, self._service.node.now()
        revision = await to_thread.run_sync(store.revoke_all, session.user, now)
        await self._service.recorded(_act(REVOKE, session.user, revision, all=True))
        return _ended("Everything that was issued to you is revoked, this session too.", revision)

    async def change_password(self, request: Request) -> Response:
        """``POST /mine/password``: changes all salts too."""
        session, fields = await self._forms.read(request, MINE)
        current, new = fields.get("current", ""), fields.get("new", "")
        try:
            if new != fields.get("again", ""):
                raise bad_request("The new password was not typed the same twice.")
            try:
                revision = await self._service.authority.change_password(
                    session.user, current, new, address=self._service.address(request.scope)
                )
            except ValueError as wrong:
                raise bad_request(f"{wrong}.") from None
        except _EXPECTED as error:
            return await self._page(session, problem_of(error))
        await self._service.recorded(_act(PASSWORD, session.user, revision))
        return _ended("The password is changed, and everything issued before is revoked, this session too.", revision)

    def _revoke(self, user: str, fields: Fields) -> int:
        store, now = self._service.store, self._service.node.now()
        name, nonce = fields.get("name"), fields.get("nonce")
        try:
            if (name is None) == (nonce is None):
                raise ValueError("say a name or a nonce")
            if name is not None:
                revision = store.revoke_name(user, check_salt_name(name), now)
            else:
                BUILTIN.parse(f"nonce = {nonce}")
                revision = store.revoke_nonce(user, str(nonce), now)
        except (ValueError, PredicateError) as wrong:
            raise bad_request(f"{wrong}.") from None
        self._service.record(_act(REVOKE, user, revision, name=name, nonce=nonce))
        return revision

    async def _page(
        self, session: Session, problem: Problem | None = None, fields: Fields | None = None, revision: int = 0
    ) -> Response:
        """Render the page; with a problem, under it and with what was filled in, but not the password."""
        user, names = await to_thread.run_sync(self._look, session.user)
        return page(
            "mine",
            200 if problem is None else problem.status,
            session=session,
            names=names,
            audiences=user.audiences,
            lifetimes=self._lifetimes,
            fields=fields or {},
            problem=problem,
            revision=revision,
        )

    def _look(self, user: str) -> tuple[User, list[SaltName]]:
        return self._service.store.user(user), self._service.store.salt_names(user)


def _login(user: str, fields: Fields, vocabulary: Vocabulary) -> Login:
    """Read what to issue. Raises a 400."""
    name, lifetime = fields.get("name", DEFAULT_SALT_NAME), fields.get("lifetime", "0")
    if name == SALT_NAME:
        raise bad_request(f"The name {SALT_NAME} is that of these sessions: choose another.")
    if not (lifetime.isascii() and lifetime.isdecimal()) or len(lifetime) > _DIGITS:
        raise bad_request("A lifetime is a number of seconds.")
    lines = [line.strip(" \t\r") for line in fields.get("caveats", "").split("\n")]
    for number, line in enumerate(lines, 1):
        try:
            _ = line and vocabulary.parse(line)
        except PredicateError as wrong:
            raise bad_request(f"Line {number} of the caveats is none: {wrong}.") from None
    caveats = [line for line in lines if line]
    return Login(
        user=user, password=fields.get("password", ""), audience=fields.get("audience"), salt=name,
        lifetime=int(lifetime), caveats=caveats,
    )  # fmt: skip


def _act(
    act: str, user: str, revision: int, *, name: str | None = None, nonce: str | None = None, all: bool = False
) -> Act:
    """Describe what a user did to what is hers."""
    return Act(act=act, who=user, via=CONSOLE, whom=user, name=name, nonce=nonce, all=all, revision=revision)


def _ended(sentence: str, revision: int) -> Response:
    """Say that something was taken back that the session itself went with."""
    return without_sessions(page("ended", sentence=sentence, revision=revision))
