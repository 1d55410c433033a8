"""Federation in a service: where it is not installed, and that what hashes passwords is nothing to it."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import anyio
import httpx2
import pytest

from capsvc.errors import SettingsError, TooBusy
from capsvc.http.app import application
from capsvc.http.service import Service
from tests.capsvc.http.serving import make_home
from tests.capsvc.identity.issuing import CLIENT_ID, issuing

IDENTITY = f'''
[[identity]]
issuer = "https://idp.example"
client_id = "{CLIENT_ID}"
name = "example"
'''


def test_without_joserfc_a_service_with_an_identity_does_not_start_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "joserfc", None)
    for name in [each for each in sys.modules if each.startswith("capsvc.identity.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match=r"identity needs joserfc: pip install 'capsvc\[oidc\]'"):
        Service.of(make_home(tmp_path / "home", IDENTITY))
    Service.of(make_home(tmp_path / "plain")).close()


def test_a_login_by_an_id_token_goes_on_while_passwords_have_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise TooBusy(1)

    with issuing() as issuer:
        settings = IDENTITY.replace("https://idp.example", issuer.url)
        with closing(Service.of(make_home(tmp_path / "home", settings))) as service:
            monkeypatch.setattr(service.slots, "demand_room", full)
            answers: list[int] = []

            async def ask() -> None:
                transport = httpx2.ASGITransport(application(service), client=("127.0.0.1", 1))
                async with httpx2.AsyncClient(transport=transport, base_url="http://caps.example") as client:
                    for body in ({"id_token": issuer.token()}, {"user": "alice", "password": "x"}):
                        answers.append((await client.post("/v1/tokens", json=body)).status_code)

            anyio.run(ask)
    assert answers == [201, 429]
