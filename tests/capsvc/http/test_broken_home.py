"""A home that is locked, gone or damaged: refused in time and in words, and never a permit."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from capsvc import keyring
from capsvc.stores.connection import journal_mode
from tests.capsvc.http.serving import (
    PASSWORD,
    PROBLEM,
    VERIFY,
    Serving,
    bearer,
    demand_life,
    end,
    locked,
    make_home,
    now,
    serving,
)
from tests.forks import run

READERS_WAIT = journal_mode(sqlite3.sqlite_version_info[:3]) == "truncate"


def _assert_unavailable(answer: Any) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert answer.json()["type"] == "urn:capsvc:problem:store-unavailable"
    assert int(answer.headers["retry-after"]) >= 1


def _assert_not_ready(answer: Any) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert answer.json()["wrong"][0] == "the store"


def _ask_everything(service: Serving, own: str, caller: str, waits: bool = False) -> dict[str, Any]:
    """Ask what needs the store, all at the same time; a change is still waited for after a while, or not."""
    asked = {
        "capability": ("GET", "/v1/capability", own, None),
        "auth": ("GET", "/v1/auth", own, None),
        "verify": ("POST", "/v1/verify", caller, {"token": own}),
        "revocations": ("POST", "/v1/revocations", own, {"name": "friend"}),
        "tokens": ("POST", "/v1/tokens", own, {"user": "nobody", "password": PASSWORD}),
        "readyz": ("GET", "/readyz", own, None),
    }
    answers: dict[str, Any] = {}

    def ask(what: str, method: str, path: str, token: str, body: Any) -> None:
        answers[what] = service.client.request(method, path, headers=bearer(token), json=body)

    threads = [threading.Thread(target=ask, args=(what, *each)) for what, each in asked.items()]
    for each in threads:
        each.start()
    demand_life(service, 0.5)
    assert not waits or "revocations" not in answers, "it was answered first: the event loop was blocked"
    for each in threads:
        each.join()
    return answers


def test_a_store_locked_beyond_patience_is_unavailable_and_serves_again_afterwards(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        own, caller = service.token(), service.token(VERIFY)
        with locked(service.home, "EXCLUSIVE"):
            answers = _ask_everything(service, own, caller, waits=True)
            _assert_unavailable(answers.pop("revocations"))
            _assert_not_ready(answers.pop("readyz"))
            for answer in answers.values() if READERS_WAIT else ():
                _assert_unavailable(answer)
        assert service.client.get("/v1/capability", headers=bearer(own)).status_code == 200
        revoked = service.client.post("/v1/revocations", headers=bearer(own), json={"name": "friend"})
        assert revoked.status_code == 200


def test_a_store_locked_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        own, statuses = service.token(), []
        asking = threading.Thread(
            target=lambda: statuses.append(service.client.get("/v1/capability", headers=bearer(own)).status_code)
        )
        with locked(service.home, "EXCLUSIVE"):
            asking.start()
            time.sleep(0.5)
            assert statuses == ([] if READERS_WAIT else [200])
        asking.join()
        assert statuses == [200]


def test_a_database_deleted_or_replaced_under_the_service_never_permits(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        own, caller = service.token(), service.token(VERIFY)
        database = service.home.path / "capsvc.db"
        copy = database.read_bytes()
        database.unlink()
        answers = _ask_everything(service, own, caller)
        _assert_not_ready(answers.pop("readyz"))
        for answer in answers.values():
            _assert_unavailable(answer)
        database.write_bytes(copy)
        answers = _ask_everything(service, own, caller)
        _assert_not_ready(answers.pop("readyz"))
        for answer in answers.values():
            _assert_unavailable(answer)
        assert service.client.get("/livez").status_code == 200
        assert "Traceback" not in service.stderr()


def test_an_answer_about_the_store_names_no_file_of_the_server(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        own = service.token()
        (service.home.path / "capsvc.db").unlink()
        answer = service.client.get("/v1/capability", headers=bearer(own))
        _assert_unavailable(answer)
        assert str(tmp_path) not in answer.text


def test_a_ring_that_cannot_be_put_together_any_more_is_not_ready_and_the_log_says_why(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        own = service.token()
        with closing(service.home.open_store()) as store:
            keyring.add(store, service.home.shares, now())  # so that the service has to read its shares again
        service.home.shares.path.chmod(0o644)
        answer = service.client.get("/v1/capability", headers=bearer(own))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:capsvc:problem:not-ready")
        assert str(tmp_path) not in answer.text
        assert "chmod 600" in service.stderr(), "the answer says that the log says why"


def _missing(keys: Path) -> None:
    keys.unlink()


def _short(keys: Path) -> None:
    text = keys.read_text()
    keys.write_text(text[: len(text) // 2])


def _empty(keys: Path) -> None:
    keys.write_text("")


def _readable(keys: Path) -> None:
    keys.chmod(0o644)


def _foreign(keys: Path) -> None:
    shares = json.loads(keys.read_text())["shares"]
    keys.write_text(json.dumps({"shares": {name: share[::-1][1:] + "A" for name, share in shares.items()}}))


def _a_directory(keys: Path) -> None:
    keys.unlink()
    keys.mkdir()


def _other_home(keys: Path) -> None:
    other = make_home(keys.parent.parent / "other")
    keys.write_text(other.shares.path.read_text())


@pytest.mark.parametrize("damage", [_missing, _short, _empty, _readable, _foreign, _a_directory, _other_home])
def test_a_service_whose_key_file_is_damaged_does_not_start_and_says_so_in_one_line(
    tmp_path: Path, damage: Any
) -> None:
    home = make_home(tmp_path / "home")
    damage(home.shares.path)
    done = run(home.path, "serve", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "keys.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not home.address_file.exists()


def test_a_service_told_to_end_ends_with_exit_code_0(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        assert service.token()
        code = end(service.process)
        assert "Traceback" not in service.stderr()
        assert code == 0, f"SIGTERM ended it with {code} ({signal.Signals(-code).name if code < 0 else ''})"
