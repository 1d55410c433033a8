"""Another origin: a small site on a port of its own, with whatever pages a test gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Elsewhere:
    """A site, reached by any name of loopback; it sets the cookies ``planted``, and ``cookies`` were sent to it."""

    port: int
    pages: Mapping[str, str]
    planted: Sequence[str] = ()
    cookies: list[str] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """The address of a page."""
        return f"http://{host}:{self.port}{path}"


@contextmanager
def elsewhere(pages: Mapping[str, str], *planted: str) -> Iterator[Elsewhere]:
    """Serve pages until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.cookies.append(self.headers.get("Cookie", ""))
            body = site.pages.get(self.path, "<!doctype html><title>elsewhere</title>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            for each in site.planted:
                self.send_header("Set-Cookie", each)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Elsewhere(server.server_address[1], pages, planted)
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
