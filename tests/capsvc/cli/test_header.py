"""The header of one request: bound as the guard can see it, and not printed where it could not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from caveats import Macaroon, decode, encode
from tests.forks import run

ROOT = Macaroon.mint(b"a root key", "k1", "https://caps.example")
URL = "https://api.example/docs/7"


def _header(path: Path, macaroon: Macaroon, *more: str, method: str = "GET", url: str = URL) -> tuple[int, str, str]:
    done = run(path / "nowhere", "header", method, url, "--token", "-", *more, stdin=encode(macaroon))
    return done.returncode, done.stdout.removeprefix("Authorization: Bearer ").strip(), done.stderr


@pytest.mark.parametrize(("more", "binds"), [([], True), (["--no-body"], False)])
def test_the_body_is_left_out_for_a_guard_that_cannot_see_it(tmp_path: Path, more: list[str], binds: bool) -> None:
    _, bound, _ = _header(tmp_path, ROOT, *more)
    bodies = [each for each in decode(bound).unverified_caveats if each.identifier.startswith(b"body = ")]
    assert bool(bodies) == binds


@pytest.mark.parametrize(
    ("macaroon", "message"),
    [
        (ROOT.attenuate("method = POST"), "the token does not permit this request: caveat 0: method = POST"),
        (ROOT.attenuate("path ^= /docs", "host = b.example"), "this request: caveat 1: host = b.example"),
        (ROOT.attenuate("time < 2025-01-01T00:00:00Z"), "the token has expired"),
        (ROOT.attenuate("time >= 2099-01-01T00:00:00Z"), "this request: caveat 0: time >= 2099-01-01T00:00:00Z"),
        (ROOT.entrust("https://approve.example", b"a key", b"an id"), "needs a discharge from https://approve.example"),
        (ROOT.append(b"method ~ GET"), "caveat 0 is not understood: method ~ GET"),
    ],
)
def test_a_header_that_could_not_work_is_not_printed(tmp_path: Path, macaroon: Macaroon, message: str) -> None:
    code, bound, said = _header(tmp_path, macaroon)
    assert (code, bound, len(said.splitlines())) == (1, "", 1)
    assert message in said


def test_what_only_the_application_can_tell_is_warned_of(tmp_path: Path) -> None:
    declared = ROOT.append(b"amount <= 5")
    code, bound, said = _header(tmp_path, declared)
    assert (code, bool(bound)) == (0, True)
    assert said.startswith("warning: caveat 0 is not understood: amount <= 5")
    assert _header(tmp_path, declared, "--declare", "amount=number")[2] == ""


@pytest.mark.parametrize(
    ("method", "url", "message"),
    [("get", URL, "write GET"), ("G T", URL, "a method is one word"), ("GET", "https://a b/x", "a URL is like")],
)
def test_a_request_that_nobody_sends_is_refused(tmp_path: Path, method: str, url: str, message: str) -> None:
    code, bound, said = _header(tmp_path, ROOT, method=method, url=url)
    assert (code, bound, message in said) == (1, "", True)
