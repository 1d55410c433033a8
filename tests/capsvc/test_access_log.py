"""Access logs: which requests their lines tell, and which lines tell none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.access_log import read_log
from caveats import BUILTIN, Request

ALL = ("method", "path", "query", "ip", "time", "action")
NGINX = (
    '203.0.113.9 - alice [25/Nov/2026:12:00:00 +0100] "GET /docs/7?x=1 HTTP/1.1" 200 612 "https://a.example/?a=\\"b\\""'
    ' "curl/8"'
)


def _facts(line: str, *attributes: str) -> dict[str, object] | None:
    (found,) = read_log([line], BUILTIN, attributes or ALL)
    return None if found.request is None else dict(found.request.facts)


def test_a_line_of_the_combined_format_tells_its_request() -> None:
    assert _facts(NGINX) == dict(
        Request(
            method="GET", path="/docs/7", query=b"x=1", ip="203.0.113.9", time="2026-11-25T11:00:00Z"
        ).facts
    )  # fmt: skip
    assert _facts(NGINX, "method") == {"method": frozenset({"GET"})}


def test_a_line_of_json_tells_what_its_members_say() -> None:
    assert _facts('{"method": "GET", "action": ["read", "list"], "took": 3, "status": 200}') == dict(
        Request(method="GET", action=["read", "list"]).facts
    )


def test_bytes_that_a_server_escaped_are_those_of_the_wire() -> None:
    line = '::1 - - [25/Nov/2026:12:00:00 +0000] "GET /caf\\xC3\\xA9 HTTP/2.0" 200 1'
    assert _facts(line, "path") == dict(Request(path="/caf%C3%A9").facts)


@pytest.mark.parametrize(
    "line",
    ["", "\n", '1.2.3.4 - - [25/Nov/2026:12:00:00 +0000] "\\x16\\x03" 400 1', '{"method": "GET", "status": 403}'],
)
def test_what_was_refused_is_passed_over(line: str) -> None:
    assert list(read_log([line], BUILTIN, ALL)) == []


@pytest.mark.parametrize(
    "line",
    [
        "hello", "{", "[1]", '{"status": "200"}', '{"method": 3}', "{" * 5000, "x" * 70000,
        '1.2.3.4 - - [25/Nov/2026:12:00:00 +0000] "GET http://a/ HTTP/1.1" 200 1',
        '1.2.3.4 - - [yesterday] "GET / HTTP/1.1" 200 1',
        'nowhere - - [25/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1',
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_told_by_its_number(line: str) -> None:
    assert [each.line for each in read_log([NGINX, line], BUILTIN, ALL) if each.request is None] == [2]


@given(st.text(max_size=200))
def test_no_line_makes_it_fail(line: str) -> None:
    list(read_log([line, '1.2.3.4 - - [25/Nov/2026:12:00:00 +0000] "' + line], BUILTIN, ALL))
