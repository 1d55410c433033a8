"""Request-bound presentation end to end: real clients, a service in another process, and a thief who recorded it."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import pytest

from capsvc.client import BoundAuth, bind_request
from capsvc.client.clock import Clocks
from capsvc.sealing import unseal
from caveats import DecodeError, decode
from tests.capsvc.http.serving import Serving, append, bearer, narrow

BODY = b'{"lifetime": 600}'
JSON = {"Content-Type": "application/json"}


def client(serving: Serving, token: str, **more: Any) -> httpx2.Client:
    auth = BoundAuth(token, serving.url, **more)
    return httpx2.Client(base_url=serving.url, auth=auth, trust_env=False, timeout=60)


def copy(serving: Serving, token: str, method: str, path: str, body: bytes = b"", later: float = 0) -> dict[str, str]:
    """Make the header of a copy, as a thief would have recorded it."""
    host = serving.url.removeprefix("http://")
    return bearer(bind_request(token, method, host, path, b"", body, time.time() + later, scheme="http"))


def why(answer: Any) -> str:
    return str(answer.json()["type"]).removeprefix("urn:capsvc:problem:")


@pytest.mark.parametrize("kind", ["service", "guarding"])
def test_an_ordinary_client_notices_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    serving = request.getfixturevalue(kind)
    with client(serving, serving.token()) as bound:
        for _ in range(3):
            assert bound.get("/v1/capability").status_code == 200
        assert bound.get("/v1/salts?user=").status_code in (200, 403)
        assert bound.post("/v1/revocations", json={"name": "somebody"}).status_code == 200
        assert bound.get("/v1/capability").status_code == 200


def test_a_recorded_request_is_refused_in_every_other_place_each_time_for_its_own_reason(guarding: Serving) -> None:
    token = guarding.token()
    wanted = b'{"name": "laptop"}'
    recorded = copy(guarding, token, "POST", "/v1/revocations", wanted) | JSON
    send = guarding.client.post
    assert send("/v1/revocations", content=wanted, headers=recorded).status_code == 200

    again = send("/v1/revocations", content=wanted, headers=recorded)
    elsewhere = send("/v1/tokens/renew", content=wanted, headers=recorded)
    other = send("/v1/revocations", content=b'{"all": true}', headers=recorded)
    late = copy(guarding, token, "POST", "/v1/revocations", wanted, later=-31) | JSON
    after = send("/v1/revocations", content=wanted, headers=late)
    assert [(each.status_code, why(each)) for each in (again, elsewhere, other, after)] == [
        (401, "replayed"), (403, "unmet-caveat"), (403, "unmet-caveat"), (401, "expired-token"),
    ]  # fmt: skip
    assert 'error_description="replayed"' in again.headers["www-authenticate"]
    assert 'error_description="expired"' in after.headers["www-authenticate"]
    unmet = [[each["predicate"].split(" ")[0] for each in answer.json()["unmet"]] for answer in (elsewhere, other)]
    assert unmet == [["path"], ["body"]]


def test_without_the_guard_a_recorded_request_can_be_repeated_within_the_window_alone(service: Serving) -> None:
    recorded = copy(service, service.token(), "GET", "/v1/capability")
    for _ in range(2):
        assert service.client.get("/v1/capability", headers=recorded).status_code == 200


def test_the_guard_takes_no_capability_that_is_not_bound_once_and_shortly(guarding: Serving) -> None:
    token = guarding.token()
    twice = append(token, b"request = " + b"A" * 22, b"request = " + b"A" * 21 + b"Q")
    for wrong in (token, append(token, b"request = " + b"A" * 22), narrow(token, "method = GET"), twice):
        answer = guarding.client.get("/v1/capability", headers=bearer(wrong))
        assert (answer.status_code, why(answer)) == (401, "unbound")
    far = copy(guarding, token, "GET", "/v1/capability", later=45)
    answer = guarding.client.get("/v1/capability", headers=far)
    assert (answer.status_code, why(answer)) == (401, "unbound")


def test_what_was_refused_is_not_used_up(guarding: Serving) -> None:
    recorded = copy(guarding, guarding.token(), "GET", "/v1/capability")
    assert guarding.client.get("/v1/salts", headers=recorded).status_code == 403
    assert guarding.client.get("/v1/capability", headers=recorded).status_code == 200


def test_the_guard_does_not_touch_the_store_whose_salts_are_remembered_until_it_changes(guarding: Serving) -> None:
    with client(guarding, guarding.token()) as bound:
        assert bound.get("/v1/capability").status_code == 200
        counted = (guarding.home.path / "capsvc.db").read_bytes()[:100]
        for _ in range(3):
            assert bound.get("/v1/capability").status_code == 200
    assert (guarding.home.path / "capsvc.db").read_bytes()[:100] == counted


@pytest.mark.parametrize("off", [-200, 200])
def test_a_client_whose_clock_is_wrong_learns_the_time(guarding: Serving, off: int) -> None:
    with client(guarding, guarding.token(), clocks=Clocks(lambda: time.time() + off)) as bound:
        assert bound.get("/v1/capability").status_code == 200
        assert bound.get("/v1/capability").history == [], "it has learned it for good"


def test_a_renewal_is_sealed_for_the_holder_of_the_original(service: Serving) -> None:
    token = service.token()
    with client(service, token) as bound:
        answer = bound.post("/v1/tokens/renew", json={"lifetime": 600})
    assert (answer.status_code, [*answer.json()]) == (201, ["sealed"])
    sent = answer.request.headers["Authorization"]
    renewed = json.loads(unseal(token, sent, answer.json()["sealed"]))
    assert decode(renewed["macaroon"]).unverified_caveats[0] != decode(token).unverified_caveats[0]
    with client(service, renewed["macaroon"]) as bound:
        assert bound.get("/v1/capability").status_code == 200
    for thief in (sent.removeprefix("Bearer "), service.token()):
        with pytest.raises(DecodeError, match="not sealed for this token"):
            unseal(thief, sent, answer.json()["sealed"])
    with pytest.raises(DecodeError, match="not sealed for this token and this request"):
        unseal(token, copy(service, token, "POST", "/v1/tokens/renew")["Authorization"], answer.json()["sealed"])


@pytest.mark.parametrize("caveat", ["method = POST", "time < 2999-01-01T00:00:00Z", "path = /v1/tokens/renew"])
def test_a_copy_that_is_narrowed_in_any_other_way_is_not_renewed(service: Serving, caveat: str) -> None:
    token = service.token()
    narrowed = narrow(token, caveat)
    with client(service, narrowed) as bound:
        assert why(bound.post("/v1/tokens/renew", json={})) == "refused"
    after = append(copy(service, token, "POST", "/v1/tokens/renew", BODY)["Authorization"][7:], caveat.encode())
    answer = service.client.post("/v1/tokens/renew", content=BODY, headers=bearer(after) | JSON)
    assert why(answer) == "refused"


def test_an_original_is_still_renewed_in_the_open_where_no_guard_is(service: Serving) -> None:
    answer = service.client.post("/v1/tokens/renew", json={}, headers=bearer(service.token()))
    assert "macaroon" in answer.json()
