"""A resource server in another process, with its key file and the address of a relay: whatever the relay does."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from capsvc.changes import PAGE_CHARACTERS, Page
from caveats import attenuate
from tests.capsvc.edge.issuer import Issuer
from tests.capsvc.edge.relay import Answer, Asked, Relay, relaying, until
from tests.capsvc.http.serving import environment

FRESHNESS = 0.8
PAGE = Path(__file__).parents[3] / "docs" / "edge.md"
REPOSITORY = Path(__file__).parents[3]


def example() -> str:
    """The resource server of the page."""
    found = re.search(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) < 30
    return found[1]


@dataclass
class Edge:
    """A resource server that runs, the relay that it follows, and the issuer behind that."""

    issuer: Issuer
    relay: Relay
    port: int
    log: Path

    def ask(self, token: str) -> int:
        """Ask for the bills; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        assert answer.status != 200 or body.startswith("the bills of ")
        return answer.status

    def await_status(self, token: str, status: int) -> None:
        until(lambda: self.ask(token) == status)

    def demand_refused(self, token: str, acknowledged: float, status: int, freshness: float = FRESHNESS) -> None:
        """Ask until it is refused so; what is asked later than the freshness after what took it back is not let in."""

        def is_refused() -> bool:
            asked = time.time()
            answered = self.ask(token)
            assert answered != 200 or asked <= acknowledged + freshness
            return answered == status

        until(is_refused)


def start(
    directory: Path, issuer: Issuer, feed: str, opened: ExitStack, freshness: float = FRESHNESS
) -> tuple[int, Path]:
    """Start the resource server of the page, with nothing but a key file and an address."""
    code = example()
    for written, here in (("http://127.0.0.1:8000", feed), ('"billing")', f'"billing", freshness={freshness})')):
        assert code.count(written) == 1
        code = code.replace(written, here)
    (directory / "billing.py").write_text(code, "utf-8")
    if not (directory / "billing.key").exists():
        issuer.exported().write(directory / "billing.key")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    log = directory / "log"
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "--lifespan", "off", "--port", str(port), "billing:app"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=directory, env=environment(directory, {"PYTHONPATH": str(REPOSITORY)}), stdout=out, stderr=out
        )
    opened.callback(process.wait, 20)
    opened.callback(process.terminate)

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port)) == 0

    until(listens)
    return port, log


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    issuer = Issuer()
    issuer.log_in()
    with relaying(issuer) as relay, ExitStack() as opened:
        port, log = start(tmp_path_factory.mktemp("edge"), issuer, relay.url, opened)
        edge = Edge(issuer, relay, port, log)
        edge.await_status(issuer.log_in(), 200)
        yield edge
        assert "Traceback" not in log.read_text()


# A relay that passes on what it gets


def test_a_resource_server_verifies_its_own_capabilities_and_refuses_everybody_elses(edge: Edge) -> None:
    own = edge.issuer.log_in()
    edge.await_status(own, 200)
    assert edge.ask(attenuate(own, "path = /", "method = GET")) == 200
    assert edge.ask(attenuate(own, "path ^= /elsewhere")) == 403
    for audience in (None, "mail", "capsvc.admin"):
        assert edge.ask(edge.issuer.log_in(audience=audience)) == 401
    assert edge.ask(Issuer().log_in()) == 401
    assert edge.ask("garbage") == 401


def test_a_revocation_is_seen_within_the_freshness(edge: Edge) -> None:
    token = edge.issuer.log_in("bob")
    edge.await_status(token, 200)
    held = attenuate(token, "salt = ci.x/AAAAAAAAAAAAAAAAAAAAAA")
    for one, take_back in (
        (held, lambda: edge.issuer.revoke_holders("bob", "ci.x")),
        (token, lambda: edge.issuer.revoke("bob")),
    ):
        assert edge.ask(one) == 200
        take_back()
        edge.demand_refused(one, time.time(), 401)
    edge.await_status(edge.issuer.log_in("bob"), 200)


# A relay that lies


def _silent(asked: Asked) -> None:
    asked.server.relay.over.wait(FRESHNESS * 2)
    asked.close_connection = True


def _dripping(asked: Asked) -> None:
    asked.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while asked.server.relay.lie is not None:
        asked.wfile.write(b"a")
        time.sleep(0.1)
    asked.close_connection = True


def _huge(asked: Asked) -> None:
    asked.send(b"{" + b" " * (2 * PAGE_CHARACTERS))


def _hidden(issuer: Issuer, **changed: Any) -> Answer:
    """Tell that nothing changed, in a page that somebody else signed or nobody."""

    def answer(asked: Asked) -> None:
        page = replace(issuer.page(asked.since), to=asked.since, head=asked.since, rows=())
        asked.send(page.sign(changed["seed"]))

    return answer


def _unsigned(asked: Asked) -> None:
    asked.send(asked.server.relay.issuer.tell(asked.since).replace('"signature": "', '"signature": "AAAA'))


def _repeating(edge: Edge) -> Answer:
    first = edge.issuer.tell(0)
    return lambda asked: asked.send(first)


def _late(edge: Edge) -> Answer:
    """Send the page from before again and again: it fits, and grows old."""
    revision = edge.issuer.revision
    pages = {since: edge.issuer.tell(since) for since in range(revision - 3, revision + 1)}
    return lambda asked: asked.send(pages[asked.since])


