"""``POST /v1/introspect`` and ``POST /v1/revoke``: as RFC 7662 and RFC 7009 have them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from authlib.integrations.requests_client import OAuth2Session

from caveats import decode
from caveats.wire import encode_text
from tests.capsvc.http.serving import PROBLEM, VERIFY, Serving, append, bearer, narrow, now

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ROUTES = ["/v1/introspect", "/v1/revoke"]


@pytest.fixture(scope="module")
def asking(service: Serving) -> dict[str, str]:
    """The header of a caller who may introspect."""
    return bearer(service.token(VERIFY))


def _introspect(service: Serving, asking: dict[str, str], token: str, **more: str) -> Any:
    answer = service.client.post("/v1/introspect", data={"token": token, **more}, headers=asking)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def _revoke(service: Serving, token: str, **more: str) -> Any:
    return service.client.post("/v1/revoke", data={"token": token, **more})


def test_an_active_token_is_described_in_the_words_of_oauth(service: Serving, asking: dict[str, str]) -> None:
    user = service.new_user()
    token = narrow(service.log_in(user), f"time < {now(300)}")
    told = _introspect(service, asking, token, token_type_hint="refresh_token")
    assert set(told) == {"active", "sub", "iss", "jti", "iat", "nbf", "exp", "token_type"}
    assert (told["active"], told["sub"], told["iss"], told["token_type"]) == (True, user, service.url, "Bearer")
    assert told["iat"] == told["nbf"] <= time.time() < told["exp"] <= time.time() + 300
    looked = service.client.get("/v1/capability", headers=bearer(token)).json()
    assert looked["nonce"] == told["jti"]


def test_the_audience_is_told_where_there_is_one(service: Serving) -> None:
    caller = service.new_user("billing", VERIFY)
    token = service.token("billing")
    assert _introspect(service, bearer(service.log_in(caller, VERIFY)), token)["aud"] == "billing"


def test_of_what_is_not_active_nothing_more_is_said(service: Serving, asking: dict[str, str]) -> None:
    token = service.token()
    needy = encode_text(decode(token).entrust("https://third.example", b"key", b"are you there"))
    for each in ("x", token[:-4], service.expired(), service.revoked(), service.token("billing"), needy):
        assert _introspect(service, asking, each) == {"active": False}
    for predicate in (b"method = GET", b"path ^= /docs", b"action = read", b"colour = red", b"amount < 5"):
        assert _introspect(service, asking, append(token, predicate)) == {"active": False}


def test_a_narrowed_token_is_active_where_the_form_tells_its_facts(service: Serving, asking: dict[str, str]) -> None:
    token = narrow(service.token(), "method = GET", "path ^= /docs", "action in read list")
    facts = {"method": "GET", "path": "/docs/7", "action": "read list"}
    assert _introspect(service, asking, token, **facts)["scope"] == "read list"
    for wrong in ({"path": "/secret"}, {"path": "/docs/%2e%2e/secret"}, {"action": "read write"}, {"method": ""}):
        assert _introspect(service, asking, token, **{**facts, **wrong}) == {"active": False}


def test_the_caller_never_says_who_somebody_is(service: Serving, asking: dict[str, str]) -> None:
    user = service.new_user()
    token = append(service.log_in(user), b"user = bob")
    for more in ({}, {"user": "bob"}, {"client_id": "gateway", "resource": "docs", "audience": "billing"}):
        assert _introspect(service, asking, token, **more) == {"active": False}
    late = append(service.log_in(user), b"time >= 2199-01-01T00:00:00Z")
    assert _introspect(service, asking, late, time="2199-01-02T00:00:00Z") == {"active": False}


def test_only_who_may_verify_may_introspect(service: Serving) -> None:
    token = service.token()
    for headers, status in (({}, 401), (bearer(token), 401), (bearer(service.expired(VERIFY)), 401)):
        answer = service.client.post("/v1/introspect", data={"token": token}, headers=headers)
        assert answer.status_code == status
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body", [b"", b"token=", b"token", b"token=a&token=b", b"token=a&x=1&x=2", b"token=%zz",
             b"token=%ff", b"token=\xff", b"token=a&" + b"&".join(b"p%d=1" % each for each in range(64))]
)  # fmt: skip
def test_a_form_that_cannot_be_read_is_an_invalid_request(
    service: Serving, asking: dict[str, str], route: str, body: bytes
) -> None:
    answer = service.client.post(route, content=body, headers={**asking, **FORM})
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    told = answer.json()
    assert (told["type"], told["error"]) == ("urn:capsvc:problem:bad-request", "invalid_request")
    assert told["error_description"] == told["detail"]


@pytest.mark.parametrize("route", ROUTES)
def test_another_type_and_a_large_body_are_refused(service: Serving, asking: dict[str, str], route: str) -> None:
    for kind in ("application/json", "text/plain"):
        answer = service.client.post(route, content=b"token=a", headers={**asking, "Content-Type": kind})
        assert answer.status_code == 415
    large = service.client.post(route, content=b"token=" + b"a" * 70_000, headers={**asking, **FORM})
    assert large.status_code == 413


def test_a_token_takes_itself_back_and_all_that_was_cut_from_it(service: Serving, asking: dict[str, str]) -> None:
    user = service.new_user()
    token, other = service.log_in(user), service.log_in(user)
    copy = narrow(token, f"time < {now(300)}")
    answer = _revoke(service, token, token_type_hint="whatever")
    assert (answer.status_code, answer.content) == (200, b"")
    assert [_introspect(service, asking, each)["active"] for each in (token, copy, other)] == [False, False, True]
    assert _revoke(service, token).status_code == 200


def test_a_copy_with_a_name_of_its_own_takes_only_itself_back(service: Serving, asking: dict[str, str]) -> None:
    token = service.token("billing")
    caller = bearer(service.log_in(service.new_user("billing", VERIFY), VERIFY))
    copy = narrow(token, "salt = friend.k3x9/3q2-7wAAq83vEjRWeJCrzQ")
    assert _revoke(service, copy).status_code == 200
    assert [_introspect(service, caller, each)["active"] for each in (token, copy)] == [True, False]


def test_a_copy_that_may_not_call_this_route_takes_nothing_back(service: Serving, asking: dict[str, str]) -> None:
    token = service.token()
    refused = _revoke(service, narrow(token, "path ^= /docs"))
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:capsvc:problem:unmet-caveat")
    needy = encode_text(decode(token).entrust("https://third.example", b"key", b"are you there"))
    answer = _revoke(service, needy)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")
    assert _introspect(service, asking, token)["active"]


def test_what_is_not_valid_is_answered_as_taken_back(service: Serving, asking: dict[str, str]) -> None:
    token = service.token()
    for each in ("x", token[:-4], service.expired(), service.revoked(), "é" * 9000):
        assert (_revoke(service, each).status_code, _revoke(service, each).content) == (200, b"")
    assert _introspect(service, asking, token)["active"]


def test_an_oauth_client_library_calls_both_unchanged(service: Serving) -> None:
    token = service.token()
    with OAuth2Session(token={"access_token": service.token(VERIFY), "token_type": "Bearer"}) as session:
        session.trust_env = False

        def active() -> bool:
            url = f"{service.url}/v1/introspect"
            answer = session.introspect_token(url, token=token, token_type_hint="access_token", auth=session.token_auth)
            assert answer.status_code == 200
            return bool(answer.json()["active"])

        assert active()
        answer = session.revoke_token(f"{service.url}/v1/revoke", token=token, token_type_hint="access_token")
        assert answer.status_code == 200
        assert not active()
