"""Administration: users, keys and outcomes, for a session that was opened for it."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from pathlib import Path

from capsvc import keyring
from capsvc.console.sessions import ADMINISTRATION
from capsvc.stores import NewUser
from tests.capsvc.console.browser import Browser, administrator, logged_in, told
from tests.capsvc.http.serving import ADMIN, Serving, bearer, hashed, make_home, now, serving
from tests.capsvc.installation import one_bit_off


def _row(page: str, name: str) -> str:
    found = re.search(rf"<tr>\s*<th scope=\"row\">{re.escape(name)}</th>.*?</tr>", page, re.DOTALL)
    assert found is not None
    return found[0]


def test_without_a_session_the_page_asks_to_log_in(service: Serving) -> None:
    answer = Browser(service).get("/administration")
    assert answer.status_code == 200
    assert "Log in to administer" in told(answer)
    assert 'action="/administration/login"' in answer.text


def test_a_user_is_disabled_and_enabled(service: Serving) -> None:
    admin, _ = administrator(service)
    browser, user = logged_in(service)
    token = service.log_in(user)
    answer = admin.administer("disable", user)
    assert answer.status_code == 303
    assert "acknowledged with revision" in told(admin.get(answer.headers["location"]))
    assert not browser.is_in()
    assert service.client.get("/v1/capability", headers=bearer(token)).status_code == 401
    assert browser.log_in(user).status_code == 401
    before = admin.send("GET", "/administration", params={"after": user[:-1]})
    assert "disabled" in _row(before.text, user)
    assert admin.administer("enable", user).status_code == 303
    assert browser.log_in(user).status_code == 303
    assert service.client.get("/v1/capability", headers=bearer(token)).status_code == 401, "what was out stays revoked"


def test_all_of_one_user_is_revoked_and_nothing_of_another(service: Serving) -> None:
    admin, _ = administrator(service)
    browser, user = logged_in(service)
    other, _ = logged_in(service)
    assert admin.administer("revoke", user).status_code == 303
    assert not browser.is_in()
    assert other.is_in()
    assert browser.log_in(user).status_code == 303


def test_an_unknown_user_is_said_to_be_unknown(service: Serving) -> None:
    admin, _ = administrator(service)
    for what in ("disable", "enable", "revoke"):
        for user in ("nobody", "", "a/b", "<b>"):
            answer = admin.administer(what, user)
            assert answer.status_code == 404
            assert "There is no such user" in told(answer)
            assert "<b>" not in answer.text


def test_an_administrator_who_takes_back_her_own_is_out(service: Serving) -> None:
    admin, user = administrator(service)
    answer = admin.administer("revoke", user)
    assert answer.status_code == 303
    assert "Log in to administer" in told(admin.get(answer.headers["location"]))


def test_users_are_paged_and_a_change_comes_back_to_the_same_page(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with closing(home.open_store()) as store:
        store.add_users([NewUser(f"u{each:03} ü&?", hashed()) for each in range(70)], now())
        store.add_users([NewUser("zoe", hashed(), (ADMIN,))], now())
    with serving(home) as service:
        admin = Browser(service)
        admin.log_in("zoe", realm=ADMINISTRATION)
        first = admin.get("/administration")
        assert "u049" in first.text
        assert "u050" not in first.text
        (link,) = re.findall(r'href="(/administration\?after=[^"]+)"', first.text)
        second = admin.get(link)
        assert "u050" in second.text
        assert "u049" not in told(second)
        assert "Next users" not in told(second)
        after = re.search(r'name="after" value="([^"]+)"', second.text)
        assert after is not None
        answer = admin.administer("disable", "u060 ü&?", after=after[1].replace("&amp;", "&"))
        assert answer.status_code == 303
        shown = admin.get(answer.headers["location"])
        assert "disabled" in _row(shown.text, "u060 ü&amp;?")
        assert "u049" not in told(shown)


def test_the_states_of_the_key_ring_are_shown(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home) as service, closing(home.open_store()) as store:
        admin, _ = administrator(service)
        keyring.add(store, home.shares, now())
        page = told(admin.get("/administration"))
        assert re.search(r"k1 signing 20\d\d", page)
        assert re.search(r"k2 pending 20\d\d", page)


def test_outcomes_of_all_workers_are_drawn_and_listed(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.outcomes.mkdir()
    minute = int(time.time()) // 60
    for worker in ("one", "two"):
        (home.outcomes / f"{worker}.json").write_text(json.dumps({minute - 20: [1000, 20, 3, 4, 0]}), "utf-8")
    (home.outcomes / "three.json").write_text(json.dumps({minute - 600: [50, 0, 0, 0, 7]}), "utf-8")
    (home.outcomes / "broken.json").write_text("{", "utf-8")
    with serving(home, CAPSVC_CONSOLE_IDLE="600") as service:
        admin, _ = administrator(service)
        page = admin.get("/administration")
        assert "Last 24 hours 2050 40 6 8 7" in told(page)
        assert re.search(r"\d\d:\d\d.\d\d:\d\d 2000 40 6 8 0 ", told(page))
        assert "At most 2054 in one minute. In all 2000 accepted, 40 expired, 6 revoked, 8 unmet, 0 invalid." in told(
            page
        )
        assert "2054 a minute" in told(page)
        assert set(re.findall(r'<path class="bars (\w+)"', page.text)) == {"accepted", "expired", "revoked", "unmet"}


def test_what_a_running_service_verifies_comes_to_be_counted(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home, "--workers", "2") as service:
        admin, user = administrator(service)
        token = service.log_in(user, None)
        for _ in range(2):
            assert service.client.get("/v1/capability", headers=bearer(token)).status_code == 200
            assert service.client.get("/v1/capability", headers=bearer(service.expired())).status_code == 401
            assert service.client.get("/v1/capability", headers=bearer(service.revoked())).status_code == 401
            assert service.client.get("/v1/capability", headers=bearer(one_bit_off(token))).status_code == 401
        deadline = time.monotonic() + 30
        while True:
            found = re.search(r"Last 24 hours (\d+) (\d+) (\d+) (\d+) (\d+)", told(admin.get("/administration")))
            assert found is not None
            accepted, *others = map(int, found.groups())
            if accepted >= 2 and others == [2, 2, 0, 2]:
                break
            assert time.monotonic() < deadline, found[0]
            time.sleep(0.5)
    files = list(home.outcomes.iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert home.outcomes.stat().st_mode & 0o777 == 0o700
    assert user not in "".join(path.read_text() for path in files)
