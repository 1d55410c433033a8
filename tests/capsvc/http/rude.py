"""Requests that no HTTP library would write, and the answers to several of them on one connection."""

from __future__ import annotations

import socket
from contextlib import suppress
from select import select
from typing import NamedTuple

PATIENCE_SECONDS = 20.0
_SILENCE_SECONDS = 0.5


class Answer(NamedTuple):
    """One answer of several."""

    status: int
    headers: dict[str, str]
    body: bytes


def exchange(port: int, *pieces: bytes, patient: bool = False) -> list[Answer]:
    """Send bytes as they are, then read until the server closes or says nothing for a while; return all answers.

    ``patient`` is for what ends in a request that asks the server to close: then silence is no end.
    """
    received = bytearray()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection,
        suppress(ConnectionResetError, BrokenPipeError),  # it closed before it had read everything
    ):
        for piece in pieces:
            connection.sendall(piece)
        connection.settimeout(PATIENCE_SECONDS if patient else _SILENCE_SECONDS)
        while chunk := _next(connection, port, patient):
            received += chunk
    return answers(bytes(received))


def _next(connection: socket.socket, port: int, patient: bool) -> bytes:
    try:
        return connection.recv(65536)
    except TimeoutError:
        assert not patient
    # On a busy machine everybody is silent for a while: who answered somebody else has had its turn.
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as other:
        other.sendall(request(b"/livez", b"Connection: close"))
        while other.recv(65536):
            pass
    return connection.recv(65536) if select([connection], [], [], 0)[0] else b""


def answers(received: bytes) -> list[Answer]:
    """Split what came over one connection into answers. What is cut off fails the test."""
    found = []
    while received:
        top, end, rest = received.partition(b"\r\n\r\n")
        assert end, received[:200]
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status = int(first.split(" ")[1])
        size = int(headers.get("content-length", 0))
        if "content-length" not in headers and status >= 200 and status not in (204, 304):
            size = len(rest)  # it ends where the connection does
        size = size if rest else 0  # to HEAD an answer tells the length of what it does not send
        assert len(rest) >= size, received[:200]
        found.append(Answer(status, headers, rest[:size]))
        received = rest[size:]
    return found


def request(target: bytes, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """One request of HTTP/1.1, with a Host and further header lines."""
    return b"\r\n".join((method + b" " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b"")) + body
