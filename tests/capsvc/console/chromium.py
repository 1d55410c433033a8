"""Debian's Chromium without a window: each test has a browser of its own that has seen nothing before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.capsvc.http.serving import PASSWORD, Serving

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_PATIENCE_MILLISECONDS = 60_000
_REPORT = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`violation of ${event.violatedDirective} by ${event.blockedURI}`));
"""

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"),
    reason="chromium is not here: apt-get install chromium-headless-shell",
)


@dataclass
class Tab:
    """A page that is watched: what it asks for, and what its console has to complain of."""

    page: Page
    service: Serving
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """What a complaint may hold, because the test provokes it."""

    def __post_init__(self) -> None:
        self.page.add_init_script(_REPORT)
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(self.service.url + path)
        return self.page

    def paste(self, token: str, path: str = "/inspect") -> Page:
        """Open a page, and paste a token into it."""
        self.open(path)
        self.page.get_by_label("Macaroon", exact=True).fill(token)
        return self.page

    def log_in(self, user: str, path: str = "/login", password: str = PASSWORD) -> Page:
        """Log in by the form of a page."""
        self.open(path)
        self.page.get_by_label("User").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("button", name="Log out", exact=True).wait_for()
        return self.page

    def run(self, expression: str) -> Any:
        """Run a script in the page as its developer could, whatever the page's policy."""
        session = self.page.context.new_cdp_session(self.page)
        answer = session.send(
            "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def unexpected(self) -> list[str]:
        """The complaints that no test provoked."""
        return [each for each in self.complaints if not any(text in each for text in self.expected)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


# A browser for each module, not for the whole run: while Playwright runs, its thread has a running event loop, and
# a test of another module that runs one itself would fail.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    """A profile without history; a test may say in ``param`` how its window is made."""
    made = chromium.new_context(**getattr(request, "param", {}))
    made.set_default_timeout(_PATIENCE_MILLISECONDS)
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext, service: Serving) -> Iterator[Tab]:
    """A tab, in which nothing may break the policy, fail in a script or be complained of, whatever the test is for."""
    made = Tab(context.new_page(), service)
    yield made
    assert made.unexpected() == []
