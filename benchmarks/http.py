"""The figures of the service over HTTP: what a check costs beside an endpoint that checks nothing.

One contender gets load at a time, in bursts and in rotation; a ratio is the median of the ratios of each
rotation. Every one of them gets the same requests: some hundreds of distinct tokens, over and over.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.http_home import LiveHome
from benchmarks.http_load import Server, Target
from capsvc.names import VERIFY

_ROTATIONS_A_START = 4
_QUESTION = json.dumps({"token": "TOKEN", "request": {"method": "GET", "path": "/docs/2026/report"}})


@dataclass(frozen=True, slots=True)
class Throughput:
    """A ratio of throughputs with its spread (the quartiles), its bar, and both in requests a second."""

    what: str
    against: str
    ratio: float
    low: float
    high: float
    bar: float | None
    ours: float
    theirs: float

    @property
    def holds(self) -> bool:
        """Whether the ratio reaches its bar."""
        return self.bar is None or self.ratio >= self.bar


def figures(rotations: int, seconds: int, tokens: int = 300) -> list[Throughput]:
    """Start every contender, check that each answers rightly, and load them in turn with wrk.

    Every few rotations all of them are started anew: how a process happens to lie in memory makes it up to a
    fifth quicker or slower, for as long as it lives.
    """
    rates: dict[str, list[float]] = {}
    for begun in range(0, rotations, _ROTATIONS_A_START):
        with contending(tokens) as targets, tempfile.TemporaryDirectory() as folder:
            for target in targets.values():
                demand_right_answers(target)
                target.load(Path(folder), 1)  # to warm what is remembered
                target.rates = rates.setdefault(target.name, [])
            for _ in range(min(_ROTATIONS_A_START, rotations - begun)):
                for target in targets.values():
                    target.load(Path(folder), seconds)
    return compared(targets)


def compared(targets: dict[str, Target]) -> list[Throughput]:
    """Hold the throughputs of all rotations against their bars."""
    wanted = [
        ("GET /v1/auth, salt current across processes", "auth", "a bare Starlette endpoint", "bare", 1.3),
        ("GET /v1/auth, salt current across processes", "auth", "Starlette with PyJWT HS256", "pyjwt", 3.5),
        ("an endpoint behind CapabilityMiddleware", "guarded", "the same endpoint bare", "bare", 0.8),
        ("POST /v1/verify", "verify", "a bare JSON endpoint", "json", 0.85),
        ("GET /v1/auth, tokens never seen before", "unseen", "a bare Starlette endpoint", "bare", None),
    ]
    return [
        _compare(what, targets[ours], against, targets[theirs], bar)
        for what, ours, against, theirs, bar in wanted
        if ours in targets and theirs in targets
    ]


def _compare(what: str, ours: Target, against: str, theirs: Target, bar: float | None) -> Throughput:
    ratios = sorted(a / b for a, b in zip(ours.rates, theirs.rates, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return Throughput(
        what, against, statistics.median(ratios), low, high, bar,
        statistics.median(ours.rates), statistics.median(theirs.rates),
    )  # fmt: skip


@contextmanager
def contending(tokens: int, unseen: int = 20_000) -> Iterator[dict[str, Target]]:
    """Run every contender, each in a process of its own on a port of its own, until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home"
        live = LiveHome.make(path)
        ours, fresh, caller = live.tokens(tokens), live.tokens(unseen), live.mint(live.names[0], audience=VERIFY)
        theirs = _jwts(tokens)
        servers: dict[str, Server] = {}
        try:
            for name in ("bare", "json", "service", "guarded", *(["pyjwt"] if theirs else [])):
                servers[name] = Server.start(name, path)
            service = servers["service"].port
            # What is compared stands side by side: the machine's speed changes within a rotation, too.
            made = [
                Target("guarded", servers["guarded"].port, "/", ours),
                Target("bare", servers["bare"].port, "/", ours),
                Target("auth", service, "/v1/auth", ours),
                *([Target("pyjwt", servers["pyjwt"].port, "/", theirs)] if theirs else []),
                Target("verify", service, "/v1/verify", ours, _QUESTION, caller),
                Target("json", servers["json"].port, "/", ours, _QUESTION, caller),
                Target("unseen", service, "/v1/auth", fresh),
            ]
            yield {each.name: each for each in made}
        finally:
            for server in servers.values():
                server.end()


def demand_right_answers(target: Target) -> None:
    """Raise AssertionError unless a genuine token is taken, and a forged one is not where any is checked."""
    genuine, other = target.tokens[0], target.tokens[1]
    forged = genuine[:-20] + other[-20:]
    wanted = {"auth": 204, "unseen": 204}.get(target.name, 200)
    refused = 401 if target.name in ("auth", "unseen", "guarded", "pyjwt") else 200
    if (target.ask(genuine), target.ask(forged)) != (wanted, refused):
        raise AssertionError(f"{target.name} does not answer rightly")


def _jwts(tokens: int) -> list[str]:
    try:
        return [str(each) for each in peers.pyjwt()[0](tokens)]
    except ImportError:
        return []
