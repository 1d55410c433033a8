"""Sessions: who has one, what ends it, and what cannot be made into one."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from capsvc import keyring
from capsvc.console.sessions import ADMINISTRATION, MINE, Realm, cookie_mac, form_token
from capsvc.hkdf import hkdf_sha256
from capsvc.keyring import KeyRing
from caveats import decode
from tests.capsvc.console.browser import Browser, administrator, forged, logged_in, macaroon, session_token, told
from tests.capsvc.http.serving import ADMIN, PASSWORD, Serving, bearer, make_home, narrow, now, raw, serving

IDLE = 1800


def test_a_login_leads_to_ones_own_page_and_without_a_session_that_page_leads_to_the_login(service: Serving) -> None:
    browser, user = logged_in(service)
    page = browser.get("/mine")
    assert page.status_code == 200
    assert user in told(page)
    answer = Browser(service).get("/mine")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_the_cookie_is_only_this_hosts_and_only_for_http(service: Serving) -> None:
    for realm, user in ((MINE, service.new_user()), (ADMINISTRATION, service.new_user(ADMIN))):
        (header,) = Browser(service).log_in(user, realm=realm).headers.get_list("set-cookie")
        cookie, *attributes = header.split("; ")
        assert cookie.partition("=")[0] == realm.cookie
        assert realm.cookie.startswith("__Host-")
        assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]


@pytest.mark.parametrize("realm", [MINE, ADMINISTRATION], ids=lambda realm: realm.name)
def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(service: Serving, realm: Realm) -> None:
    known = service.new_user(ADMIN)
    answers = [
        Browser(service).log_in(user, password, realm)
        for user, password in ((known, PASSWORD + "x"), ("nobody", PASSWORD), (known, ""), ("", ""))
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert len({told(answer) for answer in answers}) == 1
    assert "do not belong together" in told(answers[0])


def test_a_user_without_the_audience_cannot_administer(service: Serving) -> None:
    answer = Browser(service).log_in(service.new_user("billing"), realm=ADMINISTRATION)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "may not have macaroons for the audience capsvc.admin" in told(answer)


def test_an_ordinary_session_administers_nothing_and_the_other_way_round(service: Serving) -> None:
    ordinary, user = logged_in(service, ADMIN)
    admin, _ = administrator(service)
    assert not ordinary.is_in(ADMINISTRATION)
    swapped = Browser(service, {ADMINISTRATION.cookie: ordinary.jar[MINE.cookie]})
    assert not swapped.is_in(ADMINISTRATION)
    assert not Browser(service, {MINE.cookie: admin.jar[ADMINISTRATION.cookie]}).is_in(MINE)
    answer = swapped.send(
        "POST", "/administration/disable",
        data={"user": user, "form_token": ordinary.form_token()}, headers={"Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip
    assert answer.status_code == 401
    assert ordinary.is_in()


@pytest.mark.parametrize("path", ["/v1/salts", "/v1/capability", "/v1/auth"])
def test_the_api_refuses_a_sessions_macaroon(service: Serving, path: str) -> None:
    browser, _ = logged_in(service)
    answer = service.client.get(path, headers=bearer(macaroon(browser)))
    assert answer.status_code == 403
    assert [each["predicate"] for each in answer.json()["unmet"]] == [MINE.narrowing]
    assert decode(macaroon(browser)).unverified_caveats[2].identifier.startswith(b"salt = console/")


def test_the_api_refuses_an_administrators_macaroon(service: Serving) -> None:
    browser, _ = administrator(service)
    answer = service.client.get("/v1/users", headers=bearer(macaroon(browser, ADMINISTRATION)))
    assert answer.status_code == 403
    renewal = service.client.post("/v1/tokens/renew", json={}, headers=bearer(macaroon(browser, ADMINISTRATION)))
    assert renewal.status_code == 403


def test_a_macaroon_from_the_api_is_no_session_however_it_is_narrowed(service: Serving) -> None:
    user = service.new_user()
    browser, _ = logged_in(service)
    second, mac, _ = browser.jar[MINE.cookie].split(".")
    for token in (service.log_in(user), narrow(service.log_in(user, salt="console"), MINE.narrowing)):
        for value in (
            token,
            f".{token}",
            f"{second}..{token}",
            f"{second}.{mac}.{token}",
            f"{second}.{'A' * 43}.{token}",
        ):
            assert not Browser(service, {MINE.cookie: value}).is_in(), value


def test_a_cookie_that_was_changed_is_no_session(service: Serving) -> None:
    browser, _ = logged_in(service)
    whole = browser.jar[MINE.cookie]
    second, mac, token = whole.split(".")
    changed = [
        f"{int(second) + 1}.{mac}.{token}",
        f"0{second}.{mac}.{token}",
        f"{second}.{mac}.{token}=",
        f"{second}.{mac}.{narrow(token, 'time < 9999-01-01T00:00:00Z')}",
        f"{second}.{mac[:-1]}{'A' if mac[-1] != 'A' else 'E'}.{token}",
        f"{second}.{mac}",
        whole + ".",
        '"' + whole + '"',
        "",
        "9" * 5000,
    ]
    for value in changed:
        assert not Browser(service, {MINE.cookie: value}).is_in(), value
    assert browser.is_in()


def test_a_session_that_was_planted_does_not_survive_a_login(service: Serving) -> None:
    attacker, _ = logged_in(service)
    planted = attacker.jar[MINE.cookie]
    victim, user = Browser(service, {MINE.cookie: planted}), service.new_user()
    assert victim.log_in(user).status_code == 303
    assert victim.jar[MINE.cookie] != planted
    assert user in told(victim.get("/mine"))
    nonces = {decode(macaroon(each)).unverified_caveats[0].identifier for each in (victim, attacker)}
    victim.log_in(user)
    nonces.add(decode(macaroon(victim)).unverified_caveats[0].identifier)
    assert len(nonces) == 3, "each login has a nonce of its own"


def test_a_cookie_that_was_sent_twice_is_refused(service: Serving) -> None:
    browser, _ = logged_in(service)
    value, other = browser.jar[MINE.cookie], logged_in(service)[0].jar[MINE.cookie]
    one = f"Cookie: {MINE.cookie}={value}"
    for lines in (
        [f"{one}; {MINE.cookie}={value}"],
        [f"{one}; {MINE.cookie}={other}"],
        [f"Cookie: {MINE.cookie}=x;{MINE.cookie}={value}"],
        [f"Cookie: {MINE.cookie}; x=1; {MINE.cookie}={value}"],
        [one, f"Cookie: {MINE.cookie}={other}"],
    ):
        answer = raw(service, "GET /mine HTTP/1.1", "Host: a", *lines)
        assert answer.status == 400, lines
        assert b"sent twice" in answer.body
    mixed = raw(service, "GET /mine HTTP/1.1", "Host: a", f"{one}; __host-capsvc=x; capsvc=y; x{MINE.cookie}=z")
    assert mixed.status == 200, "other cookies say nothing"


def test_a_session_ends_once_nothing_was_done_for_the_idle_time(service: Serving) -> None:
    token = session_token(service, service.new_user())
    assert forged(service, token, IDLE - 5).is_in()
    assert not forged(service, token, IDLE + 1).is_in()


def test_a_session_ends_when_its_macaroon_expires_however_busy_it_is(service: Serving) -> None:
    user = service.new_user()
    assert not forged(service, session_token(service, user, now(-600), now(-1))).is_in()
    assert forged(service, session_token(service, user, now(-600), now(60))).is_in()


def test_a_session_says_at_most_once_a_minute_that_it_was_seen(service: Serving) -> None:
    token = session_token(service, service.new_user())
    fresh, stale = forged(service, token, 50), forged(service, token, 70)
    before = dict(fresh.jar), dict(stale.jar)
    assert fresh.is_in()
    assert stale.is_in()
    assert fresh.jar == before[0]
    assert stale.jar != before[1]
    assert macaroon(stale) == token
    assert abs(int(stale.jar[MINE.cookie].partition(".")[0]) - time.time()) < 10


def test_short_timeouts_are_kept_by_a_running_service(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home, CAPSVC_CONSOLE_LIFETIME="6", CAPSVC_CONSOLE_IDLE="2") as service:
        idle, busy = logged_in(service)[0], logged_in(service)[0]
        begun = time.monotonic()
        while time.monotonic() < begun + 4:
            assert busy.is_in()
            time.sleep(0.5)
        assert not idle.is_in()
        time.sleep(1.2)
        assert not idle.is_in()
        while busy.is_in():
            assert time.monotonic() < begun + 8, "it never ends"
            time.sleep(0.5)
        assert time.monotonic() > begun + 4


def test_a_session_is_over_as_soon_as_it_is_revoked(service: Serving) -> None:
    for ending in ("console", "nonce", "all", "disabled"):
        browser, user = logged_in(service)
        assert browser.is_in()
        with closing(service.home.open_store()) as store:
            if ending == "console":
                store.revoke_name(user, "console", now())
            elif ending == "nonce":
                nonce = decode(macaroon(browser)).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")
                store.revoke_nonce(user, nonce, now())
            elif ending == "all":
                store.revoke_all(user, now())
            else:
                store.set_disabled(user, True, now())
        assert not browser.is_in(), ending
        again = browser.log_in(user)
        assert again.status_code == (401 if ending == "disabled" else 303)


def test_a_copy_of_the_cookie_is_worth_nothing_after_a_logout(service: Serving) -> None:
    browser, user = logged_in(service, ADMIN)
    browser.log_in(user, realm=ADMINISTRATION)
    other = Browser(service)
    other.log_in(user)
    stolen = Browser(service, dict(browser.jar))
    kept = service.log_in(user)
    answer = browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert browser.jar == {}
    assert not stolen.is_in()
    assert not stolen.is_in(ADMINISTRATION)
    assert not other.is_in(), "every browser's session of hers is over"
    assert service.client.get("/v1/capability", headers=bearer(kept)).status_code == 200, "and nothing else"


def test_a_session_lives_through_a_rotation_of_keys_and_dies_with_its_key(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home) as service:
        browser, user = logged_in(service)
        with closing(home.open_store()) as store:
            keyring.promote(store, keyring.add(store, home.shares, now()), now())
            assert browser.is_in()
            assert browser.log_in(user).status_code == 303
            assert browser.is_in()
            old = forged(service, session_token(service, user))
            assert old.is_in()
            keyring.promote(store, keyring.add(store, home.shares, now()), now())
            keyring.retire(store, "k2", now(), now(), leaked=True)
        assert not browser.is_in()
        assert not old.is_in()


def test_section_7_the_keys_of_sessions_are_shared_with_nothing(service: Serving) -> None:
    with closing(service.home.open_store()) as store:
        ring = KeyRing.load(store, service.home.shares)
    key = ring.console_key("k1")
    assert key is not None
    assert key == hkdf_sha256(ring.keys["k1"].secret, "capsvc console session 1", "k1")
    assert ring.console_key("k9") is None
    assert cookie_mac(key, 1, "form") != form_token(key, "1form")
    assert len({cookie_mac(key, 1, "2a"), cookie_mac(key, 12, "a"), form_token(key, "12a")}) == 3
