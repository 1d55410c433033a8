"""Mine: see one's names, issue, take back, and change the password, all with plain forms."""

from __future__ import annotations

from contextlib import closing

import pytest

from capsvc.console.sessions import MINE
from caveats import decode
from tests.capsvc.console.browser import Browser, issued, logged_in, macaroon, told
from tests.capsvc.http.serving import PASSWORD, Serving, bearer, narrow, now

OTHER = "staple of another kind"
ISSUE = {"name": "backup", "lifetime": "600", "password": PASSWORD}


def _status(service: Serving, token: str, path: str = "/v1/capability") -> int:
    return int(service.client.get(path, headers=bearer(token)).status_code)


def test_the_page_lists_the_names_with_kind_and_state(service: Serving) -> None:
    browser, user = logged_in(service)
    with closing(service.home.open_store()) as store:
        store.revoke_name(user, "friend.k3x9", now())
        store.revoke_nonce(user, "3q2-7wAAq83vEjRWeJCrzQ", now())
    page = told(browser.get("/mine"))
    today = now()[:10]
    assert f"console login current since {today}" in page
    assert f"default login current since {today}" in page
    assert f"friend.k3x9 handed on revoked since {today}" in page
    assert f"3q2-7wAAq83vEjRWeJCrzQ one macaroon revoked since {today}" in page


def test_a_macaroon_that_is_issued_is_shown_once_and_works(service: Serving) -> None:
    browser, user = logged_in(service)
    answer = browser.post("/mine/issue", caveats="path ^= /v1/capability\r\n\r\n method = GET \r\n", **ISSUE)
    assert answer.status_code == 200
    token = issued(answer)
    assert _status(service, token) == 200
    assert _status(service, token, "/v1/salts") == 403
    root = decode(token)
    assert [each.identifier for each in root.unverified_caveats[5:]] == [b"path ^= /v1/capability", b"method = GET"]
    assert root.unverified_caveats[2].identifier.startswith(b"salt = backup/")
    assert root.unverified_caveats[1].identifier == f"user = {user}".encode()
    assert token not in browser.get("/mine").text


def test_an_audience_that_the_user_has_can_be_asked_for_and_no_other(service: Serving) -> None:
    browser, _ = logged_in(service, "billing")
    page = browser.get("/mine").text
    assert "<option>billing</option>" in page
    assert "capsvc.admin" not in page
    token = issued(browser.post("/mine/issue", audience="billing", **ISSUE))
    assert decode(token).unverified_identifier == b"k1/billing"
    assert browser.post("/mine/issue", audience="", **ISSUE).status_code == 200
    answer = browser.post("/mine/issue", audience="payroll", **ISSUE)
    assert answer.status_code == 403
    assert "may not have macaroons for the audience payroll" in told(answer)
    assert "Audience" not in told(logged_in(service)[0].get("/mine"))


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"password": PASSWORD + "x"}, 401, "do not belong together"),
        ({"password": ""}, 401, "do not belong together"),
        ({"name": "a b"}, 400, "salt"),
        ({"name": "console"}, 400, "choose another"),
        ({"lifetime": "-1"}, 400, "a number of seconds"),
        ({"lifetime": "9" * 400}, 400, "a number of seconds"),
        ({"lifetime": "\u0661\u0662"}, 400, "a number of seconds"),
        ({"lifetime": "99999999999"}, 403, "a lifetime is 1 to"),
        ({"caveats": "method = GET\nmethd = GET"}, 400, "Line 2 of the caveats"),
        ({"caveats": "<script>alert(1)</script> = 1"}, 400, "Line 1 of the caveats"),
        ({"caveats": "method = GET\n" * 65}, 400, "at most 59 caveats"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:30],
)
def test_what_cannot_be_issued_is_said_in_a_sentence_and_what_was_typed_stays(
    service: Serving, fields: dict[str, str], status: int, sentence: str
) -> None:
    browser, _ = logged_in(service)
    answer = browser.post("/mine/issue", **{**ISSUE, **fields})
    assert answer.status_code == status
    assert sentence in told(answer)
    assert 'role="alert"' in answer.text
    assert PASSWORD not in answer.text
    assert "<script>alert" not in answer.text
    assert 'id="token"' not in answer.text
    for typed in (fields.get("name", "backup"), fields.get("caveats", "")):
        assert typed.split("\n")[0].replace("<", "&lt;").replace(">", "&gt;") in answer.text


def test_one_name_can_be_taken_back_and_the_revision_is_told(service: Serving) -> None:
    browser, user = logged_in(service)
    laptop, phone = service.log_in(user, salt="laptop"), service.log_in(user, salt="phone")
    answer = browser.post("/mine/revoke", name="laptop")
    assert answer.status_code == 303
    with closing(service.home.open_store()) as store:
        revision = store.revision()
    assert answer.headers["location"] == f"/mine?revision={revision}"
    assert f"acknowledged with revision {revision}." in told(browser.get(answer.headers["location"]))
    assert (_status(service, laptop), _status(service, phone)) == (401, 200)