def _changed(edge: Edge, change: Any) -> Answer:
    def answer(asked: Asked) -> None:
        page: Page = edge.issuer.page(asked.since)
        asked.send(edge.issuer.sign(change(page)))

    return answer


def _back(page: Page) -> Page:
    return replace(page, since=0, to=1, head=1, rows=page.rows[:1])


def _ring_back(page: Page) -> Page:
    return replace(page, ring=page.ring - 1)


def _gap(page: Page) -> Page:
    return replace(page, since=page.head + 1, to=page.head + 1, head=page.head + 1, rows=())


def _old(page: Page) -> Page:
    return replace(page, stamp=page.stamp - int(FRESHNESS * 2000))


def _ahead(page: Page) -> Page:
    return replace(page, stamp=page.stamp + 3_600_000)


LIES = {
    "silent": ("the feed is silent", lambda edge: _silent),
    "dripping": ("the feed is silent", lambda edge: _dripping),
    "gone": ("cannot be reached", lambda edge: lambda asked: asked.connection.shutdown(socket.SHUT_RDWR)),
    "huge": ("larger than any page", lambda edge: _huge),
    "garbage": ("no answer over HTTP", lambda edge: lambda asked: asked.wfile.write(b"\0garbage\r\n\r\n" * 9)),
    "markup": ("no page of changes", lambda edge: lambda asked: asked.send("<html>Welcome</html>")),
    "500": ("answers 500", lambda edge: lambda asked: asked.send("oops", 500)),
    "404": ("knows no feed", lambda edge: lambda asked: asked.send("{}", 404)),
    "409": ("went back", lambda edge: lambda asked: asked.send("{}", 409)),
    "elsewhere": ("leads elsewhere", lambda edge: lambda asked: asked.send("", 302, Location=f"{edge.relay.url}/v1/x")),
    "unsigned": ("signature is not the issuer's", lambda edge: _unsigned),
    "invented": ("signature is not the issuer's", lambda edge: _hidden(edge.issuer, seed=bytes(32))),
    "invented with all that was exported": (
        "signature is not the issuer's",
        lambda edge: _hidden(edge.issuer, seed=edge.issuer.exported().keys["k1"].digests),
    ),
    "of another audience": (
        "signature is not the issuer's",
        lambda edge: _hidden(edge.issuer, seed=edge.issuer.ring.feed_keys("k1", "mail")[0]),  # type: ignore[index]
    ),
    "repeated": ("an old page comes again", _repeating),
    "gone back": ("an old page comes again", lambda edge: _changed(edge, _back)),
    "its ring gone back": ("the feed went back", lambda edge: _changed(edge, _ring_back)),
    "a page left out": ("a page is missing", lambda edge: _changed(edge, _gap)),
    "held back": ("seconds old", _late),
    "stamped long ago": ("seconds old", lambda edge: _changed(edge, _old)),
    "stamped ahead": ("check the clocks", lambda edge: _changed(edge, _ahead)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_relay_that_lies_permits_nothing_and_is_named_and_an_honest_one_heals(edge: Edge, name: str) -> None:
    said, made = LIES[name]
    kept, taken_back = edge.issuer.log_in("alice"), edge.issuer.log_in(f"user of {name}")
    edge.await_status(kept, 200)
    edge.await_status(taken_back, 200)
    told = len(edge.log.read_text())
    with edge.relay.lying(made(edge)):
        acknowledged = time.time()
        edge.issuer.revoke(f"user of {name}")
        if edge.ask(taken_back) != 401:  # a page may have been on its way
            edge.demand_refused(taken_back, acknowledged, 503)
            edge.await_status(kept, 503)
            until(lambda: said in edge.log.read_text()[told:])
            assert "following interrupted" in edge.log.read_text()[told:]
        else:
            edge.await_status(kept, 503)
    edge.await_status(kept, 200)
    assert edge.ask(taken_back) == 401
    until(lambda: "following again" in edge.log.read_text()[told:])


def test_a_relay_that_answers_at_once_is_not_asked_without_end(edge: Edge) -> None:
    def cached(asked: Asked) -> None:
        asked.send(edge.issuer.tell(asked.since, asked.skip))

    token = edge.issuer.log_in()
    with edge.relay.lying(cached):
        edge.await_status(token, 200)
        asked, began = edge.relay.asked, time.monotonic()
        until(lambda: edge.relay.asked >= asked + 3)
        assert edge.relay.asked - asked <= 3 + (time.monotonic() - began) / 0.02 / 4


# Keys


def test_a_key_file_whose_key_was_retired_opens_nothing_and_says_to_export_again(tmp_path: Path) -> None:
    issuer = Issuer()
    token = issuer.log_in()
    with relaying(issuer) as relay, ExitStack() as opened:
        port, log = start(tmp_path, issuer, relay.url, opened)
        edge = Edge(issuer, relay, port, log)
        edge.await_status(token, 200)
        issuer.add_key()
        issuer.retire("k1")
        edge.demand_refused(token, time.time(), 503)
        until(lambda: "export the keys again" in log.read_text())


def test_a_resource_server_that_starts_before_its_feed_refuses_until_it_comes(tmp_path: Path) -> None:
    issuer = Issuer()
    token = issuer.log_in()
    with relaying(issuer) as relay, ExitStack() as opened, relay.lying(lambda asked: asked.send("", 500)):
        port, log = start(tmp_path, issuer, relay.url, opened)
        edge = Edge(issuer, relay, port, log)
        assert edge.ask(token) == 503
        relay.lie = None
        edge.await_status(token, 200)
