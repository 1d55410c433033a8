"""A relay: whoever brings the pages of changes, the issuer itself or somebody on the way. Nothing it says is believed.

It gets one deadline for a whole answer, however it drips, and no more is read of one than a page can have.
"""

from __future__ import annotations

import io
import re
import socket
import time
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

from capsvc.changes import PAGE_CHARACTERS
from capsvc.errors import FeedError, SettingsError

_PLAIN = re.compile(r"[!\"$->A-~]+")
"""What can be seen, but for # ? @."""

_SAID = {
    404: "knows no feed of this audience: check the feed's address, and what the issuer was told of the audience",
    409: "knows less than was seen here: its database went back, and is to be recovered",
}


class Relay:
    """Asks one address for pages, ``seconds`` each at most beside what it is asked to wait. Not for several threads."""

    def __init__(self, url: str, seconds: float) -> None:
        """Check the address, and ask nothing yet. Raises SettingsError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or not _PLAIN.fullmatch(url):
            raise SettingsError("a feed's address is like https://caps.example.org, without user and query")
        self._secure = parts.scheme == "https"
        self._address = parts.hostname, port or (443 if self._secure else 80)
        self._host, self._path = parts.netloc, parts.path.rstrip("/")
        self._seconds = seconds
        self._socket: socket.socket | None = None

    def ask(self, audience: str, since: int, skip: int, wait: float) -> str:
        """Ask for what changed after a revision, but for so many rows of it; within ``wait`` seconds if nothing did.

        Returns text that nobody has proven. Raises FeedError, which says what the relay did.
        """
        ends = time.monotonic() + wait + self._seconds
        query = f"audience={quote(audience, safe='')}&since={since}{f'&skip={skip}' if skip else ''}&wait={wait:.3f}"
        target = f"{self._path}/v1/changes?{query}"
        try:
            kept = self._socket is not None
            try:
                return self._exchange(target, ends)
            except (ConnectionError, HTTPException):
                if not kept:
                    raise
                return self._exchange(target, ends)  # it was closed meanwhile, as either side may
        except TimeoutError:
            raise FeedError("the feed is silent: nothing whole came in time from its address") from None
        except OSError as wrong:
            raise FeedError(f"the feed cannot be reached: {wrong.strerror or 'connection lost'}") from None
        except (HTTPException, ValueError):
            raise FeedError("what came is no answer over HTTP: look at what the feed's address leads to") from None

    def close(self) -> None:
        """Let go of the connection. From another thread too: what is asked at that moment fails."""
        open_socket, self._socket = self._socket, None
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _exchange(self, target: str, ends: float) -> str:
        try:
            connection = self._socket or self._connected(ends)
            self._socket = connection
            head = f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\nAccept: application/json\r\n\r\n"
            connection.settimeout(_left(ends))
            connection.sendall(head.encode("ascii"))
            answer = HTTPResponse(_Until(connection, ends), method="GET")  # type: ignore[arg-type]  # all that it asks of a socket
            answer.begin()
            body = answer.read(PAGE_CHARACTERS + 1)
        except BaseException:
            self.close()
            raise
        if answer.will_close or not answer.isclosed():
            self.close()
        if answer.status != 200:
            raise FeedError(_refusal(answer.status))
        if len(body) > PAGE_CHARACTERS:
            raise FeedError("what came is larger than any page of changes: look at what the feed's address leads to")
        return body.decode("utf-8")

    def _connected(self, ends: float) -> socket.socket:
        connection = socket.create_connection(self._address, _left(ends))
        if not self._secure:
            return connection
        import ssl

        connection.settimeout(_left(ends))
        return ssl.create_default_context().wrap_socket(connection, server_hostname=self._address[0])


class _Until:
    """A socket as an HTTPResponse wants it, of which everything has to come before one deadline."""

    def __init__(self, connection: socket.socket, ends: float) -> None:
        self._connection, self._ends = connection, ends

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._connection, self._ends))


class _Incoming(io.RawIOBase):
    def __init__(self, connection: socket.socket, ends: float) -> None:
        self._connection, self._ends = connection, ends

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._connection.settimeout(_left(self._ends))
        return self._connection.recv_into(into)


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return "the feed's address leads elsewhere, and is not followed: give the address itself"
    return f"the feed's address {_SAID.get(status, f'answers {status}: see its log')}"
