"""Headers on every answer to a browser, whatever it is, and static files of the right kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import capsvc.console
from capsvc.console.routes import is_for_people
from tests.capsvc.console.browser import SAME_ORIGIN, Browser, administrator, logged_in
from tests.capsvc.http.serving import PASSWORD, PROBLEM, Serving, raw

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
PAGES = ("/", "/inspect", "/narrow", "/login", "/mine", "/administration")
STATIC = Path(capsvc.console.__file__).parent / "static"
FOR_PROGRAMS = ("/v1/nothing", "/v1", "/.well-known/nothing", "/livez/x")


def _assert_guarded(answer: Any) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value], name
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert "camera=()" in answer.headers["permissions-policy"]


def _assert_file(answer: Any) -> None:
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
    assert answer.headers.get_list("cross-origin-resource-policy") == ["same-origin"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("cache-control") == ["no-cache"]


def _assert_page(answer: Any, status: int) -> None:
    assert answer.status_code == status
    _assert_guarded(answer)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = answer.text
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert len(re.findall(r"<h1>[^<]+</h1>", text)) == 1
    assert re.search(r"<title>[^<]+ · capsvc</title>", text)
    assert len(re.findall("<main ", text)) == 1
    assert not re.search(r"<style|<script(?! type=\"module\" src=\"/static/[a-z/-]+\.js\"></script>)", text)
    assert not re.search(r"\s(style|on[a-z]+)\s*=", text)
    assert not re.search(r"(src|href|action)=\"(?!/|#)", text), "nothing from another origin"
    assert "Traceback" not in text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_all_headers_and_nothing_inline(service: Serving, path: str) -> None:
    user, admin = logged_in(service)[0], administrator(service)[0]
    _assert_page((admin if path == "/administration" else user).get(path), 200)
    head = user.send("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    _assert_guarded(head)


def test_every_label_belongs_to_a_field_and_every_field_has_one(service: Serving) -> None:
    browser, _ = logged_in(service, "billing")
    for path in ("/mine", "/login"):
        text = browser.get(path).text
        labelled = re.findall(r'<label for="([^"]+)"', text)
        fields = re.findall(r'<(?:input|select|textarea) id="([^"]+)"', text)
        assert sorted(labelled) == sorted(fields)
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(ids) == len(set(ids))


def test_every_answer_to_a_form_has_all_headers(service: Serving) -> None:
    browser, user = logged_in(service)
    answers = [
        browser.log_in(user),
        browser.log_in(user, "wrong"),
        browser.post("/mine/issue", name="a", lifetime="600", password=PASSWORD),
        browser.post("/mine/issue", name="a", lifetime="x"),
        browser.post("/mine/revoke", name="a"),
        browser.post("/mine/logout-everywhere"),
        Browser(service).get("/mine"),
        Browser(service).send("POST", "/mine/issue", headers=SAME_ORIGIN),
        browser.send("POST", "/mine/issue"),
        browser.post("/logout"),
    ]
    assert [answer.status_code for answer in answers] == [303, 401, 200, 400, 303, 400, 303, 401, 403, 303]
    for answer in answers:
        _assert_guarded(answer)
        assert answer.status_code == 303 or answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path", ["/nothing", "/mine/", "/mine/nothing", "/Mine", "/inspect/x", "/<script>", "/%00", "/é"]
)
def test_a_page_that_there_is_not_is_a_page(service: Serving, path: str) -> None:
    _assert_page(service.client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/mine", {"GET", "HEAD"}), ("GET", "/logout", {"POST"}), ("DELETE", "/login", {"GET", "HEAD", "POST"}),
     ("POST", "/static/style.css", {"GET", "HEAD"})],
)  # fmt: skip
def test_a_method_that_a_page_does_not_have_is_a_page(
    service: Serving, method: str, path: str, allowed: set[str]
) -> None:
    answer = service.client.request(method, path)
    _assert_page(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", FOR_PROGRAMS)
def test_what_is_for_programs_stays_json(service: Serving, path: str) -> None:
    answer = service.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert not is_for_people(path)


def test_a_request_that_cannot_be_read_is_a_page(service: Serving) -> None:
    browser, _ = logged_in(service)
    answer = raw(
        service, "GET /mine HTTP/1.1", "Host: a", "Host: b", f"Cookie: __Host-capsvc={browser.jar['__Host-capsvc']}"
    )
    assert answer.status == 400
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(("name", "type"), [("style.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")])
def test_a_static_file_has_its_type_and_is_asked_for_again_by_its_tag(service: Serving, name: str, type: str) -> None:
    answer = service.client.get(f"/static/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, type)
    assert answer.content == (STATIC / name).read_bytes()
    _assert_file(answer)
    again = service.client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    _assert_file(again)


def test_a_static_file_goes_compressed_to_who_takes_that_and_plain_to_others(service: Serving) -> None:
    plain, packed = (
        service.client.get("/static/style.css", headers={"Accept-Encoding": each}) for each in ("identity", "gzip, br")
    )
    assert (plain.headers.get("content-encoding"), packed.headers.get("content-encoding")) == (None, "gzip")
    assert plain.content == packed.content == (STATIC / "style.css").read_bytes()
    assert int(packed.headers["content-length"]) < len(plain.content) // 2
    assert plain.headers["etag"] != packed.headers["etag"]
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "path",
    ["/static", "/static/", "/static/core", "/static/core/", "/static/nothing.js", "/static/../pages.py",
     "/static/%2e%2e/pages.py", "/static/..%2fpages.py", "/static//etc/passwd", "/static/%00", "/static/" + "a" * 5000],
)  # fmt: skip
def test_nothing_is_listed_and_nothing_outside_is_served(service: Serving, path: str) -> None:
    answer = raw(service, f"GET {path} HTTP/1.1", "Host: a")
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_the_stylesheet_is_small_and_asks_for_nothing_else() -> None:
    style = (STATIC / "style.css").read_text("utf-8")
    assert len(style.encode()) < 16_000
    assert not re.search(r"@import|url\(|https?:", style)
    for asked in ("prefers-color-scheme: dark", "prefers-reduced-motion", ":focus-visible", ".skip:focus"):
        assert asked in style


def _luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(each * 2 for each in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_pair_of_colours_that_meets_is_told_apart_as_wcag_asks() -> None:
    style = (STATIC / "style.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    texts = {
        "ink": ("ground", "sheet", "sunk", "accent-soft", "good-soft", "warn-soft", "bad-soft"),
        "quiet": ("ground", "sheet", "sunk"),
        "accent": ("ground", "sheet", "accent-soft"),
        "on-accent": ("accent",),
        **{each: ("sheet", f"{each}-soft") for each in ("good", "warn", "bad")},
    }
    lines = dict.fromkeys(("edge", "accepted", "expired", "revoked", "unmet", "invalid"), ("sheet",))
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6});", scheme))
        for pairs, least in ((texts, 4.5), (lines, 3.0)):
            for one, others in pairs.items():
                for other in others:
                    bright, dim = sorted((_luminance(colours[one]), _luminance(colours[other])), reverse=True)
                    assert (bright + 0.05) / (dim + 0.05) >= least, (one, other)
