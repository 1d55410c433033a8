"""What a page may not do with a token: send it, keep it, show it to another origin, or read it as markup."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Request, expect

from caveats import Macaroon, decode, encode
from caveats.wire import Format
from tests.capsvc.console.chromium import Tab, needs_chromium
from tests.capsvc.http.serving import append, bearer

pytestmark = needs_chromium

MARKUP = (
    b"path ^= /<img src=x onerror=document.title='owned'>",
    b"<script>document.title='owned'</script>",
    b"</script><svg onload=document.title='owned'>",
    b"user = <b>root</b>",
)


def _sent(request: Request) -> str:
    """Everything of a request that leaves the browser."""
    return "\n".join([request.url, repr(request.all_headers()), repr(request.post_data)])


def _carrying(tab: Tab, *secrets: str) -> list[Request]:
    return [each for each in tab.requests if any(secret in _sent(each) for secret in secrets)]


def _kept(page: Page) -> Any:
    """Everything that a page could come back to: address, title, history and each kind of storage."""
    return page.evaluate(
        """async () => JSON.stringify([
          location.href, document.title, history.state, history.length, window.name, document.cookie,
          {...localStorage}, {...sessionStorage}, (await indexedDB.databases()).map((each) => each.name),
          await caches.keys(), (await navigator.serviceWorker.getRegistrations()).length,
        ])"""
    )


def test_no_request_carries_a_pasted_token_until_the_service_is_asked(tab: Tab) -> None:
    token = tab.service.token()
    signature = token[-43:]
    page = tab.open("/inspect")
    kept = _kept(page)
    page.get_by_label("Macaroon", exact=True).fill(token)
    page.get_by_label("method").fill("POST")
    page.get_by_role("button", name="Time: now").click()
    expect(page.locator("#outcome")).to_contain_text("No caveat refuses it.")
    assert _kept(page) == kept
    assert _carrying(tab, token, signature) == []
    page.get_by_role("button", name="Ask the service").click()
    expect(page.locator("#accepted")).to_have_text("accepted now: yes")
    (asked,) = _carrying(tab, token, signature)
    assert (asked.method, asked.url) == ("GET", f"{tab.service.url}/v1/capability")
    headers = asked.all_headers()
    assert headers["authorization"] == bearer(token)["Authorization"]
    assert "cookie" not in headers
    assert "referer" not in headers
    assert _kept(page) == kept
    page.get_by_role("link", name="Narrow").first.click()
    page.go_back()
    assert page.get_by_label("Macaroon", exact=True).input_value() == ""
    assert len(_carrying(tab, token, signature)) == 1


def test_no_request_carries_a_token_that_is_narrowed_nor_its_copy(tab: Tab) -> None:
    token = tab.service.token()
    page = tab.open("/narrow")
    kept = _kept(page)
    page.get_by_label("Macaroon", exact=True).fill(token)
    for name in ("Read only", "Ten minutes", "Revocable by name"):
        page.get_by_role("button", name=name).click()
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_text("Raw predicates", exact=True).click()
    page.get_by_label("One predicate a line").fill("path ^= /docs")
    page.get_by_role("button", name="QR code").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    copy = page.locator("#narrowed").input_value()
    salt = decode(copy).unverified_caveats[-1].identifier.decode()[-22:]
    assert _kept(page) == kept
    assert _carrying(tab, token, token[-43:], copy, copy[-43:], salt) == []
    assert {each.url.removeprefix(tab.service.url).split("/")[1] for each in tab.requests} == {
        "narrow", "static", ".well-known",
    }  # fmt: skip


def test_every_request_of_every_page_goes_to_this_origin(tab: Tab) -> None:
    tab.log_in(tab.service.new_user())
    for path in ("/", "/inspect", "/narrow", "/mine", "/administration", "/login"):
        tab.open(path)
    assert {each.url.startswith(f"{tab.service.url}/") for each in tab.requests} == {True}


def test_markup_in_a_caveat_stays_text(tab: Tab) -> None:
    root = append(encode(Macaroon.mint(b"a root key", b"<i>k1</i>", "https://x/</script><img src=x>")), *MARKUP)
    party = decode(root).entrust("https://<img src=y onerror=alert(1)>", b"a key of 32 bytes, for the test!", b"t")
    for form in (Format.V2, Format.JSON):
        for path in ("/inspect", "/narrow"):
            page = tab.paste(encode(party, form), path)
            if path == "/inspect":
                page.get_by_label("method").fill("<img src=z>")
                expect(page.locator("#chain")).to_contain_text("<script>document.title='owned'</script>")
                expect(page.locator("#identifier")).to_have_text("<i>k1</i>")
            else:
                page.get_by_role("button", name="Read only").click()
                expect(page.locator("#warnings")).to_contain_text("<svg onload=document.title='owned'>")
                page.get_by_text("Raw predicates", exact=True).click()
                page.get_by_label("One predicate a line").fill("<img src=z> = 1")
                expect(page.locator("#raw-said .error")).to_be_visible()
            assert page.locator("main img, main script, main i, main b:not(.predicate b), main svg").count() == 0
            assert "owned" not in page.title()
    assert all("/x" not in each.url and "img" not in each.url for each in tab.requests)


def test_characters_that_turn_or_hide_text_are_shown_as_escapes(tab: Tab) -> None:
    identifiers = ["user = \u202egnp.exe", "action = re\u200bad", "resource = a\u0000b", "salt\u2028 = x"]
    root = append(encode(Macaroon.mint(b"a root key", "k1")), *(each.encode() for each in identifiers))
    page = tab.paste(root)
    told = page.locator("#found").inner_text()
    for escape in ("\\u202e", "\\u200b", "\\x00"):
        assert escape in told
    assert not set(told) & {"\u202e", "\u200b", "\u0000", "\u2028"}


def test_the_policy_refuses_what_markup_could_have_run(tab: Tab) -> None:
    tab.expected = ("violation of", "Content Security Policy", "Refused to", "TrustedHTML")
    page = tab.open("/inspect")
    before = len(tab.complaints)
    assert tab.run("try { document.body.innerHTML = '<p>'; 'set' } catch (error) { error.name }") == "TypeError"
    tab.run(
        """(() => {
          const [image, style, frame] = ["img", "style", "iframe"].map((each) => document.createElement(each));
          image.src = "https://elsewhere.example/?token";
          style.textContent = "body { color: red }";
          frame.src = "/narrow";
          document.body.append(image, style, frame);
        })()"""
    )
    page.wait_for_timeout(200)
    said = "\n".join(tab.complaints[before:])
    for directive in ("require-trusted-types-for", "img-src", "style-src", "default-src"):
        assert directive in said, directive
    assert not any("elsewhere.example" in each.url and each.failure is None for each in tab.requests)
