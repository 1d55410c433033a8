"""The end of a service loses no answer: what was asked before is answered in full, logins that hash too."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from caveats.wire import encode_text
from tests.capsvc.http.serving import PASSWORD, Serving, append, bearer, begin_end, make_home, serving

PATIENCE_SECONDS = 90.0
_WORKER_PATIENCE_SECONDS = 30.0
"""For so long a worker that says nothing is waited for."""


@dataclass
class Client:
    """Asks over and over on one connection until the service closes it; remembers what was cut off in the middle."""

    port: int
    request: bytes
    answered: int = 0
    last: bytes = b""
    lost: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Ask until the end. A request that the service never read may be closed upon; an answer may not be cut."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as connection:
            while True:
                told = b""
                try:
                    connection.sendall(self.request)
                    while not _is_whole(told):
                        piece = connection.recv(65536)
                        if not piece:
                            break
                        told += piece
                except ConnectionError:
                    pass
                if not _is_whole(told):
                    if told:
                        self.lost.append(told.decode("latin-1"))
                    return
                self.answered, self.last = self.answered + 1, told


def _is_whole(told: bytes) -> bool:
    head, end, body = told.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and len(body) == (lengths[0] if lengths else 0)


def _post(path: str, body: dict[str, Any], more: str = "") -> bytes:
    text = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return (head + more + "\r\n" + text).encode()


def _workers(service: Serving) -> list[int]:
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


def _begin(threads: list[threading.Thread], clients: list[Client]) -> None:
    """Start clients, and wait until each was answered."""
    for each in threads:
        each.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(each.answered for each in clients):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGTERM, "1"), (signal.SIGTERM, "2"), (signal.SIGINT, "1")], ids=str
)
def test_whatever_was_begun_is_answered_in_full_and_the_exit_is_clean(
    tmp_path: Path, workers: str, number: signal.Signals
) -> None:
    with serving(make_home(tmp_path / "home", "argon2_time = 10"), "--workers", workers) as service:
        user = service.new_user()
        token = service.log_in(user)
        login = _post("/v1/tokens", {"user": user, "password": PASSWORD})
        ask = f"GET /v1/auth HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        clients = [Client(service.port, login) for _ in range(4)] + [Client(service.port, ask) for _ in range(4)]
        threads = [threading.Thread(target=each.run) for each in clients]
        _begin(threads[:4], clients[:4])
        _begin(threads[4:], clients[4:])  # which never rest, and hashing steps back for them
        service.process.send_signal(number)
        for each in threads:
            each.join(PATIENCE_SECONDS)
        assert service.process.wait(PATIENCE_SECONDS) == 0
        assert [each.lost for each in clients if each.lost] == []
        # A login hashes for long, so the signal came in the middle of one: its answer was the last and says so.
        logins = [each.last for each in clients[:4]]
        assert any(b"HTTP/1.1 201 " in each and b"\r\nconnection: close\r\n" in each for each in logins)
        assert "Traceback" not in service.stderr()


def test_a_request_of_which_half_has_come_is_answered_too(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHo")
            service.client.get("/livez").raise_for_status()
            begin_end(service)
            connection.sendall(b"st: x\r\n\r\n")
            told = b""
            while piece := connection.recv(65536):
                told += piece
        assert told.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in told
        assert service.process.wait(PATIENCE_SECONDS) == 0


def test_a_revocation_that_was_acknowledged_while_the_service_ended_stands(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home, "--workers", "2") as service:
        user = service.new_user()
        root = encode_text(service.mint(user))
        copies = [(append(root, f"salt = to.{n}/3q2-7wAAq83vEjRWeJCrzQ".encode()), f"to.{n}") for n in range(500)]
        acknowledged: list[str] = []

        def revoke() -> None:
            for copy, name in copies:
                answer = httpx2.post(
                    f"{service.url}/v1/revocations",
                    headers=bearer(root),
                    json={"name": name},
                    trust_env=False,
                    timeout=PATIENCE_SECONDS,
                )
                assert answer.status_code == 200, answer.text
                acknowledged.append(copy)

        def until_refused() -> None:
            try:
                revoke()
            except httpx2.TransportError:
                return

        thread = threading.Thread(target=until_refused)
        thread.start()
        while len(acknowledged) < 5:
            time.sleep(0.005)
        service.process.send_signal(signal.SIGTERM)
        thread.join(PATIENCE_SECONDS)
        assert service.process.wait(PATIENCE_SECONDS) == 0
    with serving(home) as service:
        for token in acknowledged:
            answer = service.client.get("/v1/capability", headers=bearer(token))
            assert answer.json()["type"] == "urn:capsvc:problem:revoked-token"


def test_a_worker_that_dies_is_replaced_and_sighup_replaces_all_while_requests_go_on(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home"), "--workers", "2") as service:
        first = _workers(service)
        os.kill(first[0], signal.SIGKILL)
        _demand_others(service, {first[0]})
        second = _workers(service)
        service.process.send_signal(signal.SIGHUP)
        _demand_others(service, set(second))
        assert httpx2.get(f"{service.url}/livez", trust_env=False, timeout=PATIENCE_SECONDS).status_code == 200


def test_a_worker_that_is_killed_while_it_is_asked_whether_it_lives_is_replaced_at_once(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home"), "--workers", "2") as service:
        first = _workers(service)
        os.kill(first[0], signal.SIGSTOP)
        time.sleep(1.5)  # by now it was asked, as it is every half second, and does not answer
        os.kill(first[0], signal.SIGKILL)
        _demand_others(service, {first[0]}, _WORKER_PATIENCE_SECONDS - 5)


def _demand_others(service: Serving, former: set[int], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until two workers answer that are none of the former."""
    deadline = time.monotonic() + seconds
    while former & set(_workers(service)) or len(_workers(service)) != 2:
        assert time.monotonic() < deadline
        with suppress(httpx2.TransportError):  # of a worker that was killed
            httpx2.get(f"{service.url}/livez", trust_env=False, timeout=PATIENCE_SECONDS)
        time.sleep(0.05)
