"""A resource server's node: made of a key file and an address, with keys of one audience that the feed names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from capsvc.errors import NotSeenYet, SettingsError, StoreBusy, StoreUnavailable
from capsvc.exported import ExportedKeys
from capsvc.follower import Follower
from capsvc.node import Node, Presentation
from capsvc.resource_server import AudienceRing, follow
from caveats import InvalidMacaroon, KeyName, Macaroon, Revoked, decode, encode
from tests.capsvc.edge.issuer import AUDIENCE, LONGEST, Issuer
from tests.capsvc.edge.relay import Relay as Played
from tests.capsvc.edge.relay import relaying, until
from tests.capsvc.installation import Clock

LONG = 1e-5


@contextmanager
def following(
    path: Path, issuer: Issuer, relay: Played, exported: ExportedKeys | None = None
) -> Iterator[Node[AudienceRing]]:
    (exported or issuer.exported()).write(path / "billing.key")
    node = follow(path / "billing.key", relay.url, AUDIENCE, freshness=60)
    with closing(node._store):  # type: ignore[type-var]
        yield node


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def relay(issuer: Issuer) -> Iterator[Played]:
    with relaying(issuer) as relay:
        yield relay


def present(node: Node[AudienceRing], token: str, least: int = 0, audience: str | None = AUDIENCE) -> str:
    request = node.request()
    return node.verify(Presentation(token), request, (audience,), min_revision=least).capability.user


# At the start


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://127.0.0.1", "address is like"),
        ("http://user:secret@127.0.0.1", "address is like"),
        ("http://127.0.0.1/?audience=billing", "address is like"),
        ("http://127.0.0.1:port", "address is like"),
        ("http://exa mple", "address is like"),
        ("127.0.0.1:8000", "address is like"),
    ],
)
def test_an_address_that_is_none_is_named_at_the_start_and_not_repeated(
    tmp_path: Path, issuer: Issuer, address: str, said: str
) -> None:
    issuer.exported().write(tmp_path / "billing.key")
    with pytest.raises(SettingsError, match=said) as caught:
        follow(tmp_path / "billing.key", address, AUDIENCE)
    assert "secret" not in str(caught.value)


def test_a_key_file_for_another_audience_is_refused_at_the_start(tmp_path: Path, issuer: Issuer, relay: Played) -> None:
    issuer.exported().write(tmp_path / "billing.key")
    with pytest.raises(SettingsError, match=r"for billing, and not for mail: .*keys export --audience mail"):
        follow(tmp_path / "billing.key", relay.url, "mail")
    assert relay.asked == 0


def test_a_freshness_that_is_none_is_refused(tmp_path: Path, issuer: Issuer, relay: Played) -> None:
    issuer.exported().write(tmp_path / "billing.key")
    for freshness in (0.0, -1.0, float("nan")):
        with pytest.raises(SettingsError, match="above 0"):
            follow(tmp_path / "billing.key", relay.url, AUDIENCE, freshness=freshness)


# Keys


def test_only_root_keys_of_its_audience_are_there(tmp_path: Path, issuer: Issuer, relay: Played) -> None:
    with following(tmp_path, issuer, relay) as node:
        ring = node.ring()
        assert ring.root_key(KeyName("k1", AUDIENCE)) == issuer.exported().keys["k1"].root_key
        for name in (KeyName("k1"), KeyName("k1", "mail"), KeyName("k2", AUDIENCE)):
            assert ring.root_key(name) is None
        assert repr(issuer.exported().keys["k1"].root_key) not in repr(ring)


def test_who_has_the_key_file_forges_for_no_other_audience(tmp_path: Path, issuer: Issuer, relay: Played) -> None:
    stolen = issuer.exported().keys["k1"]
    with following(tmp_path, issuer, relay) as node:
        genuine = decode(issuer.log_in(audience=None))
        for key in (stolen.root_key, stolen.digests, stolen.public):
            caveats = [each.identifier for each in genuine.unverified_caveats]
            for identifier in ("k1", "k1/mail", "k1/capsvc.admin"):
                forged = encode(Macaroon.mint(key, identifier).append(*caveats))
                for audience in (None, "mail", "capsvc.admin", AUDIENCE):
                    with pytest.raises(InvalidMacaroon):
                        present(node, forged, audience=audience)


def test_a_key_that_was_retired_is_forgotten_with_the_next_page(tmp_path: Path, issuer: Issuer, relay: Played) -> None:
    old = issuer.log_in()
    issuer.add_key()
    with following(tmp_path, issuer, relay) as node:
        assert present(node, old) == "alice"
        issuer.retire("k1")
        issuer.revoke("bob")
        new = issuer.log_in("bob")
        present(node, new, issuer.revision)
        with pytest.raises(InvalidMacaroon):
            present(node, old)


def test_a_key_that_was_not_exported_opens_nothing_and_is_told_of_once(
    tmp_path: Path, issuer: Issuer, relay: Played, capfd: pytest.CaptureFixture[str]
) -> None:
    before = issuer.exported()
    issuer.signs = "k1"
    with following(tmp_path, issuer, relay, before) as node:
        old = issuer.log_in()
        issuer.add_key()
        new = issuer.log_in("bob")
        present(node, old, issuer.revision)
        for _ in range(3):
            with pytest.raises(InvalidMacaroon):
                present(node, new)
    assert capfd.readouterr().err.count("export them again") == 1


# The column


def test_what_was_taken_back_is_refused_once_its_revision_is_asked_for(
    tmp_path: Path, issuer: Issuer, relay: Played
) -> None:
    with following(tmp_path, issuer, relay) as node:
        first = issuer.log_in()
        present(node, first, issuer.revision)
        revision = issuer.revoke()
        with pytest.raises(Revoked):
            present(node, first, revision)
        second = issuer.log_in()
        present(node, second)
        nonce = decode(second).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")
        with pytest.raises(Revoked):
            present(node, second, issuer.revoke_nonce("alice", nonce))
        with pytest.raises(StoreBusy):
            node.verify(Presentation(first), node.request(), (AUDIENCE,), min_revision=99, patient=False)
        with pytest.raises(NotSeenYet):
            present(node, first, 99)


def test_a_user_who_did_not_change_within_the_window_has_the_salt_that_she_was_minted_with(
    tmp_path: Path, issuer: Issuer, relay: Played
) -> None:
    token = issuer.log_in()
    issuer.changes.clear()
    with following(tmp_path, issuer, relay) as node:
        assert present(node, token) == "alice"
        assert node._store.read("alice", ("default",)).salts.rows == {}
        with pytest.raises(Revoked):
            present(node, token, issuer.revoke())


def test_a_load_over_many_pages_is_whole_before_anything_permits(tmp_path: Path, issuer: Issuer, relay: Played) -> None:
    issuer.most = 3
    tokens = [issuer.log_in(f"user {number}") for number in range(20)]
    issuer.revoke("user 19")
    with following(tmp_path, issuer, relay) as node:
        assert [present(node, token) for token in tokens[:-1]] == [f"user {number}" for number in range(19)]
        with pytest.raises(Revoked):
            present(node, tokens[-1])


def test_a_longer_lifetime_at_the_issuer_is_loaded_anew_and_told_of(
    tmp_path: Path, issuer: Issuer, relay: Played, capfd: pytest.CaptureFixture[str]
) -> None:
    with following(tmp_path, issuer, relay) as node:
        issuer.longest = LONGEST * 2
        issuer.revoke("bob")
        until(lambda: node._store.longest(1) == LONGEST * 2)
    assert "start this process again" in capfd.readouterr().err


def test_no_secret_of_a_key_file_is_logged(
    tmp_path: Path, issuer: Issuer, relay: Played, capfd: pytest.CaptureFixture[str]
) -> None:
    issuer.exported().write(tmp_path / "billing.key")
    told = json.loads((tmp_path / "billing.key").read_text())["keys"]["k1"].values()
    with relay.lying(lambda asked: asked.send(json.dumps({"key": "k1", "signature": "", "page": "".join(told)}))):
        node = follow(tmp_path / "billing.key", relay.url, AUDIENCE, freshness=60)
        with closing(node._store), pytest.raises(StoreUnavailable) as caught:  # type: ignore[type-var]
            present(node, issuer.log_in())
    said = capfd.readouterr().err + str(caught.value)
    assert "signature is not the issuer's" in said
    assert not [each for each in told if each in said]


def test_what_is_known_permits_until_its_stamp_is_as_old_as_the_freshness_and_no_longer(issuer: Issuer) -> None:
    class Once:
        def ask(self, audience: str, since: int, skip: int, wait: float) -> str:
            return issuer.tell(since)

        def close(self) -> None: ...

    boot, day = Clock(1000.0), Clock()
    issuer.clock = day
    issuer.log_in()
    follower = Follower(issuer.exported(), Once(), 5, boot, day)
    with pytest.raises(StoreUnavailable, match="nothing has come"):
        follower.read("alice", ("default",))
    follower.round()
    boot.forward(5)
    assert follower.read("alice", ("default",)).salts.rows
    boot.forward(LONG)
    with pytest.raises(StoreUnavailable, match="5 seconds ago"):
        follower.read("alice", ("default",))
    with pytest.raises(StoreUnavailable, match="5 seconds ago"):
        follower.keys()
