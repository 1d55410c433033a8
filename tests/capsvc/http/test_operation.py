"""Operation: metrics over workers, readiness, request ids, logs and the audit log of a running service."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from capsvc import keyring
from tests.capsvc.http.serving import (
    ADMIN,
    PASSWORD,
    PROBLEM,
    Serving,
    bearer,
    begin_end,
    make_home,
    narrow,
    now,
    serving,
)

SAID = "named-by.the_proxy-1"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Two workers, with an access log."""
    home = make_home(tmp_path_factory.mktemp("watched") / "home", "access_log = true\n")
    with serving(home, "--workers", "2") as running:
        yield running


def _metrics(service: Serving) -> dict[str, float]:
    answer = httpx2.get(f"{service.url}/metrics", timeout=30)  # a connection of its own: any worker may take it
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def _shown(service: Serving) -> dict[str, float]:
    """Wait until every worker has shown what it counted so far, and return what they show."""
    begun, deadline = time.time(), time.monotonic() + 60
    while True:
        told = _metrics(service)
        written = [each.stat().st_mtime > begun for each in service.home.metrics.glob("*.page")]
        if sum(written) >= told["capsvc_processes"]:
            return _metrics(service)
        assert time.monotonic() < deadline, written
        time.sleep(0.1)


def _grown(service: Serving, before: dict[str, float], wanted: dict[str, float]) -> None:
    """Wait until every worker has shown what it counted, and hold that nothing but that was counted."""
    deadline = time.monotonic() + 60
    while True:
        now = _metrics(service)
        grown = {name: now[name] - before[name] for name in wanted}
        if grown == wanted:
            return
        assert time.monotonic() < deadline, grown
        time.sleep(0.1)


def _logged(service: Serving, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.stderr().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def _audited(service: Serving) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (service.home.path / "audit.jsonl").read_text().splitlines()]


def _ask_often(service: Serving, count: int, token: str, path: str) -> list[int]:
    """Ask over connections of their own, so that both workers answer some."""
    return [httpx2.get(f"{service.url}{path}", headers=bearer(token), timeout=30).status_code for _ in range(count)]


def test_metrics_sum_what_both_workers_counted(watched: Serving) -> None:
    token = watched.token()
    narrowed = narrow(token, "path ^= /docs")
    before = _shown(watched)
    assert before["capsvc_processes"] == 2
    assert set(_ask_often(watched, 30, token, "/v1/auth")) == {204}
    assert set(_ask_often(watched, 5, narrowed, "/v1/capability")) == {403}
    assert set(_ask_often(watched, 3, "nonsense", "/v1/capability")) == {401}
    wanted = {
        "capsvc_verifications_total{outcome=accepted}": 30,
        "capsvc_verifications_total{outcome=unmet}": 5,
        "capsvc_verifications_total{outcome=invalid}": 3,
        "capsvc_verification_seconds_count": 38,
        "capsvc_verification_seconds_bucket{le=+Inf}": 38,
        "capsvc_http_answers_total{status=4xx}": 8,
    }
    _grown(watched, before, wanted)
    after = _metrics(watched)
    for what in ("capsvc_proofs_total", "capsvc_salt_readings_total"):
        grown = sum(after[name] - before[name] for name in after if name.startswith(f"{what}{{"))
        assert grown == 35, what
    assert after["capsvc_verification_seconds_sum"] > before["capsvc_verification_seconds_sum"]


def test_metrics_count_logins_hashes_and_acts_and_tell_revision_and_keys(watched: Serving) -> None:
    user = watched.new_user()
    before = _shown(watched)
    token = watched.log_in(user)
    refused = watched.client.post("/v1/tokens", json={"user": user, "password": "another one"})
    assert refused.status_code == 401
    revoked = watched.client.post("/v1/revocations", headers=bearer(token), json={"name": "friend"}).json()
    wanted = {
        "capsvc_logins_total{result=accepted}": 1,
        "capsvc_logins_total{result=refused}": 1,
        "capsvc_hash_seconds_count": 2,
        "capsvc_acts_total{act=mint}": 1,
        "capsvc_acts_total{act=revoke}": 1,
    }
    _grown(watched, before, wanted)
    after = _metrics(watched)
    assert after["capsvc_revision"] == revoked["revision"]
    assert after["capsvc_ring_keys{state=signing}"] == 1
    assert after["capsvc_hash_queue{state=running}"] == after["capsvc_hash_queue{state=waiting}"] == 0
    assert after["capsvc_hashes_turned_away_total"] == 0


