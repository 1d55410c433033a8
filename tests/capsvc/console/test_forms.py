"""Forms: what is sent from elsewhere, or from another session, changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from capsvc.console.sessions import ADMINISTRATION, MINE
from tests.capsvc.console.browser import SAME_ORIGIN, Browser, administrator, logged_in, told
from tests.capsvc.http.serving import PASSWORD, Serving, raw

MINE_FORMS: dict[str, dict[str, str]] = {
    "/mine/issue": {"name": "app", "lifetime": "600", "password": PASSWORD},
    "/mine/revoke": {"name": "default"},
    "/mine/logout-everywhere": {"confirm": "yes"},
    "/mine/password": {"current": PASSWORD, "new": PASSWORD + "2", "again": PASSWORD + "2"},
    "/logout": {},
}
ADMIN_FORMS = ("/administration/disable", "/administration/enable", "/administration/revoke")
LOGINS = ("/login", "/administration/login")

FROM_ELSEWHERE: dict[str, dict[str, str]] = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "another subdomain": {"Sec-Fetch-Site": "same-site"},
    "an address typed in": {"Sec-Fetch-Site": "none"},
    "another spelling": {"Sec-Fetch-Site": "Same-Origin"},
    "neither header": {},
    "another origin": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "no origin": {"Origin": "null"},
    "an empty origin": {"Origin": ""},
}


def _own(service: Serving) -> dict[str, str]:
    return {"Origin": service.url}


def _cross_site_with_own_origin(service: Serving) -> dict[str, str]:
    return {"Sec-Fetch-Site": "cross-site", **_own(service)}


def _names(browser: Browser) -> str:
    page = browser.get("/mine")
    assert page.status_code == 200, "the session is still there"
    return told(page)


@pytest.mark.parametrize("path", MINE_FORMS)
def test_a_form_from_elsewhere_is_refused_and_changes_nothing(service: Serving, path: str) -> None:
    browser, _ = logged_in(service)
    before, token = _names(browser), browser.form_token()
    for what, headers in {**FROM_ELSEWHERE, "both disagree": _cross_site_with_own_origin(service)}.items():
        answer = browser.send("POST", path, data={"form_token": token, **MINE_FORMS[path]}, headers=headers)
        assert answer.status_code == 403, what
        assert "not sent from this site" in told(answer)
    assert _names(browser) == before


@pytest.mark.parametrize("path", MINE_FORMS)
def test_a_form_without_its_sessions_token_is_refused_and_changes_nothing(service: Serving, path: str) -> None:
    browser, _ = logged_in(service)
    other, _ = logged_in(service)
    before, own = _names(browser), browser.form_token()
    for token in (None, "", "x", own[:-1], own + "A", own.lower(), other.form_token(), "é", "\x00"):
        fields = {"x": "1", **MINE_FORMS[path], **({} if token is None else {"form_token": token})}
        answer = browser.send("POST", path, data=fields, headers=SAME_ORIGIN)
        assert answer.status_code == 403, token
        assert "another session" in told(answer)
    assert _names(browser) == before


def test_a_token_is_good_for_its_own_session_and_not_for_the_next_of_the_same_user(service: Serving) -> None:
    browser, user = logged_in(service)
    old = browser.form_token()
    browser.log_in(user)
    fields = {"form_token": old, "name": "default"}
    assert browser.send("POST", "/mine/revoke", data=fields, headers=SAME_ORIGIN).status_code == 403


@pytest.mark.parametrize("path", [*MINE_FORMS, *ADMIN_FORMS])
def test_a_form_without_a_session_is_refused(service: Serving, path: str) -> None:
    browser, user = logged_in(service)
    fields = {"form_token": browser.form_token(), "user": user, **MINE_FORMS.get(path, {})}
    answer = Browser(service).send("POST", path, data=fields, headers=SAME_ORIGIN)
    assert answer.status_code == 401
    assert "not logged in" in told(answer)
    assert browser.is_in()


@pytest.mark.parametrize("path", ADMIN_FORMS)
def test_a_form_of_administrators_needs_both_defences_too(service: Serving, path: str) -> None:
    admin, _ = administrator(service)
    browser, user = logged_in(service)
    token = admin.form_token("/administration")
    for headers in FROM_ELSEWHERE.values():
        fields = {"form_token": token, "user": user}
        assert admin.send("POST", path, data=fields, headers=headers).status_code == 403
    for wrong in ("", browser.form_token()):
        fields = {"form_token": wrong, "user": user}
        assert admin.send("POST", path, data=fields, headers=SAME_ORIGIN).status_code == 403
    assert browser.is_in(), "nobody was disabled or revoked"


@pytest.mark.parametrize("path", LOGINS)
def test_nobody_can_be_logged_in_from_elsewhere(service: Serving, path: str) -> None:
    fields = {"user": service.new_user("capsvc.admin"), "password": PASSWORD}
    for what, headers in {**FROM_ELSEWHERE, "both disagree": _cross_site_with_own_origin(service)}.items():
        answer = service.client.post(path, data=fields, headers=headers)
        assert answer.status_code == 403, what
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", LOGINS)
def test_a_browser_that_says_nothing_of_sites_is_believed_its_origin(service: Serving, path: str) -> None:
    fields = {"user": service.new_user("capsvc.admin"), "password": PASSWORD}
    assert service.client.post(path, data=fields, headers=_own(service)).status_code == 303


def test_a_header_that_says_where_from_is_refused_when_it_stands_twice(service: Serving) -> None:
    body = b"user=a&password=b"
    lines = ["POST /login HTTP/1.1", "Host: a", "Content-Type: application/x-www-form-urlencoded"]
    for twice in ("Sec-Fetch-Site: same-origin", f"Origin: {service.url}"):
        answer = raw(service, *lines, f"Content-Length: {len(body)}", twice, twice, body=body)
        assert answer.status == 403, twice
        once = raw(service, *lines, f"Content-Length: {len(body)}", twice, body=body)
        assert once.status == 401, "the password is asked for only then"


def test_a_session_of_either_realm_logs_out_with_its_own_token(service: Serving) -> None:
    for page, realm in (("/mine", MINE), ("/administration", ADMINISTRATION)):
        browser, user = logged_in(service, "capsvc.admin")
        browser.log_in(user, realm=ADMINISTRATION)
        assert len(browser.jar) == 2
        assert browser.post("/logout", page).status_code == 303
        assert not browser.is_in(realm)


BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "nothing": (415, {}),
    "JSON": (415, {"json": {"user": "a"}}),
    "several parts": (415, {"files": {"user": b"a"}}),
    "a field twice": (400, {"data": {"user": ["a", "b"]}}),
    "a broken escape": (400, {"content": b"user=%zz"}),
    "no UTF-8": (400, {"content": b"user=%ff"}),
    "raw bytes": (400, {"content": b"user=\xff"}),
    "too large": (413, {"content": b"user=" + b"a" * 70_000}),
    "too many": (400, {"content": b"&".join(b"a%d=1" % each for each in range(100))}),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_cannot_be_read_gets_a_page_that_says_so(service: Serving, what: str) -> None:
    status, body = BODIES[what]
    form = {"Content-Type": "application/x-www-form-urlencoded"} if "content" in body else {}
    answer = service.client.post("/login", headers={**SAME_ORIGIN, **form}, **body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Traceback" not in answer.text
