"""The facts of a request, read from the raw parts of an ASGI scope."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from capsvc.http.facts import Proxies, connection_facts, original_facts
from capsvc.http.problems import HTTPProblem
from caveats import Request

FORWARDED = Proxies.of(["127.0.0.0/8", "::1/128", "10.0.0.0/8", "2001:db8::/32"], "X-Forwarded")
ORIGINAL = Proxies.of(["127.0.0.0/8"], "X-Original")


def _scope(*headers: tuple[str, str], client: str | None = "127.0.0.1", **more: Any) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "scheme": "http", "path": "/decoded", "raw_path": b"/raw", "query_string": b"",
        "client": None if client is None else (client, 1234),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers], **more,
    }  # fmt: skip


def _ip(client: str, hops: str, proxies: Proxies = FORWARDED) -> Any:
    return connection_facts(_scope((f"{proxies.prefix}-For", hops), client=client), proxies)["ip"]


def _host(value: str, scheme: str = "http", *headers: tuple[str, str]) -> Any:
    return connection_facts(_scope(("Host", value), *headers, scheme=scheme), FORWARDED)["host"]


def _assert_bad(function: Any, scope: dict[str, Any], proxies: Proxies = FORWARDED) -> None:
    with pytest.raises(HTTPProblem) as raised:
        function(scope, proxies)
    assert (raised.value.problem.status, raised.value.problem.slug) == (400, "bad-request")


@pytest.mark.parametrize("raw_path", [b"/a%2Fb", b"/%2e%2e/x", b"/%ff", b"//x", b"/a;b=c", b"/"])
def test_the_path_is_the_raw_one_and_never_the_decoded(raw_path: bytes) -> None:
    assert connection_facts(_scope(raw_path=raw_path), FORWARDED)["path"] == raw_path


def test_a_raw_path_that_carries_its_query_is_cut_at_the_question_mark() -> None:
    facts = connection_facts(_scope(raw_path=b"/a?b=/c", query_string=b"b=/c"), FORWARDED)
    assert (facts["path"], facts["query"]) == (b"/a", b"b=/c")


def test_a_scope_without_a_raw_path_says_no_path_that_could_meet_a_caveat() -> None:
    scope = _scope()
    del scope["raw_path"]
    assert connection_facts(scope, FORWARDED)["path"] == b""


def test_the_query_is_the_raw_string() -> None:
    assert connection_facts(_scope(query_string=b"a=%2F&b=+"), FORWARDED)["query"] == b"a=%2F&b=+"


def test_the_connections_method_path_and_query_are_not_those_that_a_proxy_forwards() -> None:
    scope = _scope(("X-Forwarded-Method", "DELETE"), ("X-Forwarded-Uri", "/other?x"))
    facts = connection_facts(scope, FORWARDED)
    assert (facts["method"], facts["path"], facts["query"]) == ("GET", b"/raw", b"")


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5%eth0"])
def test_forwarded_headers_are_believed_from_configured_peers(client: str) -> None:
    scope = _scope(("X-Forwarded-Method", "PUT"), ("X-Forwarded-Host", "example.com"), client=client)
    facts = original_facts(scope, FORWARDED)
    assert (facts["method"], facts["host"]) == ("PUT", "example.com")


@pytest.mark.parametrize(
    "client", ["192.0.2.1", "11.1.2.3", "::2", "::ffff:11.1.2.3", "2001:db9::1", "testclient", "", None]
)
def test_forwarded_headers_of_anybody_else_say_nothing(client: str | None) -> None:
    headers = [(f"X-Forwarded-{name}", "a") for name in ("Method", "Uri", "Host", "Proto")]
    scope = _scope(*headers, ("X-Forwarded-For", "203.0.113.9"), ("Host", "real"), client=client)
    assert set(original_facts(scope, FORWARDED)) == {"ip"}
    assert original_facts(scope, FORWARDED)["ip"] != "203.0.113.9"
    assert connection_facts(scope, FORWARDED)["host"] == "real"


@pytest.mark.parametrize(
    ("proxies", "own", "other"), [(FORWARDED, "X-Forwarded", "X-Original"), (ORIGINAL, "X-Original", "X-Forwarded")]
)
def test_only_one_convention_is_read(proxies: Proxies, own: str, other: str) -> None:
    parts = {"Method": "PUT", "Uri": "/theirs?q", "Host": "theirs", "Proto": "https", "For": "203.0.113.9"}
    theirs = [(f"{other}-{name}", value) for name, value in parts.items()]
    assert original_facts(_scope(*theirs, *theirs), proxies) == {"ip": None}
    ours = [(f"{own}-{name}", value) for name, value in {**parts, "Uri": "/ours?q", "For": "203.0.113.7"}.items()]
    facts = original_facts(_scope(*theirs, *ours), proxies)
    assert (facts["path"], facts["query"], facts["ip"]) == (b"/ours", b"q", "203.0.113.7")


@pytest.mark.parametrize("part", ["Method", "Uri", "Host", "Proto", "For"])
@pytest.mark.parametrize("function", [connection_facts, original_facts])
def test_a_doubled_forwarded_header_of_a_trusted_peer_is_a_bad_request(function: Any, part: str) -> None:
    twice = [(f"X-Forwarded-{part}", "a"), (f"x-forwarded-{part}", "a")]
    function(_scope(twice[0]), FORWARDED)
    _assert_bad(function, _scope(*twice))
    function(_scope(*twice, client="192.0.2.1"), FORWARDED)


@pytest.mark.parametrize("function", [connection_facts, original_facts])
def test_a_doubled_host_is_a_bad_request_even_behind_a_proxy(function: Any) -> None:
    hosts = [("Host", "a"), ("Host", "a")]
    _assert_bad(function, _scope(*hosts))
    _assert_bad(function, _scope(*hosts, ("X-Forwarded-Host", "b")))


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
def test_a_doubled_declaration_of_a_body_is_a_bad_request(name: str) -> None:
    _assert_bad(connection_facts, _scope((name, "0"), (name, "0")))


@pytest.mark.parametrize(
    ("client", "hops", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1,203.0.113.9,10.0.0.1,\t10.0.0.2 ", "203.0.113.9"),
        ("127.0.0.1", "10.0.0.9, 10.0.0.1", "10.0.0.9"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::1", "2001:db9::7%eth0, 2001:db8::1", "2001:db9::7"),
        ("::ffff:127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "203.0.113.9", "fe80::1"),
        ("2001:db8::1%eth0", "203.0.113.9, 2001:DB8:0::2", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, unknown", None),
        ("127.0.0.1", "203.0.113.9, ", None),
        ("127.0.0.1", ",", None),
        ("127.0.0.1", "203.0.113.9:4711", None),
        ("127.0.0.1", "[2001:db9::7]", None),
        ("127.0.0.1", "203.0.113.09", None),
        ("testclient", "203.0.113.9", None),
    ],
)
def test_the_address_is_the_rightmost_hop_that_is_no_proxy_of_ours(client: str, hops: str, address: str | None) -> None:
    expected = {} if address is None else {"ip": ip_address(address)}
    assert Request(ip=_ip(client, hops)).facts == expected
    original = original_facts(_scope(("X-Forwarded-For", hops), client=client), FORWARDED)
    assert Request(ip=original["ip"]).facts == expected


def test_a_connection_without_a_peer_has_no_address() -> None:
    assert connection_facts(_scope(("X-Forwarded-For", "203.0.113.9"), client=None), FORWARDED)["ip"] is None


@pytest.mark.parametrize(
    ("value", "scheme", "host"),
    [
        ("Example.COM", "http", "example.com"), ("example.com:80", "http", "example.com"),
        ("example.com:443", "https", "example.com"), ("example.com:80", "https", "example.com:80"),
        ("example.com:443", "http", "example.com:443"), ("example.com:80", "ws", "example.com"),
        ("example.com:443", "wss", "example.com"), ("example.com:8080", "http", "example.com:8080"),
        ("[2001:DB8::1]:80", "http", "[2001:db8::1]"), ("[::1]", "http", "[::1]"), ("xn--ZO-RKA.example", "http",
        "xn--zo-rka.example"), ("", "http", None), ("zo\xeb.example", "http", None),
    ],
)  # fmt: skip
def test_a_host_is_normalised_with_the_default_port_of_its_scheme(value: str, scheme: str, host: str | None) -> None:
    assert _host(value, scheme) == host


def test_behind_a_proxy_host_and_scheme_are_the_forwarded_ones() -> None:
    headers = ("X-Forwarded-Host", "Public.example:443"), ("X-Forwarded-Proto", "HTTPS")
    assert _host("internal:8000", "http", *headers) == "public.example"
    facts = original_facts(_scope(("Host", "internal:8000"), *headers), FORWARDED)
    assert facts["host"] == "public.example"
    bare = original_facts(_scope(("Host", "internal:8000"), ("X-Forwarded-Host", "a:80")), FORWARDED)
    assert bare["host"] == "a:80"


def test_without_a_host_there_is_no_fact_of_it() -> None:
    assert connection_facts(_scope(), FORWARDED)["host"] is None


@pytest.mark.parametrize(
    ("headers", "declared"),
    [
        ([], False), ([("Content-Length", "0")], False), ([("Content-Length", "1")], True),
        ([("Content-Length", "00")], True), ([("Content-Length", "")], True),
        ([("Transfer-Encoding", "chunked")], True),
        ([("Transfer-Encoding", "identity"), ("Content-Length", "0")], True),
    ],
)  # fmt: skip
def test_a_body_is_a_fact_only_where_none_is_declared(headers: list[tuple[str, str]], declared: bool) -> None:
    facts = connection_facts(_scope(*headers), FORWARDED)
    assert facts.get("body") == (None if declared else b"")


@pytest.mark.parametrize(
    ("headers", "may_be"), [([], True), ([("Content-Length", "0")], False), ([("Content-Length", "1")], True)]
)
def test_beyond_http_1_a_body_that_nobody_declares_may_be_there(headers: list[tuple[str, str]], may_be: bool) -> None:
    facts = connection_facts(_scope(*headers, http_version="2"), FORWARDED)
    assert facts.get("body") == (None if may_be else b"")


def test_a_websocket_has_the_method_get_and_an_empty_body() -> None:
    scope = _scope(("Content-Length", "5"), type="websocket", scheme="ws")
    del scope["method"]
    facts = connection_facts(scope, FORWARDED)
    assert (facts["method"], facts["body"]) == ("GET", b"")


@pytest.mark.parametrize(
    ("uri", "path", "query"),
    [
        ("/docs", b"/docs", b""), ("/docs?", b"/docs", b""), ("/a%2Fb?c=%2F?d", b"/a%2Fb", b"c=%2F?d"),
        ("?x", b"", b"x"), ("http://h/docs", b"http://h/docs", b""), ("/zo\xeb", b"/zo\xeb", b""), ("", b"", b""),
    ],
)  # fmt: skip
def test_a_forwarded_uri_is_taken_as_it_stands(uri: str, path: bytes, query: bytes) -> None:
    facts = original_facts(_scope(("X-Forwarded-Uri", uri)), FORWARDED)
    assert (facts["path"], facts["query"]) == (path, query)


def test_what_was_not_forwarded_is_absent() -> None:
    assert original_facts(_scope(("Host", "a")), FORWARDED) == {"ip": None}


def test_the_body_of_the_original_request_is_never_a_fact() -> None:
    scope = _scope(("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/"), ("Content-Length", "0"))
    assert "body" not in original_facts(scope, FORWARDED)


@pytest.mark.parametrize("method", ["", " ", "GET POST", "GET\t", "a" * 33, "G\xc9T", "GET,PUT"])
def test_a_forwarded_method_that_is_none_is_a_bad_request(method: str) -> None:
    _assert_bad(original_facts, _scope(("X-Forwarded-Method", method)))
