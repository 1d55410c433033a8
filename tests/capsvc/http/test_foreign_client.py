"""A client that has never seen capsvc narrows a token with plain pymacaroons, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pymacaroons
import pytest

from caveats import decode
from tests.capsvc.http.serving import Serving, bearer, now

SITE_PACKAGES = Path(pymacaroons.__file__).parents[1]
# -S leaves out the .pth files, so that an editable capsvc cannot be imported even by mistake.
SCRIPT = """
import sys
sys.path.append(sys.argv[1])
import importlib.util, json
from pymacaroons import Macaroon
from pymacaroons.serializers import BinarySerializer
wanted = json.load(sys.stdin)
macaroon = Macaroon.deserialize(wanted["token"], BinarySerializer())
for caveat in wanted["caveats"]:
    macaroon.add_first_party_caveat(caveat)
for location, key, identifier in wanted["third"]:
    macaroon.add_third_party_caveat(location, key, identifier)
discharges = []
for location, key, identifier in wanted["third"]:
    discharge = Macaroon(location=location, key=key, identifier=identifier, version=macaroon.version)
    discharges.append(macaroon.prepare_for_request(discharge).serialize())
assert "capsvc" not in sys.modules and "caveats" not in sys.modules
assert importlib.util.find_spec("capsvc") is None and importlib.util.find_spec("caveats") is None
print(json.dumps({"token": macaroon.serialize(), "version": macaroon.version, "discharges": discharges}))
"""

pytestmark = pytest.mark.parametrize("format", [1, 2])


def _foreign(token: str, *caveats: str, third: tuple[tuple[str, str, str], ...] = ()) -> tuple[str, list[str]]:
    told = _run(json.dumps({"token": token, "caveats": caveats, "third": third}))
    return told["token"], told["discharges"]


@cache
def _run(wanted: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT, str(SITE_PACKAGES)], input=wanted, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _status(service: Serving, token: str, path: str = "/v1/capability", method: str = "GET") -> int:
    return int(service.client.request(method, path, headers=bearer(token)).status_code)


def test_a_token_that_a_foreign_client_only_read_and_wrote_is_the_same(service: Serving, format: int) -> None:
    token = service.log_in(service.new_user(), format=format)
    assert _foreign(token)[0] == token


def test_what_a_foreign_client_narrowed_is_accepted_where_it_permits_and_refused_elsewhere(
    service: Serving, format: int
) -> None:
    token = service.log_in(service.new_user(), format=format)
    caveats = "method = GET", "path ^= /v1/capability", "ip in 127.0.0.0/8", f"time < {now(600)}", "user in zoë"
    narrowed, _ = _foreign(token, *caveats[:4])
    assert len(decode(narrowed).unverified_caveats) == 9
    assert _status(service, narrowed) == 200
    assert _status(service, narrowed, "/v1/salts") == 403
    other, _ = _foreign(token, *caveats)
    assert _status(service, other) == 403
    described = service.client.get("/v1/capability", headers=bearer(narrowed)).json()
    assert set(caveats[:4]) <= set(described["scope"])


def test_what_a_foreign_client_let_expire_or_cannot_say_is_refused(service: Serving, format: int) -> None:
    token = service.log_in(service.new_user(), format=format)
    expired, _ = _foreign(token, f"time < {now(-60)}")
    answer = service.client.get("/v1/capability", headers=bearer(expired))
    assert answer.json()["type"] == "urn:capsvc:problem:expired-token"
    unknown, _ = _foreign(token, "colour = red")
    assert _status(service, unknown) == 403


def test_a_salt_that_a_foreign_client_appended_can_be_revoked(service: Serving, format: int) -> None:
    token = service.log_in(service.new_user(), format=format)
    handed_on, _ = _foreign(token, "salt = stackoverflow/3q2-7wAAq83vEjRWeJCrzQ")
    assert _status(service, handed_on) == 200
    service.client.post("/v1/revocations", headers=bearer(token), json={"name": "stackoverflow"}).raise_for_status()
    assert (_status(service, handed_on), _status(service, token)) == (401, 200)


def test_a_third_partys_caveat_of_a_foreign_client_needs_its_bound_discharge(service: Serving, format: int) -> None:
    token = service.log_in(service.new_user(), format=format)
    third = (("https://third.example", "a shared key", "are you there"),)
    narrowed, discharges = _foreign(token, third=third)
    assert _status(service, narrowed) == 401
    both = {"Authorization": f"Macaroon {narrowed},{discharges[0]}"}
    assert service.client.get("/v1/capability", headers=both).status_code == 200
    twice = {"Authorization": f"Macaroon {narrowed},{discharges[0]},{discharges[0]}"}
    assert service.client.get("/v1/capability", headers=twice).status_code == 401
