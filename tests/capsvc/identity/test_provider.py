"""A provider's keys over real HTTP: found by discovery, remembered, exchanged, expired, and never fetched too often."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from capsvc.errors import IdTokenRefused, ProviderUnavailable
from capsvc.identity import provider
from capsvc.identity.id_token import IdToken, unproven
from capsvc.identity.provider import FRESH_SECONDS, MOST_SECONDS, PAUSE_SECONDS, Provider
from tests.capsvc.identity.issuing import HostileIssuer, issuing, new_key

DISCOVERY = "/.well-known/openid-configuration"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def shared() -> Iterator[HostileIssuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(shared: HostileIssuer) -> HostileIssuer:
    """An issuer that behaves, and that nobody has asked yet."""
    shared.describe()
    shared.rotate()
    shared.asked.clear()
    return shared


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: HostileIssuer, clock: Clock) -> Provider:
    return Provider(issuer.url, "example", clock)


def _prove(keys: Provider, *texts: str) -> list[str]:
    """Prove tokens, all at once; say how each of them ended."""
    ended: list[str] = []

    async def prove(text: str) -> None:
        try:
            await keys.prove(IdToken.read(text))
        except ProviderUnavailable:
            ended.append("unavailable")
        except IdTokenRefused as refused:
            ended.append("refused" if str(refused) == str(unproven()) else str(refused))
        else:
            ended.append("proven")

    async def every() -> None:
        async with anyio.create_task_group() as group:
            for text in texts:
                group.start_soon(prove, text)

    anyio.run(every)
    return ended


def test_keys_are_found_by_discovery_and_remembered(keys: Provider, issuer: HostileIssuer, clock: Clock) -> None:
    assert issuer.asked == []
    assert _prove(keys, issuer.token()) == ["proven"]
    assert issuer.asked == [DISCOVERY, "/keys"]
    clock.now += FRESH_SECONDS - 1
    assert _prove(keys, issuer.token()) == ["proven"]
    assert issuer.asked == [DISCOVERY, "/keys"]
    clock.now += 1
    assert _prove(keys, issuer.token()) == ["proven"]
    assert len(issuer.asked) == 4


def test_all_who_wait_share_one_fetch(keys: Provider, issuer: HostileIssuer) -> None:
    assert _prove(keys, *(issuer.token() for _ in range(20))) == ["proven"] * 20
    assert issuer.asked == [DISCOVERY, "/keys"]


def test_a_key_that_is_new_is_fetched_when_it_is_met(keys: Provider, issuer: HostileIssuer, clock: Clock) -> None:
    old = issuer.token()
    assert _prove(keys, old) == ["proven"]
    issuer.rotate("RS256")
    clock.now += PAUSE_SECONDS
    assert _prove(keys, issuer.token()) == ["proven"]
    clock.now += PAUSE_SECONDS
    assert _prove(keys, old) == ["refused"]


def test_a_key_that_was_withdrawn_proves_nothing_once_the_keys_are_not_fresh(
    keys: Provider, issuer: HostileIssuer, clock: Clock
) -> None:
    stolen = issuer.token()
    assert _prove(keys, stolen) == ["proven"]
    issuer.publish({**new_key().as_dict(private=False), "kid": "new"})
    clock.now += FRESH_SECONDS
    assert _prove(keys, stolen) == ["refused"]


def test_strangers_cannot_make_it_ask_again_and_again(keys: Provider, issuer: HostileIssuer, clock: Clock) -> None:
    _prove(keys, issuer.token())
    issuer.asked.clear()
    unknown = [issuer.token({"kid": f"unknown{number}"}) for number in range(30)]
    assert _prove(keys, *unknown) == ["refused"] * 30
    assert issuer.asked == []
    clock.now += PAUSE_SECONDS
    assert _prove(keys, *unknown) == ["refused"] * 30
    assert issuer.asked == [DISCOVERY, "/keys"]


def test_where_it_does_not_answer_nobody_asks_again_at_once(
    keys: Provider, issuer: HostileIssuer, clock: Clock
) -> None:
    issuer.documents[DISCOVERY] = b""
    assert _prove(keys, *(issuer.token() for _ in range(10))) == ["unavailable"] * 10
    assert issuer.asked == [DISCOVERY]
    issuer.describe()
    assert _prove(keys, issuer.token()) == ["unavailable"]
    clock.now += PAUSE_SECONDS
    assert _prove(keys, issuer.token()) == ["proven"]


def test_keys_that_nobody_confirmed_for_too_long_have_expired(
    keys: Provider, issuer: HostileIssuer, clock: Clock
) -> None:
    assert _prove(keys, issuer.token()) == ["proven"]
    issuer.documents[DISCOVERY] = b""
    clock.now += MOST_SECONDS - 1
    assert _prove(keys, issuer.token()) == ["proven"]
    clock.now += 1
    assert _prove(keys, issuer.token()) == ["unavailable"]
    issuer.describe()
    clock.now += PAUSE_SECONDS
    assert _prove(keys, issuer.token()) == ["proven"]


def test_an_unknown_key_is_no_refusal_while_the_provider_does_not_answer(
    keys: Provider, issuer: HostileIssuer, clock: Clock
) -> None:
    assert _prove(keys, issuer.token()) == ["proven"]
    issuer.rotate()
    issuer.documents[DISCOVERY] = b""
    clock.now += PAUSE_SECONDS
    assert _prove(keys, issuer.token()) == ["unavailable"]


def _lies(issuer: HostileIssuer) -> dict[str, dict[str, bytes | str | None]]:
    def told(**changed: Any) -> dict[str, bytes | str | None]:
        said = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **changed}
        return {DISCOVERY: json.dumps(said).encode()}

    good = issuer.documents["/keys"]
    return {
        "another issuer": told(issuer="https://idp.example"),
        "its own with a slash": told(issuer=issuer.url + "/"),
        "no issuer": told(issuer=None),
        "no keys": told(jwks_uri=None),
        "keys without TLS elsewhere": told(jwks_uri="http://idp.example/keys"),
        "keys in a file": told(jwks_uri="file:///etc/passwd"),
        "keys with a password": told(jwks_uri="https://a:b@idp.example/keys"),
        "a redirect": {DISCOVERY: f"{issuer.url}/elsewhere", "/elsewhere": told()[DISCOVERY]},
        "a redirect of keys": {"/keys": f"{issuer.url}/others", "/others": good},
        "no JSON": {DISCOVERY: b"<html>"},
        "a member twice": {DISCOVERY: told()[DISCOVERY][:-1] + b', "issuer": "x"}'},  # type: ignore[index, operator]
        "a list": {DISCOVERY: b"[]"},
        "too much": {DISCOVERY: b" " * 300_000 + b"{}"},
        "too many keys": {"/keys": b" " * 300_000 + (good if isinstance(good, bytes) else b"")},
        "no key set": {"/keys": b"{}"},
        "not found": {"/keys": b""},
    }


def test_a_provider_that_lies_is_not_believed(issuer: HostileIssuer, capfd: pytest.CaptureFixture[str]) -> None:
    for what, documents in _lies(issuer).items():
        issuer.documents.update(documents)
        assert _prove(Provider(issuer.url, "example"), issuer.token()) == ["unavailable"], what
        issuer.describe()
        issuer.publish(issuer.public)
    assert _prove(Provider(issuer.url, "example"), issuer.token()) == ["proven"]
    log = "".join(capfd.readouterr())
    assert log.count("no keys of an identity provider") == len(_lies(issuer))
    assert log.count("its jwks_uri is not to be used") == 3


def test_one_that_hangs_is_given_up(issuer: HostileIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "_FETCH_SECONDS", 0.2)
    for path in (DISCOVERY, "/keys"):
        issuer.documents[path] = None
        assert _prove(Provider(issuer.url, "example"), issuer.token()) == ["unavailable"]
        issuer.describe()
        issuer.publish(issuer.public)


def test_one_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, issuer: HostileIssuer) -> None:
    monkeypatch.setattr(provider, "_FETCH_SECONDS", 0.5)
    done, ended = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                for _ in range(200):
                    if done.wait(0.05):
                        return
                    with suppress(OSError):
                        connection.sendall(b"H")
                ended.set()

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        token = issuer.token(iss=url)
        assert _prove(Provider(url, "example"), token) == ["unavailable"]
        assert not ended.is_set(), "it was waited for to its end"
        done.set()
        thread.join()


def test_where_nobody_listens_its_users_are_told_to_try_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with issuing() as other:
        token = IdToken.read(other.token())
    with pytest.raises(ProviderUnavailable, match="does not answer: try again") as unavailable:
        anyio.run(Provider(url, "example").prove, token)
    assert unavailable.value.retry_after == PAUSE_SECONDS


def test_nobody_loads_joserfc_where_no_identity_is_configured() -> None:
    program = (
        "import sys; from capsvc.http.app import create; import capsvc.http.service;"
        "print([each for each in ('joserfc', 'capsvc.identity.provider') if each in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
