"""A token of one audience opens nothing that another audience guards: all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.capsvc.http.serving import ADMIN, VERIFY, Serving, append, bearer, make_home, serving

AUDIENCES = (None, "billing", "reports", ADMIN, VERIFY)
OPENED_BY: dict[tuple[str, str], set[str | None]] = {
    ("POST", "/v1/tokens/renew"): {None, ADMIN, VERIFY},
    ("POST", "/v1/verify"): {VERIFY},
    ("GET", "/v1/capability"): {None, ADMIN, VERIFY},
    ("GET", "/v1/salts"): {None, ADMIN},
    ("POST", "/v1/revocations"): {None, ADMIN},
    ("POST", "/v1/password"): {None},
    ("POST", "/v1/users"): {ADMIN},
    ("GET", "/v1/users"): {ADMIN},
    ("GET", "/v1/users/alice"): {ADMIN},
    ("PATCH", "/v1/users/alice"): {ADMIN},
}
PAIRS = [(*route, audience) for route in OPENED_BY for audience in AUDIENCES]


@pytest.fixture(scope="module")
def billing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service whose setting says that it verifies for the audience billing."""
    home = make_home(tmp_path_factory.mktemp("billing") / "home")
    with serving(home, CAPSVC_AUDIENCE="billing") as running:
        yield running


@pytest.fixture(scope="module")
def tokens(service: Serving) -> dict[str | None, str]:
    return _one_of_each(service)


@pytest.fixture(scope="module")
def billing_tokens(billing: Serving) -> dict[str | None, str]:
    return _one_of_each(billing)


def _one_of_each(service: Serving) -> dict[str | None, str]:
    """Macaroons of one user, one for each audience."""
    user = service.new_user(*(each for each in AUDIENCES if each))
    return {audience: service.log_in(user, audience) for audience in AUDIENCES}


def _is_let_in(service: Serving, token: str, method: str, path: str) -> bool:
    answer = service.client.request(method, path, headers=bearer(token), content=b"")
    if answer.status_code == 401:
        assert answer.json()["type"] == "urn:capsvc:problem:invalid-token"
        assert answer.content == service.client.get("/v1/salts").content
        return False
    assert answer.status_code in (200, 204, 400, 404, 415), answer.text
    return True


@pytest.mark.parametrize(("method", "path", "audience"), PAIRS)
def test_a_route_of_the_service_is_opened_by_its_audiences_and_no_other(
    service: Serving, tokens: dict[str | None, str], method: str, path: str, audience: str | None
) -> None:
    assert _is_let_in(service, tokens[audience], method, path) == (audience in OPENED_BY[method, path])


@pytest.mark.parametrize(("method", "path", "audience"), PAIRS)
def test_the_setting_audience_opens_no_other_route_of_the_service(
    billing: Serving, billing_tokens: dict[str | None, str], method: str, path: str, audience: str | None
) -> None:
    assert _is_let_in(billing, billing_tokens[audience], method, path) == (audience in OPENED_BY[method, path])


@pytest.mark.parametrize("audience", AUDIENCES)
def test_forward_authentication_is_for_the_settings_audience_alone(
    service: Serving,
    billing: Serving,
    tokens: dict[str | None, str],
    billing_tokens: dict[str | None, str],
    audience: str | None,
) -> None:
    assert _is_let_in(service, tokens[audience], "GET", "/v1/auth") == (audience is None)
    assert _is_let_in(billing, billing_tokens[audience], "GET", "/v1/auth") == (audience == "billing")


def _verdict(service: Serving, caller: str, token: str) -> Any:
    answer = service.client.post("/v1/verify", headers=bearer(caller), json={"token": token})
    assert answer.status_code == 200
    return answer.json()


def _caller(service: Serving, *own: str) -> str:
    return service.log_in(service.new_user(VERIFY, *own), VERIFY)


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("own", [None, "billing", "reports"])
def test_verify_answers_for_the_callers_own_audience_alone(
    service: Serving, tokens: dict[str | None, str], own: str | None, audience: str | None
) -> None:
    told = _verdict(service, _caller(service, *([own] if own else [])), tokens[audience])
    if audience == own:
        assert (told["active"], told["audience"]) == (True, own)
    else:
        assert told == {"active": False, "reason": "invalid"}


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize(("own", "answered"), [(None, "billing"), ("billing", "billing"), ("reports", "reports")])
def test_verify_answers_for_the_settings_audience_where_the_caller_has_none(
    billing: Serving, billing_tokens: dict[str | None, str], own: str | None, answered: str, audience: str | None
) -> None:
    told = _verdict(billing, _caller(billing, *([own] if own else [])), billing_tokens[audience])
    assert told["active"] == (audience == answered)


def test_the_audience_is_a_fact_that_caveats_are_held_against(service: Serving) -> None:
    token = service.token("billing")
    caller = _caller(service, "billing")
    assert _verdict(service, caller, append(token, b"audience in billing reports"))["active"] is True
    assert _verdict(service, caller, append(token, b"audience = reports"))["reason"] == "unmet"


def test_an_appended_audience_is_never_taken_as_authority(service: Serving) -> None:
    ordinary = service.token()
    for audience in (ADMIN, VERIFY, "billing"):
        assert not _is_let_in(service, append(ordinary, f"audience = {audience}".encode()), "GET", "/v1/users")
        told = _verdict(service, _caller(service, "billing"), append(ordinary, f"audience = {audience}".encode()))
        assert told == {"active": False, "reason": "invalid"}


def test_an_audience_taken_from_a_user_takes_her_tokens_for_it(service: Serving) -> None:
    user = service.new_user(ADMIN, "billing")
    admin, own = service.log_in(user, ADMIN), service.log_in(user)
    assert _is_let_in(service, admin, "GET", "/v1/users")
    other = service.token(ADMIN)
    service.client.patch(f"/v1/users/{user}", headers=bearer(other), json={"audiences": []}).raise_for_status()
    for token in (admin, own):
        answer = service.client.get("/v1/capability", headers=bearer(token))
        assert answer.json()["type"] == "urn:capsvc:problem:revoked-token"
