"""``python -m benchmarks.flood``: what a flood of logins does to everybody else.

A steady client asks ``/v1/auth``; then logins come at ten times what can be hashed, from many addresses, half of them
with a wrong password; then they stop. All of it happens in turn, round after round, and a ratio is the median of the
ratios of each round. The client and the flood run on the same machine as the service, and take from it what they need,
but not the processor as they wake up: clients elsewhere could not. The flood comes evenly: one of the lowest priority
is held up, and then sends at once all that it missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import struct
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.live import PASSWORD, Live, live
from capsvc import process

BAR = 2.0
"""How many times longer verification may take in its slowest hundredth, while a flood runs."""

_TIMES_CAPACITY = 10
_PATIENCE_SECONDS = 30.0
_STEADY_CONNECTIONS = 8
_EVERY_SECONDS = 0.0025
_TIMESTAMPS, _TIMESPEC = 35, struct.Struct("@qq")
"""SO_TIMESTAMPNS of Linux, which Python does not name, and what it tells."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the slowest hundredth (and half) before, during, after, in ms; what the flood got; what was held."""

    p99: tuple[float, ...]
    p50: tuple[float, ...]
    statuses: dict[str, int]
    login_seconds: float
    resident: tuple[float, ...]

    @property
    def during(self) -> float:
        """How many times longer the slowest hundredth took."""
        return self.p99[1] / self.p99[0]

    @property
    def after(self) -> float:
        """The same, two seconds after the end of the flood."""
        return self.p99[2] / self.p99[0]


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of one service with so many workers, which can do so many logins a second."""

    workers: int
    capacity: float
    rounds: tuple[Round, ...]

    def summary(self) -> dict[str, object]:
        """The figures, as JSON takes them: ratios are medians of rounds, the rest is the worst of them."""
        statuses = {name: sum(each.statuses.get(name, 0) for each in self.rounds) for name in ("201", "401", "429")}
        others = sum(sum(each.statuses.values()) for each in self.rounds) - sum(statuses.values())
        return {
            "workers": self.workers,
            "logins_per_second": round(self.capacity, 1),
            "p99_during_ratio": round(statistics.median(each.during for each in self.rounds), 2),
            "p99_after_ratio": round(statistics.median(each.after for each in self.rounds), 2),
            "p50_during_ratio": round(statistics.median(each.p50[1] / each.p50[0] for each in self.rounds), 2),
            "p99_ms": [round(statistics.median(each.p99[n] for each in self.rounds), 3) for n in range(3)],
            "p50_ms": [round(statistics.median(each.p50[n] for each in self.rounds), 3) for n in range(3)],
            "login_seconds_after": round(max(each.login_seconds for each in self.rounds), 3),
            "resident_mb": [round(max(each.resident[n] for each in self.rounds), 1) for n in range(3)],
            "statuses": {**statuses, "others": others},
            "rounds": len(self.rounds),
        }

    @property
    def holds(self) -> bool:
        """Whether the median ratio is below the bar, and a login within two seconds of each flood was answered."""
        during = statistics.median(each.during for each in self.rounds)
        return during < BAR and max(each.login_seconds for each in self.rounds) < 2


def measure(workers: int, rounds: int, seconds: float) -> Result:
    """Flood a service with so many workers, round after round of so many seconds before, during and after."""
    with live(workers) as service:
        token = _log_in(service)
        capacity = _capacity(service, seconds)
        measured = []
        for _ in range(rounds):
            with closing(Steady(service.port, token)) as steady:
                measured.append(_round(service, steady, capacity, seconds))
        return Result(workers, capacity, tuple(measured))


def _round(service: Live, steady: Steady, capacity: float, seconds: float) -> Round:
    held = [sum(service.resident())]
    before = steady.ask(seconds)
    rate = _TIMES_CAPACITY * capacity
    given = {
        "flood": {
            "port": service.port,
            "users": [*service.users, *(f"nobody{number}" for number in range(len(service.users)))],
            "password": PASSWORD,
            "rate": rate,
            "connections": int(2 * rate),
        },
        "seconds": seconds + 3,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood_load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1],
    ) as flood:  # fmt: skip
        if flood.stdin is None or flood.stdout is None:
            raise ValueError("a process that is told what to do needs pipes")
        flood.stdin.write(json.dumps(given))
        flood.stdin.close()
        time.sleep(2.5)  # until all of its connections are open, and it floods
        during = steady.ask(seconds)
        held.append(sum(service.resident()))
        statuses: dict[str, int] = json.loads(flood.stdout.read())
    asked = time.monotonic()
    _log_in(service)
    login_seconds = time.monotonic() - asked
    time.sleep(max(0.0, 2 - login_seconds))
    after = steady.ask(seconds)
    held.append(sum(service.resident()))
    phases = (before, during, after)
    p99, p50 = (tuple(_quantile(each, part) for each in phases) for part in (0.99, 0.5))
    return Round(p99, p50, statuses, login_seconds, tuple(held))


class Steady:
    """A client that asks ``/v1/auth`` at a steady pace over a few connections, which all workers share."""

    def __init__(self, port: int, token: str) -> None:
        self._request = (
            f"GET /v1/auth HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /docs\r\nX-Forwarded-Host: app.example\r\n"
            "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
        ).encode()
        self._connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(_STEADY_CONNECTIONS)]
        for each in self._connections:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)

    def ask(self, seconds: float) -> list[float]:
        """Ask for so long; return how long each answer took in ms, from the question to when the kernel had it.

        When this process then got a turn on a busy machine, says nothing of the service.

        Questions that should have been asked while an answer was awaited count as asked: what made one wait would
        have made all of them wait.
        """
        took: list[float] = []
        begun = time.perf_counter()
        for number in range(int(seconds / _EVERY_SECONDS)):
            pause = begun + number * _EVERY_SECONDS - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            connection = self._connections[number % len(self._connections)]
            asked = time.time_ns()
            connection.send(self._request)
            answer, told, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(_TIMESPEC.size))
            waited = (_arrived(told) - asked) / 1e9
            if not answer.startswith(b"HTTP/1.1 204"):
                raise RuntimeError(f"a good capability was answered {answer[:20]!r}")
            while waited > 0:
                took.append(waited * 1000)
                waited -= _EVERY_SECONDS
            if time.perf_counter() - begun > seconds:
                break
        return took

    def close(self) -> None:
        """Let go of the connections."""
        for each in self._connections:
            each.close()


def _arrived(told: list[tuple[int, int, bytes]]) -> int:
    """When the kernel received an answer, in ns since 1970 (socket(7), SO_TIMESTAMPNS)."""
    ((_, _, value),) = told
    seconds, nanoseconds = _TIMESPEC.unpack(value)
    return int(seconds * 1_000_000_000 + nanoseconds)


def _capacity(service: Live, seconds: float) -> float:
    """How many logins a second are answered when there are always a few: one at least, however busy the machine is."""
    from benchmarks.flood_load import Flood

    answered = Flood(service.port, list(service.users), PASSWORD, 1000, 4).run(seconds)
    return max(1, answered["201"] + answered["401"]) / seconds


def _log_in(service: Live) -> str:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=_PATIENCE_SECONDS)
        body = json.dumps({"user": service.users[0], "password": PASSWORD})
        connection.request("POST", "/v1/tokens", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        if answer.status == 201:
            return str(told["macaroon"])
        time.sleep(0.1)
    raise RuntimeError("no login was answered")


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main() -> None:
    """Print one line of JSON for each number of workers; exit code 1 where the bar does not hold and ``--strict``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds for each number of workers")
    parser.add_argument("--seconds", type=float, default=4, help="seconds before, during and after a flood")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="numbers of workers")
    parser.add_argument("--details", action="store_true", help="print each round too")
    parser.add_argument("--strict", action="store_true", help="fail where the bar does not hold")
    given = parser.parse_args()
    process.give_way()
    results = [measure(workers, given.rounds, given.seconds) for workers in given.workers]
    for result in results:
        if given.details:
            for each in result.rounds:
                print(json.dumps(asdict(each)))
        print(json.dumps(result.summary()))
    if given.strict and not all(result.holds for result in results):
        sys.exit("the bar does not hold")


if __name__ == "__main__":
    main()
