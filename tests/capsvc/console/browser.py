"""What a browser does with the console, by hand: cookies, forms and the headers that say where they come from."""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from capsvc.console.sessions import ADMINISTRATION, MINE, Realm, cookie_value
from capsvc.keyring import KeyRing
from caveats.wire import encode_text
from tests.capsvc.http.serving import ADMIN, PASSWORD, Serving, narrow

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
_TOKEN = re.compile(r'name="form_token" value="([A-Za-z0-9_-]{43})"')
_ISSUED = re.compile(r'<textarea id="token"[^>]*>([A-Za-z0-9_-]+)</textarea>')
_TAG = re.compile(r"<[^>]+>")


@dataclass
class Browser:
    """A browser on a service: keeps cookies, and sends forms as from the page that they stand on."""

    service: Serving
    jar: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, **more: Any) -> Any:
        """Send a request with the cookies that are kept, and keep those that come back; follow no redirect."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}
        answer = self.service.client.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)
        for each in answer.headers.get_list("set-cookie"):
            name, _, value = each.partition(";")[0].partition("=")
            self.jar[name] = value
            if "Max-Age=0" in each:
                del self.jar[name]
        return answer

    def get(self, path: str) -> Any:
        """Open a page."""
        return self.send("GET", path)

    def form_token(self, page: str = "/mine") -> str:
        """The token of the forms of a page."""
        found = _TOKEN.search(self.get(page).text)
        assert found is not None
        return found[1]

    def post(self, path: str, page: str = "/mine", /, **fields: str) -> Any:
        """Fill in a form of a page and send it."""
        data = {"form_token": self.form_token(page), **fields}
        return self.send("POST", path, data=data, headers=SAME_ORIGIN)

    def administer(self, what: str, user: str, **fields: str) -> Any:
        """Send a form of the page of administrators."""
        return self.post(f"/administration/{what}", "/administration", user=user, **fields)

    def log_in(self, user: str, password: str = PASSWORD, realm: Realm = MINE) -> Any:
        """Send the form to log in to a realm."""
        path = "/login" if realm is MINE else "/administration/login"
        return self.send("POST", path, data={"user": user, "password": password}, headers=SAME_ORIGIN)

    def is_in(self, realm: Realm = MINE) -> bool:
        """Whether the service takes what is kept for a session of a realm."""
        return _TOKEN.search(self.get(realm.path).text) is not None


def logged_in(service: Serving, *audiences: str) -> tuple[Browser, str]:
    """A browser with a session of a fresh user, and her name."""
    browser, user = Browser(service), service.new_user(*audiences)
    answer = browser.log_in(user)
    assert (answer.status_code, answer.headers["location"]) == (303, "/mine"), answer.text
    return browser, user


def administrator(service: Serving) -> tuple[Browser, str]:
    """A browser with a session of a fresh administrator, and her name."""
    browser, user = Browser(service), service.new_user(ADMIN)
    answer = browser.log_in(user, realm=ADMINISTRATION)
    assert (answer.status_code, answer.headers["location"]) == (303, "/administration"), answer.text
    return browser, user


def forged(service: Serving, token: str, idle: float = 0, realm: Realm = MINE) -> Browser:
    """A browser with the cookie that the service's own key makes of any token, last seen so many seconds ago."""
    with closing(service.home.open_store()) as store:
        ring = KeyRing.load(store, service.home.shares)
    value = cookie_value(ring, ring.signing().key_id, int(time.time() - idle), token)
    return Browser(service, {realm.cookie: value})


def session_token(service: Serving, user: str, begins: str = "", ends: str = "") -> str:
    """A macaroon as a session of one's own has it, with a window of any kind."""
    return narrow(encode_text(service.mint(user, begins=begins, ends=ends)), MINE.narrowing)


def macaroon(browser: Browser, realm: Realm = MINE) -> str:
    """The macaroon in a browser's cookie."""
    return browser.jar[realm.cookie].rpartition(".")[2]


def issued(answer: Any) -> str:
    """The macaroon that a page shows once."""
    found = _ISSUED.search(answer.text)
    assert found is not None, answer.text
    return found[1]


def told(answer: Any) -> str:
    """What a page says, without its markup, in single spaces."""
    text = answer.text
    return re.sub(r"\s+", " ", unescape(_TAG.sub(" ", text[text.index("<main") :])))
