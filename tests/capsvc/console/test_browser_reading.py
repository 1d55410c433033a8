"""Whether the pages can be read: by everybody, on every screen, in the dark, and soon."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.capsvc.console.chromium import Tab, needs_chromium
from tests.capsvc.http.serving import ADMIN
from tests.interop.packages import CACHE

pytestmark = needs_chromium

LIGHT, DARK = {"color_scheme": "light"}, {"color_scheme": "dark"}
NARROW, NARROW_DARK = [{**each, "viewport": {"width": 320, "height": 640}} for each in (LIGHT, DARK)]
MOST_BYTES = 100_000
AXE = CACHE / "axe/node_modules/axe-core/axe.min.js"


def _inspect(tab: Tab) -> Page:
    page = tab.open("/inspect")
    page.get_by_role("button", name="Show an example").click()
    page.get_by_label("method").fill("POST")
    page.get_by_label("ip").fill("nowhere")
    page.get_by_role("button", name="Ask the service").click()
    expect(page.locator("#answer li").first).to_be_visible()
    return page


def _judged(tab: Tab) -> Page:
    page = tab.open("/inspect")
    page.get_by_role("button", name="Show an example").click()
    page.get_by_label("method").fill("POST")
    expect(page.locator("#refusals li").first).to_be_visible()
    return page


def _narrow(tab: Tab) -> Page:
    page = tab.open("/narrow?path=/docs&for=10m&name=ci&get&ip=192.0.2.7&audience=billing")
    page.get_by_role("button", name="One audience").click()
    page.get_by_text("Raw predicates", exact=True).click()
    page.get_by_role("button", name="Show an example").click()
    page.get_by_role("button", name="QR code").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    return page


def _refused(tab: Tab) -> Page:
    page = tab.open("/narrow?method=PUT")
    page.get_by_role("button", name="Show an example").click()
    expect(page.locator("#warnings .bad")).to_be_visible()
    page.get_by_label("One predicate a line").fill("method = PUT\nowner = alice")
    expect(page.locator("#raw-said .error")).to_be_visible()
    return page


def _mine(tab: Tab) -> Page:
    page = tab.log_in(tab.service.new_user("billing"))
    page.get_by_text("Revoke what is not in the list").click()
    return page


def _administration(tab: Tab) -> Page:
    return tab.log_in(tab.service.new_user(ADMIN), "/administration")


STATES: dict[str, Callable[[Tab], Page]] = {
    "first": lambda tab: tab.open("/"),
    "inspect": _inspect,
    "inspect, judged": _judged,
    "narrow, empty": lambda tab: tab.open("/narrow"),
    "narrow": _narrow,
    "narrow, refused": _refused,
    "login": lambda tab: tab.open("/login"),
    "login to administer": lambda tab: tab.open("/administration"),
    "mine": _mine,
    "administration": _administration,
    "no such page": lambda tab: tab.open("/nowhere"),
}
"""Each page in the states that look different."""
EXPECTED = ("status of 401", "status of 404")


@cache
def _axe() -> str:
    if not AXE.exists() and not os.environ.get("CI"):
        pytest.skip("axe-core is not here: as root, `make browser-packages` installs it")
    return AXE.read_text("utf-8")


def _violations(tab: Tab) -> list[str]:
    tab.run(_axe())
    found: dict[str, Any] = json.loads(
        tab.run("axe.run(document, { resultTypes: ['violations'] }).then((found) => JSON.stringify(found))")
    )
    assert len(found["passes"]) > 10
    return [f"{each['id']}: {node['html']}: {node['failureSummary']}" for each in found["violations"]
            for node in each["nodes"]]  # fmt: skip


@pytest.mark.parametrize("context", [LIGHT, NARROW_DARK], indirect=True, ids=["light and wide", "dark and narrow"])
def test_axe_finds_nothing_that_keeps_anybody_from_reading(tab: Tab) -> None:
    tab.expected = EXPECTED
    _axe()
    for name, show in STATES.items():
        tab.page.context.clear_cookies()
        show(tab)
        assert _violations(tab) == [], name


@pytest.mark.parametrize("context", [NARROW], indirect=True, ids=["320 px"])
def test_no_page_is_wider_than_a_narrow_screen(tab: Tab) -> None:
    tab.expected = EXPECTED
    for name, show in STATES.items():
        tab.page.context.clear_cookies()
        page = show(tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        small = page.evaluate(
            """[...document.querySelectorAll("button, nav a, input:not(.hidden, [type=hidden]), select, summary")]
              .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 24
                && each.type !== "checkbox").map((each) => each.outerHTML)"""
        )
        assert small == [], "too small for a finger"


@pytest.mark.parametrize("context", [LIGHT, DARK], indirect=True, ids=["light", "dark"])
def test_the_page_is_as_dark_as_the_reader_wants_it(tab: Tab, request: pytest.FixtureRequest) -> None:
    for path in ("/", "/narrow", "/login"):
        page = tab.open(path)
        red, green, blue = page.evaluate(
            "getComputedStyle(document.documentElement).backgroundColor.match(/[0-9]+/g).map(Number)"
        )
        is_dark = red + green + blue < 3 * 64
        assert is_dark == page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


def test_each_page_is_small_and_soon_there(tab: Tab, capsys: pytest.CaptureFixture[str]) -> None:
    tab.log_in(tab.service.new_user(ADMIN))
    tab.log_in(tab.service.new_user(ADMIN), "/administration")
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    lines, sizes = [], {}
    for path in ("/inspect", "/narrow", "/mine", "/administration", "/login"):
        rounds = []
        for _ in range(5):
            received.clear()
            tab.page.goto(tab.service.url + path)
            tab.page.wait_for_timeout(60)
            rounds.append(tab.page.evaluate(_TIMES))
        size = sum(received)
        painted, ready = (median(each) for each in zip(*rounds, strict=True))
        lines.append(
            f"{path:<16} {size / 1000:6.1f} KB   painted after {painted:4.0f} ms   ready after {ready:4.0f} ms"
        )
        sizes[path] = size
        assert ready < 10_000, "a measure, and no test: only a page that hangs fails it"
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert max(sizes.values()) < MOST_BYTES


_TIMES = """[
  performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
]"""
