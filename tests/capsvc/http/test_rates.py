"""429 over HTTP: who fails too often waits, in the API and in the console, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from capsvc.console.sessions import ADMINISTRATION
from tests.capsvc.console.browser import Browser, told
from tests.capsvc.http.serving import PASSWORD, PROBLEM, Serving, bearer, make_home, serving

ALLOWED, WRONG = 3, "not the password"
SETTINGS = f"wrong_passwords = {ALLOWED}\nleak_reports = {ALLOWED}\nrate_window = 86400\n"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that allows few failures a day."""
    with serving(make_home(tmp_path_factory.mktemp("strict") / "home", SETTINGS)) as running:
        yield running


def _from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def _log_in(service: Serving, user: str, password: str = WRONG, address: str = "192.0.2.1") -> Any:
    body = {"user": user, "password": password}
    return service.client.post("/v1/tokens", json=body, headers=_from(address))


def _assert_too_many(answer: Any) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (429, PROBLEM)
    assert answer.json()["type"] == "urn:capsvc:problem:too-many"
    assert 86_000 < int(answer.headers["retry-after"]) <= 86_401
    assert answer.headers["retry-after"] in answer.json()["detail"]


def test_after_some_wrong_passwords_even_the_right_one_waits_and_only_from_there(strict: Serving) -> None:
    user = strict.new_user()
    assert [_log_in(strict, user).status_code for _ in range(ALLOWED)] == [401] * ALLOWED
    _assert_too_many(_log_in(strict, user))
    _assert_too_many(_log_in(strict, user, PASSWORD))
    assert _log_in(strict, user, PASSWORD, "192.0.2.2").status_code == 201
    assert _log_in(strict, strict.new_user(), PASSWORD).status_code == 201


def test_an_unknown_user_is_told_what_a_known_one_is(strict: Serving) -> None:
    answers = []
    for user, address in ((strict.new_user(), "192.0.2.10"), ("nobody at all", "192.0.2.11")):
        answers.append([_log_in(strict, user, address=address) for _ in range(ALLOWED + 1)])
    for known, unknown in zip(*answers, strict=True):
        assert known.status_code == unknown.status_code
        assert known.json().keys() == unknown.json().keys()
        assert known.json()["title"] == unknown.json()["title"]


def test_a_client_that_no_proxy_speaks_for_cannot_say_where_it_is(strict: Serving) -> None:
    user = strict.new_user()
    hops = [f"198.51.100.{number}, 203.0.113.9" for number in range(ALLOWED + 1)]
    assert [_log_in(strict, user, address=each).status_code for each in hops] == [401] * ALLOWED + [429]


def test_the_64_bits_below_an_ipv6_prefix_are_one_place(strict: Serving) -> None:
    user = strict.new_user()
    found = [_log_in(strict, user, address=f"2001:db8::{number}:1").status_code for number in range(1, ALLOWED + 2)]
    assert found == [401] * ALLOWED + [429]
    assert _log_in(strict, user, PASSWORD, "2001:db8:0:1::1").status_code == 201


def test_to_change_a_password_counts_with_the_logins(strict: Serving) -> None:
    user = strict.new_user()
    headers = {**bearer(strict.log_in(user)), **_from("192.0.2.20")}
    change = {"current": "wrong", "new": "another password"}
    found = [strict.client.post("/v1/password", json=change, headers=headers) for _ in range(ALLOWED + 1)]
    assert [each.status_code for each in found] == [401] * ALLOWED + [429]
    _assert_too_many(found[-1])
    assert _log_in(strict, user, PASSWORD, "192.0.2.20").status_code == 429


def test_the_form_to_log_in_says_how_long_to_wait(strict: Serving) -> None:
    user = strict.new_user(ADMINISTRATION.audience or "")
    browser = Browser(strict)
    assert [browser.log_in(user, "wrong").status_code for _ in range(ALLOWED)] == [401] * ALLOWED
    for realm in ({}, {"realm": ADMINISTRATION}):
        answer = browser.log_in(user, PASSWORD, **realm)
        assert answer.status_code == 429
        assert "too many wrong passwords from here" in told(answer).lower()
        assert answer.headers["retry-after"] in told(answer)
        assert "set-cookie" not in answer.headers


def test_reports_of_leaks_wait_too_and_capabilities_never(strict: Serving) -> None:
    token = strict.token()
    sent = [
        strict.client.post("/v1/leaks", json={"token": "x"}, headers=_from("192.0.2.30")) for _ in range(ALLOWED + 1)
    ]
    assert [each.status_code for each in sent] == [202] * ALLOWED + [429]
    _assert_too_many(sent[-1])
    for _ in range(20):
        for presented, status in (("wrong", 401), (token, 200)):
            headers = {**bearer(presented), **_from("192.0.2.30")}
            assert strict.client.get("/v1/capability", headers=headers).status_code == status
