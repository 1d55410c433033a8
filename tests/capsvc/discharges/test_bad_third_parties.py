"""Third parties that hang, lie, loop or nest without end: each its one clear error, in time, and never a permit."""

from __future__ import annotations

import json
import socket
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from capsvc.collector import Collector
from capsvc.errors import CollectionError
from capsvc.ticket_keys import SharedKey, finder
from capsvc.tickets import Ticket, entrust
from caveats import Limits, Macaroon, encode, time_text
from tests.capsvc.discharges.third_party import answering

KEY = SharedKey("desk", b"d" * 32)
SOON = f"time < {time_text(time.time() + 3600)}"
Answer = tuple[int, dict[str, str], bytes]
Answering = Callable[[bytes, str], Answer]


class Liar:
    """A third party that answers whatever a function makes of the ticket and its own address."""

    def __init__(self, make: Answering) -> None:
        self.url = ""
        self.make = make
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        text = json.loads((await receive())["body"])["ticket"]
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        status, headers, body = self.make(raw, self.url)
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})


def _yes(macaroon: Macaroon) -> Answer:
    return 200, {}, json.dumps({"discharge": encode(macaroon)}).encode()


def _open(raw: bytes) -> Macaroon:
    return Macaroon.mint(Ticket.open(raw, finder(KEY)).caveat_key, raw).attenuate(SOON)


def _plain(raw: bytes) -> Macaroon:
    return Macaroon.mint(b"k", raw).attenuate(SOON)


def _go(url: str) -> Answer:
    return 401, {}, json.dumps({"interaction": url}).encode()


def _nested(raw: bytes, *identifiers: bytes, url: str) -> Macaroon:
    macaroon = _open(raw)
    for each in identifiers:
        macaroon = macaroon.entrust(url, b"k" * 32, each)
    return macaroon


LIES: dict[str, tuple[Answering, str]] = {
    "another identifier": (lambda raw, url: _yes(Macaroon.mint(b"k", b"x").attenuate(SOON)), "of something else"),
    "no expiry": (lambda raw, url: _yes(Macaroon.mint(b"k", raw)), "never expires"),
    "an expiry that is none": (lambda raw, url: _yes(Macaroon.mint(b"k", raw).append(b"time < soon")), "never expires"),
    "expired": (
        lambda raw, url: _yes(Macaroon.mint(b"k", raw).attenuate("time < 2020-01-01T00:00:00Z")),
        "expired already",
    ),
    "no discharge": (lambda raw, url: (200, {}, b"{}"), "yes, without a discharge"),
    "a number": (lambda raw, url: (200, {}, b'{"discharge": 7}'), "yes, without a discharge"),
    "not JSON": (lambda raw, url: (200, {}, b"<html>"), "yes, without a discharge"),
    "a list": (lambda raw, url: (200, {}, b"[]"), "yes, without a discharge"),
    "very deep": (lambda raw, url: (200, {}, b"[" * 30_000), "yes, without a discharge"),
    "not UTF-8": (lambda raw, url: (200, {}, b'{"discharge": "\xff"}'), "yes, without a discharge"),
    "garbage": (lambda raw, url: (200, {}, b'{"discharge": "garbage"}'), "something that is no discharge"),
    "too long": (lambda raw, url: _yes(Macaroon.mint(b"k", raw, "x" * 9000)), "something that is no discharge"),
    "huge": (lambda raw, url: (200, {}, b" " * 10_000_000), "more than 32768 bytes"),
    "compressed": (lambda raw, url: (200, {"content-encoding": "gzip"}, b"\x1f\x8b"), "an encoding that was not"),
    "created": (lambda raw, url: (201, {}, _yes(_open(raw))[2]), "answers 201"),
    "an internal error": (lambda raw, url: (500, {}, b"{}"), "answers 500"),
    "a detail of many lines": (lambda raw, url: (400, {}, b'{"detail": "a\\nb"}'), r"answers 400: a\\nb"),
    "a no without words": (lambda raw, url: (403, {}, b""), "says no: no reason given"),
    "401 without a place": (lambda raw, url: (401, {}, b"{}"), "answers 401"),
    "a redirect to itself": (lambda raw, url: (307, {"location": f"{url}/v1/discharges"}, b""), "a redirect"),
    "a redirect elsewhere": (lambda raw, url: (302, {"location": "https://evil.example"}, b""), "a redirect"),
    "a person sent to itself": (lambda raw, url: _go(f"{url}/v1/discharges?x=1"), "back to itself"),
    "a person sent away": (lambda raw, url: _go("https://evil.example/login"), "a place that was not configured"),
    "a person sent to a script": (lambda raw, url: _go("javascript:alert(1)"), "a place that was not configured"),
    "a person sent by a trick": (lambda raw, url: _go(url + "@evil.example/"), "a place that was not configured"),
    "a person sent in the clear": (lambda raw, url: _go("http://idp.example/"), "a place that was not configured"),
    "itself again": (lambda raw, url: _yes(_nested(raw, raw, url=url)), "is asked for twice"),
    "one thing twice": (
        lambda raw, url: _yes(_plain(raw) if raw == b"x" else _nested(raw, b"x", b"x", url=url)),
        "is asked for twice",
    ),
    "too many": (
        lambda raw, url: _yes(_nested(raw, *[Ticket.of("a").seal(KEY) for _ in range(9)], url=url)),
        "more than 8 discharges",
    ),
    "nesting without end": (
        lambda raw, url: _yes(_nested(raw, Ticket.of("a").seal(KEY), url=url)),
        "nested deeper than 4",
    ),
    "nested elsewhere": (
        lambda raw, url: _yes(_nested(raw, b"x", url="https://evil.example")),
        "at https://evil.example, which was not configured",
    ),
}


