"""CapabilityMiddleware in front of somebody else's application, over real connections."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from capsvc.middleware import CapabilityMiddleware
from capsvc.node import Node
from caveats.encoding import encode_base64
from tests.capsvc.http.serving import Serving, append, bearer, environment, now

GUARDED = Path(__file__).with_name("guarded.py")
REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Guarded:
    """A guarded application that runs, and a client for it."""

    port: int
    client: httpx2.Client

    def send(self, token: str, method: str = "GET", path: str = "/", **more: Any) -> Any:
        """Send one request with a token."""
        return self.client.request(method, path, headers=bearer(token), **more)


@pytest.fixture(scope="module")
def guarded(service: Serving) -> Iterator[Guarded]:
    """The application of ``guarded.py``, on the same home as the shared service."""
    settings = {**environment(service.home.path, {}), "PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, str(GUARDED)], env=settings, text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        yield Guarded(port, client)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert out == "ended\n", "lifespan was not passed to its end"
    assert "Traceback" not in err


def _digest(body: bytes) -> bytes:
    return f"body = sha-256:{encode_base64(sha256(body).digest())}".encode()


def test_a_capability_opens_the_application_and_is_told_to_it(service: Serving, guarded: Guarded) -> None:
    user = service.new_user()
    answer = guarded.send(service.log_in(user))
    assert (answer.status_code, answer.json()["user"]) == (200, user)


def test_lifespan_passes(service: Serving, guarded: Guarded) -> None:
    assert guarded.send(service.token()).json()["started"] is True


@pytest.mark.parametrize(("audience", "status"), [("items", 200), (None, 200), ("billing", 401), ("capsvc.admin", 401)])
def test_only_the_audiences_of_the_guard_open_it(
    service: Serving, guarded: Guarded, audience: str | None, status: int
) -> None:
    assert guarded.send(service.token(*([audience] if audience else []))).status_code == status


def test_without_a_capability_the_application_is_never_called(guarded: Guarded) -> None:
    answer = guarded.client.post("/", content=b"x" * 10)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"] == 'Bearer realm="capsvc"'


@pytest.mark.parametrize(
    ("caveats", "path", "status"),
    [
        (["action in read list", "resource ^= items/7"], "/items/7?do=read", 200),
        (["action in read list", "resource ^= items/7"], "/items/7/parts?do=read&do=list", 200),
        (["action in read list"], "/items/7?do=read&do=write", 403), (["action in read list"], "/items/7", 403),
        (["resource ^= items/7"], "/items/70?do=read", 403), (["resource ^= items"], "/", 403),
        (["amount <= 5"], "/?amount=4.99", 200), (["amount <= 5"], "/?amount=5.01", 403), (["amount <= 5"], "/", 403),
    ],
)  # fmt: skip
def test_the_applications_facts_are_held_against_caveats(
    service: Serving, guarded: Guarded, caveats: list[str], path: str, status: int
) -> None:
    token = append(service.token(), *(each.encode() for each in caveats))
    assert guarded.send(token, path=path).status_code == status


def test_a_fact_of_the_application_that_cannot_be_read_is_a_bad_request(service: Serving, guarded: Guarded) -> None:
    assert guarded.send(service.token(), path="/?amount=much").status_code == 400


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_the_right_body_passes_and_the_application_still_reads_it(
    service: Serving, guarded: Guarded, method: str
) -> None:
    body = b"pay 5 to bob" * 1000
    answer = guarded.send(append(service.token(), _digest(body)), method, content=body)
    assert (answer.status_code, answer.json()["size"]) == (200, len(body))
    assert answer.json()["digest"] == sha256(body).hexdigest()


@pytest.mark.parametrize("sent", [b"pay 500 to bob", b"", b"pay 5 to bob "])
def test_a_wrong_body_is_refused_and_the_caveat_named(service: Serving, guarded: Guarded, sent: bytes) -> None:
    caveat = _digest(b"pay 5 to bob")
    answer = guarded.send(append(service.token(), caveat), "POST", content=sent)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:unmet-caveat")
    assert [each["predicate"] for each in answer.json()["unmet"]] == [caveat.decode()]
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_two_different_bodies_can_never_both_be_met(service: Serving, guarded: Guarded) -> None:
    token = append(service.token(), _digest(b"one"), _digest(b"two"))
    for body in (b"one", b"two", b""):
        assert guarded.send(token, "POST", content=body).status_code == 403


def test_a_chunked_body_is_put_together_before_it_is_checked(service: Serving, guarded: Guarded) -> None:
    pieces = [b"a" * 1000, b"b" * 30_000, b"c"]
    token = append(service.token(), _digest(b"".join(pieces)))
    right = guarded.send(token, "POST", content=iter(pieces))
    assert (right.status_code, right.json()["size"]) == (200, 31_001)
    assert guarded.send(token, "POST", content=iter([*pieces, b"d"])).status_code == 403


def test_a_request_without_a_body_has_the_digest_of_the_empty_string(service: Serving, guarded: Guarded) -> None:
    empty = append(service.token(), _digest(b""))
    assert guarded.send(empty, "GET").status_code == 200
    assert guarded.send(empty, "POST", content=b"").status_code == 200
    assert guarded.send(empty, "POST", content=iter([b"x"])).status_code == 403


def test_a_clients_own_digest_header_is_never_a_fact(service: Serving, guarded: Guarded) -> None:
    token = append(service.token(), _digest(b"right"))
    digest = encode_base64(sha256(b"right").digest())
    for name in ("Digest", "Content-Digest", "X-Body", "Body"):
        headers = {**bearer(token), name: f"sha-256:{digest}"}
        assert guarded.client.post("/", headers=headers, content=b"wrong").status_code == 403


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large_to_check_is_refused(service: Serving, guarded: Guarded, chunked: bool) -> None:
    body = b"x" * 100_001
    token = append(service.token(), _digest(body))
    answer = guarded.send(token, "POST", content=iter([body[:50_000], body[50_000:]]) if chunked else body)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:capsvc:problem:body-too-large")
    fitting = b"x" * 100_000
    assert guarded.send(append(service.token(), _digest(fitting)), "POST", content=fitting).status_code == 200


def test_without_a_body_caveat_the_guard_reads_no_body(service: Serving, guarded: Guarded) -> None:
    answer = guarded.send(service.token(), "POST", content=b"x" * 3_000_000)
    assert (answer.status_code, answer.json()["size"]) == (200, 3_000_000)
    assert answer.json()["pieces"] > 1, "the application was handed the body in one piece"


def test_where_something_else_is_unmet_the_body_is_not_read(service: Serving, guarded: Guarded) -> None:
    token = append(service.token(), _digest(b"x"), b"method = GET")
    answer = guarded.send(token, "POST", content=b"x" * 3_000_000)
    assert answer.status_code == 403
    assert [each["predicate"] for each in answer.json()["unmet"]] == ["method = GET"], "of the body nobody knows"


def test_a_websocket_is_guarded_as_get(service: Serving, guarded: Guarded) -> None:
    user = service.new_user()
    token, url = service.log_in(user), f"ws://127.0.0.1:{guarded.port}/items/7"
    for caveat in (b"method = GET", b"path ^= /items", _digest(b""), f"host = 127.0.0.1:{guarded.port}".encode()):
        with connect(url, additional_headers=bearer(append(token, caveat)), proxy=None) as socket:
            assert socket.recv() == user


@pytest.mark.parametrize("caveat", [b"method = POST", b"path ^= /docs", b"colour = red"])
def test_a_websocket_whose_caveats_are_unmet_is_refused(service: Serving, guarded: Guarded, caveat: bytes) -> None:
    token, url = append(service.token(), caveat), f"ws://127.0.0.1:{guarded.port}/items/7"
    with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=bearer(token), proxy=None):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_without_a_capability_is_refused(guarded: Guarded) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{guarded.port}/", proxy=None):
        pass
    assert refused.value.response.status_code == 401


@pytest.fixture
def node(service: Serving) -> Iterator[Node]:
    """A node in this process, on the shared home."""
    with closing(service.home.open_store()) as store:
        yield Node(store, service.home.shares, service.home.settings)


async def _never(*arguments: Any) -> Any:
    raise AssertionError("this was called")


def test_a_websocket_of_a_server_without_problem_responses_is_closed(node: Node) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [], "query_string": b"", "raw_path": b"/", "scheme": "ws"}
    asyncio.run(CapabilityMiddleware(_never, node)(scope, _never, send))
    assert [(each["type"], each["code"]) for each in sent] == [("websocket.close", 1008)]


def test_a_connection_of_any_other_type_is_refused(node: Node) -> None:
    guard = CapabilityMiddleware(_never, node)
    for kind in ("webtransport", "", "HTTP"):
        with pytest.raises(ValueError, match="no capability can guard"):
            asyncio.run(guard({"type": kind, "headers": []}, _never, _never))


def test_a_client_that_leaves_before_its_body_is_whole_is_not_let_in(service: Serving, node: Node) -> None:
    token = append(service.token(), _digest(b"whole"))
    messages = [{"type": "http.request", "body": b"who", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    authorization = (b"authorization", b"Bearer " + token.encode())
    scope = {
        "type": "http", "method": "POST", "headers": [authorization, (b"content-length", b"5")], "query_string": b"",
        "raw_path": b"/", "scheme": "http", "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(CapabilityMiddleware(_never, node)(scope, receive, send))
    assert (sent[0]["status"], messages) == (400, [])


def test_an_expired_or_revoked_capability_is_told_so(service: Serving, guarded: Guarded) -> None:
    ended = append(service.token(), f"time < {now(-5)}".encode())
    assert guarded.send(ended).json()["type"] == "urn:capsvc:problem:expired-token"
    assert guarded.send(service.revoked()).json()["type"] == "urn:capsvc:problem:revoked-token"
