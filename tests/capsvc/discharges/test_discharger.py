"""The kit: a callback says yes, no, or go there first, and only yes discharges."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from capsvc.discharger import TICKET, Decide, Discharger, Elsewhere, No, Yes
from capsvc.discharges import Ask
from capsvc.ticket_keys import PrivateKey, SharedKey, finder
from capsvc.tickets import Ticket
from caveats import decode, prove, time_text
from caveats.encoding import encode_base64
from tests.capsvc.http.serving import PROBLEM

KEY = SharedKey("desk", b"d" * 32)
OTHER = PrivateKey("other", b"o" * 32)
NOW = 1_795_327_200.9


def _app(decide: Any, **more: Any) -> Discharger:
    return Discharger(decide, finder(KEY), clock=lambda: NOW, **more)


def _send(app: Any, method: str = "POST", path: str = "/v1/discharges", **more: Any) -> Any:
    async def send() -> Any:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://desk.example") as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


def _ask(decide: Any, condition: str = "approved by bob", **more: Any) -> tuple[Any, Ticket, bytes]:
    ticket = Ticket.of(condition)
    raw = ticket.seal(KEY)
    return _send(_app(decide), json={"ticket": encode_base64(raw), **more}), ticket, raw


async def _yes_later(condition: str, request: Request) -> Yes:
    return Yes()


@pytest.mark.parametrize("decide", [lambda condition, request: Yes(), _yes_later, lambda *asked: _yes_later(*asked)])
def test_a_yes_discharges_for_five_minutes(decide: Decide) -> None:
    answer, ticket, raw = _ask(decide)
    assert answer.status_code == 200
    assert answer.json()["expires"] == time_text(int(NOW) + 300)
    proof = prove(answer.json()["discharge"], ticket.caveat_key)
    assert (proof.identifier, [each.identifier for each in proof.caveats]) == (raw, [b"time < 2026-11-22T06:05:00Z"])


def test_the_callback_sees_the_condition_and_who_asks() -> None:
    seen: list[tuple[str, str]] = []

    def decide(condition: str, request: Request) -> Yes:
        seen.append((condition, request.headers["x-approver"]))
        return Yes()

    raw = Ticket.of("approved by bob").seal(KEY)
    headers = {"X-Approver": "bob"}
    assert _send(_app(decide), json={"ticket": encode_base64(raw)}, headers=headers).status_code == 200
    assert seen == [("approved by bob", "bob")]


def test_a_ticket_that_comes_back_has_the_name_that_it_had() -> None:
    names: list[str] = []

    def decide(condition: str, request: Request) -> Elsewhere:
        names.append(request.scope[TICKET])
        return Elsewhere(f"https://desk.example/approve/{names[-1]}")

    one, other = (encode_base64(Ticket.of("a").seal(KEY)) for _ in range(2))
    for ticket in (one, one, other):
        _send(_app(decide), json={"ticket": ticket})
    assert names[0] == names[1] != names[2]
    assert {len(each) for each in names} == {22}


def test_a_yes_narrows_and_entrusts_and_an_asker_may_shorten_and_never_extend() -> None:
    ask = Ask("https://other.example", "is awake", OTHER.public)
    answer, _, _ = _ask(lambda *asked: Yes(["method = GET"], [ask]), lifetime=60)
    ends, method, third = decode(answer.json()["discharge"]).unverified_caveats
    assert (ends.identifier, method.identifier) == (b"time < 2026-11-22T06:01:00Z", b"method = GET")
    assert third.location == "https://other.example"
    assert Ticket.open(third.identifier, finder(OTHER)).condition == "is awake"
    assert _ask(lambda *asked: Yes(), lifetime=9999)[0].json()["expires"] == "2026-11-22T06:05:00Z"


def test_a_no_says_why() -> None:
    answer, _, _ = _ask(lambda *asked: No("bob is on holiday"))
    assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM)
    assert answer.json()["type"] == "urn:capsvc:problem:discharge-denied"
    assert answer.json()["detail"] == "bob is on holiday"
    assert "discharge" not in answer.json()


def test_elsewhere_says_where() -> None:
    answer, _, _ = _ask(lambda *asked: Elsewhere("https://desk.example/approve/7"))
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
    assert answer.json()["type"] == "urn:capsvc:problem:interaction-needed"
    assert answer.json()["interaction"] == "https://desk.example/approve/7"
    assert answer.headers["www-authenticate"].startswith("Interaction ")


@pytest.mark.parametrize(
    ("decide", "error"),
    [
        (lambda *asked: True, TypeError),
        (lambda *asked: None, TypeError),
        (lambda *asked: Yes, TypeError),
        (lambda *asked: 1 / 0, ZeroDivisionError),
        (lambda *asked: Yes(["colour = red"]), ValueError),
        (lambda *asked: No(None), TypeError),
        (lambda *asked: Yes(["salt = a/3q2-7wAAq83vEjRWeJCrzQ"]), ValueError),
        (lambda *asked: Yes(["nonce = 3q2-7wAAq83vEjRWeJCrzQ"]), ValueError),
    ],
)
def test_a_callback_that_fails_never_discharges(decide: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        _ask(decide)


def test_what_cannot_be_read_is_a_problem_and_nobody_is_asked() -> None:
    def decide(condition: str, request: Request) -> Yes:
        raise AssertionError

    app, good = _app(decide), encode_base64(Ticket.of("a").seal(KEY))
    strange = encode_base64(Ticket.of("a").seal(OTHER.public))
    for body in ({"ticket": strange}, {"ticket": good[:-4]}, {"ticket": "="}, {"ticket": "A" * 5000}, {}, [], {"t": 1}):
        assert _send(app, json=body).status_code == 400
    assert _send(app, content=b" " * 9000, headers={"Content-Type": "application/json"}).status_code == 413
    assert _send(app, content=b"{}").status_code == 415
    assert _send(app, "GET").status_code == 405
    assert _send(app, path="/elsewhere", json={"ticket": good}).status_code == 404


def test_it_can_be_mounted_in_another_application() -> None:
    app = Starlette(routes=[Mount("/desk", _app(lambda *asked: Yes()))])
    raw = Ticket.of("a").seal(KEY)
    assert _send(app, path="/desk/v1/discharges", json={"ticket": encode_base64(raw)}).status_code == 200


def test_a_lifetime_of_nothing_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least a second"):
        _app(lambda *asked: Yes(), lifetime=0)
