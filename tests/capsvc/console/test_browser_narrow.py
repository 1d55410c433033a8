"""Narrow: few clicks from a token to a copy that may do less, and no copy that may do nothing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from caveats import Macaroon, attenuate, decode, encode
from caveats.wire import Format
from tests.capsvc.console.chromium import Tab, needs_chromium
from tests.capsvc.http.serving import append, narrow, now

pytestmark = needs_chromium

ROOT = encode(Macaroon.mint(b"a root key", "k1", "https://caps.example"))
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}


def _press(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("button", name=name).click()


def _copy(page: Page) -> str:
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_enabled()
    return page.locator("#narrowed").input_value()


def _appended(page: Page, token: str) -> list[str]:
    caveats = decode(_copy(page)).unverified_caveats[len(decode(token).unverified_caveats) :]
    return [each.identifier.decode() for each in caveats]


def _rows(page: Page, panel: str) -> list[str]:
    return [re.sub(r"\s+", " ", each) for each in page.locator(f"#{panel} tr").all_inner_texts()]


@pytest.mark.parametrize("context", [CLIPBOARD], indirect=True)
def test_two_clicks_lead_from_a_pasted_token_to_a_narrowed_copy_in_the_clipboard(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow")
    _press(page, "Read only")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#narrowed-said")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == attenuate(ROOT, "method in GET HEAD")


def test_each_template_appends_its_predicate(tab: Tab) -> None:
    token = tab.service.log_in(tab.service.new_user("billing"), "billing")
    page = tab.paste(token, "/narrow")
    _press(page, "Read only", "This path")
    page.get_by_label("Path", exact=True).fill("/docs /pub")
    _press(page, "This address")
    page.get_by_label("Address", exact=True).fill("192.0.2.7 2001:db8::1 10.0.0.0/8")
    _press(page, "One audience")
    expect(page.get_by_label("Audience", exact=True)).to_have_value("billing")
    before = now(600)
    _press(page, "Ten minutes", "Revocable by name")
    page.get_by_label("Name", exact=True).fill("ci")
    method, end, path, ip, audience, salt = _appended(page, token)
    assert [method, path, audience] == ["method in GET HEAD", "path ^= /docs /pub", "audience = billing"]
    assert ip == "ip in 192.0.2.7/32 2001:db8::1/128 10.0.0.0/8"
    assert before <= end.removeprefix("time < ") <= now(600)
    assert re.fullmatch(r"salt = ci\.[a-z0-9]{8}/[A-Za-z0-9_-]{22}", salt)
    expect(page.locator("#name-notice")).to_contain_text(salt[7:18])
    _press(page, "One day", "Revocable by name", "Read only", "This path", "This address", "One audience")
    (end,) = _appended(page, token)
    assert now(86000) < end.removeprefix("time < ") <= now(86400)


def test_the_salt_stays_the_same_while_other_choices_change(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow")
    _press(page, "Revocable by name")
    page.get_by_label("Name", exact=True).fill("ci")
    (salt,) = _appended(page, ROOT)
    _press(page, "Read only")
    assert _appended(page, ROOT) == ["method in GET HEAD", salt]
    page.get_by_label("Name", exact=True).fill("cd")
    assert _appended(page, ROOT)[1].startswith("salt = cd.")


def test_a_copy_has_the_format_of_its_original_and_is_what_attenuate_gives(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow")
    _press(page, "This path")
    page.get_by_label("Path", exact=True).fill("/docs/2026/übersicht")
    page.get_by_text("Raw predicates", exact=True).click()
    page.get_by_label("One predicate a line").fill("action in read list\n\n  amount <= 99.95")
    wanted = append(attenuate(ROOT, "path ^= /docs/2026/übersicht", "action in read list"), b"amount <= 99.95")
    for form in Format:
        page.get_by_label("Macaroon", exact=True).fill(encode(ROOT, form))
        expect(page.locator("#narrowed")).to_have_value(encode(decode(wanted), form))


def test_before_and_after_stand_side_by_side_and_what_is_new_stands_out(tab: Tab) -> None:
    page = tab.paste(attenuate(ROOT, "path ^= /docs", "method in GET HEAD POST"), "/narrow")
    _press(page, "Read only")
    _copy(page)
    assert _rows(page, "before") == ["path is under /docs", "method is one of GET HEAD POST"]
    assert _rows(page, "after") == ["path is under /docs", "method is one of GET HEAD"]
    assert page.locator("#after .new").all_inner_texts() == [page.locator("#after tr").nth(1).inner_text()]
    boxes = [page.locator(f"#{panel}").bounding_box() for panel in ("before", "after")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] < boxes[1]["x"]
    assert boxes[0]["y"] == boxes[1]["y"]


def test_a_wrong_line_is_said_beside_it_and_no_copy_is_made(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow")
    page.get_by_text("Raw predicates", exact=True).click()
    raw = page.get_by_label("One predicate a line")
    raw.fill("method = GET\nowner = alice\npath ^= docs")
    remarks = page.locator("#raw-said li")
    assert [each.strip() for each in remarks.all_inner_texts()][:2] == [
        "", "Line 2: its attribute is not in the vocabulary",
    ]  # fmt: skip
    expect(remarks.nth(2)).to_contain_text("Line 3: ")
    expect(raw).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#after")).to_have_text("Mend lines 2, 3 of the raw predicates first.")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_disabled()
    assert page.locator("#narrowed").input_value() == ""
    tops = [box["y"] for each in remarks.all() if (box := each.bounding_box())]
    assert tops == sorted(tops)
    area = raw.bounding_box()
    assert area is not None
    assert all(area["y"] <= top < area["y"] + area["height"] for top in tops), "a remark stands beside its line"


def test_a_field_that_is_wrong_is_said_under_it_and_an_empty_one_is_asked_for(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow")
    _press(page, "This path")
    expect(page.get_by_label("Path", exact=True)).to_be_focused()
    expect(page.locator("#after")).to_have_text("Say the path first.")
    page.get_by_label("Path", exact=True).fill("docs")
    expect(page.locator("#path-said")).to_contain_text("begin")
    expect(page.get_by_label("Path", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#after")).to_have_text("Mend the path first.")


def test_a_caveat_that_changes_nothing_is_warned_of(tab: Tab) -> None:
    page = tab.paste(attenuate(ROOT, "method = GET"), "/narrow")
    _press(page, "Read only")
    expect(page.locator("#warnings .warn")).to_have_text(
        "Caveat 1 changes nothing: method in GET HEAD. Others say as much."
    )
    _copy(page)


def test_a_copy_that_could_do_nothing_is_refused_as_on_the_command_line(tab: Tab) -> None:
    page = tab.paste(attenuate(ROOT, "method = PUT"), "/narrow")
    _press(page, "Read only")
    refused = page.locator("#warnings .bad")
    expect(refused).to_contain_text("nothing would be permitted: method: caveats 0, 1 contradict each other.")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_disabled()
    page.get_by_label("Macaroon", exact=True).fill(narrow(ROOT, "time < 2026-01-01T00:00:00Z"))
    expect(refused).to_contain_text("nothing would be permitted: it has expired.")
    page.get_by_label("Macaroon", exact=True).fill(tab.service.token())
    _copy(page)
    _press(page, "One audience")
    page.get_by_label("Audience", exact=True).fill("billing")
    expect(refused).to_contain_text("audience = billing, but the token is for no audience.")
    expect(page.get_by_role("button", name="QR code")).to_be_disabled()


def test_a_caveat_that_this_service_does_not_know_is_warned_of_and_narrowed_further(tab: Tab) -> None:
    page = tab.paste(append(ROOT, b"owner = alice"), "/narrow")
    _press(page, "Read only")
    expect(page.locator("#warnings .bad")).to_contain_text("Caveat 0 is not understood here")
    assert _appended(page, append(ROOT, b"owner = alice")) == ["method in GET HEAD"]


def test_a_link_fills_in_the_form_and_the_form_gives_the_link(tab: Tab) -> None:
    link = "/narrow?path=/docs&path=/a%20b%25&ip=192.0.2.7&for=10m&name=ci&get"
    page = tab.paste(ROOT, link)
    method, end, path, ip, salt = _appended(page, ROOT)
    assert [method, path, ip] == ["method in GET HEAD", "path ^= /docs /a%20b%25", "ip in 192.0.2.7/32"]
    assert end <= f"time < {now(600)}"
    assert salt.startswith("salt = ci.")
    expect(page.locator("#link")).to_have_text(link)


def test_a_link_may_say_more_than_there_are_buttons_for(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow?method=POST&get&for=90s&audience=")
    end, methods = _appended(page, ROOT)
    assert methods == "method in GET HEAD POST"
    assert end <= f"time < {now(90)}"
    expect(page.get_by_role("button", name="90s")).to_have_attribute("aria-pressed", "true")
    tab.open("/narrow?for=soon")
    expect(page.locator("#link-said")).to_contain_text("no span of time")


def test_a_link_carries_no_token(tab: Tab) -> None:
    page = tab.open(f"/narrow?get&token={ROOT}")
    expect(page.locator("#address-notice")).to_contain_text("The address had a token in it")
    expect(page.get_by_role("button", name="Read only")).to_have_attribute("aria-pressed", "true")
    assert page.get_by_label("Macaroon", exact=True).input_value() == ""
    assert ROOT not in page.url
    assert ROOT not in page.evaluate("location.href + document.title + JSON.stringify(history.state)")
    assert ROOT not in page.content()


def test_a_qr_code_is_drawn_when_it_is_asked_for_and_goes_when_the_copy_changes(tab: Tab) -> None:
    page = tab.paste(ROOT, "/narrow")
    _press(page, "Read only")
    _copy(page)
    assert not any("qrcode" in request.url for request in tab.requests)
    button, picture = page.get_by_role("button", name="QR code"), page.get_by_role("img", name="QR code")
    button.click()
    expect(picture).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    assert [request.url for request in tab.requests if "qrcode" in request.url] != []
    side = int((picture.get_attribute("viewBox") or "").split(" ")[2])
    assert (side - 8 - 17) % 4 == 0, "a QR code has 17 + 4n modules a side, and here a rim of 4"
    _press(page, "Ten minutes")
    expect(picture).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")


def test_a_token_too_long_for_a_camera_gets_no_qr_code(tab: Tab) -> None:
    token = append(ROOT, *(b"path ^= /a/%d" % number for number in range(60)))
    page = tab.paste(token, "/narrow")
    page.get_by_label("Macaroon", exact=True).fill(append(ROOT, b"path ^= /" + b"a" * 1000))
    _press(page, "Read only", "QR code")
    expect(page.locator("#qr-code")).to_contain_text("Too long for a camera: 1")
    expect(page.get_by_role("img", name="QR code")).to_have_count(0)


def test_more_caveats_than_a_verifier_takes_are_refused_in_words(tab: Tab) -> None:
    page = tab.paste(append(ROOT, *(b"path ^= /a" for _ in range(64))), "/narrow")
    _press(page, "Read only")
    expect(page.locator("#after")).to_have_text(
        "There is no such copy: the copy would have 65 caveats, and verifiers take 64."
    )
