"""``GET /v1/capability``: what the presented capability may do, and until when."""

from __future__ import annotations

from secrets import token_bytes
from typing import Any

import pytest

from caveats.encoding import encode_base64
from tests.capsvc.http.serving import ADMIN, VERIFY, Serving, append, bearer, narrow, now, raw

NOTHING = "sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def _describe(service: Serving, token: str) -> Any:
    return service.client.get("/v1/capability", headers=bearer(token))


def test_a_root_macaroon_is_narrowed_by_its_user_and_its_window_alone(service: Serving) -> None:
    user = service.new_user()
    answer = _describe(service, service.log_in(user, salt="laptop"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["user"], told["audience"], told["salt"]) == (user, None, ["laptop"])
    assert told["scope"] == [f"user = {user}", f"time >= {told['issued']}", f"time < {told['expires']}"]
    assert now(-40) < told["issued"] < now() < told["expires"]


def test_the_scope_is_the_meet_of_all_caveats_without_salts(service: Serving) -> None:
    salt = encode_base64(token_bytes(16))
    token = narrow(service.token(), "method in GET HEAD", f"salt = friend/{salt}", "path ^= /v1", "method in POST GET")
    answer = _describe(service, token)
    assert answer.json()["scope"][3:] == ["method = GET", "path ^= /v1"]
    assert answer.json()["salt"] == ["default", "friend"]
    assert salt not in answer.text


def test_the_expiry_is_the_narrowed_one(service: Serving) -> None:
    end = now(60)
    assert _describe(service, narrow(service.token(), f"time < {end}")).json()["expires"] == end


@pytest.mark.parametrize("audience", [None, ADMIN, VERIFY])
def test_every_capability_of_the_services_own_is_described(service: Serving, audience: str | None) -> None:
    token = service.token(*([audience] if audience else []))
    assert _describe(service, token).json()["audience"] == audience


@pytest.mark.parametrize(
    ("caveat", "status"),
    [
        ("path = /v1/capability", 200), ("path ^= /docs", 403), ("method = GET", 200), ("method = POST", 403),
        ("ip in 127.0.0.0/8", 200), ("ip in 10.0.0.0/8", 403), ("user = alice", 403), ("audience = billing", 403),
        ("action = read", 403), ("amount <= 5", 403), (f"query = {NOTHING}", 200),
        (f"body = {NOTHING}", 200), ("body = sha-256:" + "A" * 43, 403),
        ("request = 3q2-7wAAq83vEjRWeJCrzQ", 200), ("nonce = 3q2-7wAAq83vEjRWeJCrzQ", 200), ("colour = red", 403),
    ],
)  # fmt: skip
def test_the_services_own_routes_hold_requests_against_each_caveat(service: Serving, caveat: str, status: int) -> None:
    assert _describe(service, append(service.token(), caveat.encode())).status_code == status


def test_the_host_is_compared_as_the_client_named_it(service: Serving) -> None:
    token = narrow(service.token(), f"host = 127.0.0.1:{service.port}")
    assert _describe(service, token).status_code == 200
    refused = raw(service, "GET /v1/capability HTTP/1.1", "Host: other.example", f"Authorization: Bearer {token}")
    assert refused.status == 403


def test_the_path_is_decoded_once_before_it_is_compared(service: Serving) -> None:
    token = narrow(service.token(), "path = /v1/capability")
    answer = raw(service, "GET /v1/%63apability HTTP/1.1", "Host: a", f"Authorization: Bearer {token}")
    assert answer.status == 200


def test_a_path_with_an_encoded_slash_meets_no_caveat_on_paths(service: Serving) -> None:
    token = service.token()
    for each, status in ((token, 200), (narrow(token, "path ^= /"), 403), (narrow(token, "path ^= /v1"), 403)):
        lines = "GET /v1%2Fcapability HTTP/1.1", "Host: a", f"Authorization: Bearer {each}"
        assert raw(service, *lines).status == status


@pytest.mark.parametrize("line", ["Host: b", "Authorization: Bearer x"])
def test_a_doubled_host_or_authorization_is_a_bad_request(service: Serving, line: str) -> None:
    lines = ["GET /v1/capability HTTP/1.1", "Host: a", f"Authorization: Bearer {service.token()}"]
    assert raw(service, *lines).status == 200
    assert raw(service, *lines, line).status == 400


def test_a_capability_says_which_revision_it_was_held_against(service: Serving) -> None:
    token = service.token()
    before = _describe(service, token).json()["revision"]
    service.client.post("/v1/revocations", headers=bearer(token), json={"name": "friend"}).raise_for_status()
    assert _describe(service, token).json()["revision"] > before
