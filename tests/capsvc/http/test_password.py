"""``POST /v1/password``: the current and the new one; changes all salts."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import pytest

from tests.capsvc.http.serving import (
    ADMIN,
    PASSWORD,
    VERIFY,
    Serving,
    bearer,
    demand_life,
    hashed,
    locked,
    narrow,
)

NEW = "another good long password"


def _change(service: Serving, token: str, current: str = PASSWORD, new: str = NEW) -> Any:
    return service.client.post("/v1/password", headers=bearer(token), json={"current": current, "new": new})


def _log_in(service: Serving, user: str, password: str) -> int:
    body = {"user": user, "password": password}
    return int(service.client.post("/v1/tokens", json=body).status_code)


def test_a_changed_password_logs_in_and_the_old_one_does_not(service: Serving) -> None:
    user = service.new_user()
    answer = _change(service, service.log_in(user))
    assert (answer.status_code, type(answer.json()["revision"])) == (200, int)
    assert (_log_in(service, user, NEW), _log_in(service, user, PASSWORD)) == (201, 401)


def test_a_changed_password_takes_back_everything_that_was_logged_in_with_the_old_one(service: Serving) -> None:
    user = service.new_user(VERIFY)
    tokens = [service.log_in(user), service.log_in(user, salt="laptop"), service.log_in(user, VERIFY)]
    _change(service, tokens[0]).raise_for_status()
    answers = [service.client.get("/v1/capability", headers=bearer(token)) for token in tokens]
    assert [each.json()["type"] for each in answers] == ["urn:capsvc:problem:revoked-token"] * 3


def test_without_the_current_password_nothing_changes(service: Serving) -> None:
    user = service.new_user()
    token = service.log_in(user)
    answer = _change(service, token, current="not the current one")
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:capsvc:problem:invalid-credentials")
    assert service.client.get("/v1/capability", headers=bearer(token)).status_code == 200
    assert _log_in(service, user, PASSWORD) == 201


@pytest.mark.parametrize("new", ["", "seven77", "x" * 1025])
def test_a_new_password_of_a_length_that_is_not_accepted_is_refused(service: Serving, new: str) -> None:
    user = service.new_user()
    assert _change(service, service.log_in(user), new=new).status_code == 400
    assert _log_in(service, user, PASSWORD) == 201


@pytest.mark.parametrize("new", ["eight888", "x" * 1024, "パスワード with spaces 🗝"])
def test_any_other_new_password_logs_in(service: Serving, new: str) -> None:
    user = service.new_user()
    assert _change(service, service.log_in(user), new=new).status_code == 200
    assert _log_in(service, user, new) == 201


def test_a_password_cut_or_lengthened_at_its_longest_does_not_log_in(service: Serving) -> None:
    user = service.new_user()
    _change(service, service.log_in(user), new="x" * 1024).raise_for_status()
    assert [_log_in(service, user, "x" * length) for length in (1023, 1024, 1025, 2000)] == [401, 201, 401, 401]


@pytest.mark.parametrize("audience", [ADMIN, VERIFY])
def test_a_privileged_capability_changes_no_password(service: Serving, audience: str) -> None:
    user = service.new_user(audience)
    assert _change(service, service.log_in(user, audience)).status_code == 401
    assert _log_in(service, user, PASSWORD) == 201


def test_a_capability_narrowed_to_other_paths_changes_no_password(service: Serving) -> None:
    assert _change(service, narrow(service.token(), "path ^= /docs")).status_code == 403


def test_the_service_answers_others_while_a_password_change_waits_for_the_store(service: Serving) -> None:
    token = service.token()
    answers: list[int] = []
    changing = threading.Thread(target=lambda: answers.append(_change(service, token).status_code))
    with locked(service.home, "IMMEDIATE"):
        changing.start()
        demand_life(service, 1.0)
        assert answers == [], "it was answered first: the event loop was blocked"
    changing.join()
    assert answers == [200]


def test_a_password_that_somebody_else_set_meanwhile_is_not_overwritten(service: Serving) -> None:
    user = service.new_user()
    token = service.log_in(user)
    answers: list[int] = []
    changing = threading.Thread(
        target=lambda: answers.append(_change(service, token, new="the thief's password").status_code)
    )
    with closing(sqlite3.connect(service.home.path / "capsvc.db", isolation_level=None)) as administrator:
        administrator.execute("BEGIN IMMEDIATE")
        changing.start()
        time.sleep(0.7)  # by now the current password was verified, and the change waits to be written
        administrator.execute("UPDATE users SET password = ? WHERE name = ?", (hashed(NEW), user))
        administrator.execute("COMMIT")
    changing.join()
    assert (_log_in(service, user, "the thief's password"), _log_in(service, user, NEW)) == (401, 201)
    assert answers == [401]
