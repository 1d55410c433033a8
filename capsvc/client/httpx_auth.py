"""Authentication for httpx2 and httpx, whose classes have the same API: whichever is installed, or both."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from capsvc.client.binding import WINDOW_SECONDS, check_digest
from capsvc.client.clock import Clocks
from capsvc.client.presenter import Presenter

BODY_DIGEST = "capsvc.body_digest"
"""The request extension that tells a body's digest, ``sha-256:…``, so that the body is streamed as it is."""

_LIBRARIES = ("httpx2", "httpx")
_MOST_REDIRECTS = 20

if TYPE_CHECKING:
    from httpx2 import Auth, Request, Response
else:
    Request = Response = Any

    def _auth() -> type:
        found = []
        for library in _LIBRARIES:
            try:
                found.append(import_module(library).Auth)
            except ModuleNotFoundError:
                continue
        if not found:
            raise ModuleNotFoundError("BoundAuth needs httpx2 or httpx: install capsvc[client]")
        return type("Auth", tuple(found), {})

    Auth = _auth()


class BoundAuth(Auth):
    """Presents a copy of a token that is bound to the request; the token itself never travels.

    Requests to other origins than ``origins`` carry no token. ``discharges`` are given unbound.
    ``bind_body=False`` leaves the body out, for a guard that cannot see it (nginx' ``auth_request``).
    Bodies are read whole unless the request's extension ``capsvc.body_digest`` tells their digest. A
    redirect within an origin is asked for again with a copy of its own, once it was refused.
    """

    def __init__(
        self,
        token: str,
        origins: str | Collection[str],
        discharges: Collection[str] = (),
        *,
        bind_body: bool = True,
        window: int = WINDOW_SECONDS,
        clocks: Clocks | None = None,
    ) -> None:
        self._presenter = Presenter(token, origins, discharges, bind_body, window, clocks)

    def sync_auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Read the body where its digest has to be made of it, then run the flow."""
        if self._needs_body(request):
            request.read()
        yield from self.auth_flow(request)

    async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
        """Do what :meth:`sync_auth_flow` does, for an AsyncClient."""
        if self._needs_body(request):
            await request.aread()
        flow = self.auth_flow(request)
        try:
            sending = next(flow)
            while True:
                response = yield sending
                sending = flow.send(response)
        except StopIteration:
            return

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Present a bound copy; once more after a redirect, or where the server's clock is another."""
        if not self._presenter.serves(str(request.url)):
            yield request
            return
        may_retry = BODY_DIGEST not in request.extensions  # a stream cannot be sent twice
        response = yield self._bound(request, request.extensions.get(BODY_DIGEST))
        before = 0  # so many answers came before this request was sent; more in its history are redirects
        for _ in range(_MOST_REDIRECTS):
            answered = response.request
            url, method = str(answered.url), answered.method
            if len(response.history) > before:
                way = [str(each.url) for each in response.history]
                if not self._presenter.is_stale(response.status_code, [url, *way]):
                    return
                told = answered.extensions.get(BODY_DIGEST) if method == request.method else None
                request = answered
                if told is None and self._presenter.binds_body:
                    request.read()
            elif may_retry and self._presenter.sees_other_time(
                url, response.status_code, response.headers.get("WWW-Authenticate", ""), response.headers.get("Date")
            ):
                may_retry, told = False, None
            else:
                return
            before = len(response.history) + 1
            response = yield self._bound(request, told)

    def _needs_body(self, request: Request) -> bool:
        return (
            self._presenter.binds_body
            and BODY_DIGEST not in request.extensions
            and self._presenter.serves(str(request.url))
        )

    def _bound(self, request: Request, told: str | None) -> Request:
        url = request.url
        body: bytes | str | None = None
        if self._presenter.binds_body:
            body = request.content if told is None else check_digest(told)
        request.headers["Authorization"] = self._presenter.authorization(
            str(url), request.method, request.headers["Host"], url.raw_path.partition(b"?")[0], url.query, body
        )
        return request

    def __repr__(self) -> str:
        return f"<BoundAuth of {self._presenter!r}>"