def test_a_name_handed_on_and_one_macaroon_can_be_taken_back(service: Serving) -> None:
    browser, user = logged_in(service)
    token, other = service.log_in(user), service.log_in(user)
    handed = narrow(token, "salt = friend.k3x9/3q2-7wAAq83vEjRWeJCrzQ")
    assert _status(service, handed) == 200
    assert browser.post("/mine/revoke", name="friend.k3x9").status_code == 303
    assert (_status(service, handed), _status(service, token)) == (401, 200)
    nonce = decode(token).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")
    assert browser.post("/mine/revoke", nonce=nonce).status_code == 303
    assert (_status(service, token), _status(service, other)) == (401, 200)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": ""},
        {"name": "a b"},
        {"name": "nonce/x"},
        {"nonce": "x y"},
        {"nonce": "short"},
        {"name": "a", "nonce": "b"},
    ],
    ids=str,
)
def test_what_cannot_be_taken_back_is_said_in_a_sentence(service: Serving, fields: dict[str, str]) -> None:
    browser, _ = logged_in(service)
    answer = browser.post("/mine/revoke", **fields)
    assert answer.status_code == 400
    assert "The form was not taken." in told(answer)


def test_a_revision_that_nobody_acknowledged_is_not_told(service: Serving) -> None:
    browser, _ = logged_in(service)
    with closing(service.home.open_store()) as store:
        revision = store.revision()
    for told_by_a_link in (str(revision + 1), "-1", "9" * 400, "x", "<b>", "\u0661", ""):
        answer = browser.send("GET", "/mine", params={"revision": told_by_a_link})
        assert answer.status_code == 200
        assert "acknowledged" not in told(answer)


def test_to_take_back_the_console_ends_the_session_and_says_so(service: Serving) -> None:
    browser, user = logged_in(service)
    kept = service.log_in(user)
    answer = browser.post("/mine/revoke", name="console")
    assert answer.status_code == 200
    assert "this one too" in told(answer)
    assert browser.jar == {}
    assert _status(service, kept) == 200


def test_to_log_out_everywhere_takes_back_everything_and_tells_the_revision(service: Serving) -> None:
    browser, user = logged_in(service)
    second = Browser(service)
    second.log_in(user)
    tokens = [service.log_in(user), service.log_in(user, salt="laptop")]
    old = dict(browser.jar)
    answer = browser.post("/mine/logout-everywhere", confirm="yes")
    with closing(service.home.open_store()) as store:
        revision = store.revision()
    assert answer.status_code == 200
    assert f"acknowledged with revision {revision}." in told(answer)
    assert browser.jar == {}
    assert not Browser(service, old).is_in()
    assert not second.is_in()
    assert [_status(service, token) for token in tokens] == [401, 401]


def test_to_log_out_everywhere_has_to_be_confirmed(service: Serving) -> None:
    browser, user = logged_in(service)
    token = service.log_in(user)
    answer = browser.post("/mine/logout-everywhere")
    assert answer.status_code == 400
    assert "Nothing was revoked." in told(answer)
    assert browser.is_in()
    assert _status(service, token) == 200


def test_a_changed_password_takes_back_everything_and_is_the_only_one_from_then_on(service: Serving) -> None:
    browser, user = logged_in(service)
    token = service.log_in(user)
    answer = browser.post("/mine/password", current=PASSWORD, new=OTHER, again=OTHER)
    assert answer.status_code == 200
    assert "The password is changed" in told(answer)
    assert "acknowledged with revision" in told(answer)
    assert OTHER not in answer.text
    assert browser.jar == {}
    assert _status(service, token) == 401
    assert browser.log_in(user, PASSWORD).status_code == 401
    assert browser.log_in(user, OTHER).status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "again", "status", "sentence"),
    [
        (PASSWORD + "x", OTHER, OTHER, 401, "do not belong together"),
        ("", OTHER, OTHER, 401, "do not belong together"),
        (PASSWORD, OTHER, OTHER + "x", 400, "not typed the same twice"),
        (PASSWORD, "short", "short", 400, "8 to 1024 characters"),
        (PASSWORD, "", "", 400, "8 to 1024 characters"),
        (PASSWORD, "x" * 1025, "x" * 1025, 400, "8 to 1024 characters"),
    ],
)
def test_a_password_that_cannot_be_changed_stays_as_it_was(
    service: Serving, current: str, new: str, again: str, status: int, sentence: str
) -> None:
    browser, user = logged_in(service)
    answer = browser.post("/mine/password", current=current, new=new, again=again)
    assert answer.status_code == status
    assert sentence in told(answer)
    assert not any(each in answer.text for each in (PASSWORD, OTHER, "x" * 1025))
    assert browser.is_in()
    assert browser.log_in(user).status_code == 303


def test_a_holders_name_of_the_consoles_own_keeps_nobody_out_without_a_reason(service: Serving) -> None:
    user = service.new_user()
    with closing(service.home.open_store()) as store:
        store.revoke_name(user, "console", now())
    answer = Browser(service).log_in(user)
    assert answer.status_code == 403
    assert "the salt's name console was a holder's and is revoked" in told(answer)


def test_markup_in_what_others_wrote_stays_text(service: Serving) -> None:
    markup = "<img src=x onerror=alert(1)>"
    answer = Browser(service).log_in(markup)
    assert markup not in answer.text
    assert "&lt;img src=x" in answer.text
    browser, _ = logged_in(service)
    browser.jar[MINE.cookie] = f"1.{'A' * 43}.{macaroon(browser)}"
    assert markup not in browser.send("GET", "/mine", params={"revision": markup}).text
