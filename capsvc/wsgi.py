"""Plain WSGI middleware, so that Flask and Django take part: CapabilityMiddleware's twin.

WSGI hands on a path that is decoded, in which ``a%2Fb`` and ``a/b`` are one. So the path is a fact only
where the server tells the raw one (gunicorn ``RAW_URI``, uWSGI and mod_wsgi ``REQUEST_URI``) and decoding
it gives the path that the application sees. Else it is absent, and whatever asks for it forbids: no
character of a decoded path shows that nothing was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from starlette.types import Scope

from capsvc.http.body_fact import BODY_BYTES, demand_body_alone, demand_length, demand_whole
from capsvc.http.facts import Headers, Proxies, connection_facts, read_headers
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import bad_request, problem_of
from capsvc.node import Node, Ring, Verdict
from caveats import CaveatUnmet

if TYPE_CHECKING:
    from capsvc.replay import ReplayGuard

VERDICT = "capsvc.verdict"
"""Where in the environ the application finds the :class:`capsvc.node.Verdict`."""

Facts = Callable[[WSGIEnvironment], Mapping[str, Any]]


class CapabilityWSGI:
    """Guards a WSGI application: a request passes when its capability permits it.

    ``facts`` tells what only the application knows. Where the one thing that is not met is a ``body``
    caveat, the body is read, up to ``body_bytes``, and given to the application once more. With a
    ``replay_guard`` only request-bound copies pass, each of them once.
    """

    def __init__(
        self,
        app: WSGIApplication,
        node: Node[Ring],
        audiences: Sequence[str | None] = (None,),
        facts: Facts | None = None,
        body_bytes: int = BODY_BYTES,
        replay_guard: ReplayGuard | None = None,
    ) -> None:
        self._app = app
        self._node = node
        self._audiences = tuple(audiences)
        self._facts = facts
        self._body_bytes = body_bytes
        self._replay_guard = replay_guard
        self._longest = node.settings.header_characters
        self._proxies = Proxies.of(node.settings.trusted_proxies, node.settings.forwarded)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Verify, then call the application; or answer with a problem."""
        try:
            environ[VERDICT] = self._verdict(environ)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                raise
            response = problem.response()
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
            start_response(f"{problem.status} {HTTPStatus(problem.status).phrase}", headers)
            return [bytes(response.body)]
        return self._app(environ, start_response)

    def _verdict(self, environ: WSGIEnvironment) -> Verdict:
        scope = _scope(environ)
        headers = read_headers(scope, self._proxies)
        presentation = unverified_presentation(headers, self._longest)
        facts = connection_facts(scope, self._proxies)
        facts["path"] = _raw_path(environ)
        told = self._facts(environ) if self._facts is not None else {}
        try:
            request = self._node.request(**{**facts, **told})
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        try:
            verdict = self._node.verify(presentation, request, self._audiences)
        except CaveatUnmet as why:
            demand_body_alone(why, request)
            request = request.saying(body=_read(environ, headers, self._body_bytes))
            verdict = self._node.verify(presentation, request, self._audiences)
        if self._replay_guard is not None:
            self._replay_guard.record(verdict.capability)
        return verdict


def _read(environ: WSGIEnvironment, headers: Headers, limit: int) -> bytes:
    """Read the whole body, and put it where the application will read it."""
    length = demand_length(headers, limit)
    body = demand_whole(environ["wsgi.input"].read(length), length)
    environ["wsgi.input"] = BytesIO(body)
    return body


def _scope(environ: WSGIEnvironment) -> Scope:
    """Say what an environ says of the connection as ASGI would.

    Servers join a header that stood twice by a comma, or refuse it. No host holds a comma; of a joined
    Authorization nothing can be proven.
    """
    headers = [
        (name[5:].replace("_", "-").lower().encode("latin-1"), str(value).encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    for name, value in headers:
        if name == b"host" and b"," in value:
            raise bad_request("The header Host stands twice.")
    if environ.get("CONTENT_LENGTH"):
        headers.append((b"content-length", str(environ["CONTENT_LENGTH"]).encode("latin-1")))
    address = environ.get("REMOTE_ADDR")
    return {
        "type": "http",
        "http_version": "2" if environ.get("wsgi.input_terminated") else environ["SERVER_PROTOCOL"].partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "raw_path": b"",
        "headers": headers,
        "client": (address, 0) if address else None,
    }


def _raw_path(environ: WSGIEnvironment) -> bytes | None:
    """Find the path as on the wire, None where it cannot be known."""
    seen = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    told = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if told:
        raw: bytes = told.encode("latin-1").partition(b"?")[0]
        return raw if raw.startswith(b"/") and unquote_to_bytes(raw) == seen else None
    return None
