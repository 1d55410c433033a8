"""Slow clients: none keeps others from being served, and all of them are let go in the end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tests.capsvc.http.serving import Serving, make_home, serving

SLOW = 300
MOST = 64
SPANS = "head_seconds = 1\nbody_seconds = 1\nsend_seconds = 1\nidle_seconds = 1\nhead_bytes = 4096\n"
PATIENCE_SECONDS = 60.0
HEAD = b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that waits for a second at most."""
    with serving(make_home(tmp_path_factory.mktemp("hasty") / "home", SPANS)) as running:
        yield running


def _connect(service: Serving, **options: int) -> socket.socket:
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.connect(("127.0.0.1", service.port))
    connection.settimeout(PATIENCE_SECONDS)
    return connection


def _descriptors(service: Serving) -> int:
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


def _demand_descriptors(service: Serving, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _descriptors(service) > count:
        assert time.monotonic() < deadline, f"{_descriptors(service)} are open, and {count} were before"
        service.client.get("/livez").raise_for_status()
        time.sleep(0.05)


def _before(service: Serving) -> int:
    """How many descriptors are open with one connection, the client's own."""
    service.client.get("/livez").raise_for_status()
    time.sleep(0.2)
    return _descriptors(service)


def _end(connection: socket.socket) -> bytes:
    """Read to the end that the service makes; nothing where it is abrupt."""
    told = b""
    try:
        while piece := connection.recv(65536):
            told += piece
    except ConnectionError:
        pass
    return told


def _ask(connection: socket.socket) -> bytes:
    connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    told = b""
    while not told.endswith(b"}"):
        piece = connection.recv(65536)
        assert piece, f"the connection was ended after {told!r}"
        told += piece
    return told


def _trickle(service: Serving, slow: list[socket.socket], piece: bytes) -> int:
    """Send one byte every tenth of a second over each, until all are ended; return how often others were served."""
    served, open_, deadline = 0, list(slow), time.monotonic() + PATIENCE_SECONDS
    while open_:
        assert time.monotonic() < deadline, f"{len(open_)} slow ones were never ended"
        for each in list(open_):
            try:
                each.send(piece)
            except OSError:
                open_.remove(each)
        service.client.get("/livez").raise_for_status()
        served += 1
        time.sleep(0.1)
    return served


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\nX-Slow: ", b"", HEAD], ids=["head", "blank lines", "body"])
def test_hundreds_who_send_a_byte_now_and_then_are_ended_while_others_are_served(
    hasty: Serving, opening: bytes
) -> None:
    before = _before(hasty)
    with ExitStack() as stack:
        slow = [stack.enter_context(_connect(hasty)) for _ in range(SLOW)]
        for each in slow:
            each.send(opening)
        assert _trickle(hasty, slow, b" " if opening else b"\r\n") > 2
    _demand_descriptors(hasty, before)


def test_who_says_nothing_at_all_is_ended_without_a_word(hasty: Serving) -> None:
    before = _before(hasty)
    with _connect(hasty) as silent:
        assert _end(silent) == b""
    _demand_descriptors(hasty, before)


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nX-Sl", HEAD + b'{"user": '], ids=["head", "body"])
def test_who_stops_in_the_middle_of_a_request_is_told_why(hasty: Serving, sent: bytes) -> None:
    with _connect(hasty) as slow:
        slow.send(sent)
        told = _end(slow)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"urn:capsvc:problem:too-slow" in told
    assert told.count(b"HTTP/1.1") == 1


def test_who_never_takes_its_answers_is_cut_off_while_others_are_served(hasty: Serving) -> None:
    before = _before(hasty)
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as stack:
        greedy = [stack.enter_context(_connect(hasty, SO_RCVBUF=4096)) for _ in range(20)]
        for each in greedy:
            each.setblocking(False)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while greedy:
            assert time.monotonic() < deadline, f"{len(greedy)} were never cut off"
            for each in list(greedy):
                try:
                    each.send(asked * 20)
                except BlockingIOError:
                    pass
                except OSError:
                    greedy.remove(each)
            hasty.client.get("/livez").raise_for_status()
            time.sleep(0.05)
    _demand_descriptors(hasty, before)


@pytest.mark.parametrize(
    "head",
    [b"X-Long: " + b"x" * 5000 + b"\r\n", b"X-Long: " + b"x" * 5000, b"X: y\r\n" * 200],
    ids=["long", "without end", "many"],
)
def test_a_head_that_is_too_large_is_refused_with_a_reason(hasty: Serving, head: bytes) -> None:
    with _connect(hasty) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + head)
        if head.endswith(b"\n"):
            connection.send(b"\r\n")
        told = _end(connection)
    assert told.startswith(b"HTTP/1.1 431 ")
    assert b"urn:capsvc:problem:head-too-large" in told


def test_a_connection_without_a_request_is_ended_and_one_with_requests_is_not(hasty: Serving) -> None:
    with _connect(hasty) as idle, _connect(hasty) as busy:
        assert _ask(idle).startswith(b"HTTP/1.1 200 ")
        for _ in range(8):
            assert _ask(busy).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.25)
        assert _end(idle) == b""


def test_beyond_the_most_connections_those_that_wait_make_way_and_new_ones_are_served(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home", f"connections = {MOST}")) as service, ExitStack() as stack:
        before = _before(service)
        waiting = [stack.enter_context(_connect(service)) for _ in range(4 * MOST)]
        for _ in range(5):
            with _connect(service) as fresh:
                assert _ask(fresh).startswith(b"HTTP/1.1 200 ")
        assert _descriptors(service) <= before + MOST
        assert _end(waiting[0]) == b"", "the first to come waits longest"
        waiting[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            waiting[-1].recv(1)


def test_what_this_relies_on_of_uvicorn_is_there() -> None:
    callbacks = {"on_message_begin", "on_headers_complete", "on_body", "on_message_complete", "shutdown"}
    callbacks |= {"on_response_complete"}
    assert callbacks <= vars(HttpToolsProtocol).keys()
    used = {"disconnected", "message_event", "response_started", "response_complete", "keep_alive"}
    assert used <= set(RequestResponseCycle.__init__.__code__.co_names)
    read = {"transport", "cycle", "app_state", "client", "loop", "url", "headers", "parser", "scope", "root_path"}
    assert read | {"server_state"} <= set(HttpToolsProtocol.__init__.__code__.co_names) | set(
        HttpToolsProtocol.on_message_begin.__code__.co_names
    )
    assert ServerState().connections == set()
    assert ServerState().default_headers == []
