"""Dispatch ahead of the router does what the router would, and an internal error is still answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from capsvc.authority import Authority
from capsvc.http.app import application
from capsvc.http.dispatch import Dispatching
from capsvc.http.service import Service
from capsvc.node import Node
from tests.capsvc.http.serving import make_home

Sent = list[Any]
AHEAD = {("/v1/auth", "GET"), ("/v1/auth", "HEAD"), ("/v1/verify", "POST"), ("/v1/tokens", "POST")}
_ODD_PATHS = [
    "/v1/auth", "/v1/auth/", "/v1/auth\n", "/v1/auth\n\n", "//v1/auth", "/V1/auth", "v1/auth", "/v1/auth?", "/v1/auth#",
    "/v1/auth ", "/v1", "", "/", "/v1/./auth", "/v1/auth%0A", "/v1/verify", "/v1/verify/", "/v1/verify\n",
    "/v1/tokens", "/v1/tokens/", "/v1/tokens/renew", "/api/v1/auth",
]  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    with closing(Service.of(make_home(tmp_path_factory.mktemp("dispatch") / "home"))) as service:
        yield application(service)


def _scope(method: str, path: str, root_path: str = "", headers: Any = ()) -> dict[str, Any]:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": root_path,
        "query_string": b"", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        "headers": list(headers),
    }  # fmt: skip


def _answers(app: Any, scope: dict[str, Any]) -> Sent:
    sent: Sent = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return [(each["type"], each.get("status"), _headers(each), each.get("body")) for each in sent]


def _headers(message: Any) -> list[Any]:
    """The headers but for the request's id, which is set before anything is dispatched, and is random."""
    return sorted(each for each in message.get("headers", []) if each[0] != b"x-request-id")


def test_what_others_wait_for_is_dispatched_ahead_of_the_router_and_nothing_else(app: Starlette) -> None:
    assert isinstance(app, Dispatching)
    assert set(app._ahead) == AHEAD


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "TRACE", ""]),
    path=st.sampled_from(_ODD_PATHS) | st.text(max_size=12),
    root_path=st.sampled_from(["", "", "/api", "/v1", "/"]),
    headers=st.lists(
        st.sampled_from([(b"authorization", b"Bearer x"), (b"host", b"a"), (b"content-type", b"application/json")])
    ),
)
def test_it_answers_whatever_is_asked_as_the_router_alone_does(
    app: Starlette, method: str, path: str, root_path: str, headers: Any
) -> None:
    """A surrogate has no bytes, and no server hands one on."""
    path = path.encode("utf-8", "replace").decode()
    ahead = _answers(app, _scope(method, path, root_path, headers))
    routed = _answers(lambda *each: Starlette.__call__(app, *each), _scope(method, path, root_path, headers))
    if (path, method) in AHEAD and not root_path:
        # Two lone layers of Starlette merge nothing: the very messages are equal.
        assert ahead == routed
    assert [each[:2] for each in ahead] == [each[:2] for each in routed]
    assert ahead == routed


@pytest.mark.parametrize(("path", "method"), sorted(AHEAD))
def test_an_internal_error_is_answered_without_detail_and_raised_for_the_log(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, path: str, method: str
) -> None:
    def fail(*arguments: Any, **more: Any) -> Any:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(Node, "verify", fail)
    monkeypatch.setattr(Authority, "log_in", fail)
    body = b'{"user":"alice","password":"x"}' if path == "/v1/tokens" else b"{}"
    for ask in (app, lambda *each: Starlette.__call__(app, *each)):
        sent: Sent = []

        async def send(message: Any, sent: Sent = sent) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        headers = [(b"authorization", b"Bearer x"), (b"content-type", b"application/json")]
        with pytest.raises(ZeroDivisionError):
            asyncio.run(ask(_scope(method, path, headers=headers), receive, send))
        assert sent[0]["status"] == 500
        assert b"secret detail" not in sent[1]["body"]
        assert json.loads(sent[1]["body"])["type"] == "urn:capsvc:problem:internal-error"
        assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
