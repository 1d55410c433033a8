"""One error contract, held across every operation of the service: RFC 9457, stable types, no secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from caveats import Format, Macaroon, decode, encode
from caveats.wire import encode_text
from tests.capsvc.http.secrets_held import SecretsHeld
from tests.capsvc.http.serving import ADMIN, PASSWORD, PROBLEM, VERIFY, Serving, append, bearer, raw
from tests.capsvc.installation import one_bit_off

# Method, path, the audience that opens it, and a body that it takes. A password opens /v1/tokens, nothing /v1/leaks.
OPERATIONS: dict[tuple[str, str], tuple[str | None, dict[str, Any] | None]] = {
    ("post", "/v1/tokens"): (None, {"user": "alice", "password": PASSWORD}),
    ("post", "/v1/tokens/renew"): (None, {"lifetime": 60}),
    ("post", "/v1/verify"): (VERIFY, {"token": "x", "request": {"method": "GET"}}),
    ("post", "/v1/introspect"): (VERIFY, None),  # their forms are in test_introspection.py
    ("post", "/v1/revoke"): (None, None),
    ("post", "/v1/leaks"): (None, {"token": "x"}),
    ("get", "/v1/changes"): (None, None),
    ("get", "/v1/auth"): (None, None),
    ("get", "/v1/capability"): (None, None),
    ("get", "/v1/salts"): (None, None),
    ("post", "/v1/revocations"): (None, {"name": "friend"}),
    ("post", "/v1/password"): (None, {"current": PASSWORD, "new": PASSWORD}),
    ("post", "/v1/discharges"): (None, {"ticket": "AQEBaw"}),
    ("post", "/v1/users"): (ADMIN, {"user": "bob", "password": PASSWORD}),
    ("get", "/v1/users"): (ADMIN, None),
    ("get", "/v1/users/{user}"): (ADMIN, None),
    ("patch", "/v1/users/{user}"): (ADMIN, {"disabled": False}),
}
OPEN = {("post", "/v1/tokens"), ("post", "/v1/revoke"), ("post", "/v1/leaks"), ("get", "/v1/changes")}
GUARDED = [each for each in OPERATIONS if each not in OPEN]
WITH_BODY = [each for each, (_, body) in OPERATIONS.items() if body is not None]
Operation = tuple[str, str]


def _authorization(value: str | None) -> dict[str, bytes]:
    return {} if value is None else {"Authorization": value.encode("latin-1")}


def _shown(operation: Operation) -> str:
    return " ".join(operation)


def _audience(operation: Operation) -> str | None:
    return OPERATIONS[operation][0]


def _send(service: Serving, operation: Operation, token: str | None, **more: Any) -> Any:
    method, path = operation
    headers = {**(bearer(token) if token is not None else {}), **more.pop("headers", {})}
    return service.client.request(method, path.replace("{user}", "alice"), headers=headers, **more)


def _send_body(service: Serving, operation: Operation, token: str | None, content: bytes, type: str = "") -> Any:
    headers = {"Content-Type": type or "application/json"}
    return _send(service, operation, token, content=content, headers=headers)


def _assert_problem(answer: Any, status: int, slug: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert {"type", "title", "status", "detail"} <= set(told) <= {"type", "title", "status", "detail", "unmet"}
    assert (told["type"], told["status"]) == (f"urn:capsvc:problem:{slug}", status)
    assert told["title"]
    assert told["detail"]
    assert ("unmet" in told) == (slug == "unmet-caveat")
    assert status != 401 or answer.headers["www-authenticate"].startswith('Bearer realm="capsvc"')
    assert status != 503 or answer.headers["retry-after"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text


@pytest.fixture(scope="module")
def tokens(service: Serving) -> dict[str | None, str]:
    """A live capability for each audience of the service's own."""
    return {audience: service.token(*([audience] if audience else [])) for audience in (None, ADMIN, VERIFY)}


def test_the_operations_here_are_those_of_the_contract(service: Serving) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    assert {(method, path) for path, methods in paths.items() for method in methods} == set(OPERATIONS)


def _unproven(service: Serving, operation: Operation, token: str) -> dict[str, str | None]:
    """Authorization headers that prove nothing, from none at all to one bit off."""
    root = decode(token)
    cut = Macaroon(root.unverified_location, root.unverified_identifier, root.unverified_caveats[:-1], root.signature)
    user, audience = service.new_user(), _audience(operation)
    stray = encode_text(Macaroon.mint(b"key", "id"))
    needy = encode_text(root.entrust("https://third.example", b"key", b"are you there"))
    return {
        "none": None,
        "empty": "Bearer",
        "garbage": "Bearer garbage",
        "latin": "Bearer \xe9\xff",
        "another scheme": "Basic YWxpY2U6c2VjcmV0",
        "no scheme": token,
        "another audience": f"Bearer {service.token('billing')}",
        "one bit off": f"Bearer {one_bit_off(token)}",
        "a caveat less": f"Bearer {encode_text(cut)}",
        "padded": f"Bearer {token}=",
        "an unknown key": f"Bearer {encode_text(service.mint(user, audience, key_id='k9'))}",
        "JSON": f"Bearer {encode(root, Format.JSON)}",
        "a stray discharge": f"Macaroon {token},{stray}",
        "a discharge too few": f"Bearer {needy}",
        "no authority": f"Bearer {encode_text(Macaroon.mint(b'key', 'k1'))}",
        "expired and one bit off": f"Bearer {one_bit_off(service.expired(audience))}",
    }


