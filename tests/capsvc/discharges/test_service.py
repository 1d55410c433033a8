"""``POST /v1/discharges``: the service authenticates the user whom a ticket names, and nobody else."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from capsvc import keyring
from capsvc.client import BoundAuth
from capsvc.collector import Collector
from capsvc.errors import CollectionError, DischargeDenied
from capsvc.keyring import KeyRing
from capsvc.ticket_keys import PUBLIC, SHARED, PrivateKey, SharedKey
from capsvc.tickets import Ticket, entrust
from caveats import Macaroon, decode, encode, prove
from caveats.encoding import encode_base64
from tests.capsvc.http.conftest import service as service  # the session's one service
from tests.capsvc.http.serving import Serving, bearer, make_home, narrow, now, service_key, serving


def _ask(service: Serving, token: str, ticket: bytes, **more: Any) -> Any:
    return service.client.post("/v1/discharges", headers=bearer(token), json={"ticket": encode_base64(ticket), **more})


def _present(service: Serving, root: str, *discharges: str) -> Any:
    asking = decode(root)
    bound = [encode(asking.bind(decode(each))) for each in discharges]
    header = {"Authorization": f"Macaroon {','.join([root, *bound])}"}
    return service.client.get("/v1/capability", headers=header)


def _ticket(service: Serving, condition: str) -> bytes:
    return Ticket.of(condition).seal(service_key(service))


def test_two_users_of_one_service_approve(service: Serving) -> None:
    bob, carol = service.new_user(), service.new_user()
    root = service.token()
    for user in (bob, carol):
        root = entrust(root, service.url, f"user = {user}", service_key(service))
    tickets = [each.identifier for each in decode(root).unverified_caveats[-2:]]
    given = []
    for user, ticket in zip((bob, carol), tickets, strict=True):
        answer = _ask(service, service.log_in(user), ticket)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        given.append(answer.json()["discharge"])
    assert _present(service, root, *given).status_code == 200
    for too_few in (given[:1], given[1:], [given[0], given[0]], [*given, given[0]]):
        assert _present(service, root, *too_few).status_code == 401


def test_a_collector_presents_itself_with_bound_copies_where_each_opens_one_request(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home", "replay_guard = true\n")) as guarding:
        user = guarding.new_user()
        root = entrust(guarding.token(), guarding.url, f"user = {user}", service_key(guarding))
        root = entrust(root, guarding.url, f"user = {user}", service_key(guarding))
        with pytest.raises(CollectionError, match="bound copy"):
            Collector({guarding.url: bearer(guarding.log_in(user))}).collect(root)
        approving = BoundAuth(guarding.log_in(user), guarding.url)
        assert len(Collector({guarding.url: approving}).collect(root)) == 2


def test_discharges_that_do_not_belong_repeat_loop_or_nest_without_end_never_permit(service: Serving) -> None:
    user, key = service.new_user(), SharedKey("desk", b"d" * 32)
    names = [Ticket.of(f"level {each}") for each in range(6)]
    raw = [each.seal(key) for each in names]

    def made(level: int, *nested: int) -> str:
        macaroon = Macaroon.mint(names[level].caveat_key, raw[level]).attenuate(f"time < {now(60)}")
        for each in nested:
            macaroon = macaroon.entrust("https://desk.example", names[each].caveat_key, raw[each])
        return encode(macaroon)

    root = encode(decode(service.log_in(user)).entrust("https://desk.example", names[0].caveat_key, raw[0]))
    assert _present(service, root, made(0)).status_code == 200
    assert _present(service, root, made(0, 1), made(1, 2), made(2)).status_code == 200
    refused: dict[str, list[str]] = {
        "none": [],
        "another's": [made(1)],
        "one too many": [made(0), made(1)],
        "twice": [made(0), made(0)],
        "asks for itself": [made(0, 0)],
        "asks for itself, and is sent twice": [made(0, 0), made(0, 0)],
        "a loop": [made(0, 1), made(1, 0)],
        "too deep": [made(0, 1), made(1, 2), made(2, 3), made(3, 4), made(4, 5), made(5)],
        "too many": [made(0), *[made(1)] * 9],
        "of another key": [encode(Macaroon.mint(b"k", raw[0]))],
    }
    answers = {what: _present(service, root, *discharges) for what, discharges in refused.items()}
    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(refused, 401)
    assert len({answer.text for answer in answers.values()}) == 1
    ended = Macaroon.mint(names[0].caveat_key, raw[0]).attenuate(f"time < {now(-1)}")
    assert _present(service, root, encode(ended)).json()["type"] == "urn:capsvc:problem:expired-token"


def test_the_collector_fetches_from_the_service_with_the_users_own_capability(service: Serving) -> None:
    bob = service.new_user()
    token = entrust(service.token(), service.url, f"user = {bob}", service_key(service))
    approving = narrow(service.log_in(bob), "path = /v1/discharges")
    collector = Collector({service.url: lambda: bearer(approving)})
    value = collector.present(token, "path = /v1/capability")
    assert service.client.get("/v1/capability", headers={"Authorization": value}).status_code == 200
    with pytest.raises(DischargeDenied, match="the ticket asks for another user"):
        Collector({service.url: bearer(service.token())}).present(token)
    with pytest.raises(CollectionError, match="answers 401: Send a capability"):
        Collector({service.url: None}).present(token)
    for secret in (approving, token, value, decode(value.rpartition(",")[2]).signature.hex()):
        assert secret not in service.stderr()


def test_a_discharge_says_its_ticket_and_its_end_and_nothing_else(service: Serving) -> None:
    user = service.new_user()
    ticket = _ticket(service, f"user = {user}")
    before = time.time()
    answer = _ask(service, service.log_in(user), ticket).json()
    discharge = decode(answer["discharge"])
    assert discharge.unverified_identifier == ticket
    assert [each.identifier.decode() for each in discharge.unverified_caveats] == [f"time < {answer['expires']}"]
    assert 298 <= datetime.fromisoformat(answer["expires"]).timestamp() - before <= 302


def test_nobody_else_gets_it(service: Serving) -> None:
    bob = service.new_user()
    answer = _ask(service, service.token(), _ticket(service, f"user = {bob}"))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")
    assert bob not in answer.text


def test_a_capability_that_was_narrowed_to_something_else_does_not_discharge(service: Serving) -> None:
    user = service.new_user()
    token, ticket = service.log_in(user), _ticket(service, f"user = {user}")
    assert _ask(service, narrow(token, "path ^= /docs"), ticket).status_code == 403
    assert _ask(service, narrow(token, "path = /v1/discharges"), ticket).status_code == 200
    assert _ask(service, service.revoked(), ticket).status_code == 401


def test_a_discharge_outlives_neither_the_capability_nor_the_maximum(service: Serving) -> None:
    user = service.new_user()
    token, ticket = service.log_in(user), _ticket(service, f"user = {user}")
    soon = now(60)
    assert _ask(service, narrow(token, f"time < {soon}"), ticket).json()["expires"] == soon
    assert _ask(service, token, ticket, lifetime=10).json()["expires"] <= now(10)
    assert _ask(service, token, ticket, lifetime=3601).status_code == 403
    assert _ask(service, token, ticket, lifetime=-1).status_code == 400


@pytest.mark.parametrize("condition", ["user in alice bob", "user = a b", "method = GET", "is friendly", "user = a/b"])
def test_a_condition_that_is_not_understood_forbids(service: Serving, condition: str) -> None:
    answer = _ask(service, service.token(), _ticket(service, condition))
    assert answer.status_code == 400
    assert condition not in answer.text


def test_a_ticket_that_does_not_open_is_one_bad_request(service: Serving) -> None:
    token, good = service.token(), _ticket(service, "user = bob")
    sealed_by_another = Ticket.of("user = bob").seal(SharedKey("k1", b"x" * 32))
    answers = [
        _ask(service, token, each)
        for each in (b"", b"x", good[:-1], good + b"x", sealed_by_another, good[:3] + b"k9" + good[5:])
    ]
    answers.append(service.client.post("/v1/discharges", headers=bearer(token), json={"ticket": "=="}))
    assert {(each.status_code, each.text) for each in answers} == {(400, answers[0].text)}
    assert "does not open" in answers[0].text
    assert service.client.post("/v1/discharges", json={"ticket": "AA"}).status_code == 401


def test_tickets_of_the_shared_key_open_too_and_no_two_uses_share_a_key(service: Serving) -> None:
    with closing(service.home.open_store()) as store:
        ring = KeyRing.load(store, service.home.shares)
    shared, private = ring.ticket_key(SHARED, "k1"), ring.ticket_key(PUBLIC, "k1")
    assert isinstance(shared, SharedKey)
    assert isinstance(private, PrivateKey)
    assert private.public == service_key(service)
    assert len({shared.secret, private.secret, ring.keys["k1"].secret}) == 3
    assert ring.ticket_key(3, "k1") is None
    assert ring.ticket_key(SHARED, "k9") is None
    user = service.new_user()
    raw = Ticket.of(f"user = {user}").seal(shared)
    discharge = _ask(service, service.log_in(user), raw).json()["discharge"]
    assert len(prove(discharge, Ticket.open(raw, ring.ticket_key).caveat_key).caveats) == 1


def test_the_published_key_follows_the_ring_and_old_tickets_open_until_it_is_retired(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home", "discharge_lifetime = 7")) as service:
        user = service.new_user()
        old = _ticket(service, f"user = {user}")
        with closing(service.home.open_store()) as store:
            new = keyring.add(store, service.home.shares, now())
            keyring.promote(store, new, now())
            assert service_key(service).key_id == new
            answer = _ask(service, service.log_in(user), old)
            assert answer.status_code == 200
            assert answer.json()["expires"] <= now(7)
            keyring.retire(store, "k1", now(), now(), leaked=True)
            assert _ask(service, service.log_in(user), old).status_code == 400
            assert _ask(service, service.log_in(user), _ticket(service, f"user = {user}")).status_code == 200
