"""What a resource server on its own costs: its cold start, a verification beside one at home, and memory.

``python -m benchmarks.edge`` plays the issuer in this process. A cold start lasts from the start of a Python process
until its first request is answered: imports, the key file, the first page over HTTP, its signature, the verdict
through the middleware. What serves ASGI is not in it; the time of a Python that does nothing stands beside.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Contender, compare, run_rounds
from capsvc.changes import Row
from capsvc.knowledge import Memory
from capsvc.node import Node, Presentation, Ring
from capsvc.resource_server import follow
from tests.capsvc.edge.issuer import AUDIENCE, Issuer
from tests.capsvc.edge.relay import relaying
from tests.capsvc.installation import installed

_PROGRAM = """
import asyncio, sys
from capsvc.middleware import CapabilityMiddleware
from capsvc.resource_server import follow

async def bills(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["capsvc.verdict"].capability.user.encode()})

async def main(key_file, feed, audience, token):
    app, sent = CapabilityMiddleware(bills, follow(key_file, feed, audience), [audience]), []
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/", "raw_path": b"/",
        "query_string": b"", "headers": [(b"authorization", b"Bearer " + token.encode())], "client": ("127.0.0.1", 1),
    }
    async def send(message):
        sent.append(message)
    await app(scope, None, send)
    assert sent[0]["status"] == 200, sent
    print(sent[1]["body"].decode(), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=25, help="interleaved rounds")
    parser.add_argument("--tokens", type=int, default=1000, help="verifications a round")
    parser.add_argument("--rows", type=int, default=200_000)
    given = parser.parse_args()
    print(cold_start(given.starts))
    print(verification(given.rounds, given.tokens))
    print(memory(given.rows))


def cold_start(starts: int) -> str:
    """Start so many processes, one after the other, each beside one that does nothing."""
    issuer = Issuer()
    with TemporaryDirectory() as directory, relaying(issuer) as relay:
        key_file = Path(directory) / "billing.key"
        token = issuer.log_in()
        issuer.exported().write(key_file)
        command = [sys.executable, "-c", _PROGRAM, str(key_file), relay.url, AUDIENCE, token]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        bare, whole = [], []
        for _ in range(starts + 1):
            bare.append(_milliseconds([sys.executable, "-c", "print(flush=True)"], environment, b"\n"))
            whole.append(_milliseconds(command, environment, b"alice\n"))
    return (
        f"cold start to the first answer: {statistics.median(whole[1:]):.0f} ms, at least {min(whole[1:]):.0f},"
        f" of which a Python that does nothing takes {statistics.median(bare[1:]):.0f}, at least {min(bare[1:]):.0f}"
    )


def _milliseconds(command: list[str], environment: dict[str, str], said: bytes) -> float:
    """How long it takes from the start of a process until it has said its line."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        line = process.stdout.readline()
        took = time.perf_counter() - began
    assert line == said  # noqa: S101 - else it is not the right answer that was measured
    return took * 1000


def verification(rounds: int, tokens: int) -> str:
    """Compare a node at home with one that follows a feed: of a user that did not change, and of one that did."""
    issuer = Issuer()
    with ExitStack() as opened:
        house = opened.enter_context(installed())
        relay = opened.enter_context(relaying(issuer))
        key_file = Path(opened.enter_context(TemporaryDirectory())) / "billing.key"
        changed, same = issuer.log_in("alice"), issuer.log_in("bob")
        issuer.changes = issuer.changes[:1]  # as if what made bob's salt lay before the window
        issuer.exported().write(key_file)
        edge = follow(key_file, relay.url, AUDIENCE, freshness=60)
        opened.enter_context(closing(edge._store))
        contenders = [
            Contender("a node at home", lambda n: list(range(n)), _verifying(house.node, house.log_in().token, None)),
            Contender("of a user who did not change", lambda n: list(range(n)), _verifying(edge, same, AUDIENCE)),
            Contender("of one who did", lambda n: list(range(n)), _verifying(edge, changed, AUDIENCE)),
        ]
        run_rounds(contenders, rounds, tokens)
    lines = [f"verification, a node at home: {contenders[0].microseconds:.2f} µs"]
    for each in contenders[1:]:
        figure = compare(each.name, each, contenders[0], 9)
        lines.append(f"at the edge, {figure.what}: {figure.ours:.2f} µs, {figure.ratio:.3f} times home's")
    return "\n".join(lines)


def _verifying(node: Node[Ring], token: str, audience: str | None) -> Callable[[object], object]:
    presentation, audiences = Presentation(token), (audience,)
    return lambda _: node.verify(presentation, node.request(), audiences)


def memory(rows: int) -> str:
    """Say how much a changed salt takes, and a revoked name."""
    said, kept = [], []
    for what, salt in (("a changed salt", b"s"), ("a revoked name", None)):
        gc.collect()
        before, held = _resident(), Memory("k1", 1)
        kept.append(held)  # what is let go of would be used again
        for number in range(rows):
            digest = sha256(number.to_bytes(4, "big")).digest()
            held.put(Row(digest[:16], salt and digest[16:], 490_000 + number % 720))
        said.append(f"{what} {(_resident() - before) / len(held.rows):.0f} bytes")
    return f"memory, {rows:,} rows: " + ", ".join(said)


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


if __name__ == "__main__":
    main()
