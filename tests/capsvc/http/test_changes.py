"""``GET /v1/changes``: signed pages for whoever asks, at once or as soon as there is something to tell."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from select import select
from typing import Any
from urllib.parse import urlencode

import pytest

from capsvc import keyring
from capsvc.changes import Digests, Page
from capsvc.exported import ExportedKey
from capsvc.keyring import KeyRing
from tests.capsvc.http.serving import PROBLEM, RawAnswer, Serving, end, make_home, now, serving

PATIENCE_SECONDS = 20.0
"""Less than the longest wait: who is still waiting then was not woken."""

SETTINGS = 'exported_audiences = ["billing", "reports"]\n'


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service with two workers that exports two audiences."""
    with serving(make_home(tmp_path_factory.mktemp("issuer") / "home", SETTINGS), "--workers", "2") as running:
        yield running
    assert "Traceback" not in running.stderr()


def _exported(service: Serving, audience: str = "billing") -> dict[str, ExportedKey]:
    with closing(service.home.open_store()) as store:
        return KeyRing.load(store, service.home.shares).exported(audience)


def _ask(service: Serving, **asked: Any) -> Any:
    return service.client.get("/v1/changes", params={"audience": "billing", **asked})


def _page(service: Serving, **asked: Any) -> Page:
    answer = _ask(service, **asked)
    assert answer.status_code == 200, answer.text
    publics = {key_id: key.public for key_id, key in _exported(service, asked.get("audience", "billing")).items()}
    return Page.read(answer.text, publics)


def _revoke(service: Serving, user: str, name: str) -> int:
    with closing(service.home.open_store()) as store:
        return store.revoke_name(user, name, now())


class Poll:
    """A request that waits, on a connection of its own. It is on its way when this returns."""

    def __init__(self, service: Serving, since: int, **asked: Any) -> None:
        self._connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_SECONDS)
        query = urlencode({"audience": "billing", "wait": 30, "since": since, **asked})
        self._connection.request("GET", f"/v1/changes?{query}")

    @property
    def is_waiting(self) -> bool:
        return not select([self._connection.sock], [], [], 0)[0]

    def answer(self) -> RawAnswer:
        """Wait for it. Fails with a timeout where nobody woke it."""
        with closing(self._connection), self._connection.getresponse() as told:
            return RawAnswer(told.status, dict(told.headers), told.read())


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_asks_is_told_what_changed_and_no_name(issuer: Serving) -> None:
    user = issuer.new_user()
    since = _page(issuer).head
    began = int(time.time() * 1000)
    revision = _revoke(issuer, user, "friend")
    answer = _ask(issuer, since=since)
    page, digests = _page(issuer, since=since), Digests(_exported(issuer)["k1"].digests)
    assert (page.since, page.to, page.head) == (since, revision, revision)
    assert [(row.name, row.salt) for row in page.rows] == [(digests.name(user, "friend"), None)]
    assert began - 1000 <= page.stamp <= time.time() * 1000
    assert (page.issuer, page.audience) == (issuer.url, "billing")
    assert user not in answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=1"
    assert "set-cookie" not in answer.headers


def test_an_audience_reads_its_own_pages_and_no_others(issuer: Serving) -> None:
    since = _page(issuer).head
    issuer.new_user()
    ours, theirs = _page(issuer, since=since), _page(issuer, audience="reports", since=since)
    assert theirs.audience == "reports"
    assert {row.name for row in ours.rows}.isdisjoint(row.name for row in theirs.rows)
    assert len(ours.rows) == len(theirs.rows) == 1


