"""A flood of logins: beyond what the hashing slots can do it is turned away, and everything else goes on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from capsvc.passwords import Passwords
from capsvc.stores import NewUser
from tests.capsvc.http.serving import PASSWORD, PROBLEM, Serving, bearer, make_home, now, serving

LOGINS = 60
_HASHING = re.compile(r'^capsvc_hash_queue\{state="running"\} (\S+)$', re.MULTILINE)
SLOW = "argon2_memory_kib = 65536\nargon2_time = 3\nwrong_passwords = 1000\n"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service whose one slow hash is slower than usual, with the user alice."""
    home = make_home(tmp_path_factory.mktemp("slow") / "home", SLOW)
    with closing(home.open_store()) as store:
        store.add_users([NewUser("alice", Passwords(home.settings).hash(PASSWORD))], now())
    with serving(home) as running:
        yield running


@dataclass(frozen=True)
class Flood:
    """What became of a flood of logins, and of others meanwhile; how many hashes ran as the service answered those."""

    answers: list[Any]
    others: list[int]
    hashing: list[float]

    def statuses(self) -> set[int]:
        """The different statuses that logins got."""
        return {each.status_code for each in self.answers}


def _flood(service: Serving, user: str, password: str) -> Flood:
    token = service.log_in("alice")
    return asyncio.run(_flooding(service.url, token, {"user": user, "password": password}))


async def _flooding(url: str, token: str, body: dict[str, str]) -> Flood:
    others: list[int] = []
    hashing: list[float] = []
    limits = httpx2.Limits(max_connections=LOGINS + 1)
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as client:
        logins = [asyncio.create_task(client.post("/v1/tokens", json=body)) for _ in range(LOGINS)]
        while not all(each.done() for each in logins):
            others.append((await client.get("/v1/auth", headers=bearer(token))).status_code)
            hashing += map(float, _HASHING.findall((await client.get("/metrics")).text))
            await asyncio.sleep(0.02)
        return Flood([each.result() for each in logins], others, hashing)


@pytest.fixture(scope="module")
def flood(slow: Serving) -> Flood:
    """A flood of logins with the right password."""
    return _flood(slow, "alice", PASSWORD)


def test_logins_beyond_the_slots_are_turned_away_and_told_when_to_come_back(flood: Flood) -> None:
    assert flood.statuses() == {201, 429}
    turned_away = [each for each in flood.answers if each.status_code == 429]
    for answer in turned_away:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["type"] == "urn:capsvc:problem:too-busy"
        assert int(answer.headers["retry-after"]) >= 1
    assert len(turned_away) > LOGINS / 2


def test_everything_else_goes_on_during_a_flood(flood: Flood) -> None:
    assert 429 in flood.statuses()
    assert set(flood.others) == {204}
    assert sum(running > 0 for running in flood.hashing) > 5, "whoever waits for a hash is answered when none runs"


@pytest.mark.parametrize("user", ["alice", "nobody at all"])
def test_a_wrong_login_takes_a_slot_whether_there_is_such_a_user_or_not(slow: Serving, user: str) -> None:
    flood = _flood(slow, user, "not the password")
    assert flood.statuses() == {401, 429}, "without the slow hash all would have been answered in time"


def test_the_service_logs_in_again_after_a_flood(slow: Serving, flood: Flood) -> None:
    assert 429 in flood.statuses()
    assert slow.log_in("alice")
    assert "Traceback" not in slow.stderr()
