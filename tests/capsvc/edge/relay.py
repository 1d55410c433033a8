"""A relay that a test plays: it passes pages on, or does whatever else it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.capsvc.edge.issuer import Issuer

Answer = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """What a resource server asked, and the connection to answer on."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.since, self.skip, self.wait = int(asked["since"]), int(asked.get("skip", 0)), float(asked["wait"])
        self.server.relay.answer(self)

    def send(self, body: str | bytes, status: int = 200, **headers: str) -> None:
        """Answer with a body."""
        raw = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class Relay:
    """Answers on a port of loopback as ``answer`` does: at first with what an issuer tells. ``asked`` counts."""

    def __init__(self, issuer: Issuer, port: int) -> None:
        self.issuer = issuer
        self.url = f"http://127.0.0.1:{port}"
        self.asked = 0
        self.lie: Answer | None = None
        self.over = threading.Event()

    def answer(self, asked: Asked) -> None:
        self.asked += 1
        try:
            if self.lie is None:
                asked.send(self.issuer.tell(asked.since, asked.skip, asked.wait))
            else:
                self.lie(asked)
        except OSError:
            asked.close_connection = True  # who asked is gone

    @contextmanager
    def lying(self, lie: Answer) -> Iterator[None]:
        """Lie from now on, to what is asked after this; answer honestly again afterwards."""
        self.lie = lie
        with self.issuer.changed:
            self.issuer.changed.notify_all()
        try:
            yield
        finally:
            self.lie = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, address: Any) -> None:
        """Who asked was gone before the answer was."""


@contextmanager
def relaying(issuer: Issuer) -> Iterator[Relay]:
    """Run a relay on a thread."""
    server: Any = _Server(("127.0.0.1", 0), Asked)
    server.relay = Relay(issuer, server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.relay
    finally:
        server.relay.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds, or the test has waited far too long."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
