"""``/v1/tokens``: logging in and renewing."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

from caveats import Format, decode
from caveats.wire import encode_text
from tests.capsvc.http.serving import PASSWORD, Serving, bearer, narrow, now

SKEW = timedelta(seconds=30)


def _log_in(service: Serving, **body: Any) -> Any:
    return service.client.post("/v1/tokens", json={"password": PASSWORD, **body})


def _renew(service: Serving, token: str, **body: Any) -> Any:
    return service.client.post("/v1/tokens/renew", headers=bearer(token), json=body)


def _seconds(answer: dict[str, Any]) -> float:
    window = datetime.fromisoformat(answer["expires"]) - datetime.fromisoformat(answer["issued"])
    return (window - SKEW).total_seconds()


def test_a_login_answers_a_root_macaroon_that_opens_the_services_own_routes(service: Serving) -> None:
    user = service.new_user()
    answer = _log_in(service, user=user)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert {**told, "macaroon": "", "nonce": "", "issued": "", "expires": ""} == {
        "macaroon": "", "user": user, "audience": None, "salt": "default", "nonce": "", "issued": "", "expires": "",
    }  # fmt: skip
    assert service.client.get("/v1/capability", headers=bearer(told["macaroon"])).status_code == 200


def test_what_a_login_tells_is_what_stands_in_the_macaroon(service: Serving) -> None:
    user = service.new_user("billing")
    told = _log_in(service, user=user, audience="billing", salt="laptop", lifetime=90).json()
    macaroon = decode(told["macaroon"])
    caveats = [each.identifier.decode() for each in macaroon.unverified_caveats]
    assert macaroon.unverified_identifier == b"k1/billing"
    assert macaroon.unverified_location == service.url
    assert caveats[:2] == [f"nonce = {told['nonce']}", f"user = {user}"]
    assert caveats[2].startswith("salt = laptop/")
    assert caveats[3:] == [f"time >= {told['issued']}", f"time < {told['expires']}"]


def test_the_window_begins_a_clock_skew_before_the_login(service: Serving) -> None:
    before, told, after = now(-30), _log_in(service, user=service.new_user()).json(), now(-30)
    assert before <= told["issued"] <= after


def test_two_logins_never_share_a_nonce(service: Serving) -> None:
    user = service.new_user()
    one, other = (_log_in(service, user=user).json() for _ in range(2))
    assert one["nonce"] != other["nonce"]


@pytest.mark.parametrize(("asked", "given"), [(0, 30 * 86400), (1, 1), (3600, 3600), (30 * 86400, 30 * 86400)])
def test_a_login_gets_the_lifetime_that_it_asks_for(service: Serving, asked: int, given: int) -> None:
    assert _seconds(_log_in(service, user=service.new_user(), lifetime=asked).json()) == given


def test_a_lifetime_beyond_the_longest_is_refused(service: Serving) -> None:
    answer = _log_in(service, user=service.new_user(), lifetime=30 * 86400 + 1)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")


@pytest.mark.parametrize(("number", "format"), [(1, Format.V1), (2, Format.V2)])
def test_a_login_answers_in_the_format_that_it_asks_for(service: Serving, number: int, format: Format) -> None:
    token = service.log_in(service.new_user(), format=number)
    assert encode_text(decode(token), format) == token
    assert service.client.get("/v1/capability", headers=bearer(token)).status_code == 200


def test_caveats_are_appended_at_the_login(service: Serving) -> None:
    token = service.log_in(service.new_user(), caveats=["method = GET", "path = /v1/salts"])
    assert [each.identifier for each in decode(token).unverified_caveats[5:]] == [b"method = GET", b"path = /v1/salts"]
    assert service.client.get("/v1/salts", headers=bearer(token)).status_code == 200
    assert service.client.get("/v1/capability", headers=bearer(token)).status_code == 403


def test_caveats_of_the_settings_vocabulary_are_taken_at_the_login(service: Serving) -> None:
    token = service.log_in(service.new_user(), caveats=["amount <= 5"])
    assert decode(token).unverified_caveats[-1].identifier == b"amount <= 5"


@pytest.mark.parametrize("caveat", ["", "method", "colour = red", "amount <= five", "path ^= docs", "method  = GET"])
def test_a_caveat_that_no_verifier_understands_is_refused_at_the_login(service: Serving, caveat: str) -> None:
    answer = _log_in(service, user=service.new_user(), caveats=[caveat])
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")


@pytest.mark.parametrize("caveats", [["method = GET"] * 64, ["team = " + "x" * 6000]])
def test_a_login_never_answers_a_token_that_its_own_caps_refuse(service: Serving, caveats: list[str]) -> None:
    answer = _log_in(service, user=service.new_user(), caveats=caveats)
    if answer.status_code == 201:
        token = answer.json()["macaroon"]
        tried = service.client.get("/v1/capability", headers=bearer(token))
        assert tried.json().get("type") != "urn:capsvc:problem:invalid-token", "a token was minted dead"
    else:
        assert answer.status_code == 400


def test_a_wrong_password_and_an_unknown_user_get_identical_answers(service: Serving) -> None:
    wrong = service.client.post("/v1/tokens", json={"user": service.new_user(), "password": "not this one"})
    unknown = service.client.post("/v1/tokens", json={"user": "nobody at all", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert wrong.headers["www-authenticate"] == unknown.headers["www-authenticate"]


def test_a_disabled_user_is_refused_as_an_unknown_one_is(service: Serving) -> None:
    user = service.new_user()
    with closing(service.home.open_store()) as store:
        store.set_disabled(user, True, now())
    disabled, unknown = _log_in(service, user=user), _log_in(service, user="nobody at all")
    assert (disabled.status_code, disabled.content) == (401, unknown.content)


@pytest.mark.parametrize("audience", ["billing", "capsvc.admin", "capsvc.verify", "no such", ""])
def test_an_audience_that_the_user_may_not_have_is_refused(service: Serving, audience: str) -> None:
    answer = _log_in(service, user=service.new_user("reports"), audience=audience)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")


def test_who_does_not_know_the_password_does_not_learn_which_audiences_a_user_has(service: Serving) -> None:
    user = service.new_user("billing")
    answers = [
        service.client.post("/v1/tokens", json={"user": user, "password": "wrong", "audience": audience})
        for audience in ("billing", "reports")
    ]
    assert [each.status_code for each in answers] == [401, 401]
    assert answers[0].content == answers[1].content


def test_a_login_under_a_name_that_a_holder_revoked_is_refused(service: Serving) -> None:
    user = service.new_user()
    token = service.log_in(user)
    service.client.post("/v1/revocations", headers=bearer(token), json={"name": "stackoverflow"}).raise_for_status()
    assert _log_in(service, user=user, salt="stackoverflow").status_code == 403


def test_a_renewal_keeps_the_beginning_and_takes_a_fresh_nonce_and_a_later_expiry(service: Serving) -> None:
    first = _log_in(service, user=service.new_user("billing"), salt="laptop", lifetime=60).json()
    renewed = _renew(service, first["macaroon"], lifetime=600)
    assert renewed.status_code == 201
    told = renewed.json()
    assert [told[name] for name in ("user", "salt", "issued")] == [first[name] for name in ("user", "salt", "issued")]
    assert told["nonce"] != first["nonce"]
    assert told["expires"] > first["expires"]
    assert service.client.get("/v1/capability", headers=bearer(told["macaroon"])).status_code == 200


def test_a_renewal_answers_in_the_format_that_it_asks_for(service: Serving) -> None:
    token = _renew(service, service.token(), format=1).json()["macaroon"]
    assert encode_text(decode(token), Format.V1) == token


@pytest.mark.parametrize("audience", ["capsvc.admin", "capsvc.verify"])
def test_a_renewal_keeps_the_audience(service: Serving, audience: str) -> None:
    assert _renew(service, service.token(audience)).json()["audience"] == audience


def test_a_narrowed_copy_is_not_renewed(service: Serving) -> None:
    answer = _renew(service, narrow(service.token(), "method = POST"))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")


def test_no_renewal_goes_past_the_longest_age_of_a_login(service: Serving) -> None:
    age = 90 * 86400
    old = service.mint(service.new_user(), begins=now(-age + 100 - 30), ends=now(60))
    renewed = _renew(service, encode_text(old)).json()
    assert now(98) <= renewed["expires"] <= now(100)
    older = service.mint(service.new_user(), begins=now(-age - 60), ends=now(60))
    refused = _renew(service, encode_text(older))
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:capsvc:problem:refused")


def test_a_macaroon_of_an_audience_that_was_taken_from_its_user_is_not_renewed(service: Serving) -> None:
    user = service.new_user("capsvc.verify")
    token = service.log_in(user, "capsvc.verify")
    with closing(service.home.open_store()) as store:
        store.set_audiences(user, [], now())
    assert _renew(service, token).json()["type"] == "urn:capsvc:problem:revoked-token"
