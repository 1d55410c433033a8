"""The whole way with a real provider: discovery, its own login, a macaroon, and an exchange of keys in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capsvc.http.serving import Serving, bearer, make_home, narrow, serving
from tests.capsvc.identity.real_provider import CLIENT_ID, RealProvider, real_provider
from tests.forks import run

_PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    with real_provider() as running:
        yield running


@pytest.fixture(scope="module")
def service(provider: RealProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    settings = f"""
[[identity]]
issuer = "{provider.url}"
client_id = "{CLIENT_ID}"
name = "staff"
claims = {{ groups = "action in {{}}" }}
"""
    with serving(make_home(tmp_path_factory.mktemp("real") / "home", settings)) as running:
        yield running


def _status(service: Serving, token: str) -> int:
    return service.client.get("/v1/capability", headers=bearer(token)).status_code


def test_whom_a_real_provider_logs_in_gets_a_macaroon_before_and_after_it_exchanges_its_keys(
    service: Serving, provider: RealProvider
) -> None:
    signed_before = provider.id_token("alice", groups=["read", "list"], email="admin@example.org")
    first = service.client.post("/v1/tokens", json={"id_token": provider.id_token("alice", groups=["read"])}).json()
    assert first["user"].startswith("staff-")
    again = service.client.post("/v1/tokens", json={"id_token": provider.id_token("bob", groups=["read"])})
    assert (again.status_code, again.json()["user"] != first["user"]) == (201, True)

    provider.rotate()
    signed_after = provider.id_token("alice", groups=["read"])
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:  # keys are asked for anew a few seconds after they were, and no sooner
        answer = service.client.post("/v1/tokens", json={"id_token": signed_after})
        if answer.status_code == 201:
            break
        assert answer.json()["type"] == "urn:capsvc:problem:invalid-id-token"
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert answer.json()["user"] == first["user"]
    refused = service.client.post("/v1/tokens", json={"id_token": signed_before})
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:capsvc:problem:invalid-id-token")
    verified = service.client.get("/v1/salts", headers=bearer(first["macaroon"]))
    assert verified.json()["unmet"][0]["predicate"] == "action in read"


def test_the_command_line_logs_in_by_an_id_token_that_stands_in_no_argument(
    service: Serving, provider: RealProvider, tmp_path: Path
) -> None:
    home, file = service.home.path, tmp_path / "id-token"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        file.write_text(provider.id_token("carol", groups=["read"]) + "\n")
        done = run(home, "login", "--id-token-file", str(file), "--salt", "laptop")
        if done.returncode == 0 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert done.returncode == 0, done.stderr
    used = run(home, "login", "--id-token-file", "-", stdin=file.read_text())
    assert (used.returncode, "was used before" in used.stderr) == (1, True), used.stderr
    assert file.read_text().strip() not in used.stderr
    caller, narrowed = bearer(service.token("capsvc.verify")), narrow(done.stdout.strip(), "method = GET")
    answers = {
        action: service.client.post(
            "/v1/verify", headers=caller, json={"token": narrowed, "request": {"method": "GET", "action": action}}
        ).json()
        for action in ("read", "list")
    }
    assert answers["read"]["user"].startswith("staff-")
    assert answers["list"]["reason"] == "unmet"


@pytest.mark.parametrize(
    "arguments",
    [["login"], ["login", "alice", "--id-token-file", "-"], ["login", "--id-token-file", "-", "--password-stdin"]],
)
def test_a_login_is_by_a_password_or_by_an_id_token(service: Serving, arguments: list[str]) -> None:
    done = run(service.home.path, *arguments, "--url", service.url, stdin="x")
    assert (done.returncode, done.stdout) == (2, "")
