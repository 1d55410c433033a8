"""Targets that read what comes over HTTP: headers, facts, bodies, forms, cookies; and the whole service."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request as HTTPRequest

import caveats
from capsvc.console.cookies import read_cookie
from capsvc.console.sessions import ADMINISTRATION, MINE, Sessions
from capsvc.http.app import application
from capsvc.http.bodies import quick_members, read_body, strict_members
from capsvc.http.body_fact import declared_length, demand_length
from capsvc.http.discharges import Asked
from capsvc.http.facts import Proxies, connection_facts, original_facts, prefixed_facts, read_headers
from capsvc.http.forms import read_form
from capsvc.http.logins import Login
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import HTTPProblem
from capsvc.http.revocations import PasswordChange, Revocation
from capsvc.http.service import Service
from capsvc.http.tokens import Renewal
from capsvc.http.users import Addition, Change
from capsvc.http.verification import Question
from capsvc.names import ADMIN, VERIFY
from capsvc.wsgi import CapabilityWSGI
from tests.fuzz.service import token_of, wired
from tests.fuzz.words import SEPARATOR

PROXIES = tuple(
    Proxies.of(("127.0.0.0/8", "10.0.0.0/8", "::1/128"), convention) for convention in ("X-Forwarded", "X-Original")
)
STRUCTS = (Login, Renewal, Question, Revocation, PasswordChange, Asked, Addition, Change)
LIMIT = 65536
NOW = "2026-11-25T12:00:00Z"


def _parts(data: bytes, count: int) -> list[bytes]:
    """Split an input into so many fields; those that it has not are empty, and the last holds the rest."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def _header_lines(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Headers as a server hands them on: names of tokens in lower case, values stripped and without line ends."""
    pairs = [line.partition(b":") for line in raw.replace(b"\r", b"").replace(b"\0", b"").split(b"\n")]
    return [(name.strip().lower(), value.strip()) for name, colon, value in pairs if colon and name.strip().isascii()]


def _scope(data: bytes) -> dict[str, Any]:
    """A scope of an input's fields: peer, method, target and headers; what is left is the body."""
    peer, method, target, lines, body = _parts(data, 5)
    path, _, query = target.partition(b"?")
    return {
        "type": "http", "http_version": "2" if method.endswith(b"2") else "1.1", "scheme": "http", "root_path": "",
        "method": method.decode("latin-1") or "GET", "path": path.decode("utf-8", "replace"), "raw_path": path,
        "query_string": query, "headers": _header_lines(lines), "server": ("127.0.0.1", 8000),
        "client": (peer.decode("latin-1") or "127.0.0.1", 1), "body": body, "extensions": {},
    }  # fmt: skip


def _run(waiting: Coroutine[Any, Any, Any]) -> Any:
    """Run what has nothing to wait for."""
    try:
        waiting.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