@pytest.mark.parametrize("operation", GUARDED, ids=_shown)
def test_everything_short_of_a_proven_chain_gets_one_identical_answer(
    service: Serving, tokens: dict[str | None, str], operation: Operation
) -> None:
    answers = set()
    for what, header in _unproven(service, operation, tokens[_audience(operation)]).items():
        answer = _send(service, operation, None, headers=_authorization(header))
        assert answer.status_code == 401, what
        _assert_problem(answer, 401, "invalid-token")
        answers.add((answer.content, _visible(answer)))
    assert len(answers) == 1
    assert answers == {_first_refusal(service)}


def _first_refusal(service: Serving) -> tuple[bytes, str]:
    answer = service.client.get("/v1/salts")
    return answer.content, _visible(answer)


def _visible(answer: Any) -> str:
    """The headers, of which two differ each time: the date, and the request's id, which is random."""
    headers = dict(answer.headers)
    assert re.fullmatch("[0-9a-f]{16}", headers.pop("x-request-id"))
    headers.pop("date")
    return json.dumps(headers, sort_keys=True)


@pytest.mark.parametrize("operation", GUARDED, ids=_shown)
def test_a_proven_capability_is_told_that_it_expired_or_was_revoked(service: Serving, operation: Operation) -> None:
    for word, token in (
        ("expired", service.expired(_audience(operation))),
        ("revoked", service.revoked(_audience(operation))),
    ):
        answer = _send(service, operation, token)
        _assert_problem(answer, 401, f"{word}-token")
        challenge = f'Bearer realm="capsvc", error="invalid_token", error_description="{word}"'
        assert answer.headers["www-authenticate"] == challenge


@pytest.mark.parametrize("operation", GUARDED, ids=_shown)
def test_a_proven_capability_is_told_which_caveats_are_unmet(
    service: Serving, tokens: dict[str | None, str], operation: Operation
) -> None:
    token = append(tokens[_audience(operation)], b"path ^= /docs", b"ip in 127.0.0.0/8", b"colour = red")
    answer = _send(service, operation, token, headers={"X-Forwarded-For": "127.0.0.1"})
    _assert_problem(answer, 403, "unmet-caveat")
    assert answer.headers["www-authenticate"] == 'Bearer realm="capsvc", error="insufficient_scope"'
    assert [(each["position"], each["predicate"], each["instead"]) for each in answer.json()["unmet"]] == [
        (5, "path ^= /docs", "say the path" if operation[1] == "/v1/auth" else "stay under /docs"),
        (7, "colour = red", "use a copy without it"),
    ]


@pytest.mark.parametrize("operation", GUARDED, ids=_shown)
def test_a_header_that_cannot_be_read_is_a_bad_request(
    service: Serving, tokens: dict[str | None, str], operation: Operation
) -> None:
    token = tokens[_audience(operation)]
    _assert_problem(_send(service, operation, "x" * 16_384), 400, "bad-request")
    lines = [f"{operation[0].upper()} {operation[1].format(user='alice')} HTTP/1.1", "Host: a"]
    doubled = raw(service, *lines, f"Authorization: Bearer {token}", f"Authorization: Bearer {token}")
    assert (doubled.status, doubled.headers["content-type"]) == (400, PROBLEM)


def _members(operation: Operation) -> dict[str, Any]:
    body = OPERATIONS[operation][1]
    assert body is not None
    return body


def _good(operation: Operation) -> bytes:
    return json.dumps(_members(operation)).encode()


def _inserted(text: bytes) -> Callable[[Operation], bytes]:
    return lambda operation: b"{" + text + b"," + _good(operation)[1:]


def _wrong_type(operation: Operation) -> bytes:
    return json.dumps({name: {"a": [1]} for name in _members(operation)}).encode()


def _doubled_member(operation: Operation) -> bytes:
    name, value = next(iter(_members(operation).items()))
    return b"{" + f"{json.dumps(name)}:{json.dumps(value)},".encode() + _good(operation)[1:]


