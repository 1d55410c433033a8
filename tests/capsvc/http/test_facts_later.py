"""Facts are read when a predicate asks for one; a header that stands twice is refused whoever asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.http.facts import Proxies
from capsvc.http.verification import _PLAIN
from caveats import Request
from tests.capsvc.http.serving import Serving, append, raw


def _status(service: Serving, path: str, token: str, *lines: str) -> int:
    return raw(service, f"GET {path} HTTP/1.1", f"Authorization: Bearer {token}", *lines).status


@pytest.mark.parametrize(
    "twice",
    ["Host: a", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: a", "X-Forwarded-Proto: https", "Authorization: x"],
)
def test_a_doubled_header_is_refused_where_no_predicate_asks(service: Serving, twice: str) -> None:
    token = service.token()
    once = [] if twice.startswith("Authorization") else [twice]
    lines = [*once, *([] if twice.startswith("Host") else ["Host: a"])]
    assert _status(service, "/v1/capability", token, *lines) == 200
    assert _status(service, "/v1/capability", token, *lines, twice) == 400


@pytest.mark.parametrize(("path", "line"), [("/v1/capability", "Host: a\tb"), ("/v1/auth", "X-Forwarded-Host: a\tb")])
def test_a_fact_that_cannot_be_read_is_a_bad_request_where_a_predicate_asks(
    service: Serving, path: str, line: str
) -> None:
    token, host = service.token(), [] if line.startswith("Host") else ["Host: a"]
    assert _status(service, path, token, line, *host) in (200, 204)
    assert _status(service, path, append(token, b"host = a"), line, *host) == 400
    assert _status(service, path, append(token, b"ip in 127.0.0.0/8"), line, *host) == 400


def test_peers_are_remembered_up_to_a_bound() -> None:
    proxies = Proxies.of(["10.0.0.0/8"], "X-Forwarded")
    assert proxies.believes("10.1.2.3")
    for number in range(5000):
        assert not proxies.believes(f"192.0.{number % 250}.{number // 250}")
    assert proxies.believes("10.1.2.3")
    assert proxies.believes.cache_info().currsize <= 1024  # type: ignore[attr-defined]


@given(st.data())
@pytest.mark.parametrize("name", sorted(_PLAIN))
def test_what_counts_as_a_plain_fact_is_always_read(name: str, data: st.DataObject) -> None:
    matches = _PLAIN[name]
    value = data.draw(st.from_regex(matches.__self__, fullmatch=True))  # type: ignore[attr-defined]
    assert matches(value)
    assert name in Request(**{name: value}).facts
