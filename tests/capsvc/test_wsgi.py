"""The WSGI adapter: in front of Flask, and under wsgiref's server, which tells no raw path."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import flask
import httpx2
import pytest

from capsvc.client import bind_request
from capsvc.node import Node
from capsvc.replay import ReplayGuard
from capsvc.wsgi import VERDICT, CapabilityWSGI
from caveats.encoding import encode_base64
from tests.capsvc.http.serving import Serving, append, bearer, make_home, narrow, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that mints what the guarded applications accept."""
    with serving(make_home(tmp_path_factory.mktemp("wsgi") / "home")) as running:
        yield running


@pytest.fixture(scope="module")
def node(service: Serving) -> Iterator[Node]:
    """A node on the same home."""
    store = service.home.open_store()
    yield Node(store, service.home.shares, service.home.settings)
    store.close()


def _facts(environ: Any) -> dict[str, Any]:
    return {"resource": environ["PATH_INFO"].strip("/") or None}


@pytest.fixture(scope="module")
def guarded(node: Node) -> Any:
    """A client of a guarded Flask application, which gives no raw path unless a test does."""
    app = flask.Flask(__name__)

    @app.route("/<path:rest>", methods=["GET", "POST"])
    def show(rest: str) -> str:
        return str(flask.request.environ[VERDICT].capability.user) + flask.request.get_data(as_text=True)

    app.wsgi_app = CapabilityWSGI(app.wsgi_app, node, facts=_facts, body_bytes=9)  # type: ignore[method-assign]
    return app.test_client()


def _get(guarded: Any, token: str, path: str = "/docs/7", raw: str | None = None, **more: Any) -> Any:
    base = {"REMOTE_ADDR": "127.0.0.1", "RAW_URI": "", "REQUEST_URI": "", **more}
    if raw is not None:
        base["RAW_URI"] = raw
    return guarded.get(path, headers=bearer(token), environ_overrides=base)


def test_flask_sees_whose_capability_opened_it(service: Serving, guarded: Any) -> None:
    user = service.new_user()
    token = narrow(service.log_in(user), "method = GET", "resource ^= docs", "host = localhost", "ip in 127.0.0.0/8")
    assert _get(guarded, token).text == user
    assert _get(guarded, token, "/secret").status_code == 403
    assert guarded.post("/docs/7", headers=bearer(token)).status_code == 403


def test_a_path_is_a_fact_only_where_the_raw_one_is_told_and_agrees(service: Serving, guarded: Any) -> None:
    token = narrow(service.token(), "path ^= /docs")
    assert _get(guarded, token, raw="/docs/7?x=1").status_code == 200
    assert _get(guarded, token, REQUEST_URI="/docs/7").status_code == 200
    assert _get(guarded, token, "/docs/a b", raw="/docs/a%20b").status_code == 200
    for raw in (None, "/docs/8", "http://localhost/docs/7", "/docs%2F7", "//docs/7"):
        refused = _get(guarded, token, raw=raw)
        assert (refused.status_code, refused.mimetype) == (403, "application/problem+json")
    assert _get(guarded, token, "/docs/../secret", raw="/docs/%2e%2e/secret").status_code == 403


def test_what_is_short_of_a_capability_is_refused_by_the_one_renderer(service: Serving, guarded: Any) -> None:
    for answer in (guarded.get("/docs"), _get(guarded, "garbage"), _get(guarded, service.token("billing"))):
        assert (answer.status_code, answer.json["type"]) == (401, "urn:capsvc:problem:invalid-token")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="capsvc"'
    assert _get(guarded, service.revoked()).json["type"] == "urn:capsvc:problem:revoked-token"
    assert _get(guarded, append(service.token(), b"colour = red")).status_code == 403
    assert _get(guarded, service.token(), HTTP_HOST="a, b").status_code == 400


def test_forwarded_headers_are_believed_from_trusted_peers_alone(service: Serving, guarded: Any) -> None:
    token, headers = narrow(service.token(), "method = PUT"), {"HTTP_X_FORWARDED_METHOD": "PUT"}
    assert _get(guarded, token, **headers).status_code == 403  # the method is the connection's own
    narrowed, hops = narrow(service.token(), "ip in 203.0.113.9/32"), {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    assert _get(guarded, narrowed, **hops).status_code == 200
    assert _get(guarded, narrowed, **{**hops, "REMOTE_ADDR": "198.51.100.1"}).status_code == 403


def test_a_body_caveat_is_held_against_the_body_which_the_application_still_reads(
    service: Serving, guarded: Any
) -> None:
    user = service.new_user()
    token = narrow(service.log_in(user), f"body = sha-256:{encode_base64(sha256(b'the body').digest())}")

    def post(body: bytes, token: str = token, **more: Any) -> Any:
        return guarded.post("/docs/7", data=body, headers=bearer(token), environ_overrides=more)

    assert post(b"the body").text == f"{user}the body"
    other = post(b"thy body")
    assert (other.status_code, [each["position"] for each in other.json["unmet"]]) == (403, [5])
    assert [each["position"] for each in post(b"the body", narrow(token, "method = PUT")).json["unmet"]] == [6]
    assert post(b"a longer body").status_code == 413
    assert post(b"the body", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked").status_code == 411
    assert post(b"the body", CONTENT_LENGTH="9").status_code == 400


def test_with_a_replay_guard_each_bound_copy_opens_one_request(service: Serving, node: Node) -> None:
    guard = ReplayGuard(service.home.open_replays(), timedelta(seconds=30), service.home.settings.skew, node.now)
    app = flask.Flask(__name__)
    app.add_url_rule("/docs", view_func=lambda: "read")
    app.wsgi_app = CapabilityWSGI(app.wsgi_app, node, replay_guard=guard)  # type: ignore[method-assign]
    token, client = service.token(), app.test_client()
    copy = bind_request(token, "GET", "localhost", "/docs", b"", b"", time.time(), scheme="http")
    assert client.get("/docs", headers=bearer(copy)).text == "read"
    assert client.get("/docs", headers=bearer(copy)).json["type"] == "urn:capsvc:problem:replayed"
    assert client.get("/docs", headers=bearer(token)).json["type"] == "urn:capsvc:problem:unbound"
    guard.close()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def test_under_wsgirefs_server_and_its_validator(service: Serving, node: Node) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ[VERDICT].capability.user.encode()]

    with make_server("127.0.0.1", 0, validator(CapabilityWSGI(validator(app), node)), handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            user = service.new_user()
            token, url = service.log_in(user), f"http://127.0.0.1:{server.server_port}/docs"
            assert httpx2.get(url, headers=bearer(token), timeout=30).text == user
            assert httpx2.get(url, timeout=30).status_code == 401
            assert httpx2.get(url, headers=bearer(narrow(token, "method = GET")), timeout=30).status_code == 200
            assert httpx2.get(url, headers=bearer(narrow(token, "path ^= /docs")), timeout=30).status_code == 403
        finally:
            server.shutdown()
            thread.join()