def _receive(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _problem(problem: HTTPProblem) -> None:
    """What a refusal has to be: a client's mistake, said in words."""
    assert 400 <= problem.problem.status < 500
    assert problem.problem.detail


def facts(data: bytes) -> None:
    """Headers and request line: facts that a vocabulary reads, or a 400, 401, 411 or 413."""
    scope = _scope(data)
    for proxies in PROXIES:
        for tell in (connection_facts, original_facts, lambda scope, by: prefixed_facts(scope, by, b"/v1/auth")):
            try:
                told = tell(scope, proxies)
            except HTTPProblem as problem:
                _problem(problem)
                continue
            try:
                request = caveats.Request(time=NOW, **told)
            except ValueError as wrong:
                assert not isinstance(wrong, UnicodeError)
                continue
            found = request.facts.get("path")
            assert found is None or found.problem or found.text.startswith("/")
        try:
            headers = read_headers(scope, proxies)
            presented = unverified_presentation(headers, 16384)
            assert "\n" not in presented.unverified_token
        except HTTPProblem as problem:
            _problem(problem)


def lengths(data: bytes) -> None:
    """The length that a body declares, and how it travels: a number up to the limit, or a 400, 411 or 413."""
    length, coding = _parts(data, 2)
    headers = {b"content-length": length} | ({b"transfer-encoding": coding} if coding else {})
    for read in (declared_length, demand_length):
        try:
            found = read(headers, 8192)
        except HTTPProblem as problem:
            _problem(problem)
            continue
        assert found is None or 0 <= found <= 8192
        assert found is None or int(length.lstrip(b"0") or b"0") == found


def body(data: bytes) -> None:
    """A JSON body, read as each of the service's structs: the first byte says as which; else a 400 or 413."""
    kind, raw = STRUCTS[data[0] % len(STRUCTS) if data else 0], data[1:]
    quick = quick_members(raw)
    if quick is not None:
        assert strict_members(raw) == quick
    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
    try:
        found = _run(read_body(scope, _receive(raw), kind, LIMIT))
    except HTTPProblem as problem:
        _problem(problem)
        problem.problem.response()
        return
    assert type(found) is kind
    msgspec.json.encode(found)


def form(data: bytes) -> None:
    """A form: parameters that each stood once, or a 400, 413 or 415. The first field is the Content-Type's end."""
    more, raw = _parts(data, 2) if SEPARATOR in data else (b"", data)
    scope = {"type": "http", "headers": [(b"content-type", b"application/x-www-form-urlencoded" + more)]}
    try:
        found = _run(read_form(HTTPRequest(scope, _receive(raw)), LIMIT))
    except HTTPProblem as problem:
        _problem(problem)
        problem.problem.response()
        return
    assert all(name.encode() is not None and value for name, value in found.items())


def cookie(data: bytes) -> None:
    """Cookies, and the session in one: none for what the service has not written, or a 400."""
    service = wired()
    scope = _scope(b"\x1e\x1e/mine\x1e" + data)
    try:
        value = read_cookie(scope, MINE.cookie)
        assert value is None or ";" not in value
        found = _looping(Sessions(service).find(HTTPRequest(scope), MINE))
        assert found is None
        assert _looping(Sessions(service).find(HTTPRequest(scope), ADMINISTRATION)) is None
    except HTTPProblem as problem:
        _problem(problem)


def environ(data: bytes) -> None:
    """A WSGI environ: let in or answered, and let in only with a capability."""
    method, path, raw_path, query, lines = _parts(data, 5)
    told = {
        "REQUEST_METHOD": method.decode("latin-1") or "GET", "PATH_INFO": path.decode("latin-1"), "SCRIPT_NAME": "",
        "RAW_URI": raw_path.decode("latin-1"), "QUERY_STRING": query.decode("latin-1"), "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": BytesIO(b"a body"),
    }  # fmt: skip
    for name, value in _header_lines(lines):
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_LENGTH" else f"HTTP_{key}"
        told[key] = f"{told[key]},{value.decode('latin-1')}" if key in told else value.decode("latin-1")
    token = token_of(None)
    presents = told.get("HTTP_AUTHORIZATION") == "Bearer @"
    if presents:
        told["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    answered: list[str] = []
    guarded = CapabilityWSGI(lambda environ, start: [b"let in"], wired().node)
    found = b"".join(guarded(told, lambda status, headers, error=None: answered.append(status)))  # type: ignore[arg-type]
    assert (found == b"let in") == (not answered)
    assert found != b"let in" or presents or token in told.get("HTTP_AUTHORIZATION", "")
    assert not answered or answered[0][0] == "4"


class _Guarded(NamedTuple):
    app: Any
    service: Service
    loop: asyncio.AbstractEventLoop


@cache
def _serving() -> _Guarded:
    loop = asyncio.new_event_loop()
    return _Guarded(application(wired()), wired(), loop)


def _looping(waiting: Coroutine[Any, Any, Any]) -> Any:
    return _serving().loop.run_until_complete(waiting)


def service(data: bytes) -> None:
    """A whole request to the whole service: one answer, never of 500 and more, never an exception.

    ``@``, ``@admin`` and ``@verify`` in Authorization stand for a capability of alice's.
    """
    app, _, loop = _serving()
    scope = _scope(data)
    for audience, word in ((ADMIN, b"@admin"), (VERIFY, b"@verify"), (None, b"@")):
        token = token_of(audience).encode()
        scope["headers"] = [(name, value.replace(word, token)) for name, value in scope["headers"]]
        if word == b"@verify":
            scope["body"] = scope["body"].replace(b"@token", token_of(None).encode())
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    loop.run_until_complete(app(scope, _receive(scope["body"]), send))
    assert [each["type"] for each in sent[:1]] == ["http.response.start"]
    assert 200 <= sent[0]["status"] < 500 or sent[0]["status"] == 503
