"""Pictures of every page of the console, light and dark, wide and narrow: ``make screenshots``.

The service, its users and tokens are made for the pictures, and gone afterwards.
"""

from __future__ import annotations

import io
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from capsvc.stores import NewUser
from tests.capsvc.console.chromium import ARGUMENTS, CHROMIUM, Tab
from tests.capsvc.http.serving import ADMIN, PASSWORD, Serving, append, bearer, hashed, make_home, narrow, now, serving

_WIDTHS = {"wide": 1200, "narrow": 390}
_COLOURS = 256
_Show = Callable[[Tab], Page]


def _inspect(tab: Tab) -> Page:
    page = tab.paste(narrow(tab.service.log_in("alice", lifetime=8060), "path ^= /docs", "method in GET HEAD"))
    page.get_by_label("method").fill("DELETE")
    page.get_by_label("path").fill("/docs/2026/report")
    page.get_by_role("button", name="Time: now").click()
    expect(page.locator("#outcome")).to_have_text("Refused by 1 caveat.")
    return page


def _narrow(tab: Tab) -> Page:
    page = tab.paste(tab.service.log_in("alice"), "/narrow?path=/docs&for=10m&get")
    page.get_by_role("button", name="Revocable by name").click()
    page.get_by_label("Name", exact=True).fill("contractor")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_enabled()
    return page


def _qr_code(tab: Tab) -> Page:
    page = _narrow(tab)
    page.get_by_text("Raw predicates", exact=True).click()
    page.get_by_label("One predicate a line").fill("action in read list\nowner = alice")
    expect(page.locator("#raw-said .error")).to_be_visible()
    page.get_by_label("One predicate a line").fill("action in read list\nmethod in GET HEAD PUT")
    page.get_by_role("button", name="QR code").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    return page


def _mine(tab: Tab) -> Page:
    return tab.log_in("alice")


def _issued(tab: Tab) -> Page:
    page = tab.log_in("alice")
    page.get_by_label("Name", exact=True).fill("backup-job")
    page.get_by_label("Your password, again").fill(PASSWORD)
    page.get_by_role("button", name="Issue").click()
    page.get_by_role("heading", name="Issued").wait_for()
    return page


PAGES: dict[str, _Show] = {
    "inspect": _inspect,
    "narrow": _narrow,
    "narrow-qr": _qr_code,
    "login": lambda tab: tab.open("/login"),
    "mine": _mine,
    "issued": _issued,
    "administration": lambda tab: tab.log_in("root", "/administration"),
}


@contextmanager
def _service() -> Iterator[Serving]:
    """A service that has seen some use."""
    with tempfile.TemporaryDirectory() as path:
        home = make_home(Path(path) / "home")
        names = ["alice", "bob", "carol", "dave"]
        with closing(home.open_store()) as store:
            store.add_users([NewUser("root", hashed(), (ADMIN,))], now(-9000))
            store.add_users([NewUser(name, hashed(), ("billing",) if name == "bob" else ()) for name in names], now())
            store.set_disabled("dave", True, now())
        with serving(home) as service:
            for name in ("laptop", "phone"):
                service.log_in("alice", salt=name)
            client, token = service.client, service.log_in("alice")
            for name, value in (("name", "contractor.k3x9q2wd"), ("name", "phone")):
                client.post("/v1/revocations", headers=bearer(token), json={name: value})
            tokens = [token] * 8 + [narrow(token, "path ^= /docs")] * 3 + ["nonsense"] * 2
            tokens += [narrow(token, "time < 2026-01-01T00:00:00Z"), append(token, b"salt = phone/" + b"A" * 22)]
            for each in tokens * 4:
                client.get("/v1/capability", headers=bearer(each))
            _remember_hours(home.path / "outcomes")
            yield service


def _remember_hours(outcomes: Path) -> None:
    """Leave counts of the last three hours, as another worker would have."""
    outcomes.mkdir(exist_ok=True)
    this = int(time.time()) // 60
    minutes = {this - ago: _minute(ago) for ago in range(2, 180)}
    (outcomes / "0123456789abcdef.json").write_text(json.dumps(minutes), "utf-8")


def _minute(ago: int) -> list[int]:
    accepted = 46 + round(18 * math.sin(ago / 23) + 7 * math.sin(ago / 3.1))
    return [accepted, int(ago % 17 < 3), 9 if 40 < ago < 46 else 0, 3 + ago % 4, 14 if 95 < ago < 104 else ago % 2]


def _take(browser: Browser, service: Serving, into: Path, name: str, show: _Show) -> None:
    for scheme in ("light", "dark"):
        for screen, width in _WIDTHS.items():
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
            page = show(Tab(context.new_page(), service))
            # The whole page has to fit, so that nothing that stays in view while one scrolls stands twice or aside.
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("for (const each of [window, ...document.querySelectorAll('textarea')]) each.scrollTo(0, 0)")
            page.evaluate("document.activeElement.blur()")
            page.mouse.move(0, 0)
            page.wait_for_timeout(200)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            _with_few_colours(picture).save(into / f"{name}-{screen}-{scheme}.png", optimize=True)
            context.close()


def _with_few_colours(picture: Image.Image) -> Image.Image:
    """Keep the colours that most of a picture has as they are, and give the edges of letters the nearest of them."""
    counted = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)[:_COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for _, colour in counted for value in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def main(into: Path) -> None:
    """Write every picture into a directory."""
    into.mkdir(parents=True, exist_ok=True)
    with _service() as service, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for name, show in PAGES.items():
            _take(browser, service, into, name, show)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