def test_head_is_as_get_without_a_body(issuer: Serving) -> None:
    answer = issuer.client.head("/v1/changes", params={"audience": "billing"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 300


@pytest.mark.parametrize("audience", ["shop", "", "capsvc.admin", "capsvc.verify", "Billing", "billing ", "\x00"])
def test_there_is_no_feed_for_any_other_audience(issuer: Serving, audience: str) -> None:
    answer = _ask(issuer, audience=audience, wait=30)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json()["type"] == "urn:capsvc:problem:no-feed"
    assert "exported_audiences" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    ["", "since=0", "audience=billing&since=", "audience=billing&since=-1", "audience=billing&since=01",
     "audience=billing&since=1.5", "audience=billing&since=9999999999999999", "audience=billing&since=%D9%A1",
     "audience=billing&skip=x", "audience=billing&wait=31", "audience=billing&wait=-1", "audience=billing&wait=1e1",
     "audience=billing&wait=nan", "audience=billing&wait=30.1", "audience=billing&audience=billing",
     "audience=billing&since=0&since=0"],
)  # fmt: skip
def test_a_query_that_cannot_be_read_is_a_bad_request(issuer: Serving, query: str) -> None:
    answer = issuer.client.get(f"/v1/changes?{query}")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request"), answer.text


def test_a_revision_that_is_yet_to_come_is_a_conflict_that_says_why(issuer: Serving) -> None:
    answer = _ask(issuer, since=10**15 - 1)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:capsvc:problem:feed-went-back")
    assert answer.headers["cache-control"] == "no-store"
    assert "the database has revision" in answer.json()["detail"]


# Waiting


def test_who_waits_is_answered_once_something_changed_on_whichever_worker(issuer: Serving) -> None:
    user = issuer.new_user()
    since = _page(issuer).head
    polls = [Poll(issuer, since) for _ in range(8)]
    time.sleep(0.5)
    assert all(each.is_waiting for each in polls)
    revision = _revoke(issuer, user, "friend")
    answers = [each.answer() for each in polls]
    assert {each.status for each in answers} == {200}
    publics = {"k1": _exported(issuer)["k1"].public}
    assert {Page.read(each.body.decode(), publics).to for each in answers} == {revision}
    assert len({each.body for each in answers}) < len(answers), "who waits for the same is given the same"


def test_who_waits_though_something_changed_is_answered_at_once(issuer: Serving) -> None:
    issuer.new_user()
    head = _page(issuer).head
    assert Poll(issuer, head - 1).answer().status == 200
    assert Poll(issuer, head - 1, skip=1).answer().status == 200


def test_who_waited_in_vain_is_told_so_with_a_new_stamp(issuer: Serving) -> None:
    before = _page(issuer)
    page = _page(issuer, since=before.head, wait=0.75)
    assert (page.to, page.rows) == (before.head, ())
    assert page.stamp > before.stamp


def test_verification_goes_on_while_many_wait(issuer: Serving) -> None:
    token, since = issuer.token(), _page(issuer).head
    polls = [Poll(issuer, since) for _ in range(20)]
    for _ in range(20):
        answer = issuer.client.get("/v1/auth", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 204
    assert all(each.is_waiting for each in polls)
    issuer.new_user()
    assert {each.answer().status for each in polls} == {200}


def test_only_so_many_wait_and_who_has_gone_makes_room(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home", SETTINGS + "connections = 8\n")) as service:
        since = _page(service).head
        head = (
            f"GET /v1/changes?audience=billing&since={since}&wait=30 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        asking = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(3)]
        for each in asking:
            each.sendall(head.encode())
        (refused,), _, _ = select(asking, [], [], PATIENCE_SECONDS)
        with refused.makefile("rb") as told:
            answer = told.read().decode()
        assert answer.startswith("HTTP/1.1 503 ")
        assert "urn:capsvc:problem:too-many-wait" in answer
        assert "\r\nretry-after: 1\r\n" in answer
        assert _ask(service, since=since, wait=0.01).status_code == 503
        assert _ask(service, since=since).status_code == 200
        for each in asking:
            each.close()
        _until(lambda: _ask(service, since=since, wait=0.01).status_code == 200)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_waits_when_the_service_ends_is_answered_and_the_end_is_clean(tmp_path: Path, workers: str) -> None:
    with serving(make_home(tmp_path / "home", SETTINGS), "--workers", workers) as service:
        since = _page(service).head
        polls = [Poll(service, since) for _ in range(4)]
        time.sleep(0.5)
        assert all(each.is_waiting for each in polls)
        assert end(service.process) == 0
        for each in polls:
            assert Page.read(each.answer().body.decode(), {"k1": _exported(service)["k1"].public}).to == since
        assert "Traceback" not in service.stderr()


# Rotation


def test_section_7_a_rotation_leaves_pages_readable_until_the_exported_key_is_retired(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home", SETTINGS)) as service, closing(service.home.open_store()) as store:
        first, shares = _exported(service), service.home.shares
        since = _page(service).head
        waiting = Poll(service, since)
        time.sleep(0.3)
        key_id = keyring.add(store, shares, now())
        assert Page.read(waiting.answer().body.decode(), {"k1": first["k1"].public}).keys == ("k1", "k2")
        keyring.promote(store, key_id, now())
        _until(lambda: Page.read(_ask(service).text, {"k1": first["k1"].public}).ring == store.keys()[0])
        keyring.retire(store, "k1", now(), now(), leaked=True)
        second = _exported(service)
        assert list(second) == ["k2"]
        _until(lambda: '"key": "k2"' in _ask(service).text)
        assert Page.read(_ask(service).text, {"k2": second["k2"].public}).keys == ("k2",)
