"""What goes wrong in the service itself is a page too, with one sentence, and never a secret or a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from capsvc.console.sessions import ADMINISTRATION, MINE
from capsvc.passwords import Passwords
from capsvc.stores import NewUser
from tests.capsvc.console.browser import SAME_ORIGIN, Browser, issued, told
from tests.capsvc.http.secrets_held import SecretsHeld
from tests.capsvc.http.serving import PASSWORD, Serving, locked, make_home, now, serving

LOGINS = 60
SLOW = "argon2_memory_kib = 65536\nargon2_time = 8\n"


def test_too_many_logins_at_once_are_turned_away_with_a_page(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SLOW)
    with closing(home.open_store()) as store:
        store.add_users([NewUser("alice", Passwords(home.settings).hash(PASSWORD))], now())

    async def flood(url: str) -> list[Any]:
        limits = httpx2.Limits(max_connections=LOGINS)
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as client:
            fields = {"user": "alice", "password": PASSWORD}
            return await asyncio.gather(
                *(client.post("/login", data=fields, headers=SAME_ORIGIN) for _ in range(LOGINS))
            )

    with serving(home) as service:
        answers = asyncio.run(flood(service.url))
    assert {answer.status_code for answer in answers} == {303, 429}
    turned_away = next(answer for answer in answers if answer.status_code == 429)
    assert turned_away.headers["retry-after"] == "1"
    assert "set-cookie" not in turned_away.headers
    assert "Too many logins at once." in told(turned_away)


def test_a_store_that_cannot_say_is_a_page_and_permits_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home) as service:
        browser, user = Browser(service), service.new_user()
        browser.log_in(user)
        fields = {"form_token": browser.form_token(), "name": "default"}
        with locked(home, "EXCLUSIVE"):
            answers = [
                browser.get("/mine"),
                browser.send("POST", "/mine/revoke", data=fields, headers=SAME_ORIGIN),
                browser.log_in(user),
            ]
        for answer in answers:
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["retry-after"]
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert str(home.path) not in answer.text
        assert browser.is_in()


def test_law_8_no_page_no_address_and_no_log_line_holds_a_secret(service: Serving) -> None:
    held = SecretsHeld.of(service)
    browser = Browser(service)
    count = 0
    for answer in _every_answer(browser, held):
        count += 1
        pages = [answer.text, str(answer.request.url), answer.headers.get("location", "")]
        assert held.found_in("".join(pages)) == [], f"{answer.request.method} {answer.request.url.path}"
    assert count > 20
    shown = issued(browser.post("/mine/issue", name="other", lifetime="600", password=PASSWORD))
    token = browser.jar[MINE.cookie]
    log = service.stderr()
    assert f'"who": "{held.user}"' in log
    assert held.found_in(log) == []
    for secret in (shown, shown[-40:], token, token.split(".")[1], token[-40:], browser.form_token()):
        assert secret not in log


def _every_answer(browser: Browser, held: SecretsHeld) -> Iterator[Any]:
    yield browser.log_in(held.user)
    yield browser.log_in(held.user, realm=ADMINISTRATION)
    yield browser.log_in(held.user, PASSWORD + "x")
    for page in ("/", "/inspect", "/narrow", "/login", "/mine", "/administration", "/nothing"):
        yield browser.get(page)
    planted = {MINE.cookie: f"1.{'A' * 43}.{held.tokens[None]}"}
    yield Browser(browser.service, planted).get("/mine")
    yield browser.post("/mine/issue", name="app", lifetime="x", password=PASSWORD)
    yield browser.post("/mine/issue", name="app", lifetime="600", password=PASSWORD + "x", caveats="user = x")
    yield browser.post("/mine/issue", name="app", lifetime="600", password=PASSWORD, caveats="nonsense")
    yield browser.post("/mine/revoke", name="app")
    yield browser.post("/mine/revoke", name="a b")
    yield browser.post("/mine/password", current=PASSWORD, new=PASSWORD, again="another")
    yield browser.post("/mine/password", current=PASSWORD + "x", new=PASSWORD, again=PASSWORD)
    yield browser.post("/mine/logout-everywhere")
    yield browser.administer("enable", held.user)
    yield browser.administer("disable", "nobody")
    yield browser.send("POST", "/mine/issue", content=json.dumps({"password": PASSWORD}).encode())
    yield browser.send("GET", "/mine", params={"revision": "1"})
