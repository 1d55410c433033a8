"""Who holds an exported key verifies and writes capabilities of its audience, and nothing else whatever she tries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest

from capsvc import keyring
from capsvc.changes import Page
from capsvc.console.sessions import cookie_value
from capsvc.errors import FeedError
from capsvc.exported import ExportedKey, ExportedKeys
from capsvc.keyring import SIGNING, KeyRing, RingKey
from capsvc.ticket_keys import SHARED, SharedKey
from capsvc.tickets import Ticket
from caveats import BUILTIN, Authority, KeyName, Limits, Macaroon, Request, Salts, Verifier, decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.http.serving import (
    ADMIN,
    VERIFY,
    Serving,
    append,
    bearer,
    make_home,
    narrow,
    now,
    serving,
)
from tests.forks import run

SETTINGS = 'exported_audiences = ["billing"]\n'


@dataclass(frozen=True)
class Holder:
    """Who was given ``billing.key``, and has seen one capability of a user's for her own API."""

    keys: ExportedKeys
    user: str
    salt: bytes

    @property
    def key(self) -> ExportedKey:
        """What is derived of the only key of the ring."""
        return self.keys.keys["k1"]

    def forge(self, root_key: bytes, name: KeyName, user: str = "", salt: bytes | None = None, nonce: str = "") -> str:
        """Write a token with a root key, of whomever it is to be."""
        nonce = nonce or encode_base64(token_bytes(16))
        written = Authority(name, nonce, user or self.user, "default", salt or self.salt, now(-20), now(600))
        return encode_text(written.mint(root_key, ""))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(make_home(tmp_path_factory.mktemp("issuer") / "home", SETTINGS)) as running:
        yield running
    assert "Traceback" not in running.stderr()


@pytest.fixture(scope="module")
def holder(issuer: Serving, tmp_path_factory: pytest.TempPathFactory) -> Holder:
    file = tmp_path_factory.mktemp("holder") / "billing.key"
    done = run(issuer.home.path, "keys", "export", "--audience", "billing", "--to", str(file))
    assert done.returncode == 0, done.stderr
    user = issuer.new_user("billing", ADMIN, VERIFY)
    with closing(issuer.home.open_store()) as store:
        salt = store.read(user, ("default",)).salts.rows["default"]
    assert salt is not None
    return Holder(ExportedKeys.read(file), user, salt)


def _verifier(holder: Holder) -> Verifier:
    """What a resource server makes of the file."""
    roots = {KeyName(key_id, "billing"): key.root_key for key_id, key in holder.keys.keys.items()}
    return Verifier(roots.__getitem__, "billing", timedelta(seconds=holder.keys.longest), Limits())


def test_with_the_exported_key_a_resource_server_verifies_its_own_capabilities(issuer: Serving, holder: Holder) -> None:
    token = issuer.log_in(holder.user, "billing")
    asked = Request(BUILTIN, time=now())
    found = _verifier(holder).verify(token, asked, lambda user, names: Salts({"default": holder.salt}, ""))
    assert (found.user, found.audience) == (holder.user, "billing")


@pytest.mark.parametrize("audience", [None, ADMIN, VERIFY, "reports", "bill", "billing2"])
def test_section_7_the_exported_key_verifies_no_capability_of_another_audience(
    issuer: Serving, holder: Holder, audience: str | None
) -> None:
    token = encode_text(issuer.mint(holder.user, audience))
    for name in (KeyName("k1", audience), KeyName("k1", "billing")):
        verifier = Verifier(lambda _: holder.key.root_key, name.audience)
        with pytest.raises(Exception, match="not valid"):
            verifier.verify(token, Request(BUILTIN, time=now()), lambda user, names: Salts({}, ""))


ROUTES = [
    ("GET", "/v1/capability"), ("GET", "/v1/salts"), ("POST", "/v1/revocations"), ("POST", "/v1/password"),
    ("POST", "/v1/discharges"), ("POST", "/v1/tokens/renew"), ("GET", "/v1/users"), ("POST", "/v1/users"),
    ("PATCH", "/v1/users/admin"), ("POST", "/v1/verify"), ("POST", "/v1/introspect"), ("GET", "/v1/auth"),
]  # fmt: skip
FORGED: dict[str, Callable[[Holder], tuple[bytes, KeyName]]] = {
    "own audience": lambda holder: (holder.key.root_key, KeyName("k1", "billing")),
    **{
        f"{part} for {audience}": lambda holder, part=part, audience=audience: (  # type: ignore[misc]
            getattr(holder.key, part),
            KeyName("k1", audience),
        )
        for part in ("root_key", "digests", "public")
        for audience in (None, ADMIN, VERIFY, "reports")
    },
    "digests for its own": lambda holder: (holder.key.digests, KeyName("k1", "billing")),
    "public for its own": lambda holder: (holder.key.public, KeyName("k1", "billing")),
    "a later key": lambda holder: (holder.key.root_key, KeyName("k2", "billing")),
    "a later key for none": lambda holder: (holder.key.root_key, KeyName("k2")),
}