BAD_BODIES: dict[str, Callable[[Operation], bytes]] = {
    "nothing": lambda operation: b"",
    "no object": lambda operation: b"[]",
    "a text": lambda operation: b'"x"',
    "null": lambda operation: b"null",
    "cut off": lambda operation: _good(operation)[:-1],
    "two objects": lambda operation: _good(operation) * 2,
    "single quotes": lambda operation: _good(operation).replace(b'"', b"'"),
    "a comma too many": lambda operation: _good(operation)[:-1] + b",}",
    "a member twice": _doubled_member,
    "a member twice further in": _inserted(b'"x":{"a":1,"a":1}'),
    "an unknown field": _inserted(b'"x":1'),
    "wrong types": _wrong_type,
    "NaN": _inserted(b'"x":NaN'),
    "infinity": _inserted(b'"x":-Infinity'),
    "not UTF-8": _inserted(b'"x":"\xff"'),
    "a surrogate in UTF-8": _inserted(b'"x":"\xed\xa0\x80"'),
    "half a character escaped": _inserted(b'"x":"\\ud800"'),
    "half a character as a name": _inserted(b'"\\udfff":1'),
    "UTF-16": lambda operation: _good(operation).decode().encode("utf-16"),
    "a byte order mark": lambda operation: b"\xef\xbb\xbf" + _good(operation),
    "very deep": _inserted(b'"x":' + b"[" * 20_000 + b"]" * 20_000),
}


@pytest.mark.parametrize("operation", WITH_BODY, ids=_shown)
def test_a_body_that_cannot_be_read_is_a_bad_request(
    service: Serving, tokens: dict[str | None, str], operation: Operation
) -> None:
    token = tokens[_audience(operation)]
    for what, make in BAD_BODIES.items():
        answer = _send_body(service, operation, token, make(operation))
        assert answer.status_code == 400, what
        _assert_problem(answer, 400, "bad-request")


@pytest.mark.parametrize("operation", WITH_BODY, ids=_shown)
@pytest.mark.parametrize(
    "type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "application/json2"]
)
def test_a_body_of_another_type_is_refused_unread(
    service: Serving, tokens: dict[str | None, str], operation: Operation, type: str
) -> None:
    answer = _send_body(service, operation, tokens[_audience(operation)], _good(operation), type)
    _assert_problem(answer, 415, "not-json")


@pytest.mark.parametrize("operation", WITH_BODY, ids=_shown)
def test_a_body_too_large_is_refused_whether_its_length_is_declared_or_not(
    service: Serving, tokens: dict[str | None, str], operation: Operation
) -> None:
    token, body = tokens[_audience(operation)], b" " * 65_536 + _good(operation)
    _assert_problem(_send_body(service, operation, token, body), 413, "body-too-large")
    chunks = iter([body[:40_000], body[40_000:]])
    answer = _send(service, operation, token, content=chunks, headers={"Content-Type": "application/json"})
    _assert_problem(answer, 413, "body-too-large")


def test_what_there_is_not_is_answered_in_the_same_shape(service: Serving) -> None:
    _assert_problem(service.client.get("/v1/nothing"), 404, "no-such-route")
    _assert_problem(service.client.delete("/v1/salts"), 405, "no-such-method")


def _every_answer(service: Serving, held: SecretsHeld) -> Iterator[Any]:
    for operation in OPERATIONS:
        token = held.tokens[_audience(operation)]
        for header in _unproven(service, operation, token).values():
            yield _send(service, operation, None, headers=_authorization(header))
        for misspelled in ("salt = default/", " salt = x/", "salt=x/", "salt = x", "salt in a/"):
            yield _send(service, operation, append(token, b"path ^= /docs", (misspelled + held.salts[0]).encode()))
        for make in BAD_BODIES.values() if operation in WITH_BODY else ():
            yield _send_body(service, operation, token, make(operation))
    yield _send_body(service, ("post", "/v1/tokens"), None, json.dumps({PASSWORD: 1}).encode()[:-1])
    for password in (PASSWORD, PASSWORD + "x"):
        body = {"user": held.user, "password": password, "audience": "no such"}
        yield service.client.post("/v1/tokens", json=body)
    asked = {"token": held.tokens[None], "request": {"salt": held.salts[0]}}
    yield service.client.post("/v1/verify", headers=bearer(held.tokens[VERIFY]), json=asked)
    yield service.client.post("/v1/verify", headers=bearer(held.tokens[VERIFY]), json={"token": held.tokens[None]})
    yield service.client.get("/v1/salts", headers=bearer(held.tokens[None]))


def test_no_answer_and_no_log_line_holds_a_secret(service: Serving) -> None:
    held = SecretsHeld.of(service)
    count = 0
    for answer in _every_answer(service, held):
        count += 1
        told = answer.text + json.dumps(dict(answer.headers))
        assert held.found_in(told) == [], f"{answer.request.method} {answer.request.url.path}: {answer.status_code}"
    assert count > 300
    log = service.stderr()
    assert f'"who": "{held.user}"' in log, "the log says what happened"
    assert held.found_in(log) == []
