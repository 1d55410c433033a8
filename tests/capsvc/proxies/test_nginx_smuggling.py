"""Bytes that servers read in different ways, through real nginx: what it serves is what was evaluated."""

from __future__ import annotations

import pytest

from tests.capsvc.http.rude import exchange, request
from tests.capsvc.http.serving import narrow
from tests.capsvc.http.test_smuggling import AMBIGUOUS, CHUNKED, CHUNKS, CLOSE, HEADERS, TARGETS
from tests.capsvc.proxies.test_nginx import Site, pytestmark, site

__all__ = ["pytestmark", "site"]
INSIDE = b"the file in docs"
OUTSIDE = b"the file in secret"


def _opens_docs(site: Site) -> bytes:
    """A capability for what lies under /docs, and for nothing else."""
    return narrow(site.service.token(), "path ^= /docs", "method = GET", "host = a").encode()


DISGUISES = [
    b"/docs/../secret/7.txt", b"/docs/..%2fsecret/7.txt", b"/docs/%2e%2e/secret/7.txt",
    b"/docs/%2E%2E%2Fsecret/7.txt",
    b"/docs//../secret/7.txt", b"/docs/.%2e/secret/7.txt", b"/docs/..;/secret/7.txt", b"/docs/x/../../secret/7.txt",
    b"/secret/7.txt?/docs/7.txt", b"/secret/7.txt#/docs/7.txt", b"/secret/7.txt%3F/docs/", b"/secret/7.txt%23/docs",
    b"http://a/secret/7.txt", b"http://docs/secret/7.txt", b"//docs/secret/7.txt", b"/docs\\..\\secret/7.txt",
    b"/docs%5c..%5csecret/7.txt", b"/docs/%252e%252e/secret/7.txt", b"/docs/%00/../../secret/7.txt",
    b"/docs/\xff/../../secret/7.txt",
    b"/docs/7.txt/../../secret/7.txt", b"/%64ocs/../secret/7.txt", b"/docs/%c0%ae%c0%ae/secret/7.txt",
    b"/./secret/7.txt",
    b"/docs%0d%0aX:%20y/../../secret/7.txt", b"/docs/../docs/../secret/7.txt", b"/secret%2f7.txt", b"/s%65cret/7.txt",
]  # fmt: skip


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"get", b"OPTIONS", b"CONNECT"])
def test_no_disguise_of_a_target_opens_what_its_capability_does_not_name(site: Site, method: bytes) -> None:
    lines = b"Authorization: Bearer " + _opens_docs(site), CLOSE
    for target in [*DISGUISES, *TARGETS]:
        found = exchange(site.port, request(target, *lines, method=method))
        assert len(found) <= 1, target
        assert all(OUTSIDE not in each.body for each in found), target
        assert all(each.status >= 400 for each in found), (target, found)


def test_the_same_file_in_any_spelling_that_is_served_is_the_path_that_was_evaluated(site: Site) -> None:
    narrowed = narrow(site.service.token(), "path = /docs/7.txt").encode()
    for target in (
        b"/docs/7.txt",
        b"/docs/%37.txt",
        b"/d%6fcs/7.txt",
        b"http://a/docs/7.txt",
        b"/docs/7.txt?x",
        b"/docs/7.txt#x",
    ):
        found = exchange(site.port, request(target, b"Authorization: Bearer " + narrowed, CLOSE), patient=True)
        assert [each.status for each in found] in ([200], [400], [403]), target
        assert all((each.status == 200) == (each.body == INSIDE) for each in found)


def test_an_ambiguous_body_hides_no_request(site: Site) -> None:
    inner = request(b"/secret/7.txt", b"Authorization: Bearer " + site.service.token().encode())
    own = b"Authorization: Bearer " + narrow(site.service.token(), "path ^= /docs").encode()
    for lines in AMBIGUOUS.values():
        body = b"0\r\n\r\n" + inner
        sent = request(b"/docs/7.txt", own, b"Content-Length: %d" % len(body), *lines, method=b"POST", body=body)
        assert all(OUTSIDE not in each.body for each in exchange(site.port, sent)), lines
    for body in CHUNKS.values():
        sent = request(b"/docs/7.txt", own, CHUNKED, method=b"POST", body=body + inner)
        found = exchange(site.port, sent)
        # Where nginx takes the chunks for ended, what follows is a request of its own, with a capability of its own.
        assert [each.status for each in found if OUTSIDE in each.body] in ([], [200])


def test_doubled_and_odd_headers_open_nothing(site: Site) -> None:
    token = narrow(site.service.token(), "path ^= /docs").encode()
    for what, lines in HEADERS.items():
        found = exchange(site.port, request(b"/secret/7.txt", *(each.replace(b"@", token) for each in lines), CLOSE))
        assert all(each.status >= 400 for each in found), what
    doubled = [b"Authorization: Bearer " + token, b"Authorization: Bearer " + site.service.token().encode()]
    for lines in (doubled, doubled[::-1]):
        found = exchange(site.port, request(b"/secret/7.txt", *lines, CLOSE))
        assert all(each.status >= 400 for each in found)


def test_pipelined_requests_through_the_proxy_get_their_own_answers(site: Site) -> None:
    docs = narrow(site.service.token(), "path ^= /docs").encode()
    secret = narrow(site.service.token(), "path ^= /secret").encode()
    asked = [
        request(target, b"Authorization: Bearer " + token, *([CLOSE] if last else []))
        for number in range(50)
        for token, target, last in ((docs, b"/docs/7.txt", False), (secret, b"/docs/7.txt", number == 49))
    ]
    found = exchange(site.port, b"".join(asked), patient=True)
    assert [each.status for each in found] == [200, 403] * 50


def test_the_service_answers_after_all_this_and_logged_no_traceback(site: Site) -> None:
    assert site.status(site.service.token()) == 200
    assert "Traceback" not in site.service.stderr()
