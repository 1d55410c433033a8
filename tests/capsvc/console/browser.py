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
from tests.capsvc.http.serving import ADMIN, PASSWORD, Serving, narrow, now

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
_TOKEN = re.compile(r'name="form_token" value="([A-Za-z0-9_-]{43})"')
_TAG = re.compile(r"<[^>]+>")


@dataclass
class Browser:
    """A browser on a service: keeps ``__Host-`` cookies, and sends forms from the page that they stand on."""

    service: Serving
    jar: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, **more: Any) -> Any:
        """Send a request with the cookies that are kept, and keep those that come back."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}
        answer = self.service.client.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)
        for each in answer.headers.get_list("set-cookie"):
            name, _, value = each.partition(";")[0].partition("=")
            self.jar[name] = value
            if "Max-Age=0" in each:
                del self.jar[name]
        return answer

    def get(self, path: str) -> Any:
        """Open a page, following no redirect."""
        return self.send("GET", path)

    def form_token(self, path: str = "/mine") -> str:
        """The token of the forms of a page."""
        found = _TOKEN.search(self.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, fields: dict[str, str] | None = None, page: str = "/mine", **more: Any) -> Any:
        """Send a form of a page, as a browser does."""
        filled = {"form_token": self.form_token(page), **(fields or {})}
        return self.send("POST", path, data=filled, headers={**SAME_ORIGIN, **more.pop("headers", {})}, **more)

    def log_in(self, user: str, password: str = PASSWORD, realm: Realm = MINE) -> Any:
        """Send the form to log in to a realm."""
        path = "/login" if realm is MINE else "/administration/login"
        return self.send("POST", path, data={"user": user, "password": password}, headers=SAME_ORIGIN)


def logged_in(service: Serving, *audiences: str, realm: Realm = MINE) -> tuple[Browser, str]:
    """A browser with a session of a fresh user, and her name."""
    browser, user = Browser(service), service.new_user(*audiences)
    answer = browser.log_in(user, realm=realm)
    assert (answer.status_code, answer.headers["location"]) == (303, realm.path), answer.text
    return browser, user


def administrator(service: Serving) -> tuple[Browser, str]:
    """A browser with a session of a fresh administrator, and her name."""
    return logged_in(service, ADMIN, realm=ADMINISTRATION)


def ring(service: Serving) -> KeyRing:
    """The home's key ring."""
    with closing(service.home.open_store()) as store:
        return KeyRing.load(store, service.home.shares)


def session(service: Serving, token: str, seen: float, realm: Realm = MINE) -> Browser:
    """A browser with a session made of any token, last seen so many seconds ago."""
    keys = ring(service)
    second = int(time.time() - seen)
    return Browser(service, {realm.cookie: cookie_value(keys, keys.signing().key_id, second, token)})


def macaroon(browser: Browser, realm: Realm = MINE) -> str:
    """The macaroon in a browser's cookie."""
    return browser.jar[realm.cookie].rpartition(".")[2]


def narrowed(service: Serving, user: str, ends: str = "", realm: Realm = MINE) -> str:
    """A macaroon narrowed as a session's is, with an end of any kind."""
    begins = now(-600) if ends and ends < now() else ""
    return narrow(encode_text(service.mint(user, realm.audience, begins=begins, ends=ends)), realm.narrowing)


def told(answer: Any) -> str:
    """What a page says, without its markup, in single spaces."""
    text = answer.text
    return re.sub(r"\s+", " ", unescape(_TAG.sub(" ", text[text.index("<main") :])))