@pytest.mark.parametrize("how", FORGED)
def test_section_7_nothing_forged_with_an_exported_key_opens_a_route_of_the_service(
    issuer: Serving, holder: Holder, how: str
) -> None:
    token = holder.forge(*FORGED[how](holder))
    renamed = [_renamed(token, name) for name in ("k1", f"k1/{ADMIN}", f"k1/{VERIFY}", "k1/billing/", "k1/")]
    refusal = issuer.client.get("/v1/salts")
    for method, path in ROUTES:
        for each in (token, append(token, f"audience = {ADMIN}".encode()), *renamed):
            answer = issuer.client.request(method, path, headers=bearer(each), json={})
            assert (answer.status_code, answer.content) == (401, refusal.content), (path, answer.text)


def _renamed(token: str, name: str) -> str:
    held = decode(token)
    return encode_text(Macaroon("", name.encode(), held.unverified_caveats, held.signature))


def test_another_audiences_verifier_believes_no_forged_token(issuer: Serving, holder: Holder) -> None:
    caller = issuer.log_in(issuer.new_user(VERIFY, "reports"), VERIFY)
    own = issuer.log_in(issuer.new_user(VERIFY, "billing"), VERIFY)
    for how, make in FORGED.items():
        token = holder.forge(*make(holder))
        asked = issuer.client.post("/v1/verify", headers=bearer(caller), json={"token": token}).json()
        assert asked == {"active": False, "reason": "invalid"}, how
        form = issuer.client.post("/v1/introspect", headers=bearer(caller), data={"token": token}).json()
        assert form == {"active": False}
        theirs = issuer.client.post("/v1/verify", headers=bearer(own), json={"token": token}).json()
        assert theirs["active"] == (how == "own audience")


def test_the_key_of_a_rotation_afterwards_is_not_the_one_that_was_exported(tmp_path: Path, holder: Holder) -> None:
    with serving(make_home(tmp_path / "home", SETTINGS), CAPSVC_AUDIENCE="billing") as service:
        with closing(service.home.open_store()) as store:
            keys = KeyRing.load(store, service.home.shares).exported("billing")
            keyring.rotate(store, service.home.shares, now())
            user = service.new_user("billing")
            salt = store.issue_salt(user, "default", None, now()).salt
        for name, expected in ((KeyName("k1", "billing"), 204), (KeyName("k2", "billing"), 401)):
            token = holder.forge(keys["k1"].root_key, name, user, salt)
            assert service.client.get("/v1/auth", headers=bearer(token)).status_code == expected


def _column(issuer: Serving, user: str) -> list[Any]:
    with closing(issuer.home.open_store()) as store:
        return [store.revision(), store.salt_names(user)]


def test_a_forged_token_that_is_reported_as_leaked_takes_nothing_back(issuer: Serving, holder: Holder) -> None:
    nonce = encode_base64(token_bytes(16))
    token = holder.forge(holder.key.root_key, KeyName("k1", "billing"), nonce=nonce)
    before = _column(issuer, holder.user)
    usual = issuer.client.post("/v1/leaks", json={"token": "garbage"})
    for each in (token, append(token, b"salt = contractor/" + encode_base64(bytes(16)).encode())):
        answer = issuer.client.post("/v1/leaks", json={"token": each})
        assert (answer.status_code, answer.content) == (202, usual.content)
    assert _column(issuer, holder.user) == before


def test_a_forged_token_is_not_taken_back_as_oauth_has_it_and_the_answer_says_how(
    issuer: Serving, holder: Holder
) -> None:
    token = holder.forge(holder.key.root_key, KeyName("k1", "billing"))
    before = _column(issuer, holder.user)
    for each in (token, append(token, b"salt = contractor/" + encode_base64(bytes(16)).encode())):
        answer = issuer.client.post("/v1/revoke", data={"token": each})
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")
        assert "/v1/revocations" in answer.json()["detail"]
    assert _column(issuer, holder.user) == before
    own = issuer.log_in(holder.user)
    nonce = issuer.client.get("/v1/capability", headers=bearer(own)).json()["nonce"]
    answer = issuer.client.post("/v1/revocations", headers=bearer(own), json={"nonce": nonce})
    assert answer.status_code == 200


def test_a_real_token_of_an_audience_that_is_not_exported_is_still_taken_back(issuer: Serving) -> None:
    user = issuer.new_user("reports")
    for take_back in (
        lambda token: issuer.client.post("/v1/leaks", json={"token": token}),
        lambda token: issuer.client.post("/v1/revoke", data={"token": token}),
    ):
        before = _column(issuer, user)[0]
        assert take_back(issuer.log_in(user, "reports")).status_code in (200, 202)
        assert _column(issuer, user)[0] == before + 1