@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_one_clear_error(what: str) -> None:
    make, says = LIES[what]
    liar = Liar(make)
    gone: list[str] = []
    with answering(liar) as liar.url:
        token = entrust(Macaroon.mint(b"root key", "k1"), liar.url, "user = bob", KEY)
        collector = Collector({liar.url: None}, go=gone.append)
        with pytest.raises(CollectionError, match=says) as caught:
            collector.present(token)
    assert gone == []
    assert 1 <= liar.asked <= 9
    assert "\n" not in str(caught.value)
    assert token[:40] not in str(caught.value)


def test_a_caveat_that_was_repeated_is_asked_for_once() -> None:
    liar = Liar(lambda raw, url: _yes(_open(raw)))
    with answering(liar) as liar.url:
        raw = Ticket.of("a").seal(KEY)
        token = Macaroon.mint(b"root key", "k1").entrust(liar.url, b"k", raw).entrust(liar.url, b"k", raw)
        with pytest.raises(CollectionError, match="is asked for twice"):
            Collector({liar.url: None}).present(token)
    assert liar.asked == 1


def test_a_header_that_no_service_would_read_is_not_made() -> None:
    liar = Liar(lambda raw, url: _yes(Macaroon.mint(b"k", raw, "x" * 5000).attenuate(SOON)))
    with answering(liar) as liar.url:
        token: Any = Macaroon.mint(b"root key", "k1")
        for each in "abc":
            token = entrust(token, liar.url, each, KEY)
        with pytest.raises(CollectionError, match="more than 16384 characters"):
            Collector({liar.url: None}).present(token)
        with pytest.raises(CollectionError, match="more than 2 discharges"):
            Collector({liar.url: None}, limits=Limits(discharges=2)).present(token)


@contextmanager
def _listening(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Take one connection after another and let a function talk, on a thread."""

    def run() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    talk(connection)
                except OSError:
                    continue

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(60)


def _say_nothing(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _drip(head: bytes) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return drip


@pytest.mark.parametrize(
    "talk",
    [_say_nothing, _drip(b"HTTP/1.1 200 OK\r\nX: "), _drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")],
    ids=["says nothing", "drips its headers", "drips its body"],
)
def test_one_that_hangs_or_drips_is_given_up(talk: Callable[[socket.socket], None]) -> None:
    with _listening(talk) as url:
        token = entrust(Macaroon.mint(b"root key", "k1"), url, "user = bob", KEY)
        with pytest.raises(CollectionError, match=r"did not answer within 0\.5 seconds"):
            Collector({url: None}, seconds=0.5).present(token)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_one_that_breaks_off_is_an_error(said: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with _listening(talk) as url:
        token = entrust(Macaroon.mint(b"root key", "k1"), url, "user = bob", KEY)
        with pytest.raises(CollectionError, match="cannot be reached, or broke off"):
            Collector({url: None}, seconds=5).present(token)


def test_one_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    token = entrust(Macaroon.mint(b"root key", "k1"), url, "user = bob", KEY)
    with pytest.raises(CollectionError, match="cannot be reached"):
        Collector({url: None}).present(token)


def test_a_cookie_of_one_is_not_sent_to_another() -> None:
    cookies: list[bytes | None] = []

    class Setting(Liar):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            cookies.append(dict(scope["headers"]).get(b"cookie"))
            await super().__call__(scope, receive, send)

    def make(raw: bytes, url: str) -> Answer:
        status, _, body = _yes(_open(raw))
        return status, {"set-cookie": "who=you; Path=/"}, body

    one, other = Setting(make), Setting(make)
    with answering(one) as one.url, answering(other) as other.url:
        token = entrust(Macaroon.mint(b"root key", "k1"), one.url, "a", KEY)
        Collector({one.url: None, other.url: None}).present(entrust(token, other.url, "b", KEY))
    assert cookies == [None, None]
