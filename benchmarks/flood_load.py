"""A flood of logins, as a process of its own: so many a second, whether they are answered or not.

Requests are bytes made beforehand, and answers are looked at no further than their status, so that the flood costs
the machine as little as a flood can. Each login comes from another address, as a proxy in front would tell it.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from capsvc import process

_CHUNK = 65536


@dataclass(slots=True)
class Flood:
    """Logins of some users, half of them with a wrong password, at ``rate`` a second over many connections."""

    port: int
    users: list[str]
    password: str
    rate: float
    connections: int
    statuses: Counter[str] = field(default_factory=Counter)

    def run(self, seconds: float) -> Counter[str]:
        """Flood for so long, and wait for what was asked; return how often each status came, and what was ``unsent``.

        A login for which no connection is free is not sent: then every connection waits for an answer.
        """
        selector = selectors.DefaultSelector()
        free: deque[socket.socket] = deque()
        opened = []
        for _ in range(self.connections):
            connection = socket.create_connection(("127.0.0.1", self.port))
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
            free.append(connection)
            opened.append(connection)
        logins = [self._login() for _ in range(int(seconds * self.rate) + 1)]
        begun, sent = time.monotonic(), 0
        while (now := time.monotonic() - begun) < seconds:
            for _ in range(int(now * self.rate) - sent):
                sent += 1
                if free:
                    free.popleft().send(logins.pop())
                else:
                    self.statuses["unsent"] += 1
            due = begun + (sent + 1) / self.rate
            self._read(selector, free, max(0.0, due - time.monotonic()))
        deadline = time.monotonic() + 5
        while len(free) < self.connections and time.monotonic() < deadline:
            self._read(selector, free, 0.05)
        selector.close()
        for each in opened:
            each.close()
        return self.statuses

    def _login(self) -> bytes:
        right = random.random() < 0.5
        password = self.password if right else "another that is not right"
        body = json.dumps({"user": random.choice(self.users), "password": password}).encode()
        address = ".".join(str(random.randrange(1, 255)) for _ in range(3))
        head = (
            f"POST /v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: 10.{address}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _read(self, selector: selectors.BaseSelector, free: deque[socket.socket], seconds: float) -> None:
        for key, _ in selector.select(seconds):
            connection = key.fileobj
            if not isinstance(connection, socket.socket):
                continue
            try:
                answer = connection.recv(_CHUNK)
            except ConnectionError:
                answer = b""
            if answer.startswith(b"HTTP/1.1 "):  # the rest of an answer may come by itself
                self.statuses[answer[9:12].decode("ascii")] += 1
                free.append(connection)
            elif not answer:
                self.statuses["closed"] += 1
                selector.unregister(connection)
                connection.close()
                self.connections -= 1


if __name__ == "__main__":
    process.give_way()
    given = json.loads(sys.stdin.read())
    print(json.dumps(Flood(**given["flood"]).run(given["seconds"])))
