"""Inspect: what a pasted token says, what a request would meet, and what the service answers when it is asked."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from caveats import Macaroon, attenuate, decode, encode
from caveats.encoding import encode_base64
from caveats.wire import Format, encode_text
from tests.capsvc.console.chromium import Tab, needs_chromium
from tests.capsvc.http.serving import append, narrow

pytestmark = needs_chromium

ROOT = Macaroon.mint(b"a root key", "k1", "https://caps.example")


def _chain(page: Page) -> list[str]:
    return [re.sub(r"\s+", " ", each).strip() for each in page.locator("#chain .link").all_inner_texts()]


def _badges(page: Page) -> list[str]:
    return [page.locator(f"#{each}").inner_text().strip() for each in ("decoded", "proven", "accepted")]


def _verdicts(page: Page) -> list[str | None]:
    return [each.get_attribute("data-verdict") for each in page.locator("#chain .link").all()]


NOT_ASKED = ["signature proven: not asked", "accepted now: not asked"]


def test_a_pasted_token_shows_its_chain_scope_size_and_expiry(tab: Tab) -> None:
    user = tab.service.new_user()
    token = narrow(tab.service.log_in(user, lifetime=8000), "path ^= /docs", "method in GET HEAD")
    page = tab.paste(token)
    expect(page.get_by_text("Decoded, not verified: format 2, 7 caveats.")).to_be_visible()
    chain = _chain(page)
    assert [each.split(" ")[:2] for each in chain[:5]] == [
        [str(position), name] for position, name in enumerate(("nonce", "user", "salt", "time", "time"))
    ]
    assert all(each.endswith("service") for each in chain[:5])
    assert chain[5:] == ["5 path ^= /docs holder", "6 method in GET HEAD holder"]
    assert chain[2] == "2 salt = default/… service"
    rows = [re.sub(r"\s+", " ", each) for each in page.locator("#scope tr").all_inner_texts()]
    assert rows[:2] == [f"user is {user}", "salt is default/…"]
    assert rows[-2:] == ["path is under /docs", "method is one of GET HEAD"]
    size = f"format 2: {len(token)} characters, {len(token) * 3 // 4} bytes"
    expect(page.locator("#size")).to_have_text(size)
    expect(page.locator("#location")).to_have_text(tab.service.url)
    expect(page.locator("#identifier")).to_have_text("k1")
    expect(page.locator("#expires strong")).to_have_text(re.compile(r"in 2 h 1[23] min"))
    assert _badges(page) == ["decoded: yes", *NOT_ASKED]


def test_every_format_shows_the_same(tab: Tab) -> None:
    for form, name in ((Format.V1, "format 1"), (Format.V2, "format 2"), (Format.JSON, "2-JSON")):
        page = tab.paste(encode(ROOT.attenuate("path ^= /docs"), form))
        assert _chain(page) == ["0 path ^= /docs holder"]
        expect(page.locator("#token-said")).to_have_text(f"Decoded, not verified: {name}, 1 caveat.")


def test_white_space_around_a_token_is_left_out_and_that_is_said(tab: Tab) -> None:
    page = tab.paste(f"\n  {encode(ROOT)} \n")
    expect(page.locator("#token-said")).to_contain_text("White space around it is left out.")


def test_what_is_no_macaroon_is_said_beside_the_field_in_words(tab: Tab) -> None:
    page = tab.paste("eyJhbGciOiJub25lIn0.e30.")
    area = page.get_by_label("Macaroon", exact=True)
    expect(page.locator("#token-said")).to_have_text(re.compile("^This is no macaroon: "))
    expect(area).to_have_attribute("aria-invalid", "true")
    expect(area).to_have_attribute("aria-describedby", "token-said")
    expect(page.locator("#found")).to_be_hidden()
    assert _badges(page) == ["decoded: no", *NOT_ASKED]
    page.get_by_role("button", name="Clear").click()
    expect(area).to_have_attribute("aria-invalid", "false")
    expect(area).to_be_focused()
    assert _badges(page) == ["decoded: not yet", *NOT_ASKED]


def test_a_what_if_says_which_caveat_refuses_why_and_what_would_have_to_differ(tab: Tab) -> None:
    page = tab.paste(append(narrow(tab.service.token(), "path ^= /docs", "method in GET HEAD"), b"amount <= 5"))
    page.get_by_label("method").fill("POST")
    page.get_by_label("path").fill("/docs/7")
    page.get_by_role("button", name="Time: now").click()
    expect(page.locator("#outcome")).to_have_text("Refused by 2 caveats.")
    assert [each.split("\n\n") for each in page.locator("#refusals li").all_inner_texts()] == [
        ["Caveat 6: method in GET HEAD", "the request needs POST; use GET or HEAD"],
        ["Caveat 7: amount <= 5", "the request does not say its amount; say the amount"],
    ]
    salt = "decided by the salt column"
    assert _verdicts(page) == ["met", "met", salt, "met", "met", "met", "unmet", "unmet"]
    page.get_by_label("method").fill("GET")
    page.get_by_label("amount").fill("5")
    expect(page.locator("#outcome")).to_have_text(
        "No caveat refuses it. Whether it was taken back, the service alone can say."
    )
    page.get_by_role("button", name="Empty the form").click()
    assert set(_verdicts(page)) == {""}


def test_a_query_is_held_against_its_digest_and_actions_against_their_set(tab: Tab) -> None:
    digest = "sha-256:" + "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    page = tab.paste(encode(ROOT.attenuate(f"query = {digest}", "action in list read")))
    page.get_by_label("action").fill("read  list")
    page.get_by_label("query").fill("page=2")
    expect(page.locator("#refusals li")).to_have_count(1)
    assert _verdicts(page) == ["unmet", "met"]


def test_a_fact_that_is_wrong_is_said_beside_its_field(tab: Tab) -> None:
    page = tab.paste(encode(ROOT.attenuate("method = GET")))
    for fact, wrong in (("ip", "10.0.0"), ("time", "tomorrow"), ("host", "API.example")):
        field = page.get_by_label(fact)
        field.fill(wrong)
        expect(page.locator(f"#fact-{fact}-said")).to_contain_text(f"{fact}: ")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#outcome")).to_have_text("Mend what is marked above.")
        field.fill("")
        expect(field).to_have_attribute("aria-invalid", "false")


def test_caveats_that_contradict_repeat_or_are_not_understood_are_named(tab: Tab) -> None:
    page = tab.paste(
        append(encode(ROOT), b"method = GET", b"path ^= /a", b"path ^= /a/b", b"method = PUT", b"is owner")
    )
    assert _chain(page) == [
        "0 method = GET holder contradicts 3",
        "1 path ^= /a holder changes nothing",
        "2 path ^= /a/b holder",
        "3 method = PUT holder contradicts 0",
        "4 is owner holder not understood: a predicate is: attribute, space, operator, space, value",
    ]
    assert page.locator("#scope p").all_inner_texts() == [
        "Nothing at all.",
        "Caveat 4 is not understood here, and forbids everything: is owner: "
        "a predicate is: attribute, space, operator, space, value.",
        "Nothing is permitted: method: caveats 0, 3 contradict each other.",
        "Caveat 1 changes nothing: others say as much.",
    ]


def test_a_third_party_is_named_with_where_it_is(tab: Tab) -> None:
    caveat = ROOT.entrust("https://approval.example", b"a key of 32 bytes, for the test!", b"ticket")
    page = tab.paste(encode(caveat))
    assert _chain(page) == ["0 third party at https://approval.example third party"]
    expect(page.locator("#scope table")).to_contain_text("from https://approval.example is sent along")


def test_an_expiry_ticks_each_second_and_is_announced_seldom(tab: Tab) -> None:
    tab.page.clock.install(time="2026-12-01T12:00:00Z")
    page = tab.open("/inspect")
    page.clock.pause_at("2026-12-01T12:00:10Z")
    page.get_by_label("Macaroon", exact=True).fill(encode(ROOT.attenuate("time < 2026-12-01T12:06:12Z")))
    said, announced = page.locator("#expires strong"), page.locator("#expiry-said")
    heard = []
    for seconds, text in ((0, "in 6 min 2 s"), (1, "in 6 min 1 s"), (61, "in 5 min"), (1, "in 4 min 59 s"),
                          (240, "in 59 s"), (60, "expired 1 s ago")):  # fmt: skip
        page.clock.run_for(seconds * 1000)
        expect(said).to_have_text(text)
        heard.append(announced.inner_text())
    assert list(dict.fromkeys(heard)) == [
        "", "The macaroon expires in 5 min.", "The macaroon expires in 1 min.", "The macaroon has expired.",
    ]  # fmt: skip
    expect(announced).to_have_attribute("role", "status")


def test_a_signature_and_a_salt_are_never_shown(tab: Tab) -> None:
    token = narrow(tab.service.token(), f"salt = ci.k3x9/{encode_base64(b'sixteen bytes of')}")
    macaroon = decode(token)
    page = tab.paste(token)
    page.get_by_label("method").fill("GET")
    told = page.locator("body").inner_html().replace(token, "")
    salts = [
        each.identifier.rpartition(b"/")[2].decode()
        for each in macaroon.unverified_caveats
        if each.identifier.startswith(b"salt")
    ]
    assert len(salts) == 2
    for secret in (*salts, macaroon.signature.hex(), encode_base64(macaroon.signature)):
        assert secret not in told
        assert secret[8:20] not in told


def _ask(page: Page) -> str:
    page.get_by_role("button", name="Ask the service").click()
    expect(page.locator("#answer p").first).to_be_visible()
    return page.locator("#answer").inner_text()


def test_the_service_proves_and_accepts_a_live_token_of_any_format(tab: Tab) -> None:
    user = tab.service.new_user()
    for form in Format:
        page = tab.paste(encode(decode(tab.service.log_in(user)), form))
        assert f"Accepted: it is {user}'s" in _ask(page)
        assert _badges(page) == ["decoded: yes", "signature proven: yes", "accepted now: yes"]


def test_a_token_that_is_alive_but_not_for_this_request_is_said_to_be_so(tab: Tab) -> None:
    tab.expected = ("status of 403",)
    page = tab.paste(narrow(tab.service.token(), "path ^= /docs"))
    answer = _ask(page)
    assert "It is alive, but not for this request (GET /v1/capability):" in answer
    assert "Caveat 5: path ^= /docs" in answer
    assert "it is /v1/capability; stay under /docs" in answer
    assert _badges(page)[1:] == ["signature proven: yes", "accepted now: not for this request"]


def test_an_expired_token_and_a_revoked_one_are_proven_and_not_accepted(tab: Tab) -> None:
    tab.expected = ("status of 401",)
    for token, answer in ((tab.service.expired(), "It has expired."), (tab.service.revoked(), "It was taken back.")):
        page = tab.paste(token)
        assert _ask(page) == answer
        assert _badges(page)[1:] == ["signature proven: yes", "accepted now: no"]


def test_a_token_of_nobodys_is_not_proven_here_and_what_that_may_mean_is_said(tab: Tab) -> None:
    tab.expected = ("status of 401",)
    billing = tab.service.log_in(tab.service.new_user("billing"), "billing")
    for token in (encode(ROOT), billing):
        answer = _ask(tab.paste(token))
        for reason in ("of another service", "changed after", "for another audience", "discharges of third parties"):
            assert reason in answer
        assert _badges(tab.page)[1:] == ["signature proven: not here", "accepted now: no"]


def test_a_service_that_does_not_answer_leaves_both_badges_open(tab: Tab) -> None:
    tab.expected = ("Failed to load resource",)
    page = tab.paste(encode(ROOT))
    page.context.set_offline(True)
    assert "could not be asked" in _ask(page)
    assert _badges(page) == ["decoded: yes", "signature proven: could not ask", "accepted now: could not ask"]


def test_an_answer_is_forgotten_as_soon_as_the_token_changes(tab: Tab) -> None:
    page = tab.paste(tab.service.token())
    _ask(page)
    page.get_by_label("Macaroon", exact=True).fill(encode(ROOT))
    assert _badges(page) == ["decoded: yes", *NOT_ASKED]
    expect(page.locator("#answer")).to_be_empty()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="Ask the service")).to_be_disabled()


def test_the_example_shows_every_part_of_the_page(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_role("button", name="Show an example").click()
    expect(page.locator("#expires strong")).to_have_text(re.compile("in 2 h 1[34] min"))
    assert len(_chain(page)) == 9
    expect(page.locator("#scope")).to_contain_text("is one of GET HEAD")


def test_a_token_in_the_address_is_not_read_and_taken_out_with_a_warning(tab: Tab) -> None:
    page = tab.open(f"/inspect?token={encode(ROOT)}&x=1")
    expect(page.locator("#address-notice")).to_contain_text("Take it back")
    assert page.url == f"{tab.service.url}/inspect?x=1"
    assert page.get_by_label("Macaroon", exact=True).input_value() == ""


def test_nothing_moves_while_one_types(tab: Tab) -> None:
    page = tab.open("/inspect")
    area = page.get_by_label("Macaroon", exact=True)
    fixed = [area, page.locator("#clear"), page.locator("#ask"), page.locator("#proven")]

    def places() -> list[tuple[float, float]]:
        return [(box["x"], box["y"]) for each in fixed if (box := each.bounding_box())]

    before = places()
    assert len(before) == len(fixed)
    for typed in ("A", "Ag", encode(ROOT)[:-1], encode(ROOT)):
        area.fill(typed)
        assert places() == before


def test_a_narrowed_copy_of_the_page_is_what_attenuate_gives(tab: Tab) -> None:
    token = encode_text(ROOT)
    page = tab.paste(token, "/narrow")
    page.get_by_role("button", name="Read only").click()
    expect(page.locator("#narrowed")).to_have_value(attenuate(token, "method in GET HEAD"))
