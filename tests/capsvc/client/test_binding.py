"""The binding: which caveats a copy gets, and for which requests there is none."""

from __future__ import annotations

import subprocess
import sys
from timeit import repeat
from typing import Any

import pytest

from capsvc.client import bind_request
from capsvc.client.binding import BOUND
from caveats import (
    Authority,
    DecodeError,
    Format,
    KeyName,
    PredicateError,
    Request,
    Salts,
    Verifier,
    decode,
    encode,
    time_text,
)
from caveats.errors import CaveatUnmet, Expired
from caveats.opaque import Digest

KEY, SALT, NOW = b"k" * 32, b"s" * 16, 1_790_000_000
WRITTEN = Authority(KeyName("k1"), "A" * 22, "alice", "default", SALT, time_text(NOW - 60), time_text(NOW + 86_400))
TOKEN = encode(WRITTEN.mint(KEY, "https://caps.example.org"))
FACTS: dict[str, Any] = {
    "method": "POST", "host": "api.example.org", "path": b"/caf%C3%A9/a%20b", "query": b"x=%31", "body": b"pay 5",
}  # fmt: skip


def bound(**other: Any) -> str:
    facts = {**FACTS, **other}
    return bind_request(TOKEN, *(facts[name] for name in FACTS), now=NOW + 0.9)


def verify(token: str, now: int = NOW, **other: Any) -> Any:
    request = Request(time=now, **{**FACTS, **other})
    return Verifier(lambda name: KEY).verify(token, request, lambda user, names: Salts({"default": SALT}))


def test_section_9_a_copy_says_time_method_host_path_query_body_and_request_in_this_order() -> None:
    said = [caveat.identifier.decode() for caveat in decode(bound()).unverified_caveats[5:]]
    assert tuple(each.split(" ")[0] for each in said) == BOUND
    assert said[0] == f"time < {time_text(NOW + 30)}"
    assert said[1:4] == ["method = POST", "host = api.example.org", "path = /café/a%20b"]
    assert said[4:6] == [f"query = {Digest().fact(b'x=%31')}", f"body = {Digest().fact(b'pay 5')}"]


def test_a_copy_opens_the_request_that_it_was_made_for() -> None:
    assert verify(bound()).user == "alice"


@pytest.mark.parametrize(
    "other",
    [{"method": "PUT"}, {"host": "evil.example.org"}, {"path": b"/other"}, {"query": b"x=1"}, {"body": b"pay 500"}],
    ids=lambda other: next(iter(other)),
)
def test_a_copy_opens_no_other_request(other: dict[str, Any]) -> None:
    with pytest.raises(CaveatUnmet) as refused:
        verify(bound(), **other)
    assert [each.predicate.split(" ")[0] for each in refused.value.unmet] == [*other]


def test_a_copy_opens_nothing_after_its_window() -> None:
    verify(bound(), NOW + 29)
    with pytest.raises(Expired):
        verify(bound(), NOW + 30)


def test_no_two_copies_are_alike() -> None:
    assert bound() != bound()


def test_a_digest_says_the_same_as_the_body_itself_and_none_leaves_the_body_out() -> None:
    said = decode(bound(body=Digest().fact(b"pay 5"))).unverified_caveats[10]
    assert said == decode(bound()).unverified_caveats[10]
    assert len(decode(bound(body=None)).unverified_caveats) == 5 + len(BOUND) - 1


@pytest.mark.parametrize(
    ("host", "scheme", "said"),
    [
        ("API.example.org:443", "https", "api.example.org"), ("api.example.org:443", "http", "api.example.org:443"),
        ("api.example.org:80", "http", "api.example.org"), ("127.0.0.1:8000", "http", "127.0.0.1:8000"),
        ("[::1]:443", "https", "[::1]"),
    ],
)  # fmt: skip
def test_a_host_is_written_as_the_service_reads_it(host: str, scheme: str, said: str) -> None:
    token = bind_request(TOKEN, "GET", host, "/", b"", b"", NOW, scheme=scheme)
    assert f"cid host = {said}\n" in decode(token).inspect()


@pytest.mark.parametrize("path", ["/a/../b", "/a//b", "/a%2Fb", "/a%5Cb", "/%00", "/a%252e", "/%zz", "/%ff", "a", ""])
def test_a_path_that_meets_no_caveat_is_a_value_error_that_says_what_to_do(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be bound: ask for it under a path without"):
        bound(path=path)


def test_what_is_no_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="sha-256:"):
        bound(body="md5:abc")


def test_a_copy_stays_in_its_tokens_format() -> None:
    one = bind_request(encode(decode(TOKEN), Format.V1), "GET", "h", "/", b"", b"", NOW)
    assert encode(decode(one), Format.V1) == one
    with pytest.raises(DecodeError):
        bind_request("no token", "GET", "h", "/", b"", b"", NOW)


def test_what_a_binding_costs() -> None:
    """Print it; what it has to stay under (40 µs, design section 9) is no matter of a test on a shared machine."""
    rounds = 200
    paths = iter(range(10**6))
    one = min(repeat(lambda: bound(), number=rounds, repeat=5)) / rounds
    new = min(repeat(lambda: bound(path=b"/docs/%d" % next(paths)), number=rounds, repeat=5)) / rounds
    print(f"\nµs a binding: {one * 1e6:.1f} for a path seen before, {new * 1e6:.1f} for a new one")


def test_a_plain_import_of_the_client_loads_no_http_library_and_nothing_of_the_service() -> None:
    heavy = ("httpx2", "httpx", "requests", "starlette", "msgspec", "nacl")
    program = f"import sys, capsvc.client, capsvc.sealing; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("wrong", [{"host": "b\u00fccher.de"}, {"host": ""}, {"method": ""}], ids=str)
def test_what_cannot_be_bound_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"this {next(iter(wrong))}"):
        bound(**wrong)


def test_a_copy_that_no_verifier_takes_is_not_made() -> None:
    crowded = encode(decode(TOKEN).append(*[b"method = POST"] * 55))
    with pytest.raises(PredicateError, match="67 caveats, and verifiers take 64"):
        bind_request(crowded, *(FACTS[name] for name in FACTS), now=NOW)


def test_a_token_in_json_gives_a_copy_that_services_take() -> None:
    copy = bind_request(encode(TOKEN, Format.JSON), *(FACTS[name] for name in FACTS), now=NOW)
    assert verify(copy).user == "alice"
