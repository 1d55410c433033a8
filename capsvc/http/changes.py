"""The feed of changes over HTTP: signed pages, for whoever brings them to a resource server on its own.

Nobody needs a capability for it: a page says nothing to who has no key for it, and nobody can change one. What is made
for one is given to all who ask for the same, so that a thousand cost little more than one.
"""

from __future__ import annotations

import asyncio
import re
from time import monotonic

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.errors import WentBack
from capsvc.feed import Signed
from capsvc.http.problems import HTTPProblem, Problem, bad_request
from capsvc.http.service import Service

PATH = "/v1/changes"
LARGEST = 10**15 - 1
WAIT = r"30([.]0{1,6})?|[12]?[0-9]([.][0-9]{1,6})?"
"""Seconds, as text."""

SHARED_SECONDS = 0.2
"""So long a page is given to others who ask for the same; its stamp says how old it is."""

_SHARED_PAGES = 16
_UNDER_WAY = 64
_NUMBER, _SECONDS = re.compile("0|[1-9][0-9]{0,14}"), re.compile(WAIT)
_HEADERS = {"Cache-Control": "public, max-age=1"}


class SignedPage(msgspec.Struct):
    """A page of changes as text, and the signature of a ring key's feed key over it."""

    key: str
    signature: str
    page: str


class Feeds:
    """The endpoint that gives pages."""

    def __init__(self, service: Service) -> None:
        self._feed = service.feed
        self._polls = service.polls
        self._pages = _Pages(service)

    async def show(self, request: Request) -> Response:
        """``GET /v1/changes``."""
        asked = _asked(request)
        audience, wait = asked.get("audience"), asked.get("wait", "0")
        since, skip = _number(asked, "since"), _number(asked, "skip")
        if audience is None:
            raise bad_request("Say for which audience: /v1/changes?audience=….")
        if not _SECONDS.fullmatch(wait):
            raise bad_request("wait is 0 to 30 seconds, with 6 digits behind the point at most.")
        if audience not in self._feed.audiences:
            detail = "There is a feed for the audiences in the setting exported_audiences, and for no other."
            raise HTTPProblem(Problem(404, "no-feed", "There is no feed for this audience", detail))
        if float(wait) and not skip:
            moved_at = await self._polls.wait(since, float(wait), request.receive)
        else:
            moved_at = self._polls.look()
        page = await self._pages.get((audience, since, skip), moved_at)
        return Response(page.text, 200, _HEADERS, "application/json")


class _Pages:
    """Pages that were made just now, or are being made: by one thread, in the order in which they were asked for."""

    def __init__(self, service: Service) -> None:
        self._feed = service.feed
        self._one_at_a_time = CapacityLimiter(1)
        self._made: dict[tuple[str, int, int], tuple[float, asyncio.Task[Signed]]] = {}
        self._under_way = 0

    async def get(self, wanted: tuple[str, int, int], moved_at: float) -> Signed:
        """Get the page that is wanted, made after some moment on the monotonic clock. Raises a 409 or 503."""
        began, making = self._made.get(wanted, (0.0, None))
        if making is None or began < moved_at or (making.done() and monotonic() > began + SHARED_SECONDS):
            making = self._make(wanted)
        try:
            return await asyncio.shield(making)  # others wait for it too
        except WentBack as wrong:
            detail = f"The feed went back, or is another one: {wrong}."
            raise HTTPProblem(Problem(409, "feed-went-back", "That revision is yet to come", detail)) from None

    def _make(self, wanted: tuple[str, int, int]) -> asyncio.Task[Signed]:
        if self._under_way >= _UNDER_WAY:
            title, detail = "Too many pages are being made", "Ask again in a moment."
            raise HTTPProblem(Problem(503, "too-many-pages", title, detail, {"Retry-After": "1"}))
        self._under_way += 1
        making = asyncio.create_task(to_thread.run_sync(self._feed.page, *wanted, limiter=self._one_at_a_time))
        making.add_done_callback(self._ended)
        self._made.pop(wanted, None)
        self._made[wanted] = monotonic(), making
        while len(self._made) > _SHARED_PAGES:
            del self._made[next(iter(self._made))]
        return making

    def _ended(self, making: asyncio.Task[Signed]) -> None:
        self._under_way -= 1
        if not making.cancelled():
            making.exception()  # looked at, though everybody who asked may be gone


def _asked(request: Request) -> dict[str, str]:
    """Read the query. Raises a 400 for what stands twice in it."""
    pairs = request.query_params.multi_items()
    asked = dict(pairs)
    if len(asked) != len(pairs):
        raise bad_request("A parameter stands twice in the query.")
    return asked


def _number(asked: dict[str, str], name: str) -> int:
    text = asked.get(name, "0")
    if not _NUMBER.fullmatch(text):
        raise bad_request(f"{name} is a whole number from 0 to {LARGEST}.")
    return int(text)
