"""Binding to a URL: a copy of a token that is good for one request alone."""

from __future__ import annotations

import pytest

from capsvc.client import bind_url
from caveats import Macaroon, Request, decode, encode, scope

NOW = 1_795_327_200.5
TOKEN = encode(Macaroon.mint(b"a root key", "k1"))


def _request(url: str, host: str, path: str, query: str = "", body: bytes = b"", later: float = 0) -> tuple[str, ...]:
    bound = scope(bind_url(TOKEN, "POST", url, NOW, b"body"))
    return bound.unmet(Request(time=NOW + later, method="POST", host=host, path=path, query=query.encode(), body=body))


@pytest.mark.parametrize(
    ("url", "host", "path", "query"),
    [
        ("https://api.example/docs/7", "api.example", "/docs/7", ""),
        ("https://API.example:443/docs?a=b&c=%20", "api.example", "/docs", "a=b&c=%20"),
        ("http://api.example:443", "api.example:443", "/", ""),
        ("http://api.example:80/a%20b/%C3%A9#there", "api.example", "/a%20b/%C3%A9", ""),
        ("https://bücher.example/", "xn--bcher-kva.example", "/", ""),
        ("https://[2001:DB8::1]:8443/x", "[2001:db8::1]:8443", "/x", ""),
        ("https://user:secret@api.example/x", "api.example", "/x", ""),
    ],
)
def test_it_permits_the_one_request_for_half_a_minute(url: str, host: str, path: str, query: str) -> None:
    assert _request(url, host, path, query, b"body") == ()
    assert _request(url, host, path, query, b"body", later=29) == ()
    assert len(_request(url, host, path, query, b"body", later=30)) == 1
    assert len(_request(url, "other.example", "/other", "q", b"other")) == 4


def test_no_two_copies_are_alike_and_each_has_one_request_number() -> None:
    first, second = (bind_url(TOKEN, "GET", "https://api.example/", NOW) for _ in range(2))
    assert first != second
    last = decode(first).unverified_caveats[-1].identifier
    assert last.startswith(b"request = ")


@pytest.mark.parametrize(
    "url",
    [
        "api.example/docs", "ftp://api.example/", "https:///docs", "https://api.example/a/../b", "https://api.example//a",
        "https://api.example/%2e%2e/b", "https://api.example/%FF", "https://api.example/a b", "https://a:99999/",
        "https://api.example/é", "https://[::1/",
    ],
)  # fmt: skip
def test_what_cannot_be_bound_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        bind_url(TOKEN, "GET", url, NOW)
    assert TOKEN not in str(caught.value)