def test_section_7_no_page_of_the_feed_can_be_signed_by_who_reads_it(issuer: Serving, holder: Holder) -> None:
    publics = {key_id: key.public for key_id, key in holder.keys.keys.items()}
    page = Page.read(issuer.client.get("/v1/changes", params={"audience": "billing"}).text, publics)
    for seed in (holder.key.root_key, holder.key.digests, holder.key.public):
        with pytest.raises(FeedError, match="not the issuer's"):
            Page.read(replace(page, rows=()).sign(seed), publics)
    theirs = json.loads(issuer.client.get("/v1/changes", params={"audience": "billing"}).text)
    with pytest.raises(FeedError, match="not exported to here"):
        Page.read(json.dumps({**theirs, "key": "k2"}), publics)


@pytest.mark.parametrize("part", ["root_key", "digests", "public"])
def test_section_7_no_session_of_the_console_is_made_with_what_is_exported(
    issuer: Serving, holder: Holder, part: str
) -> None:
    secret = getattr(holder.key, part)
    ring = KeyRing(1, {"k1": RingKey("k1", SIGNING, secret)})
    for realm, audience, cookie in (("mine", None, "__Host-capsvc"), ("administration", ADMIN, "__Host-capsvc-admin")):
        forged = [holder.forge(holder.key.root_key, KeyName("k1", name)) for name in (audience, "billing")]
        for each in (*forged, issuer.log_in(holder.user, audience)):  # the last one is real, and no session
            token = narrow(each, f"path ^= /{realm} /logout")
            value = cookie_value(ring, "k1", int(time.time()), token)
            answer = issuer.client.get(f"/{realm}", headers={"Cookie": f"{cookie}={value}"})
            assert holder.user not in answer.text


@pytest.mark.parametrize("part", ["root_key", "digests", "public"])
def test_section_7_no_ticket_opens_that_is_sealed_with_what_is_exported(
    issuer: Serving, holder: Holder, part: str
) -> None:
    own = issuer.log_in(holder.user)
    key = SharedKey("k1", getattr(holder.key, part))
    assert key.kind == SHARED
    ticket = encode_base64(Ticket.of(f"user = {holder.user}").seal(key))
    answer = issuer.client.post("/v1/discharges", headers=bearer(own), json={"ticket": ticket})
    assert answer.status_code == 400
    assert "does not open here" in answer.json()["detail"]


# The command


@pytest.mark.parametrize(
    ("audience", "said"),
    [(ADMIN, "never exported"), (VERIFY, "never exported"), ("reports", "exported_audiences"), ("", "is empty")],
)
def test_keys_are_exported_for_no_other_audience(issuer: Serving, tmp_path: Path, audience: str, said: str) -> None:
    done = run(issuer.home.path, "keys", "export", "--audience", audience, "--to", str(tmp_path / "x.key"))
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert not (tmp_path / "x.key").exists()


def test_a_file_is_replaced_on_demand_alone_and_only_where_it_holds_exported_keys(
    issuer: Serving, tmp_path: Path
) -> None:
    file = tmp_path / "billing.key"
    asked = ("keys", "export", "--audience", "billing", "--to", str(file))
    assert run(issuer.home.path, *asked).returncode == 0
    before = file.read_bytes()
    again = run(issuer.home.path, *asked)
    assert (again.returncode, file.read_bytes()) == (1, before)
    assert "--replace" in again.stderr
    assert run(issuer.home.path, *asked, "--replace").returncode == 0
    keys = issuer.home.shares.path
    over = run(issuer.home.path, *asked[:-1], str(keys), "--replace")
    assert over.returncode == 1
    assert "no file of exported keys" in over.stderr
    assert issuer.home.shares.read()


def test_law_8_an_export_prints_no_secret_and_stands_in_the_audit_log(issuer: Serving, tmp_path: Path) -> None:
    file = tmp_path / "billing.key"
    done = run(issuer.home.path, "keys", "export", "--audience", "billing", "--to", str(file))
    told = json.loads(file.read_text())
    assert (told["audience"], told["longest"]) == ("billing", 30 * 24 * 3600 + 30)
    lines = issuer.home.audit.path.read_text().splitlines()
    assert (json.loads(lines[-1])["act"], json.loads(lines[-1])["audience"]) == ("export keys", "billing")
    for secret in told["keys"]["k1"].values():
        assert secret not in done.stdout + done.stderr + lines[-1]
    assert "export again before" in done.stderr


def test_who_adds_a_key_is_told_to_export_again(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SETTINGS)
    assert "before you promote k2" in run(home.path, "keys", "add").stderr
    assert "export them again now" in run(home.path, "keys", "rotate").stderr
