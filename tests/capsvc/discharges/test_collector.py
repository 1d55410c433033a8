"""The collector against third parties as they should be: nested, waiting for a person, remembered, bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from capsvc.collector import Collector
from capsvc.discharger import Discharger, Elsewhere, No, Yes
from capsvc.discharges import Ask
from capsvc.errors import CollectionError, DischargeDenied, InteractionNeeded
from capsvc.third_party import origin_of
from capsvc.ticket_keys import SharedKey, finder
from capsvc.tickets import entrust
from caveats import DischargeError, Format, Macaroon, decode, encode, prove
from tests.capsvc.discharges.third_party import answering

ROOT_KEY, KEY = b"root key", SharedKey("desk", b"d" * 32)


class Desk:
    """A third party that does what a condition says, and keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.waits = 0
        self.lifetime = 300

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.bodies.append(message["body"])

        async def again() -> Any:
            return message

        app = Discharger(self.decide, finder(KEY), lifetime=self.lifetime)
        await app(scope, again, send)

    def decide(self, condition: str, request: Request) -> Any:
        self.asked.append(condition)
        self.headers.append(dict(request.headers))
        what, _, rest = condition.partition(": ")
        if what == "nested":
            return Yes(asks=[Ask(self.url, each, KEY) for each in rest.split("; ")])
        if what == "deeper":
            return Yes(asks=[Ask(self.url, "deeper: " + rest[:-1], KEY)] if rest else [])
        if what == "narrow":
            return Yes([rest])
        if what == "wait":
            self.waits -= 1
            return Yes() if self.waits < 0 else Elsewhere(f"{self.url}/approve/7")
        return No(rest) if what == "no" else Yes()


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk that answers."""
    desk = Desk()
    with answering(desk) as desk.url:
        yield desk


def _asking(desk: Desk, *conditions: str, root: Any = None) -> str:
    token = root or encode(Macaroon.mint(ROOT_KEY, "k1", "https://caps.example"))
    for each in conditions:
        token = entrust(token, desk.url, each, KEY)
    return str(token)


def _proven(value: str) -> list[list[bytes]]:
    scheme, _, texts = value.partition(" ")
    root, *discharges = texts.split(",")
    assert scheme == ("Macaroon" if discharges else "Bearer")
    return [[each.identifier for each in one.caveats] for one in prove(root, ROOT_KEY, discharges).discharges]


def test_discharges_are_collected_bound_and_proven(desk: Desk) -> None:
    token = _asking(desk, "a", "narrow: method = GET")
    first, second = _proven(Collector({desk.url: None}).present(token))
    assert second[1] == b"method = GET"
    assert [each[:7] for each in (first[0], second[0])] == [b"time < "] * 2
    assert desk.asked == ["a", "narrow: method = GET"]


def test_nested_discharges_are_collected_too(desk: Desk) -> None:
    assert len(_proven(Collector({desk.url: None}).present(_asking(desk, "nested: a; nested: b", "c")))) == 5
    assert len(_proven(Collector({desk.url: None}).present(_asking(desk, "deeper: 123")))) == 4


def test_what_needs_no_discharge_asks_nobody(desk: Desk) -> None:
    assert _proven(Collector({}).present(_asking(desk))) == []
    assert desk.asked == []


def test_it_binds_after_the_last_attenuation(desk: Desk) -> None:
    collector, token = Collector({desk.url: None}), _asking(desk, "a")
    assert _proven(collector.present(token, "method = GET"))
    bound = collector.collect(token)
    with pytest.raises(DischargeError):
        prove(decode(token).attenuate("method = GET"), ROOT_KEY, bound)


def test_a_format_is_kept_and_json_becomes_what_services_take(desk: Desk) -> None:
    collector = Collector({desk.url: None})
    for format in Format:
        value = collector.present(encode(_asking(desk, "a"), format))
        assert _proven(value)
        assert value.startswith("Macaroon TD" if format is Format.V1 else "Macaroon A") or format is Format.V1


def test_no_capability_is_ever_sent_and_credentials_go_to_their_origin_alone(desk: Desk) -> None:
    other = Desk()
    with answering(other) as other.url:
        token = entrust(_asking(desk, "a"), other.url, "b", KEY)
        made: list[int] = []

        def credentials() -> dict[str, str]:
            made.append(1)
            return {"Authorization": "Bearer of desk"}

        collector = Collector({desk.url: credentials, other.url: {"X-Of": "other"}})
        assert _proven(collector.present(token))
    assert made == [1]
    assert [each.get("authorization") for each in desk.headers + other.headers] == ["Bearer of desk", None]
    assert [each.get("x-of") for each in desk.headers + other.headers] == [None, "other"]
    sent = b"".join(desk.bodies + other.bodies) + repr(desk.headers + other.headers).encode()
    assert token[:60].encode() not in sent
    assert token[-40:].encode() not in sent
    assert desk.bodies[0].startswith(b'{"ticket":')
    assert desk.bodies[0].count(b":") == 1


def test_a_discharge_is_remembered_until_it_expires(desk: Desk) -> None:
    token, now = _asking(desk, "a"), [0.0]
    collector = Collector({desk.url: None}, clock=lambda: time.time() + now[0])
    for _ in range(3):
        assert _proven(collector.present(token, "method = GET"))
    assert desk.asked == ["a"]
    now[0] = 290
    assert _proven(collector.present(token))
    assert desk.asked == ["a"]
    now[0] = 296
    collector.present(token)
    assert desk.asked == ["a", "a"]


def test_what_is_remembered_is_bounded(desk: Desk) -> None:
    one, two = _asking(desk, "one"), _asking(desk, "two")
    small, none = Collector({desk.url: None}, remembered=1), Collector({desk.url: None}, remembered=0)
    for token in (one, one, two, one):
        small.present(token)
    assert desk.asked == ["one", "two", "one"]
    for _ in range(2):
        none.present(one)
    assert len(desk.asked) == 5


def test_a_no_is_an_error_with_the_reason_on_one_line(desk: Desk) -> None:
    with pytest.raises(DischargeDenied, match=r"^the third party at http://127\S+ says no: on holiday$"):
        Collector({desk.url: None}).present(_asking(desk, "no: on holiday"))


def test_a_person_goes_there_once_and_whoever_asks_comes_back(desk: Desk) -> None:
    desk.waits, gone = 3, list[str]()
    collector = Collector({desk.url: None}, go=gone.append, pause=0.01)
    assert _proven(collector.present(_asking(desk, "wait")))
    assert gone == [f"{desk.url}/approve/7"]
    assert len(desk.asked) == 4
    assert len(set(desk.bodies)) == 1


def test_a_person_who_never_comes_is_an_error_that_says_where_to_go(desk: Desk) -> None:
    desk.waits = 10**6
    token = _asking(desk, "wait")
    with pytest.raises(InteractionNeeded, match="wants a person to go elsewhere first") as caught:
        Collector({desk.url: None}).present(token)
    assert caught.value.url == f"{desk.url}/approve/7"
    with pytest.raises(InteractionNeeded, match=r"still waits for a person after 0\.1 seconds"):
        Collector({desk.url: None}, go=lambda url: None, pause=0.03, patience=0.1).present(token)
    assert 3 <= len(desk.asked) <= 6


def test_discharges_that_came_another_way_are_used_and_have_to_fit(desk: Desk) -> None:
    token, others = _asking(desk, "a", "b"), _asking(desk, "c")
    fetched = Collector({desk.url: None})
    fetched.present(token)
    loose = [each for each, _ in fetched._known.values()]
    nobody = Collector({})
    assert len(_proven(nobody.present(token, given=map(encode, loose)))) == 2
    with pytest.raises(CollectionError, match="no caveat asks for"):
        fetched.present(others, given=loose)
    with pytest.raises(CollectionError, match="two discharges with one identifier"):
        nobody.present(token, given=[*loose, loose[0]])
    with pytest.raises(TypeError, match="list"):
        nobody.present(token, given=encode(loose[0]))


def test_it_works_in_an_event_loop(desk: Desk) -> None:
    collector = Collector({desk.url: None})
    assert _proven(asyncio.run(collector.present_async(_asking(desk, "a"))))


def test_law_8_a_collector_prints_neither_credentials_nor_discharges(desk: Desk) -> None:
    collector = Collector({desk.url: {"Authorization": "Bearer secret"}})
    collector.present(_asking(desk, "a"))
    assert "secret" not in repr(collector)
    assert "Macaroon" not in repr(collector)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://idp.example.org", "https://idp.example.org"),
        ("https://idp.example.org:443/desk/", "https://idp.example.org"),
        ("https://idp.example.org:8443", "https://idp.example.org:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8000/a/b.c", "http://[::1]:8000"),
        ("http://localhost:1", "http://localhost:1"),
    ],
)
def test_a_location_has_an_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "", "idp.example.org", "http://idp.example.org", "ftp://127.0.0.1", "https://", "https://a@b.example",
        "https://a.example\\@b.example", "https://a.example?b", "https://a.example#b", "https://a.example/../b",
        "https://a.example/.", "https://a.example/b/..", "https://A.example", "https://a.example/%2e%2e",
        "https://a.example:0", "https://a.example:", "https://a.example\n", " https://a.example", "https://a.example//b",
        "http://127.0.0.1.example.org", "http://localhost.example.org", "https://é.example", "https://a.example:٣",
    ],
)  # fmt: skip
def test_a_location_that_is_none_has_no_origin(url: str, desk: Desk) -> None:
    with pytest.raises(ValueError, match="a third party's location"):
        origin_of(url)
    with pytest.raises(ValueError, match="a third party's location"):
        Collector({url: None})
    if url:
        token = entrust(_asking(desk), url, "a", KEY)
        with pytest.raises(CollectionError, match="was not configured"):
            Collector({desk.url: None}).present(token)


def test_a_third_party_that_was_not_configured_is_not_asked(desk: Desk) -> None:
    with pytest.raises(CollectionError, match=f"the third party at {desk.url}, which was not configured"):
        Collector({"https://idp.example.org": None}).present(_asking(desk, "a"))
    assert desk.asked == []


def test_an_origin_is_configured_without_path() -> None:
    for each in ("https://a.example/", "https://a.example/desk", "https://a.example:443"):
        with pytest.raises(ValueError, match="an origin is like"):
            Collector({each: None})
