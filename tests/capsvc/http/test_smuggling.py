"""Bytes that servers read in different ways: whoever sends them is refused, and nobody else's request is touched."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.capsvc.http.rude import Answer, exchange, request
from tests.capsvc.http.serving import Serving, narrow

CLOSE = b"Connection: close"
FORM = b"Content-Type: application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _still_serves(service: Serving) -> Iterator[None]:
    yield
    assert service.client.get("/readyz").status_code == 200
    log = service.stderr()
    assert "Traceback" not in log
    assert "Exception in ASGI" not in log


@pytest.fixture(scope="module")
def hidden(service: Serving) -> tuple[str, bytes]:
    """A user, and a request with her capability: it hides in the body of another one."""
    user = service.new_user()
    return user, request(b"/v1/capability", b"Authorization: Bearer " + service.log_in(user).encode())


def _assert_refused(answers: list[Answer], user: str) -> None:
    """Nothing but clean refusals, or none at all, and nothing of the user's."""
    assert all(400 <= each.status < 500 for each in answers), answers
    assert all(user.encode() not in each.body for each in answers), answers
    assert len(answers) <= 2, answers


CHUNKED = b"Transfer-Encoding: chunked"
AMBIGUOUS = {
    "a length and chunks": [CHUNKED],
    "chunks written with capitals": [b"TRANSFER-ENCODING: CHUNKED"],
    "a coding that is none": [b"Transfer-Encoding: xchunked"],
    "a coding after chunked": [b"Transfer-Encoding: chunked, identity"],
    "two codings": [CHUNKED, b"Transfer-Encoding: identity"],
    "a space before the colon": [b"Transfer-Encoding : chunked"],
    "a tab before the colon": [b"Transfer-Encoding\t: chunked"],
    "a vertical tab in the value": [b"Transfer-Encoding: \x0bchunked"],
    "a NUL in the value": [b"Transfer-Encoding: chunked\x00"],
    "a folded coding": [b"Transfer-Encoding:", b" chunked"],
    "a folded line before": [b"X-Noise: a", b" Transfer-Encoding: chunked"],
    "a line that begins with a space": [b" Transfer-Encoding: chunked"],
    "a bare line feed before": [b"X-Noise: a\nTransfer-Encoding: chunked"],
    "a bare carriage return before": [b"X-Noise: a\rTransfer-Encoding: chunked"],
    "a name with a NUL": [b"Transfer-Encoding\x00: chunked"],
    "a name in quotes": [b'"Transfer-Encoding": chunked'],
    "a quoted coding": [b'Transfer-Encoding: "chunked"'],
    "a parameter": [b"Transfer-Encoding: chunked;a=b"],
    "another length": [b"Content-Length: 0"],
    "the same length in a list": [b"Content-Length: 0, 0"],
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_a_body_that_may_end_in_two_places_hides_no_request(
    service: Serving, hidden: tuple[str, bytes], what: str
) -> None:
    user, inner = hidden
    body = b"0\r\n\r\n" + inner
    length = b"Content-Length: %d" % len(body)
    for lines in ([FORM, length, *AMBIGUOUS[what]], [FORM, *AMBIGUOUS[what], length]):
        _assert_refused(exchange(service.port, request(b"/v1/revoke", *lines, method=b"POST", body=body)), user)


LENGTHS = [
    b"+0",
    b"-1",
    b"0x0",
    b"0 0",
    b"0,0",
    b"",
    b"00000000000000000000x",
    b"18446744073709551616",
    b"\xb2",
    b"1e0",
]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_length_that_is_none_hides_no_request(service: Serving, hidden: tuple[str, bytes], length: bytes) -> None:
    user, inner = hidden
    sent = request(b"/v1/revoke", FORM, b"Content-Length: " + length, method=b"POST", body=inner)
    _assert_refused(exchange(service.port, sent), user)


CHUNKS = {
    "a size of many digits": b"F" * 17 + b"\r\nab\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nab\r\n0\r\n\r\n",
    "a size with a sign": b"+0\r\n\r\n",
    "a size in hex notation": b"0x0\r\n\r\n",
    "a space before a size": b" 0\r\n\r\n",
    "an empty size": b"\r\n\r\n",
    "a size that is no number": b"zz\r\n\r\n",
    "bare line feeds": b"0\n\n",
    "a bare line feed in an extension": b"0;a=b\n\r\n\r\n",
    "a bare carriage return in an extension": b"0;a=b\r\r\n\r\n",
    "data longer than its size": b"1\r\nabc\r\n0\r\n\r\n",
    "data without its end": b"3\r\nabc0\r\n\r\n",
    "a NUL in an extension": b"0;\x00\r\n\r\n",
}


@pytest.mark.parametrize("what", CHUNKS)
def test_chunks_that_can_be_read_in_two_ways_hide_no_request(
    service: Serving, hidden: tuple[str, bytes], what: str
) -> None:
    user, inner = hidden
    sent = request(b"/v1/revoke", FORM, CHUNKED, method=b"POST", body=CHUNKS[what] + inner)
    _assert_refused(exchange(service.port, sent), user)


def test_chunks_as_they_should_be_are_read_with_extensions_and_trailers(service: Serving) -> None:
    token = service.token()
    body = b"6;name=value\r\ntoken=\r\n%x\r\n%b\r\n0\r\nAuthorization: Bearer x\r\n\r\n" % (len(token), token.encode())
    sent = request(b"/v1/revoke", FORM, CHUNKED, CLOSE, method=b"POST", body=body)
    found = exchange(service.port, sent, patient=True)
    assert [each.status for each in found] == [200]
    assert "x-capsvc-revision" in found[0].headers, "the token was read whole, and taken back"


HEADERS = {
    "a space before the colon": [b"Authorization : Bearer @"],
    "a folded value": [b"Authorization: Bearer", b" @"],
    "a NUL in the value": [b"Authorization: Bearer @\x00"],
    "a carriage return in the value": [b"Authorization: Bearer @\rX: y"],
    "an empty name": [b": a", b"Authorization: Bearer @"],
    "a line without a colon": [b"nothing", b"Authorization: Bearer @"],
    "two capabilities": [b"Authorization: Bearer @", b"Authorization: Bearer @"],
    "two capabilities in one": [b"Authorization: Bearer @, Bearer @"],
    "two hosts": [b"Host: b", b"Authorization: Bearer @"],
    "two forwarded hosts": [b"X-Forwarded-Host: a", b"x-forwarded-host: b", b"Authorization: Bearer @"],
    "two forwarded addresses": [b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For: 2.2.2.2", b"Authorization: Bearer @"],
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers_that_can_be_read_in_two_ways_open_nothing(service: Serving, what: str) -> None:
    user = service.new_user()
    token = service.log_in(user).encode()
    lines = [each.replace(b"@", token) for each in HEADERS[what]]
    _assert_refused(exchange(service.port, request(b"/v1/capability", *lines)), user)


@pytest.mark.parametrize("size", [16_385, 70_000, 1_000_000])
def test_a_huge_header_is_refused_or_the_connection_closed(service: Serving, size: int) -> None:
    for line in (b"Authorization: Bearer " + b"a" * size, b"a" * size + b": b", b"Cookie: " + b"a=b;" * (size // 4)):
        found = exchange(service.port, request(b"/v1/capability", line))
        assert all(400 <= each.status < 500 for each in found)
        assert len(found) <= 1


def test_ten_thousand_small_headers_are_refused_or_read_and_nobody_is_kept_waiting(service: Serving) -> None:
    token, sent = service.token(), [b"X-%d: y" % number for number in range(10_000)]
    for lines in (sent, [b"a: b"] * 10_000, [b"X-Forwarded-For: 1.1.1.1"] * 10_000):
        found = exchange(service.port, request(b"/v1/capability", *lines, b"Authorization: Bearer " + token.encode()))
        assert [each.status for each in found] in ([], [200], [400], [431])


TARGETS = [
    b"*", b"a:443", b"http://other/v1/salts", b"//other/v1/salts", b"/v1/salts#x", b"/v1/salts;x", b"/v1/salts/",
    b"/V1/salts", b"/v1//salts", b"/v1/./salts", b"/v1/x/../salts", b"/v1%2Fsalts", b"/v1/%73alts", b"/v1/salts%00",
    b"/v1/salts\xff", b"/v1/salts%0a", b"/v1\\salts", b"/v1/salts?a b", b"", b"v1/salts", b"?", b"/v1/salts?#", b"\x01",
    b"http:///v1/salts", b"http://a@b/v1/salts", b"/v1/salts\t", b"/" + b"a" * 70_000,
]  # fmt: skip


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"CONNECT", b"get", b"G\x00ET", b"PRI"])
def test_whatever_target_is_asked_for_a_capability_opens_no_path_that_it_does_not_name(
    service: Serving, method: bytes
) -> None:
    user = service.new_user()
    token = narrow(service.log_in(user), "path = /v1/capability").encode()
    for target in TARGETS:
        found = exchange(service.port, request(target, b"Authorization: Bearer " + token, CLOSE, method=method))
        _assert_refused(found, user)


def test_an_encoded_target_is_the_same_path_to_the_router_and_to_its_caveats(service: Serving) -> None:
    token = narrow(service.token(), "path = /v1/salts")
    lines = b"Authorization: Bearer " + token.encode(), CLOSE
    statuses = {
        target: [each.status for each in exchange(service.port, request(target, *lines), patient=True)]
        for target in (b"/v1/salts", b"/v1/%73alts", b"http://a/v1/salts", b"/v1/salts?x", b"/v1/salts#x")
    }
    assert all(each in ([200], [400]) for each in statuses.values()), statuses
    assert statuses[b"/v1/salts"] == statuses[b"/v1/%73alts"] == [200]


STRANGERS = [
    b"GET /livez\r\n", b"GET /livez\r\n\r\n", b"GET /livez HTTP/0.9\r\n\r\n", b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"\r\n" * 5_000, b"\n", b"\x00" * 1_000, b"SSH-2.0-OpenSSH\r\n", b"GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /livez HTTP/1.1 \r\nHost: a\r\n\r\n", b"GET\t/livez\tHTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /livez HTTP/1.1\nHost: a\n\n",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(STRANGERS)))
def test_what_is_not_http_1_1_is_refused_or_dropped(service: Serving, number: int) -> None:
    found = exchange(service.port, STRANGERS[number])
    assert len(found) <= 1
    assert all(each.status in (200, 400, 426, 505) for each in found), found


def _users(answers: list[Answer]) -> list[str]:
    return [json.loads(each.body)["user"] for each in answers if each.status == 200]


BAD = [
    b"GET /v1/capability HTTP/1.1\r\nHost : a\r\n\r\n",
    b"nonsense\r\n\r\n",
    request(b"/v1/capability", b"a\x00b: c"),
]


@pytest.mark.parametrize("bad", range(len(BAD)))
def test_of_a_hundred_pipelined_requests_each_gets_its_own_answer_up_to_the_bad_one(service: Serving, bad: int) -> None:
    users = [service.new_user() for _ in range(4)]
    sent = [request(b"/v1/capability", b"Authorization: Bearer " + service.log_in(each).encode()) for each in users]
    pipelined = sent * 25
    last = request(b"/livez", CLOSE)
    found = exchange(service.port, b"".join([*pipelined, last]), patient=True)
    assert _users(found[:-1]) == users * 25
    spoiled = exchange(service.port, b"".join([*pipelined[:50], BAD[bad], *pipelined[50:]]))
    told = _users(spoiled)
    assert told == (users * 25)[: len(told)]
    assert len(told) <= 50
    assert [each.status for each in spoiled[len(told) :]] in ([], [400])


def test_a_refused_request_in_the_midst_does_not_shift_the_answers(service: Serving) -> None:
    user = service.new_user()
    good = request(b"/v1/capability", b"Authorization: Bearer " + service.log_in(user).encode())
    none = request(b"/v1/capability")
    with_body = request(b"/v1/revoke", FORM, b"Content-Length: %d" % len(good), method=b"POST", body=good)
    last = request(b"/livez", CLOSE)
    found = exchange(service.port, b"".join([good, none, with_body, good, last]), patient=True)
    assert [each.status for each in found] == [200, 401, 400, 200, 200]


def test_a_client_that_is_told_to_continue_is_told_so_once_and_then_answered(service: Serving) -> None:
    lines = FORM, b"Content-Length: 7", b"Expect: 100-continue", CLOSE
    found = exchange(service.port, request(b"/v1/revoke", *lines, method=b"POST"), b"token=x", patient=True)
    assert [each.status for each in found] in ([100, 200], [200])
    odd = exchange(service.port, request(b"/v1/capability", b"Expect: the-unexpected", CLOSE))
    assert [each.status for each in odd] in ([401], [417])


def test_a_body_in_single_bytes_is_read_as_the_same_body(service: Serving) -> None:
    token = service.token()
    body = b"token=" + token.encode()
    sent = request(b"/v1/revoke", FORM, b"Content-Length: %d" % len(body), CLOSE, method=b"POST")
    pieces = [sent, *(body[at : at + 40] for at in range(0, len(body), 40))]
    assert [each.status for each in exchange(service.port, *pieces, patient=True)] == [200]


def test_clients_that_leave_early_leave_nothing_behind(service: Serving) -> None:
    whole = request(b"/v1/revoke", FORM, b"Content-Length: 100", method=b"POST", body=b"token=")
    for end in range(1, len(whole), 7):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(whole[:end])
    time.sleep(0.2)
