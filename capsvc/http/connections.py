"""Connections: how long a client may take and how much of it there may be, so that slow clients starve nobody.

uvicorn waits for ever for the rest of a head or a body, and for a client to take its answer. It lets us give the class
of its protocol, and hands what the application yields at its start (ASGI's lifespan state) to each connection. What
this class uses of uvicorn's beyond that (``cycle``, ``connections``, the callbacks of its parser) a test holds.
"""

from __future__ import annotations

import json
import resource
from asyncio import AbstractEventLoop, BaseTransport
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from capsvc.http.doors import Doors
from capsvc.settings import Settings

STATE = "capsvc.connections"
"""The key of the lifespan's state under which a worker's connections are found."""

_MOST_HEADERS = 128
_OTHER_DESCRIPTORS = 128
"""What a worker opens beside connections, amply."""

_LATE = (408, "too-slow", "The request came too slowly", "Send it whole, over a new connection.")
_LARGE = (431, "head-too-large", "The head of the request is too large", "Send fewer or shorter headers.")


class Connections:
    """The connections of one worker: each is looked at every now and then, and makes way when there are too many."""

    def __init__(self, settings: Settings, doors: Doors, end: Callable[[], None]) -> None:
        """``end`` is called, once or more, when the connections are about to end: let nobody wait any longer."""
        self.settings = settings
        self.doors = doors
        self.begin_to_end = end
        self.most = min(settings.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_DESCRIPTORS)
        self._open: dict[Connection, None] = {}
        self._is_looking = False
        shortest = min(settings.head_seconds, settings.body_seconds, settings.send_seconds)
        self._every_seconds = min(1.0, shortest / 4)

    def add(self, connection: Connection, loop: AbstractEventLoop) -> None:
        """Take a connection in. Beyond the most that there may be, those that wait longest make way."""
        self._open[connection] = None
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(self._every_seconds, self._look, loop)
        if len(self._open) > self.most:
            self._make_way()

    def discard(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)

    def _look(self, loop: AbstractEventLoop) -> None:
        now = loop.time()
        for each in list(self._open):
            each.look(now)
        self._is_looking = bool(self._open)
        if self._is_looking:
            loop.call_later(self._every_seconds, self._look, loop)

    def _make_way(self) -> None:
        """End a sixteenth of all at once, for to choose takes a while: first of the address that has the most.

        Nobody is ended whose request is being answered. Where that is everybody, it is the newest connection.
        """
        held = Counter(each.address for each in self._open)
        waiting = [each for each in self._open if each.is_waiting]  # the oldest first
        for victim in sorted(waiting, key=lambda each: -held[each.address])[: max(1, self.most // 16)]:
            victim.end()
            held[victim.address] -= 1
        if not waiting:
            next(reversed(self._open)).end()


class Connection(HttpToolsProtocol):
    """One connection over HTTP, held to spans of time for a head, a body and the taking of answers."""

    _head_since: float | None = None
    _body_since: float | None = None
    _unsent_since: float | None = None
    _head_bytes = 0
    _is_ending = False
    _is_turned_away = False
    """Whether the request that is being read was answered already, and whatever comes of it is dropped."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin: the span of the first head begins now."""
        super().connection_made(cast(Any, transport))
        self._all: Connections = self.app_state[STATE]
        self._head_since = self.loop.time()
        self._all.add(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._all.discard(self)
        super().connection_lost(exc)

    @property
    def address(self) -> str:
        """The peer's address."""
        return self.client[0] if self.client else ""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of this connection is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Read on. The span of a head begins with its first byte, or with whatever comes where one should begin."""
        if self._head_since is None and self._body_since is None:
            self._head_since = self.loop.time()
        self._head_bytes += len(data)  # of the head or behind it
        super().data_received(data)
        if self._head_since is None:
            self._head_bytes = 0
        elif self._head_bytes > self._all.settings.head_bytes:
            self._refuse(*_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_since = self._head_since or self.loop.time()

    def on_headers_complete(self) -> None:
        """A head is whole. One that is too large, but came all at once, is refused here."""
        self._head_since, self._body_since = None, self.loop.time()
        most = self._all.settings.head_bytes
        if len(self.headers) > _MOST_HEADERS or (self._head_bytes > most and self._head_length() > most):
            self._refuse(*_LARGE)
            return
        if self._turn_away():
            return
        super().on_headers_complete()
        if self._is_ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def _turn_away(self) -> bool:
        """Answer a request for which there is no room, if its turn has come and it is a plain one."""
        if not self.is_waiting or self.root_path or self.parser.should_upgrade():
            return False
        method = self.parser.get_method()
        self.scope["method"] = method.decode("ascii")
        stays = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive() and not self._is_ending
        headers = self.server_state.default_headers
        headers = headers if stays else [*headers, (b"connection", b"close")]
        answer = self._all.doors.refusal(cast(Scope, self.scope), self.url, method, headers)
        if answer is None:
            return False
        self.transport.write(answer)
        if stays:
            self._is_turned_away = True
        else:
            self.transport.close()
        return True

    def _head_length(self) -> int:
        return len(self.url) + sum([len(name) + len(value) for name, value in self.headers])

    def on_body(self, body: bytes) -> None:
        """A piece of a body came."""
        if not (self.transport.is_closing() or self._is_turned_away):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._body_since = None
        if self._is_turned_away:
            self._is_turned_away = False
            self.on_response_complete()  # of uvicorn: the connection waits for the next request
        elif not self.transport.is_closing():
            super().on_message_complete()

    def look(self, now: float) -> None:
        """End what took too long."""
        settings = self._all.settings
        if not self.transport.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        elif now - self._unsent_since > settings.send_seconds:
            self.transport.abort()
        if self._head_since is not None and now - self._head_since > settings.head_seconds and self.is_waiting:
            self._refuse(*_LATE) if self._head_bytes else self.end()
        elif self._body_since is not None and now - self._body_since > settings.body_seconds:
            self._refuse(*_LATE)

    def shutdown(self) -> None:
        """End once what was begun is answered: also a request of which only the beginning came so far."""
        self._is_ending = True
        self._all.begin_to_end()
        if not (self.is_waiting and self._head_bytes):
            super().shutdown()

    def end(self) -> None:
        """Close the connection."""
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int, slug: str, title: str, detail: str) -> None:
        """Answer what the application never sees, unless it has begun an answer, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self._is_turned_away:
            pass  # it has its answer
        elif self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            members = {"type": f"urn:capsvc:problem:{slug}", "title": title, "status": status, "detail": detail}
            body = json.dumps(members).encode("ascii")
            head = (
                f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + body)
        self.transport.close()
