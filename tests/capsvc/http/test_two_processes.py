"""Two services on one home: what one takes back, the other refuses at its very next request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from capsvc import keyring
from caveats import decode, time_text
from tests.capsvc.http.serving import ADMIN, PASSWORD, Serving, append, bearer, end, make_home, now, serving

ROUNDS = 20
Pair = tuple[Serving, Serving]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two service processes on one home."""
    home = make_home(tmp_path_factory.mktemp("pair") / "home")
    with serving(home) as one, serving(home) as other:
        assert one.process.pid != other.process.pid
        assert one.port != other.port
        yield one, other


def _kind(service: Serving, token: str) -> str:
    answer = service.client.get("/v1/capability", headers=bearer(token))
    return "live" if answer.status_code == 200 else str(answer.json()["type"].rpartition(":")[2])


def _hold(
    pair: Pair, take_back: Callable[[Serving, str, int], str], refusal: str = "revoked-token", **login: Any
) -> None:
    """Round after round: a live token, taken back through one process, is refused by the other at once.

    ``take_back`` gets the process to use, the user and the round, and returns the token that it took back.
    """
    user = pair[0].new_user(ADMIN)
    for round in range(ROUNDS):
        here, there = pair if round % 2 else pair[::-1]
        token = take_back(here, user, round)
        assert _kind(there, token) == refusal, f"round {round}"
        assert _kind(here, token) == refusal, f"round {round}"


def _live(pair: Pair, token: str) -> str:
    assert [_kind(service, token) for service in pair] == ["live", "live"]
    return token


def _revoke(service: Serving, token: str, **what: Any) -> None:
    answer = service.client.post("/v1/revocations", headers=bearer(token), json=what)
    assert answer.status_code == 200, answer.text


def test_a_revoked_name_is_refused_by_the_other_process(pair: Pair) -> None:
    def take_back(here: Serving, user: str, round: int) -> str:
        token = _live(pair, here.log_in(user, salt="laptop"))
        _revoke(here, token, name="laptop")
        return token

    _hold(pair, take_back)


def test_a_revoked_holders_name_is_refused_by_the_other_process(pair: Pair) -> None:
    def take_back(here: Serving, user: str, round: int) -> str:
        root = here.log_in(user)
        delegated = _live(pair, append(root, f"salt = friend.{round}/3q2-7wAAq83vEjRWeJCrzQ".encode()))
        _revoke(here, root, name=f"friend.{round}")
        _live(pair, root)
        return delegated

    _hold(pair, take_back)


def test_a_revoked_nonce_is_refused_by_the_other_process(pair: Pair) -> None:
    def take_back(here: Serving, user: str, round: int) -> str:
        lost, kept = _live(pair, here.log_in(user)), here.log_in(user)
        nonce = decode(lost).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")
        _revoke(here, kept, nonce=nonce)
        _live(pair, kept)
        return lost

    _hold(pair, take_back)


def test_everything_revoked_is_refused_by_the_other_process(pair: Pair) -> None:
    def take_back(here: Serving, user: str, round: int) -> str:
        token = _live(pair, here.log_in(user))
        _revoke(here, token, all=True)
        return token

    _hold(pair, take_back)


def test_a_disabled_users_token_is_refused_by_the_other_process(pair: Pair) -> None:
    admin = bearer(pair[0].token(ADMIN))

    def take_back(here: Serving, user: str, round: int) -> str:
        here.client.patch(f"/v1/users/{user}", headers=admin, json={"disabled": False}).raise_for_status()
        token = _live(pair, here.log_in(user))
        here.client.patch(f"/v1/users/{user}", headers=admin, json={"disabled": True}).raise_for_status()
        return token

    _hold(pair, take_back)


def test_a_changed_password_takes_back_in_the_other_process(pair: Pair) -> None:
    def take_back(here: Serving, user: str, round: int) -> str:
        current, new = (PASSWORD, PASSWORD + "!") if round % 2 == 0 else (PASSWORD + "!", PASSWORD)
        token = _live(pair, here.log_in(user, password=current))
        change = {"current": current, "new": new}
        here.client.post("/v1/password", headers=bearer(token), json=change).raise_for_status()
        return token

    _hold(pair, take_back)


def test_everyone_revoked_is_refused_by_the_other_process(pair: Pair) -> None:
    def take_back(here: Serving, user: str, round: int) -> str:
        token, admin = _live(pair, here.log_in(user)), here.log_in(user, ADMIN)
        begins = decode(token).unverified_caveats[3].identifier.decode().removeprefix("time >= ")
        instant = time_text(datetime.fromisoformat(begins) + timedelta(seconds=1))
        assert instant <= now()
        _revoke(here, admin, everyone=True, before=instant)
        return token

    _hold(pair, take_back)


def test_a_retired_key_is_refused_by_the_other_process_and_the_new_one_accepted(pair: Pair) -> None:
    home = pair[0].home

    def take_back(here: Serving, user: str, round: int) -> str:
        with closing(home.open_store()) as store:
            token = _live(pair, here.log_in(user))
            old = next(key.key_id for key in store.keys()[1] if key.state == keyring.SIGNING)
            new = keyring.add(store, home.shares, now())
            _live(pair, token)
            keyring.promote(store, new, now())
            _live(pair, token)
            fresh = _live(pair, here.log_in(user))
            assert decode(fresh).unverified_identifier == new.encode()
            keyring.retire(store, old, now(), now(-3600), leaked=True)
            _live(pair, fresh)
        return token

    _hold(pair, take_back, "invalid-token")


def test_a_login_through_one_process_is_live_in_the_other_at_once(pair: Pair) -> None:
    for round in range(ROUNDS):
        here, there = pair if round % 2 else pair[::-1]
        assert _kind(there, here.log_in(here.new_user(), salt=f"new{round}")) == "live"


def test_revisions_of_both_processes_are_one_counter(pair: Pair) -> None:
    one, other = pair
    token = one.token()
    seen = []
    for number in range(6):
        here = (one, other)[number % 2]
        answer = here.client.post("/v1/revocations", headers=bearer(token), json={"name": f"friend{number}"})
        seen.append(answer.json()["revision"])
    assert seen == sorted(set(seen))
    assert other.client.get("/v1/capability", headers=bearer(token)).json()["revision"] >= seen[-1]


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in listed]


def _ask_afresh(service: Serving, token: str) -> Any:
    """Ask over a new connection, which either worker may take."""
    return httpx2.get(f"{service.url}/v1/capability", headers=bearer(token), trust_env=False, timeout=30)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_several_workers_serve_refuse_at_once_and_end_cleanly(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home"), "--workers", "2") as service:
        children = _children(service.process.pid)
        assert len(children) >= 2
        token = service.token()
        live = [_ask_afresh(service, token) for _ in range(30)]
        assert {each.status_code for each in live} == {200}
        _revoke(service, token, all=True)
        after = [_ask_afresh(service, token) for _ in range(30)]
        assert {each.json()["type"] for each in after} == {"urn:capsvc:problem:revoked-token"}
        assert decode(service.token()).unverified_location == service.url
        assert end(service.process) == 0
        deadline = time.monotonic() + 60
        while any(map(_runs, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [pid for pid in children if _runs(pid)] == []
        assert "Traceback" not in service.stderr()
