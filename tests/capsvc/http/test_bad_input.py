"""Whatever strangers send ends in one small answer, and the service goes on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from secrets import token_bytes
from typing import Any

import pytest

from caveats import Format, Macaroon, decode, encode
from caveats.authority import AUTHORITY_CAVEATS
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.http.serving import (
    PASSWORD,
    PROBLEM,
    VERIFY,
    Serving,
    append,
    bearer,
    hashed,
    make_home,
    raw,
    serving,
)


def _present(service: Serving, token: str) -> Any:
    return service.client.get("/v1/capability", headers=bearer(token))


def _ask(service: Serving, token: str, **more: Any) -> Any:
    body = json.dumps({"token": token, **more})
    headers = {**bearer(service.token(VERIFY)), "Content-Type": "application/json"}
    return service.client.post("/v1/verify", headers=headers, content=body)


@pytest.fixture(autouse=True)
def _still_serves(service: Serving) -> Iterator[None]:
    yield
    assert service.client.get("/readyz").status_code == 200


def test_noise_as_a_token_is_refused_like_any_other(service: Serving) -> None:
    plain = service.client.get("/v1/capability").content
    for _ in range(20):
        noise = encode_base64(token_bytes(6144))
        assert len(noise) == 8192
        answer = _present(service, noise)
        assert (answer.status_code, answer.content) == (401, plain)
        assert _ask(service, noise).json() == {"active": False, "reason": "invalid"}


def test_noise_that_begins_like_a_macaroon_is_refused_like_any_other(service: Serving) -> None:
    for start in (b"\x02", b"\x02\x01", b"\x02\x02\x02k1\x00", b"0011location ", b"0011location a\n0012identifier "):
        for _ in range(20):
            answer = _present(service, encode_base64(start + token_bytes(300)))
            assert answer.status_code == 401


def test_bytes_of_every_value_as_a_token_never_break_the_service(service: Serving) -> None:
    for byte in (*range(1, 256, 7), 0x7F, 0x80, 0xFF):
        if byte in b"\r\n":
            continue
        line = b"Authorization: Bearer AA" + bytes([byte]) * 20
        answer = raw(service, "GET /v1/capability HTTP/1.1", "Host: a", line)
        assert answer.status in (400, 401)


@pytest.mark.parametrize("count", [65, 500, 3000])
def test_a_token_of_too_many_caveats_is_refused_though_every_one_is_met(service: Serving, count: int) -> None:
    root = service.token()
    most, too_many = (append(root, *[b"path ^= /"] * (each - AUTHORITY_CAVEATS)) for each in (64, count))
    assert _present(service, most).status_code == 200
    assert _present(service, too_many).status_code == (400 if len(too_many) > 16_000 else 401)
    assert _ask(service, too_many).json() == {"active": False, "reason": "invalid"}


@pytest.mark.parametrize("count", [65, 10_000])
def test_a_login_with_too_many_caveats_is_refused_before_its_password_is_hashed(service: Serving, count: int) -> None:
    body = {"user": service.new_user(), "password": PASSWORD, "caveats": ["a"] * count}
    answer = service.client.post("/v1/tokens", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")


@pytest.mark.parametrize("name", ["\x00\x01\x1b[31m\x7f", "\n", "", " ", "a/b", "x" * 65, "é", "\u202e", "x" * 50_000])
def test_a_salts_name_that_is_none_is_refused_and_never_echoed(service: Serving, name: str) -> None:
    user = service.new_user()
    answer = service.client.post("/v1/tokens", json={"user": user, "password": PASSWORD, "salt": name})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")
    assert len(answer.content) < 1000
    revoked = service.client.post("/v1/revocations", headers=bearer(service.log_in(user)), json={"name": name})
    assert revoked.status_code == 400


@pytest.mark.parametrize("size", [16_385 - len("Bearer "), 17 * 1024, 60 * 1024])
def test_an_authorization_header_beyond_the_cap_is_a_bad_request(service: Serving, size: int) -> None:
    answer = raw(service, "GET /v1/capability HTTP/1.1", "Host: a", f"Authorization: Bearer {'a' * size}")
    assert (answer.status, answer.headers["content-type"]) == (400, PROBLEM)
    at_the_cap = f"Authorization: Bearer {'a' * (16_384 - len('Bearer '))}"
    assert raw(service, "GET /v1/capability HTTP/1.1", "Host: a", at_the_cap).status == 401


@pytest.mark.parametrize("size", [17 * 1024, 64 * 1024])
def test_any_other_header_may_be_long_without_harm(service: Serving, size: int) -> None:
    lines = "GET /v1/capability HTTP/1.1", "Host: a", f"Authorization: Bearer {service.token()}"
    assert raw(service, *lines, f"X-Noise: {'a' * size}").status in (200, 400, 431)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Host"])
def test_a_long_header_that_is_a_fact_never_permits(service: Serving, name: str) -> None:
    token = append(service.token(), b"ip in 10.0.0.0/8", b"host = a")
    lines = ["GET /v1/capability HTTP/1.1", f"Authorization: Bearer {token}", f"{name}: {'10.0.0.1,' * 2000}"]
    assert raw(service, *lines, *([] if name == "Host" else ["Host: a"])).status in (400, 403)


def test_a_token_in_json_is_refused_over_http(service: Serving) -> None:
    token = service.token()
    text = encode(decode(token), Format.JSON)
    assert decode(text) == decode(token), "the library itself reads it"
    packed = encode_base64(text.encode())
    for each in (text, packed):
        assert _present(service, each).status_code == 401
        assert _ask(service, each).json() == {"active": False, "reason": "invalid"}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"\\u0061":', "}]")])
def test_json_of_any_depth_is_a_bad_request_and_no_more(service: Serving, opening: str, closing: str) -> None:
    caller = {**bearer(service.token(VERIFY)), "Content-Type": "application/json"}
    for depth in (*range(50, 1200, 23), 5_000):
        nested = opening * depth + "1" + closing * depth
        text = '{"token": "x", "request": {"method": ' + nested + "}}"
        answer = service.client.post("/v1/verify", headers=caller, content=text)
        assert answer.status_code == 400, f"{depth} deep: {answer.status_code}"


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" * 400, "1" * 5000, "1" * 60_000, "-1", "1.5", "-0.1", "9" * 19, "1e30", "true"]
)
def test_a_number_that_is_no_span_is_refused(service: Serving, number: str) -> None:
    text = f'{{"user": "{service.new_user()}", "password": "{PASSWORD}", "lifetime": {number}}}'
    answer = service.client.post("/v1/tokens", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 403)
    assert answer.headers["content-type"] == PROBLEM
    assert len(answer.content) < 1000


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400, "1" * 5000, "1e17", "0.1", "1" * 19, "true"])
def test_a_number_that_is_no_exact_fact_is_refused(service: Serving, number: str) -> None:
    headers = {**bearer(service.token(VERIFY)), "Content-Type": "application/json"}
    text = f'{{"token": "x", "request": {{"amount": {number}}}}}'
    assert service.client.post("/v1/verify", headers=headers, content=text).status_code == 400


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64])
def test_a_revision_of_any_size_that_was_not_seen_is_not_answered(service: Serving, number: int) -> None:
    assert _ask(service, service.token(), min_revision=number).status_code in (400, 503)


def test_too_many_discharges_and_too_deep_ones_are_refused(service: Serving) -> None:
    root = decode(service.token())
    keys = [f"key {number}".encode() for number in range(9)]
    for key in keys:
        root = root.entrust("", key, b"id of " + key)
    bound = [encode_text(root.bind(Macaroon.mint(key, b"id of " + key))) for key in keys]
    assert _ask(service, encode_text(root), discharges=bound).json() == {"active": False, "reason": "invalid"}
    assert _ask(service, encode_text(root), discharges=["x"] * 65).status_code == 400
    eight = decode(service.token())
    for key in keys[:8]:
        eight = eight.entrust("", key, b"id of " + key)
    bound = [encode_text(eight.bind(Macaroon.mint(key, b"id of " + key))) for key in keys[:8]]
    assert _ask(service, encode_text(eight), discharges=bound).json()["active"] is True


@pytest.mark.parametrize("line", ["GET /v1/users/\xff HTTP/1.1", "G\x00T / HTTP/1.1", "GET / HTTP/9.9", "\x16\x03\x01"])
def test_a_request_line_that_is_none_is_refused(service: Serving, line: str) -> None:
    assert raw(service, line, "Host: a").status in (400, 404)


def test_a_password_of_any_length_is_only_ever_refused(service: Serving) -> None:
    user = service.new_user()
    for password in ("", "\x00", "x" * 1025, "x" * 60_000, PASSWORD + "\x00", PASSWORD.upper()):
        answer = service.client.post("/v1/tokens", json={"user": user, "password": password})
        assert answer.status_code == 401


def test_a_user_of_any_name_is_only_ever_refused(service: Serving) -> None:
    for user in ("", "\x00", "' OR 1=1 --", "x" * 60_000, "\u202e", "a/b", hashed()):
        answer = service.client.post("/v1/tokens", json={"user": user, "password": PASSWORD})
        assert answer.status_code == 401
        assert len(answer.content) < 1000


@pytest.fixture
def alone(tmp_path: Any) -> Iterator[Serving]:
    """A service of this test's own."""
    with serving(make_home(tmp_path / "home")) as running:
        yield running


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_traceback(alone: Serving) -> None:
    lines = b"Host: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    authorization = f"Authorization: Bearer {alone.token()}\r\n".encode()
    for path in (b"/v1/tokens", b"/v1/tokens/renew", b"/v1/revocations"):
        with socket.create_connection(("127.0.0.1", alone.port)) as connection:
            connection.sendall(b"POST " + path + b" HTTP/1.1\r\n" + lines + authorization + b'\r\n{"us')
            time.sleep(0.1)
    time.sleep(0.3)
    assert alone.client.get("/readyz").status_code == 200
    assert "Traceback" not in alone.stderr()
