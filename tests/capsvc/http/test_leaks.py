"""``POST /v1/leaks``: anybody may report, everybody is told the same, and what is told is durable."""

from __future__ import annotations

import json
from secrets import token_bytes
from typing import Any

from caveats.encoding import encode_base64
from tests.capsvc.http.serving import ADMIN, PROBLEM, Serving, append, bearer, locked, narrow


def _report(service: Serving, token: str) -> Any:
    return service.client.post("/v1/leaks", json={"token": token})


def _is_live(service: Serving, token: str) -> bool:
    answer = service.client.get("/v1/capability", headers=bearer(token))
    assert answer.status_code == 200 or answer.json()["type"] == "urn:capsvc:problem:revoked-token", answer.text
    return answer.status_code == 200


def _named(token: str, name: str) -> str:
    return append(token, f"salt = {name}/{encode_base64(token_bytes(16))}".encode())


def test_a_found_token_is_refused_from_the_answer_on_and_its_owner_sees_why(service: Serving) -> None:
    user = service.new_user()
    lost, kept = service.log_in(user), service.log_in(user)
    copy = _named(kept, "job.a1b2")
    assert _is_live(service, lost)
    assert _is_live(service, copy)
    for found in (lost, copy):
        assert _report(service, found).status_code == 202
        assert not _is_live(service, found)
    assert _is_live(service, kept)
    rows = service.client.get("/v1/salts", headers=bearer(kept)).json()["salts"]
    assert [(row["kind"], row["revoked"]) for row in rows] == [("issued", False), ("holder", True), ("nonce", True)]
    log = [json.loads(line) for line in service.stderr().splitlines() if line.startswith("{")]
    said = [each for each in log if each["event"] == "leak report" and each["user"] == user]
    assert [each["name"] for each in said] == [None, "job.a1b2"]
    assert all(each["revision"] and each["nonce"] for each in said)
    assert lost not in service.stderr()


def test_every_report_gets_one_identical_answer(service: Serving) -> None:
    token = service.token()
    found = [
        "garbage", "", token, token, narrow(token, "time < 2020-01-01T00:00:00Z"), service.expired(), service.revoked(),
        append(service.token(), b"request = 3q2-7wAAq83vEjRWeJCrzQ"), service.token(ADMIN), token[:-4], f" {token}",
    ]  # fmt: skip
    answers = [_report(service, each) for each in found]
    visible = [
        (answer.status_code, answer.content, {name: value for name, value in answer.headers.items() if name != "date"})
        for answer in answers
    ]
    assert visible == [visible[0]] * len(found)
    assert visible[0][0] == 202
    assert not _is_live(service, token)


def test_a_log_of_bound_copies_logs_nobody_out(service: Serving) -> None:
    token = service.token()
    bound = append(token, b"time < 2099-01-01T00:00:00Z", b"method = GET", b"request = 3q2-7wAAq83vEjRWeJCrzQ")
    assert _report(service, bound).status_code == 202
    assert _is_live(service, token)


def test_a_report_that_the_store_cannot_keep_is_not_acknowledged(service: Serving) -> None:
    token = service.token()
    with locked(service.home, "IMMEDIATE"):
        answer = _report(service, token)
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert _is_live(service, token)
    assert _report(service, token).status_code == 202
    assert not _is_live(service, token)
