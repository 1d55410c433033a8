"""Doors: who is turned away is told before a byte of the body is read, and the connection goes on."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from capsvc.errors import TooBusy
from capsvc.http.connections import STATE, Connection, Connections
from capsvc.http.doors import Doors
from capsvc.http.exchanges import Exchanges
from capsvc.http.facts import Proxies
from capsvc.http.problems import problem_of
from capsvc.settings import Settings

PATIENCE_SECONDS = 30.0
LOGIN = b"POST /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
GET = b"GET /v1/tokens HTTP/1.1\r\nHost: a\r\n\r\n"


class _Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def info(self, event: str, **members: Any) -> None:
        self.lines.append({"event": event, **members})


@dataclass(frozen=True)
class House:
    """A server whose one door is shut: where it listens, what it counted and logged."""

    port: int
    answers: list[int]
    log: _Log

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(PATIENCE_SECONDS)
        return connection


def _no_room() -> None:
    raise TooBusy(7)


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {len(await request.body())}")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    answers, log = [0] * 5, _Log()
    exchanges = Exchanges(Proxies.of(("127.0.0.0/8",), "X-Forwarded"), answers, log)  # type: ignore[arg-type]
    doors = Doors({(b"/v1/tokens", b"POST"): _no_room}, exchanges)
    connections = Connections(Settings(body_seconds=0.5), doors, lambda: None)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {STATE: connections}

    app = Starlette(routes=[Route("/v1/tokens", _echo, methods=["GET", "POST", "PUT"])], lifespan=lifespan)
    server = uvicorn.Server(uvicorn.Config(app, http=Connection, log_level="critical", lifespan="on"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield House(listening.getsockname()[1], answers, log)
    server.should_exit = True
    thread.join()
    listening.close()


def _read(connection: socket.socket) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Read one answer: its first line, headers, body."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(1)
    first, *lines = got[:-4].split(b"\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
    body = b""
    while len(body) < int(headers[b"content-length"]):
        body += connection.recv(1)
    return first, headers, body


def test_who_is_turned_away_is_told_what_the_application_would_tell_before_the_body_comes(house: House) -> None:
    with house.connect() as connection:
        connection.sendall(LOGIN)
        first, headers, body = _read(connection)
    told = problem_of(TooBusy(7)).response()
    assert first == b"HTTP/1.1 429 Too Many Requests"
    assert json.loads(body) == json.loads(bytes(told.body))
    assert headers.items() >= dict(told.raw_headers).items()
    assert headers[b"retry-after"] == b"7"
    assert len(headers[b"x-request-id"]) == 16


def test_the_body_is_dropped_and_the_connection_serves_the_next_request(house: House) -> None:
    with house.connect() as connection:
        for _ in range(3):
            connection.sendall(LOGIN)
            assert _read(connection)[0].startswith(b"HTTP/1.1 429 ")
            connection.sendall(b"bo")
            connection.sendall(b"dy" + GET)
            assert _read(connection)[2] == b"GET 0"


def test_requests_that_were_sent_ahead_are_answered_in_their_order(house: House) -> None:
    with house.connect() as connection:
        connection.sendall(LOGIN + b"body" + GET + LOGIN + b"body" + GET)
        answers = [_read(connection) for _ in range(4)]
    assert answers[0][0].startswith(b"HTTP/1.1 429 ")
    assert [answers[1][2], answers[3][2]] == [b"GET 0", b"GET 0"]
    # The third came while another was being answered: it is the application's to turn away.
    assert answers[2][2] == b"POST 4"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
        b"PUT /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
        b"POST /v1/tokens?a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
    ids=["another method", "yet another", "a query", "an upgrade"],
)
def test_a_door_stands_before_one_target_and_method_and_nothing_else(house: House, head: bytes) -> None:
    with house.connect() as connection:
        connection.sendall(head + b"body")
        assert _read(connection)[0] == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("how", [b"HTTP/1.0\r\nHost: a", b"HTTP/1.1\r\nHost: a\r\nConnection: close"], ids=repr)
def test_a_connection_that_does_not_stay_ends_after_the_answer(house: House, how: bytes) -> None:
    with house.connect() as connection:
        connection.sendall(b"POST /v1/tokens " + how + b"\r\nContent-Length: 0\r\n\r\n")
        first, headers, _ = _read(connection)
        assert first.startswith(b"HTTP/1.1 429 ")
        assert headers[b"connection"] == b"close"
        assert connection.recv(1) == b""


def test_who_then_never_sends_the_body_is_ended_without_a_second_answer(house: House) -> None:
    with house.connect() as connection:
        connection.sendall(LOGIN + b"bo")
        assert _read(connection)[0].startswith(b"HTTP/1.1 429 ")
        assert connection.recv(1) == b""


def test_who_is_turned_away_is_counted_and_logged_under_the_name_that_a_proxy_gave(house: House) -> None:
    before = house.answers[3]
    with house.connect() as connection:
        connection.sendall(LOGIN.replace(b"Host: a", b"Host: a\r\nX-Request-Id: given") + b"body")
        assert _read(connection)[1][b"x-request-id"] == b"given"
    assert house.answers[3] == before + 1
    line = {"event": "access", "method": "POST", "route": "/v1/tokens", "status": 429, "milliseconds": 0.0}
    assert house.log.lines[-1] == line
