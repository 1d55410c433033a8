"""Attacks from another origin, in a real browser with a live session: each comes to nothing.

Another port of 127.0.0.1 is another origin of the same site, so that cookies travel and only our own defences
stand; ``localhost`` is another site. ``caps.localhost`` and what lies below it are a host and its subdomains.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from playwright.sync_api import BrowserContext, expect

from caveats import Macaroon, encode
from tests.capsvc.console.chromium import Tab, needs_chromium
from tests.capsvc.console.elsewhere import elsewhere
from tests.capsvc.http.serving import ADMIN, Serving, bearer

pytestmark = needs_chromium

SITES = ("127.0.0.1", "localhost")
PAGES = ("/", "/narrow", "/mine", "/administration", "/login")


def test_no_page_is_shown_in_a_frame_of_another_origin(tab: Tab) -> None:
    tab.expected = ("frame-ancestors", "X-Frame-Options", "violation of frame-ancestors", "chrome-error")
    tab.log_in(tab.service.new_user())
    frames = "".join(f'<iframe src="{tab.service.url}{path}"></iframe>' for path in PAGES)
    with elsewhere({"/": f"<!doctype html><title>free prizes</title>{frames}"}) as site:
        for host in SITES:
            tab.page.goto(site.url(host=host))
            shown = [frame for frame in tab.page.frames if frame.parent_frame is not None]
            assert len(shown) == len(PAGES)
            for frame in shown:
                assert frame.get_by_role("heading").count() == 0
                assert frame.url.startswith("chrome-error:")


def test_a_form_of_another_origin_changes_nothing(tab: Tab) -> None:
    tab.expected = ("status of 403",)
    user = tab.service.new_user()
    token = tab.service.log_in(user)
    page = tab.log_in(user)
    proof = page.locator('input[name="form_token"]').first.input_value()
    forms = {
        f"/{number}": f'<!doctype html><form method="post" action="{tab.service.url}{action}">'
        f'<input name="confirm" value="yes"><input name="form_token" value="{stolen}"></form>'
        f"<script>document.forms[0].submit()</script>"
        for number, (action, stolen) in enumerate(
            [("/mine/logout-everywhere", ""), ("/mine/logout-everywhere", proof), ("/logout", proof)]
        )
    }
    with elsewhere(forms) as site:
        for path, host in product(forms, SITES):
            page.goto(site.url(path, host))
            page.wait_for_url(f"{tab.service.url}/**")
            expect(page.get_by_role("heading", level=1)).to_have_text("The form was not sent from this site")
    assert tab.service.client.get("/v1/capability", headers=bearer(token)).status_code == 200
    tab.open("/mine")
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()


def test_a_login_that_another_origin_sends_is_refused(tab: Tab) -> None:
    tab.expected = ("status of 403",)
    user = tab.service.new_user()
    form = (
        f'<!doctype html><form method="post" action="{tab.service.url}/login"><input name="user" value="{user}">'
        '<input name="password" value="correct horse battery staple"></form><script>document.forms[0].submit()</script>'
    )
    with elsewhere({"/": form}) as site:
        tab.page.goto(site.url())
        tab.page.wait_for_url(f"{tab.service.url}/**")
    assert tab.page.context.cookies() == []


def test_a_subdomain_reads_no_session_cookie_and_plants_none(context: BrowserContext, service: Serving) -> None:
    tab = Tab(context.new_page(), replace(service, url=f"http://caps.localhost:{service.port}"))
    tab.log_in(service.new_user())
    (session,) = context.cookies()
    flags = (session["secure"], session["httpOnly"], session["sameSite"], session["path"], session["domain"])
    assert flags == (True, True, "Strict", "/", "caps.localhost")
    assert session["expires"] == -1
    planted = [f"{session['name']}=planted{more}; Domain=caps.localhost"
               for more in ("; Secure; Path=/", "; Path=/", "; Secure; Path=/mine")]  # fmt: skip
    with elsewhere({}, "proof=the browser takes others; Domain=caps.localhost", *planted) as site:
        for host in ("evil.caps.localhost", "localhost"):
            tab.page.goto(site.url(host=host))
            assert session["value"] not in "".join(site.cookies) + tab.page.evaluate("document.cookie")
    held = {each["name"]: each["value"] for each in context.cookies(tab.service.url)}
    assert held == {session["name"]: session["value"], "proof": "the browser takes others"}
    tab.open("/mine")
    expect(tab.page.get_by_role("heading", name="Mine")).to_be_visible()
    assert tab.unexpected() == []


def test_what_another_port_is_given_of_a_session_opens_nothing(tab: Tab) -> None:
    # Cookies know hosts and no ports: a site on another port of the same host is given ours, whatever we say of them.
    tab.log_in(tab.service.new_user(ADMIN))
    tab.log_in(tab.service.new_user(ADMIN), "/administration")
    held = {each["name"]: each["value"] for each in tab.page.context.cookies()}
    assert set(held) == {"__Host-capsvc", "__Host-capsvc-admin"}
    with elsewhere({}) as site:
        tab.page.goto(site.url())
        assert tab.page.evaluate("document.cookie") == ""
        stolen = site.cookies[0]
    for value in held.values():
        assert value in stolen
        token = value.rpartition(".")[2]
        for path in ("/v1/capability", "/v1/salts", "/v1/users", "/v1/auth"):
            assert tab.service.client.get(path, headers=bearer(token)).status_code in (401, 403)


def test_a_cookie_that_is_planted_before_a_login_is_not_the_session_after_it(tab: Tab) -> None:
    planted = encode(Macaroon.mint(b"a root key", "k1"))
    cookie = {"name": "__Host-capsvc", "domain": "127.0.0.1", "path": "/", "secure": True, "sameSite": "Strict"}
    values = [f"1.{'A' * 43}.{planted}", tab.service.token()]
    for value in values:
        tab.page.context.add_cookies([{**cookie, "value": value}])  # type: ignore[list-item]
        page = tab.open("/mine")
        expect(page.get_by_label("Password")).to_be_visible()
    tab.log_in(tab.service.new_user())
    first = tab.page.context.cookies()[0]["value"]
    tab.page.get_by_role("button", name="Log out", exact=True).click()
    tab.log_in(tab.service.new_user())
    second = tab.page.context.cookies()[0]["value"]
    assert len({*values, first, second}) == 4


def test_another_origin_reads_no_answer_of_the_service(tab: Tab) -> None:
    tab.expected = ("CORS", "Failed to load resource", "blocked", "Cross-Origin")
    tab.log_in(tab.service.new_user())
    read = f"""Promise.all(["/mine", "/v1/capability", "/static/core/index.js"].map(
      (path) => fetch("{tab.service.url}" + path, {{ credentials: "include" }}).then(() => "read", () => "refused")))"""
    with elsewhere({}) as site:
        for host in SITES:
            tab.page.goto(site.url(host=host))
            assert tab.page.evaluate(read) == ["refused"] * 3
