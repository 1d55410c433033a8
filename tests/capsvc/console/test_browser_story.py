"""The whole story in a browser: log in, narrow, hand on, present, take back, and see it refused."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import Page, expect

from caveats import decode
from tests.capsvc.console.chromium import Tab, needs_chromium
from tests.capsvc.http.serving import ADMIN, PASSWORD, Serving, bearer

pytestmark = needs_chromium

OTHER = "another horse battery staple"


def _present(service: Serving, token: str, method: str = "GET", path: str = "/v1/salts") -> httpx2.Response:
    return service.client.request(method, path, headers=bearer(token))


def _narrow(tab: Tab, token: str, name: str) -> str:
    page = tab.paste(token, "/narrow?path=/v1/salts&get")
    page.get_by_role("button", name="Revocable by name").click()
    page.get_by_label("Name", exact=True).fill(name)
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_enabled()
    return page.locator("#narrowed").input_value()


def _acknowledged(page: Page) -> None:
    expect(page.get_by_text("acknowledged with revision")).to_be_visible()


def test_a_copy_that_the_page_cut_works_until_its_name_is_revoked_in_the_page(tab: Tab) -> None:
    tab.expected = ("status of 401",)
    user = tab.service.new_user()
    token = tab.service.log_in(user)
    copy, other = _narrow(tab, token, "contractor"), _narrow(tab, token, "colleague")
    assert _present(tab.service, copy).status_code == 200
    assert _present(tab.service, copy, "POST", "/v1/revocations").status_code == 403
    name = decode(copy).unverified_caveats[-1].identifier.decode().removeprefix("salt = ").partition("/")[0]
    page = tab.log_in(user)
    page.get_by_text("Revoke what is not in the list").click()
    page.get_by_label("Name handed on").fill(name)
    page.get_by_role("button", name="Revoke the name").click()
    _acknowledged(page)
    expect(page.get_by_role("row", name=name)).to_contain_text("revoked")
    refused = _present(tab.service, copy)
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:capsvc:problem:revoked-token")
    assert _present(tab.service, other).status_code == 200
    page = tab.paste(copy)
    page.get_by_role("button", name="Ask the service").click()
    expect(page.locator("#answer")).to_have_text("It was taken back.")
    expect(page.locator("#proven")).to_have_text("signature proven: yes")


def test_mine_issues_for_an_application_and_takes_it_back(tab: Tab) -> None:
    page = tab.log_in(tab.service.new_user())
    page.get_by_label("Name", exact=True).fill("backup-job")
    page.get_by_label("Lifetime").select_option(label="1 hour")
    page.get_by_label("Caveats, one a line").fill("path ^= /v1/salts\nmethod = GET")
    page.get_by_label("Your password, again").fill(PASSWORD)
    page.get_by_role("button", name="Issue").click()
    token = page.get_by_label("Macaroon", exact=True).input_value()
    assert _present(tab.service, token).status_code == 200
    assert _present(tab.service, token, "POST", "/v1/tokens/renew").status_code == 403
    page.get_by_role("link", name="Back to mine").click()
    page.get_by_role("button", name="Revoke backup-job").click()
    _acknowledged(page)
    assert _present(tab.service, token).status_code == 401


def test_logging_out_everywhere_takes_back_all_and_shows_the_revision(tab: Tab) -> None:
    user = tab.service.new_user()
    token = tab.service.log_in(user)
    page = tab.log_in(user)
    page.get_by_label("I want every application to be refused").check()
    page.get_by_role("button", name="Log out everywhere").click()
    _acknowledged(page)
    assert _present(tab.service, token).status_code == 401
    tab.open("/mine")
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_changed_password_ends_the_session_and_the_new_one_opens_another(tab: Tab) -> None:
    user = tab.service.new_user()
    token = tab.service.log_in(user)
    page = tab.log_in(user)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(OTHER)
    page.get_by_label("New password, again").fill(OTHER)
    page.get_by_role("button", name="Change the password").click()
    _acknowledged(page)
    assert _present(tab.service, token).status_code == 401
    tab.log_in(user, password=OTHER)
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()


def test_logging_out_ends_the_session_for_good(tab: Tab) -> None:
    page = tab.log_in(tab.service.new_user())
    kept = page.context.cookies()
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.context.add_cookies(kept)  # as a thief would who had copied it
    tab.open("/mine")
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_wrong_password_is_told_in_words_and_lets_nobody_in(tab: Tab) -> None:
    tab.expected = ("status of 401",)
    page = tab.open("/login")
    page.get_by_label("User").fill(tab.service.new_user())
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("refused")
    assert page.context.cookies() == []


def test_an_administrator_disables_a_user_and_enables_her_again(tab: Tab) -> None:
    user = tab.service.new_user()
    token = tab.service.log_in(user)
    page = tab.log_in(tab.service.new_user(ADMIN), "/administration")
    expect(page.get_by_role("img", name="Verifications a minute")).to_be_visible()
    expect(page.get_by_role("row", name="k1")).to_contain_text("signing")
    row = page.get_by_role("row", name=user)
    while not row.count():  # other tests have made users too
        page.get_by_role("link", name="Next users").click()
    row.get_by_role("button", name="Disable").click()
    _acknowledged(page)
    expect(row).to_contain_text("disabled")
    assert _present(tab.service, token).status_code == 401
    row.get_by_role("button", name="Enable").click()
    expect(row).to_contain_text("enabled")
    assert _present(tab.service, token).status_code == 401
    assert _present(tab.service, tab.service.log_in(user)).status_code == 200


@pytest.mark.parametrize("context", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True)
def test_everything_from_a_token_to_a_copy_is_done_by_keyboard_alone(tab: Tab) -> None:
    token = tab.service.token()
    page = tab.open("/narrow")
    keyboard = page.keyboard
    keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Tab")
    expect(page.get_by_label("Macaroon", exact=True)).to_be_focused()
    page.evaluate("text => navigator.clipboard.writeText(text)", token)
    keyboard.press("Control+v")
    _tab_to(page, "Read only")
    keyboard.press("Space")
    _tab_to(page, "This path")
    keyboard.press("Enter")
    keyboard.type("/v1/salts")
    _tab_to(page, "Copy")
    keyboard.press("Enter")
    expect(page.locator("#narrowed-said")).to_have_text("Copied.")
    copy = page.evaluate("navigator.clipboard.readText()")
    assert _present(tab.service, copy).status_code == 200
    assert _present(tab.service, copy, path="/v1/capability").status_code == 403


def _tab_to(page: Page, name: str) -> None:
    """Press the Tab key until a button of a name has the focus, and see that one can see it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent.trim()")
        if focused == name:
            width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
            assert width >= 2
            return
    raise AssertionError(f"the Tab key never reaches {name}")


def test_pages_tell_each_other_apart_by_title_and_heading(tab: Tab) -> None:
    titles = []
    for path in ("/inspect", "/narrow", "/login", "/administration", "/nowhere"):
        tab.expected = ("status of 404",)
        page = tab.open(path)
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        titles.append(page.title())
    assert len(set(titles)) == len(titles)