def test_a_worker_that_is_killed_and_replaced_takes_nothing_back(watched: Serving) -> None:
    token = watched.token()
    _ask_often(watched, 20, token, "/v1/auth")
    before = _shown(watched)
    children = Path(f"/proc/{watched.process.pid}/task/{watched.process.pid}/children").read_text().split()
    workers = [each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(int(workers[0]), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (now := _metrics(watched))["capsvc_processes"] < 2 or Path(f"/proc/{workers[0]}").exists():
        _hold_grown(before, now)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    _hold_grown(before, _metrics(watched))


def _hold_grown(before: dict[str, float], now: dict[str, float]) -> None:
    for name, value in before.items():
        if name.partition("{")[0].endswith(("_total", "_count", "_sum", "_bucket")):
            assert now[name] >= value, name


def test_metrics_name_nobody(watched: Serving) -> None:
    user = watched.new_user()
    token = watched.log_in(user, salt="laptop")
    watched.client.get("/v1/salts", headers=bearer(token))
    text = watched.client.get("/metrics").text
    for each in (user, token, "laptop", "/v1/", watched.home.path.name + "/"):
        assert each not in text


def test_an_id_that_a_trusted_proxy_says_names_the_refusal_and_what_is_logged(watched: Serving) -> None:
    user = watched.new_user()
    login = watched.client.post("/v1/tokens", headers={"X-Request-Id": SAID}, json={"user": user, "password": PASSWORD})
    assert login.headers["x-request-id"] == SAID
    (line,) = [each for each in _logged(watched, "mint") if each["who"] == user]
    assert line["request_id"] == SAID
    (line,) = [each for each in _audited(watched) if each["who"] == user]
    assert line["request_id"] == SAID
    refused = watched.client.get("/v1/capability", headers={"X-Request-Id": SAID})
    assert (refused.status_code, refused.headers["x-request-id"]) == (401, SAID)


@pytest.mark.parametrize("said", ["", "a b", "x" * 65, "ä".encode(), '"', "a,b"])
def test_an_id_that_is_no_plain_name_is_replaced(watched: Serving, said: Any) -> None:
    answer = watched.client.get("/v1/capability", headers=[("X-Request-Id", said)])
    assert answer.headers["x-request-id"].isalnum()
    assert len(answer.headers["x-request-id"]) == 16


def test_two_ids_are_none(watched: Serving) -> None:
    answer = watched.client.get("/v1/capability", headers=[("X-Request-Id", "one"), ("X-Request-Id", "two")])
    assert answer.headers["x-request-id"] not in ("one", "two")


def test_what_a_stranger_calls_a_request_counts_for_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", 'trusted_proxies = ["192.0.2.0/24"]\n')
    with serving(home) as service:
        answer = service.client.get("/v1/capability", headers={"X-Request-Id": SAID})
        assert answer.headers["x-request-id"] != SAID
        permitted = service.client.get("/v1/auth", headers=bearer(service.token()))
        assert (permitted.status_code, "x-request-id" in permitted.headers) == (204, False)
        assert _logged(service, "access") == []


def test_the_access_log_has_routes_and_neither_paths_nor_queries(watched: Serving) -> None:
    secret = "AgEcZW50aXJlbHktc2VjcmV0"
    assert watched.client.get(f"/v1/users/{secret}?token={secret}").status_code == 401
    assert watched.client.get(f"/nowhere/{secret}").status_code == 404
    assert watched.client.request(secret.upper(), "/livez").status_code in (400, 405)
    answer = watched.client.get("/v1/auth", headers=bearer(watched.token()))
    wanted = answer.headers["x-request-id"]
    deadline = time.monotonic() + 60
    while not (found := [each for each in _logged(watched, "access") if each["request_id"] == wanted]):
        assert time.monotonic() < deadline, "an answer is logged once it was sent"
        time.sleep(0.02)
    (line,), lines = found, _logged(watched, "access")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/auth", 204)
    assert line["milliseconds"] > 0
    assert {"/v1/users/{user}", None} <= {each["route"] for each in lines}
    assert secret not in watched.stderr()


def test_each_act_is_in_the_audit_log_with_who_and_how_narrowed_and_without_secrets(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        admin, user = service.new_user(ADMIN), service.new_user()
        root = service.log_in(user, caveats=["path ^= /v1"], lifetime=600)
        copy = narrow(root, "method = POST", "salt = friend/5Jx1mWm0Zk2y0c2Qv3m0tA")
        revoked = service.client.post("/v1/revocations", headers=bearer(copy), json={"name": "other"}).json()
        whole = service.log_in(user)
        renewed = service.client.post("/v1/tokens/renew", headers=bearer(whole), json={}).json()["macaroon"]
        assert service.client.post("/v1/revoke", data={"token": copy}).status_code == 200
        passed = {"current": PASSWORD, "new": "another good one"}
        assert service.client.post("/v1/password", headers=bearer(whole), json=passed).status_code == 200
        power = service.log_in(admin, ADMIN)
        new = {"user": "newcomer", "password": "one more good one"}
        assert service.client.post("/v1/users", headers=bearer(power), json=new).status_code == 201
        changed = service.client.patch("/v1/users/newcomer", headers=bearer(power), json={"disabled": True})
        assert changed.status_code == 200
        before = {"everyone": True, "before": "2020-01-01T00:00:00Z"}
        assert service.client.post("/v1/revocations", headers=bearer(power), json=before).status_code == 200
        lines = _audited(service)
        text = (tmp_path / "home/audit.jsonl").read_text() + service.stderr()
    acts = [(line["act"], line["who"], line.get("whom")) for line in lines]
    assert acts == [
        ("mint", user, None),
        ("revoke", user, user),
        ("mint", user, None),
        ("renew", user, None),
        ("revoke", user, user),
        ("change password", user, user),
        ("mint", admin, None),
        ("add user", admin, "newcomer"),
        ("change user", admin, "newcomer"),
        ("revoke", admin, None),
    ]
    assert all(line["request_id"] and line["via"] == "api" for line in lines if "via" in line)
    assert lines[0]["narrowed"] == ["path ^= /v1"]
    assert lines[0]["begins"] < lines[0]["time"] < lines[0]["ends"]
    assert lines[1]["presented"]["narrowed"] == ["path ^= /v1", "method = POST", "salt = friend"]
    assert (lines[1]["name"], lines[1]["revision"]) == ("other", revoked["revision"])
    assert lines[4]["name"] == "friend"
    assert (lines[6]["audience"], lines[8]["disabled"], lines[9]["before"]) == (ADMIN, True, before["before"])
    for secret in (root, copy, whole, renewed, power, PASSWORD, *passed.values(), new["password"], "5Jx1mWm0Zk2y"):
        assert secret not in text


def test_an_act_that_the_audit_log_does_not_take_is_done_told_in_the_log_and_the_service_not_ready(
    tmp_path: Path,
) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        audit, user = service.home.path / "audit.jsonl", service.new_user()
        audit.unlink()  # it was made by whoever asked for /readyz
        audit.symlink_to("/dev/full")
        token = service.log_in(user)
        (line,) = _logged(service, "not in the audit log")
        assert (line["act"], line["who"], line["level"]) == ("mint", user, "error")
        answer = service.client.get("/readyz")
        assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
        assert answer.json()["wrong"] == ["the audit log"]
        assert str(tmp_path) not in answer.text
        assert service.client.get("/v1/auth", headers=bearer(token)).status_code == 204
        assert service.client.get("/livez").status_code == 200
        assert _metrics(service)["capsvc_audit_unwritten_total"] == 1
        audit.unlink()
        assert service.client.get("/readyz").status_code == 200
        assert [each["who"] for each in _audited(service)] == [user]
        assert [each["ready"] for each in _logged(service, "readiness changed")] == [False, True]


def test_without_a_key_that_can_be_put_together_the_service_is_not_ready(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home) as service:
        with closing(home.open_store()) as store:
            keyring.add(store, home.shares, now())
        home.shares.path.chmod(0o644)
        answer = service.client.get("/readyz")
        assert (answer.status_code, answer.json()["wrong"]) == (503, ["the key ring"])
        home.shares.path.chmod(0o600)
        assert service.client.get("/readyz").status_code == 200


def test_while_a_service_finishes_what_it_began_nobody_is_told_that_it_is_ready(tmp_path: Path) -> None:
    with (
        serving(make_home(tmp_path / "home")) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=60) as slow,
    ):
        slow.sendall(b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        slow.sendall(b"Content-Length: 100\r\n\r\n{")
        assert service.client.get("/readyz").status_code == 200
        begin_end(service)
        assert service.process.poll() is None, "the slow request is waited for"
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{service.url}/readyz", timeout=2)


def test_what_the_server_itself_complains_of_is_a_line_of_json_too(watched: Serving) -> None:
    with socket.create_connection(("127.0.0.1", watched.port), timeout=60) as raw:
        raw.sendall(b"NONSENSE\r\n\r\n")
        assert b"400" in raw.recv(1024)
    deadline = time.monotonic() + 60
    while not (lines := _logged(watched, "Invalid HTTP request received.")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (lines[0]["level"], lines[0]["logger"]) == ("warning", "uvicorn.error")
    rest = [line for line in watched.stderr().splitlines() if line.strip() and not line.startswith("{")]
    assert not [line for line in rest if "Invalid" in line or "INFO" in line or "WARNING" in line]
