"""BoundAuth: what it sends, where it sends nothing, and what it learns. Over httpx2, and httpx where it is there."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from typing import Any

import pytest

from capsvc.client import BoundAuth
from capsvc.client.clock import Clocks
from capsvc.client.httpx_auth import BODY_DIGEST
from caveats import Macaroon, decode, encode, prove
from caveats.opaque import Digest
from tests.capsvc.client.test_binding import NOW, TOKEN

HOME = "https://api.example.org"
EXPIRED = 'Bearer realm="capsvc", error="invalid_token", error_description="expired"'
LIBRARIES = [name for name in ("httpx2", "httpx") if importlib.util.find_spec(name)]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


class Far:
    """A far server: keeps what reaches it, and answers what it was told to, 200 in the end."""

    def __init__(self, library: Any, *answers: Any) -> None:
        self.requests: list[Any] = []
        self.bodies: list[bytes] = []
        self.transport = library.MockTransport(self.answer)
        self._library, self._answers = library, list(answers)

    def answer(self, request: Any) -> Any:
        self.requests.append((str(request.url), request.method, request.headers.get("Authorization", "")))
        self.bodies.append(b"".join(request.stream))
        status, headers = self._answers.pop(0) if self._answers else (200, {})
        return self._library.Response(status, headers=headers)

    def said(self, at: int = -1) -> dict[str, str]:
        """What the caveats of the copy that came with a request say, by attribute."""
        scheme, _, copy = self.requests[at][2].partition(" ")
        assert scheme == "Bearer"
        written = [each.identifier.decode() for each in decode(copy).unverified_caveats[5:]]
        return {each.split(" ")[0]: each.split(" ", 2)[2] for each in written}


def auth(**more: Any) -> BoundAuth:
    return BoundAuth(TOKEN, HOME, clocks=Clocks(lambda: NOW), **more)


def test_each_request_carries_a_copy_of_its_own_and_never_the_original(library: Any) -> None:
    far = Far(library)
    with library.Client(transport=far.transport, auth=auth()) as client:
        client.get(f"{HOME}:443/a%20b?x=1")
        client.post(f"{HOME}/pay", json={"to": "bob"})
    assert far.said(0) | {"request": ""} == {
        "time": "2026-09-21T14:13:50Z", "method": "GET", "host": "api.example.org", "path": "/a%20b",
        "query": Digest().fact(b"x=1"), "body": Digest().fact(b""), "request": "",
    }  # fmt: skip
    assert far.said(1)["body"] == Digest().fact(far.bodies[1])
    assert far.said(0)["request"] != far.said(1)["request"]
    assert TOKEN not in str(far.requests)


def test_another_origin_gets_no_token(library: Any) -> None:
    far = Far(library)
    with library.Client(transport=far.transport, auth=auth()) as client:
        for other in ("https://evil.example.org/", "http://api.example.org/", "https://api.example.org:8443/"):
            client.get(other)
    assert [sent[2] for sent in far.requests] == ["", "", ""]


def test_a_redirect_to_another_host_takes_no_token_along(library: Any) -> None:
    far = Far(library, (307, {"Location": "https://evil.example.org/take"}), (401, {"WWW-Authenticate": EXPIRED}))
    with library.Client(transport=far.transport, auth=auth(), follow_redirects=True) as client:
        assert client.get(f"{HOME}/a").status_code == 401
    assert [(sent[0], bool(sent[2])) for sent in far.requests] == [
        (f"{HOME}/a", True), ("https://evil.example.org/take", False),
    ]  # fmt: skip


def test_who_is_redirected_to_cannot_choose_what_is_asked_for_in_our_name(library: Any) -> None:
    back = [(307, {"Location": "https://evil.example.org/"}), (307, {"Location": f"{HOME}/delete"}), (401, {})]
    far = Far(library, *back)
    with library.Client(transport=far.transport, auth=auth(), follow_redirects=True) as client:
        assert client.post(f"{HOME}/a").status_code == 401
    assert [bool(sent[2]) for sent in far.requests] == [True, False, False]


def test_a_redirect_within_the_origin_gets_a_copy_of_its_own_once_it_was_refused(library: Any) -> None:
    far = Far(library, (303, {"Location": "/b?y=2"}), (403, {}))
    with library.Client(transport=far.transport, auth=auth(), follow_redirects=True) as client:
        assert client.post(f"{HOME}/a", content=b"body").status_code == 200
    assert [sent[:2] for sent in far.requests] == [
        (f"{HOME}/a", "POST"), (f"{HOME}/b?y=2", "GET"), (f"{HOME}/b?y=2", "GET"),
    ]  # fmt: skip
    said = far.said()
    assert (said["path"], said["method"]) == ("/b", "GET")
    assert (said["query"], said["body"]) == (Digest().fact(b"y=2"), Digest().fact(b""))


def test_a_redirect_back_to_the_same_place_gets_a_copy_of_its_own(library: Any) -> None:
    far = Far(library, (302, {"Location": "/a"}), (401, {"WWW-Authenticate": "replayed"}), (401, {}))
    with library.Client(transport=far.transport, auth=auth(), follow_redirects=True) as client:
        assert client.get(f"{HOME}/a").status_code == 401
    assert len(far.requests) == 3, "the answer to a copy of its own stands"
    assert len({sent[2] for sent in far.requests}) == 2


def test_a_loop_of_refused_redirects_ends(library: Any) -> None:
    far = Far(library, *[(302, {"Location": "/a"}), (302, {"Location": "/b"})] * 100)
    with (
        library.Client(transport=far.transport, auth=auth(), follow_redirects=True) as client,
        pytest.raises(library.TooManyRedirects),
    ):
        client.get(f"{HOME}/a")


@pytest.mark.parametrize(
    ("origin", "off", "learns"),
    [
        (HOME, 200, True), (HOME, -300, True), (HOME, 302, False), (HOME, -400, False), (HOME, 0, False),
        ("http://127.0.0.1:8000", 200, True), ("http://localhost", 200, True), ("http://[::1]:80", 200, True),
        ("http://api.example.org", 200, False),
    ],
)  # fmt: skip
def test_the_clock_is_learned_from_a_refusal_over_tls_or_loopback_and_never_more_than_five_minutes(
    library: Any, origin: str, off: int, learns: bool
) -> None:
    far = Far(library, (401, {"WWW-Authenticate": EXPIRED, "Date": formatdate(NOW + off, usegmt=True)}))
    bound = BoundAuth(TOKEN, [origin, HOME, "https://other.example.org"], clocks=Clocks(lambda: NOW))
    with library.Client(transport=far.transport, auth=bound) as client:
        assert client.post(f"{origin}/a", content=b"x").status_code == (200 if learns else 401)
        assert len(far.requests) == (2 if learns else 1)
        first = far.said(0)["time"]
        assert (far.said()["time"] != first) == learns
        client.get("https://other.example.org/")
        assert far.said()["time"] == first, "learned for one origin alone"


def test_no_date_of_an_answer_that_was_no_refusal_of_time_is_believed(library: Any) -> None:
    date = {"Date": formatdate(NOW + 200, usegmt=True)}
    far = Far(library, (200, date), (403, date), (401, {"WWW-Authenticate": 'Bearer realm="capsvc"', **date}))
    with library.Client(transport=far.transport, auth=auth()) as client:
        assert [client.get(f"{HOME}/a").status_code for _ in range(4)] == [200, 403, 401, 200]
    assert far.said()["time"] == far.said(0)["time"]


def test_what_is_truly_expired_is_asked_for_once_more_at_most(library: Any) -> None:
    refusals = [
        (401, {"WWW-Authenticate": EXPIRED, "Date": formatdate(NOW + off, usegmt=True)}) for off in (9, 99, 199)
    ]
    far = Far(library, *refusals)
    with library.Client(transport=far.transport, auth=auth()) as client:
        assert client.get(f"{HOME}/a").status_code == 401
    assert len(far.requests) == 2


def test_a_stream_whose_digest_is_told_is_sent_as_it_comes(library: Any) -> None:
    seen: list[int] = []
    far = Far(library)

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            seen.append(len(far.requests))
            yield b"%d" % number

    with library.Client(transport=far.transport, auth=auth()) as client:
        told = {BODY_DIGEST: Digest().fact(b"012")}
        client.post(f"{HOME}/a", content=pieces(), extensions=told)
        assert seen == [0, 0, 0] or seen == [1, 1, 1]
        client.post(f"{HOME}/a", content=iter([b"01", b"2"]))
    assert far.said(0)["body"] == far.said(1)["body"] == Digest().fact(b"012")
    assert far.bodies == [b"012", b"012"]


def test_the_body_is_left_out_where_it_is_said_so(library: Any) -> None:
    far = Far(library)
    with library.Client(transport=far.transport, auth=auth(bind_body=False)) as client:
        client.post(f"{HOME}/a", content=iter([b"x"]))
    assert "body" not in far.said()


def test_an_async_client_does_the_same(library: Any) -> None:
    far = Far(library, (401, {"WWW-Authenticate": EXPIRED, "Date": formatdate(NOW + 100, usegmt=True)}))

    async def answer(request: Any) -> Any:
        await request.aread()
        return far.answer(request)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"body"

    async def ask() -> int:
        async with library.AsyncClient(transport=library.MockTransport(answer), auth=auth()) as client:
            return int((await client.post(f"{HOME}/a", content=pieces())).status_code)

    assert asyncio.run(ask()) == 200
    assert far.said()["body"] == Digest().fact(b"body")


def test_discharges_go_along_bound_to_the_copy(library: Any) -> None:
    key, caveat_key = b"a root key", b"a caveat's key"
    root = Macaroon.mint(key, "k1").entrust("https://idp.example.org", caveat_key, b"ticket")
    discharge = Macaroon.mint(caveat_key, "ticket").attenuate("user = alice")
    far = Far(library)
    bound = BoundAuth(encode(root), HOME, [encode(discharge)])
    with library.Client(transport=far.transport, auth=bound) as client:
        client.get(f"{HOME}/a")
    scheme, _, sent = far.requests[0][2].partition(" ")
    copy, *discharges = sent.split(",")
    assert scheme == "Macaroon"
    prove(decode(copy), key, [decode(each) for each in discharges])
    assert encode(discharge) not in sent


def test_what_is_wrong_is_said_where_the_authentication_is_made() -> None:
    for wrong in ([], "api.example.org", "ftp://api.example.org"):
        with pytest.raises(ValueError, match="origin"):
            BoundAuth(TOKEN, wrong)
    with pytest.raises(ValueError, match="a window is 1 to 30 seconds"):
        BoundAuth(TOKEN, HOME, window=31)


def test_law_8_the_repr_holds_no_token() -> None:
    for shown in (repr(auth()), repr(auth()._presenter)):
        assert TOKEN[-43:] not in shown
        assert len(shown) < 80
