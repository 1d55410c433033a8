"""Authentication for requests. Nothing of requests is imported: it takes any callable."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

from capsvc.client.binding import WINDOW_SECONDS, check_digest
from capsvc.client.clock import Clocks
from capsvc.client.presenter import Presenter


class RequestsAuth:
    """Presents a copy of a token that is bound to the request; the token itself never travels.

    Requests to other origins than ``origins`` carry no token. ``discharges`` are given unbound.
    ``bind_body=False`` leaves the body out, for a guard that cannot see it. A body that is a stream
    needs its digest: ``auth=auth.for_body("sha-256:…")``. A redirect within an origin is asked for again
    with a copy of its own, once it was refused.
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
        self._digest: str | None = None

    def for_body(self, digest: str) -> Self:
        """Return the same authentication for one request whose body has this digest, ``sha-256:…``."""
        other = copy(self)
        other._digest = check_digest(digest)
        return other

    def __call__(self, request: Any) -> Any:
        """Put the header on a prepared request."""
        if self._presenter.serves(request.url):
            self._bind(request)
            request.register_hook("response", partial(self._answered, request.url, []))
        return request

    def _answered(self, url: str, way: list[str], response: Any, **options: Any) -> Any:
        """Ask once more after a redirect, or where the server's clock is another. ``way`` grows with each hop."""
        sent = response.request
        way.append(sent.url)
        if len(way) > 1:
            again = self._presenter.is_stale(response.status_code, way)
        else:
            headers = response.headers
            again = self._digest is None and self._presenter.sees_other_time(
                url, response.status_code, headers.get("WWW-Authenticate", ""), headers.get("Date")
            )
        if not again or not _rewind(sent):
            return response
        _ = response.content  # read to its end, so that the connection can be used again
        response.close()
        request = sent.copy()
        self._bind(request)
        answer = response.connection.send(request, **options)
        answer.history.append(response)
        answer.request = request
        return answer

    def _bind(self, request: Any) -> None:
        parts = urlsplit(request.url)
        host = request.headers.get("Host") or parts.netloc.rpartition("@")[2]
        request.headers["Authorization"] = self._presenter.authorization(
            request.url, request.method, host, (parts.path or "/").encode(), parts.query.encode(), self._body(request)
        )

    def _body(self, request: Any) -> bytes | str | None:
        body = request.body
        if not self._presenter.binds_body:
            return None
        if isinstance(body, str):
            body = request.body = body.encode("utf-8")
        if body is None or isinstance(body, bytes):
            return body or b""
        if self._digest is None:
            raise ValueError("a body that is a stream needs its digest: auth=auth.for_body('sha-256:…')")
        return self._digest

    def __repr__(self) -> str:
        return f"<RequestsAuth of {self._presenter!r}>"


def _rewind(request: Any) -> bool:
    """Put a body back to where it began; tell whether it can be sent once more."""
    body = request.body
    if body is None or isinstance(body, (bytes, str)):
        return True
    begins = getattr(request, "_body_position", None)  # where requests itself rewinds to
    if not isinstance(begins, int):
        return False
    body.seek(begins)
    return True
