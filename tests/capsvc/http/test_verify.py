"""``POST /v1/verify``: a resource server asks whether a token permits a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from secrets import token_bytes
from typing import Any

import pytest

from caveats import Macaroon, decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.http.serving import VERIFY, Serving, append, bearer, make_home, narrow, now, serving

DIGEST_OF_NOTHING = "sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.fixture(scope="module")
def caller(service: Serving) -> str:
    """The capability of a resource server that has no audience of its own."""
    return service.token(VERIFY)


def _ask(service: Serving, caller: str, token: str, facts: dict[str, Any] | None = None, **more: Any) -> Any:
    body = {"token": token, "request": facts or {}, **more}
    return service.client.post("/v1/verify", headers=bearer(caller), json=body)


def _answer(service: Serving, caller: str, token: str, facts: dict[str, Any] | None = None, **more: Any) -> Any:
    answer = _ask(service, caller, token, facts, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_active_token_is_described(service: Serving, caller: str) -> None:
    user = service.new_user()
    token = narrow(service.log_in(user), "method = GET", f"salt = friend/{encode_base64(token_bytes(16))}")
    told = _answer(service, caller, token, {"method": "GET"})
    scope = [f"user = {user}", f"time >= {told['issued']}", f"time < {told['expires']}", "method = GET"]
    assert {**told, "issued": "", "expires": "", "revision": 0} == {
        "active": True, "user": user, "audience": None, "salt": ["default", "friend"],
        "issued": "", "expires": "", "scope": scope, "revision": 0,
    }  # fmt: skip
    assert now(-40) < told["issued"] < now() < told["expires"]
    assert isinstance(told["revision"], int)


def test_the_expiry_is_the_earliest_that_anybody_wrote(service: Serving, caller: str) -> None:
    end = now(60)
    told = _answer(service, caller, narrow(service.token(), f"time < {end}", f"time < {now(3600)}"))
    assert told["expires"] == end


def test_an_unmet_caveat_is_named_with_its_position_and_reason(service: Serving, caller: str) -> None:
    token = append(service.token(), b"method = GET", b"path ^= /docs", b"amount <= 5")
    told = _answer(service, caller, token, {"method": "POST", "path": "/docs/7"})
    assert told == {
        "active": False,
        "reason": "unmet",
        "unmet": [
            {
                "position": 5, "predicate": "method = GET", "reason": "the request needs POST", "instead": "use GET",
            },
            {
                "position": 7, "predicate": "amount <= 5", "reason": "the request does not say its amount",
                "instead": "say the amount",
            },
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caveat", "met", "unmet"),
    [
        ("method in GET HEAD", {"method": "HEAD"}, {"method": "PUT"}),
        ("host = example.com", {"host": "example.com"}, {"host": "example.org"}),
        ("path ^= /docs", {"path": "/docs/a%20b"}, {"path": "/docs/%2e%2e/x"}),
        ("resource ^= projects/42", {"resource": "projects/42/docs"}, {"resource": "projects/421"}),
        ("action in read list", {"action": ["read", "list"]}, {"action": ["read", "write"]}),
        ("action in read list", {"action": "read"}, {"action": []}),
        ("ip in 10.0.0.0/8", {"ip": "10.1.2.3"}, {"ip": "11.1.2.3"}),
        (f"body = {DIGEST_OF_NOTHING}", {"body": DIGEST_OF_NOTHING}, {"body": "sha-256:" + "A" * 43}),
        (f"query = {DIGEST_OF_NOTHING}", {"query": ""}, {"query": "a=1"}),
        ("amount <= 5", {"amount": 5}, {"amount": "5.01"}),
        ("team = blue", {"team": "blue"}, {"team": "red"}),
    ],
)
def test_each_fact_is_held_against_its_caveat(
    service: Serving, caller: str, caveat: str, met: dict[str, Any], unmet: dict[str, Any]
) -> None:
    token = append(service.token(), caveat.encode())
    assert _answer(service, caller, token, met)["active"] is True
    assert _answer(service, caller, token, unmet)["reason"] == "unmet"
    assert _answer(service, caller, token)["reason"] == "unmet"


def test_a_caveat_that_is_not_understood_forbids(service: Serving, caller: str) -> None:
    told = _answer(service, caller, append(service.token(), b"colour = red"))
    assert [each["position"] for each in told["unmet"]] == [5]


def test_a_salt_never_stands_in_an_answer(service: Serving, caller: str) -> None:
    salt = encode_base64(token_bytes(16))
    token = append(service.token(), f"salt = friend/{salt}".encode(), f" salt = x/{salt}".encode(), b"method = GET")
    assert salt not in _ask(service, caller, token, {"method": "GET"}).text
    assert salt not in _ask(service, caller, token, {"method": "PUT"}).text


@pytest.mark.parametrize("fact", ["time", "audience", "user", "nonce", "salt"])
def test_what_the_verifier_knows_itself_is_never_taken_from_the_caller(
    service: Serving, caller: str, fact: str
) -> None:
    answer = _ask(service, caller, service.token(), {fact: "x"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")
    assert fact in answer.json()["detail"]


@pytest.mark.parametrize(
    "facts",
    [
        {"colour": "red"}, {"self": 1}, {"vocabulary": 1}, {"method": 1}, {"action": {"a": 1}}, {"action": [[]]},
        {"host": "EXAMPLE.com"}, {"path": ["/"]}, {"ip": "10.0.0.0/8"}, {"ip": 1}, {"body": "abc"}, {"query": 1},
        {"amount": 1.5}, {"amount": True}, {"amount": 10**18}, {"team": ""}, {"team": "e\u0301"}, {"resource": []},
    ],
)  # fmt: skip
def test_a_fact_that_cannot_be_read_is_the_callers_mistake(
    service: Serving, caller: str, facts: dict[str, Any]
) -> None:
    answer = _ask(service, caller, service.token(), facts)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")


def test_an_expired_token_is_inactive_for_that_reason_and_no_other(service: Serving, caller: str) -> None:
    assert _answer(service, caller, service.expired()) == {"active": False, "reason": "expired"}
    attenuated = narrow(service.token(), f"time < {now(-1)}", "method = GET")
    assert _answer(service, caller, attenuated) == {"active": False, "reason": "expired"}


def test_a_revoked_token_is_inactive_for_that_reason_and_no_other(service: Serving, caller: str) -> None:
    assert _answer(service, caller, service.revoked()) == {"active": False, "reason": "revoked"}


def test_whatever_is_not_proven_is_invalid_and_no_more(service: Serving, caller: str) -> None:
    token = service.token()
    forged = encode_text(Macaroon("", b"k1", decode(token).unverified_caveats, bytes(32)))
    other_key = encode_text(service.mint(service.new_user(), key_id="k9"))
    answers = [_answer(service, caller, each) for each in ("", "garbage", token[:-1], forged, other_key, token + "A")]
    answers.append(_answer(service, caller, service.token("billing")))
    assert answers == [{"active": False, "reason": "invalid"}] * 7


def test_a_discharge_that_nothing_asks_for_makes_a_token_invalid(service: Serving, caller: str) -> None:
    stray = encode_text(Macaroon.mint(b"key", "id"))
    assert _answer(service, caller, service.token(), discharges=[stray]) == {"active": False, "reason": "invalid"}


def test_a_third_partys_caveat_is_met_by_its_bound_discharge_alone(service: Serving, caller: str) -> None:
    root = decode(service.token()).entrust("https://third.example", b"shared key", b"are you there")
    discharge = Macaroon.mint(b"shared key", b"are you there").attenuate("method = GET")
    token, bound = encode_text(root), encode_text(root.bind(discharge))
    invalid = {"active": False, "reason": "invalid"}
    assert _answer(service, caller, token, {"method": "GET"}) == invalid
    assert _answer(service, caller, token, {"method": "GET"}, discharges=[encode_text(discharge)]) == invalid
    assert _answer(service, caller, token, {"method": "GET"}, discharges=[bound])["active"] is True
    refused = _answer(service, caller, token, {"method": "PUT"}, discharges=[bound])
    assert [(each["discharge"], each["position"]) for each in refused["unmet"]] == [(0, 0)]


def test_a_revision_that_the_node_has_seen_is_answered_and_a_later_one_is_not(service: Serving, caller: str) -> None:
    token = service.token()
    seen = _answer(service, caller, token)["revision"]
    assert _answer(service, caller, token, min_revision=seen)["active"] is True
    answer = _ask(service, caller, token, min_revision=10**18)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:capsvc:problem:store-unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_caller_narrowed_to_another_path_is_refused(service: Serving, caller: str) -> None:
    assert _ask(service, narrow(caller, "path = /v1/verify", "method = POST"), service.token()).status_code == 200
    assert _ask(service, narrow(caller, "path ^= /docs"), service.token()).status_code == 403


def test_a_caller_with_two_audiences_of_her_own_is_refused(service: Serving) -> None:
    user = service.new_user("billing", "reports", VERIFY)
    answer = _ask(service, service.log_in(user, VERIFY), service.token())
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(make_home(tmp_path_factory.mktemp("open") / "home"), CAPSVC_OPEN_VERIFY="true") as running:
        yield running


def test_where_the_settings_say_so_anybody_may_ask(open_service: Serving) -> None:
    token = open_service.token()
    answer = open_service.client.post("/v1/verify", json={"token": token})
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    assert "security" not in open_service.client.get("/openapi.json").json()["paths"]["/v1/verify"]["post"]


def test_an_open_verify_still_reads_no_audience_from_its_caller(open_service: Serving) -> None:
    body = {"token": open_service.token("billing"), "request": {}}
    assert open_service.client.post("/v1/verify", json=body).json() == {"active": False, "reason": "invalid"}
    named = {**body, "request": {"audience": "billing"}}
    assert open_service.client.post("/v1/verify", json=named).status_code == 400


def test_the_callers_audience_is_hers_as_it_is_now(service: Serving) -> None:
    user = service.new_user("billing", VERIFY)
    billing, reports = service.token("billing"), service.token("reports")
    first = service.log_in(user, VERIFY)
    for _ in range(3):
        assert _answer(service, first, billing)["active"] is True
        assert _answer(service, first, reports)["active"] is False
    with closing(service.home.open_store()) as store:
        store.set_audiences(user, ("reports", VERIFY), now())
    assert _ask(service, first, billing).status_code == 401
    second = service.log_in(user, VERIFY)
    for _ in range(3):
        assert _answer(service, second, billing)["active"] is False
        assert _answer(service, second, reports)["active"] is True
