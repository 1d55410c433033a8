"""A node: keys as the store has them now, one audience, two formats, and never an answer that it cannot give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from time import sleep

import pytest

from capsvc import keyring, node
from capsvc.errors import StoreUnavailable
from capsvc.node import Node, Presentation
from capsvc.settings import Settings
from capsvc.shares import ShareFile
from capsvc.stores.counter import ChangeCounter
from capsvc.stores.sqlite import SQLiteStore
from caveats import (
    Authority,
    CaveatUnmet,
    DecodeError,
    DischargeError,
    Expired,
    Format,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    Revoked,
    encode,
    to_pymacaroons,
)
from caveats.wire import encode_text
from tests.capsvc.installation import Installation, installed

DAY = 24 * 3600


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed() as house:
        yield house


def _present(house: Installation, token: str, *discharges: str, **facts: object) -> str:
    return house.node.verify(Presentation(token, discharges), house.node.request(**facts)).capability.user


# Formats


def test_section_3_formats_1_and_2_are_read(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    for format in (Format.V1, Format.V2):
        assert _present(house, encode_text(macaroon, format)) == "alice"
    assert _present(house, to_pymacaroons(macaroon).serialize().rstrip("=")) == "alice"


def test_section_3_json_is_refused(house: Installation) -> None:
    json = encode(house.log_in().macaroon, Format.JSON)
    for token in (json, json.encode().hex()):
        with pytest.raises(DecodeError):
            _present(house, token)


@pytest.mark.parametrize(
    "change", [lambda text: text + "=", lambda text: text[:-1], lambda text: " " + text, str.lower]
)
def test_law_5_another_spelling_is_refused(house: Installation, change: object) -> None:
    assert callable(change)
    with pytest.raises((DecodeError, InvalidMacaroon)):
        _present(house, change(encode_text(house.log_in().macaroon)))


def test_a_token_past_the_cap_of_the_settings_is_refused(house: Installation) -> None:
    token = encode_text(house.log_in().macaroon)
    house.start(Settings(token_characters=len(token)))
    _present(house, token)
    house.start(Settings(token_characters=len(token) - 1))
    with pytest.raises(DecodeError, match="at most"):
        _present(house, token)


# Audiences


def test_section_3_a_node_refuses_every_audience_but_those_asked_for(house: Installation) -> None:
    house.store.set_audiences("alice", ("billing", "capsvc.admin"), house.now)
    for audience in (None, "billing", "capsvc.admin"):
        macaroon = house.log_in(audience=audience).macaroon
        assert house.verify(macaroon, audience).capability.audience == audience
        for other in {None, "billing", "capsvc.admin", "docs"} - {audience}:
            with pytest.raises(InvalidMacaroon):
                house.verify(macaroon, other)
        presentation = Presentation(encode_text(macaroon))
        verdict = house.node.verify(presentation, house.node.request(), (None, "billing", "capsvc.admin"))
        assert verdict.capability.audience == audience
        with pytest.raises(InvalidMacaroon):
            house.node.verify(presentation, house.node.request(), ())


def test_section_3_the_audience_is_the_identifiers_and_no_caveats(house: Installation) -> None:
    macaroon = house.log_in().macaroon.attenuate("audience = billing")
    with pytest.raises(InvalidMacaroon):
        house.verify(macaroon, "billing")
    with pytest.raises(CaveatUnmet):
        house.verify(macaroon)


# Keys


def test_section_7_a_retired_key_is_forgotten_at_once_by_a_running_node(house: Installation) -> None:
    old = house.log_in().macaroon
    house.promote(house.add_key())
    new = house.log_in().macaroon
    house.verify(old)
    house.retire("k1")
    with pytest.raises(InvalidMacaroon):
        house.verify(old)
    house.verify(new)
    with pytest.raises(InvalidMacaroon):
        house.verify(old)


def test_section_7_a_key_that_was_added_and_promoted_elsewhere_is_picked_up(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    with closing(SQLiteStore(house.shares.path.with_name("capsvc.db"))) as elsewhere:
        key_id = keyring.add(elsewhere, house.shares, house.now)
        keyring.promote(elsewhere, key_id, house.now)
        key = Node(elsewhere, house.shares, house.settings, house.clock).ring().signing()
    assert key.key_id == "k2"
    minted = house.log_in()
    assert minted.written.key_name == KeyName("k2")
    house.verify(minted.macaroon)
    house.verify(macaroon)


def test_a_node_that_never_minted_verifies_what_a_new_key_signed(house: Installation) -> None:
    idle = Node(house.store, house.shares, house.settings, house.clock)
    house.promote(house.add_key())
    token = encode_text(house.log_in().macaroon)
    assert idle.verify(Presentation(token), idle.request()).capability.user == "alice"


def test_section_7_a_pending_key_whose_share_has_not_arrived_yet_does_not_stop_a_node(house: Installation) -> None:
    """Its share is copied to every node after ``capsvc keys add`` and before it signs."""
    macaroon = house.log_in().macaroon
    copied = ShareFile(house.shares.path.with_name("copied.json"))
    copied.write(house.shares.read())
    elsewhere = Node(house.store, copied, house.settings, house.clock)
    house.add_key()
    presentation = Presentation(encode_text(macaroon))
    assert elsewhere.verify(presentation, elsewhere.request()).capability.user == "alice"
    copied.write(house.shares.read())
    house.promote("k2")
    presentation = Presentation(encode_text(house.log_in().macaroon))
    assert elsewhere.verify(presentation, elsewhere.request()).capability.user == "alice"


def test_a_macaroon_of_a_key_that_never_was_is_refused_like_a_forged_one(house: Installation) -> None:
    genuine = house.log_in().macaroon
    unknown = Macaroon.mint(b"guess", "k9").append(*(each.identifier for each in genuine.unverified_caveats))
    forged = Macaroon.mint(b"guess", "k1").append(*(each.identifier for each in genuine.unverified_caveats))
    said = set()
    for macaroon in (unknown, forged, Macaroon.mint(b"guess", "no such identifier")):
        with pytest.raises(InvalidMacaroon) as caught:
            house.verify(macaroon)
        said.add(str(caught.value))
    assert len(said) == 1


# The verdict


def test_a_narrowed_macaroon_permits_just_what_is_left(house: Installation) -> None:
    narrowed = encode_text(house.log_in().macaroon.attenuate("method = GET", "path ^= /docs"))
    assert _present(house, narrowed, method="GET", path="/docs/7") == "alice"
    for facts in ({"method": "POST", "path": "/docs/7"}, {"method": "GET", "path": "/pub"}, {"method": "GET"}):
        with pytest.raises(CaveatUnmet):
            _present(house, narrowed, **facts)


def test_an_applications_own_attribute_is_read(house: Installation) -> None:
    house.start(Settings(vocabulary={"amount": "number"}))
    macaroon = house.log_in().macaroon.attenuate("amount <= 5", vocabulary=house.node.vocabulary)
    assert _present(house, encode_text(macaroon), amount=5) == "alice"
    with pytest.raises(CaveatUnmet):
        _present(house, encode_text(macaroon), amount=6)
    house.start(Settings())
    with pytest.raises(CaveatUnmet, match="vocabulary"):
        _present(house, encode_text(macaroon))


def test_the_nodes_now_is_its_clocks_floored_to_the_second(house: Installation) -> None:
    assert house.node.now() == "2026-11-22T06:00:00Z"
    house.clock.forward(0.999)
    assert house.node.now() == "2026-11-22T06:00:00Z"
    assert house.node.request().facts["time"] == "2026-11-22T06:00:00Z"


def test_section_3_an_expiry_later_than_any_that_was_minted_is_refused(house: Installation) -> None:
    written = house.log_in().written
    root_key = house.node.ring().root_key(KeyName("k1"))
    assert root_key is not None

    def minted_until(end: str) -> Macaroon:
        forged = Authority(KeyName("k1"), written.nonce, "alice", "default", written.salt, written.not_before, end)
        return forged.mint(root_key or b"", "")

    house.verify(minted_until(house.after(30 * DAY + 30)))
    with pytest.raises(InvalidMacaroon):
        house.verify(minted_until(house.after(30 * DAY + 31)))


def test_section_6_shorter_lifetimes_leave_what_was_minted_alive(house: Installation) -> None:
    macaroon = house.log_in(lifetime=30 * DAY).macaroon
    house.start(Settings(lifetime=60, max_lifetime=60))
    house.verify(macaroon)
    house.clock.forward(30 * DAY)
    with pytest.raises(Expired):
        house.verify(macaroon)


# Discharges


def test_a_third_partys_discharge_is_needed_and_narrows(house: Installation) -> None:
    root = house.log_in().macaroon.entrust("https://idp.example", b"a caveat's key", b"ticket")
    discharge = Macaroon.mint(b"a caveat's key", b"ticket").attenuate("method = GET")
    bound, token = encode_text(root.bind(discharge)), encode_text(root)
    assert _present(house, token, bound, method="GET") == "alice"
    with pytest.raises(CaveatUnmet):
        _present(house, token, bound, method="POST")
    for wrong in ((), (encode_text(discharge),), (bound, bound)):
        with pytest.raises(DischargeError):
            _present(house, token, *wrong, method="GET")
    with pytest.raises(DischargeError):
        _present(house, encode_text(house.log_in().macaroon), bound, method="GET")
    with pytest.raises(DecodeError):
        _present(house, token, "no macaroon", method="GET")


# Revisions, and a store that cannot say


def test_section_6_a_verdict_names_the_revision_that_it_was_held_against(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    revision = house.store.revoke_nonce("alice", "A" * 22, house.now)
    assert house.verify(macaroon, min_revision=revision).revision == revision


def test_section_6_a_node_that_has_not_seen_a_revision_does_not_permit(house: Installation) -> None:
    macaroon = house.log_in().macaroon
    with pytest.raises(StoreUnavailable, match="has not seen revision"):
        house.verify(macaroon, min_revision=house.store.revision() + 1)


@pytest.mark.parametrize("kind", ["revoked", "unmet"])
def test_section_6_a_node_that_has_not_seen_a_revision_does_not_answer_from_an_older_one(
    house: Installation, kind: str
) -> None:
    """A salt that was made since is no row in an older column, which would say *revoked*."""
    macaroon = house.log_in().macaroon.attenuate("method = GET")
    if kind == "revoked":
        house.store.revoke_all("alice", house.now)
    with pytest.raises(Revoked if kind == "revoked" else CaveatUnmet):
        house.verify(macaroon, min_revision=house.store.revision())
    with pytest.raises(StoreUnavailable, match="has not seen revision"):
        house.verify(macaroon, min_revision=house.store.revision() + 1)


@pytest.mark.parametrize("patient", [True, False])
def test_section_8_a_store_that_cannot_be_reached_never_permits(house: Installation, patient: bool) -> None:
    macaroon = house.log_in().macaroon
    house.verify(macaroon, patient=patient)
    house.shares.path.with_name("capsvc.db").unlink()
    sleep(ChangeCounter.LOOK_SECONDS)
    with pytest.raises(StoreUnavailable):
        house.verify(macaroon, patient=patient)
    with pytest.raises(StoreUnavailable):
        house.log_in()


def test_law_2_the_column_is_not_asked_before_the_chain_is_proven(house: Installation) -> None:
    forged = Macaroon.mint(b"guess", "k1").append(b"nonce = x")
    expired = house.log_in(lifetime=60).macaroon
    house.clock.forward(60)
    house.shares.path.with_name("capsvc.db").unlink()
    with pytest.raises(InvalidMacaroon):
        house.verify(forged)
    with pytest.raises(Expired):
        house.verify(expired)


def test_law_8_a_presentation_prints_no_token(house: Installation) -> None:
    token = encode_text(house.log_in().macaroon)
    assert token not in repr(Presentation(token, (token,)))
    with pytest.raises(DecodeError) as caught:
        _present(house, token[:-2])
    assert token[:20] not in str(caught.value)


def test_the_nodes_now_is_never_behind_its_clock_nor_ahead_of_it(house: Installation) -> None:
    assert house.node.now() == house.now
    for step in (0.4, 0.4, 0.4, 1.0, -3.0, 86_400.0):
        house.clock.forward(step)
        assert house.node.now() == house.now


def test_a_key_that_never_was_costs_one_look_and_never_a_reload(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, loads = [], []
    read, keys = house.store.read, house.store.keys
    monkeypatch.setattr(house.store, "read", lambda *each, **more: looks.append(each) or read(*each, **more))
    monkeypatch.setattr(house.store, "keys", lambda **more: loads.append(more) or keys(**more))
    caveats = [each.identifier for each in house.log_in().macaroon.unverified_caveats]
    looks.clear()
    for number in range(2, 40):
        with pytest.raises(InvalidMacaroon):
            house.verify(Macaroon.mint(b"guess", f"k{number}").append(*caveats))
    assert (len(looks), loads) == (38, [])
    house.add_key()
    with pytest.raises(InvalidMacaroon):
        house.verify(Macaroon.mint(b"guess", "k9").append(*caveats))
    assert len(loads) == 2, "one for the key that was added, and one for the ring that it changed"


def test_a_request_told_later_is_asked_only_by_a_predicate(house: Installation) -> None:
    asked: list[str] = []

    def tell() -> dict[str, object]:
        asked.append("once")
        return {"method": "GET"}

    root = house.log_in().macaroon
    house.node.verify(Presentation(encode_text(root)), house.node.request_later(tell))
    assert asked == []
    narrowed = Presentation(encode_text(root.attenuate("method = GET")))
    house.node.verify(narrowed, house.node.request_later(tell))
    assert set(asked) == {"once"}
    with pytest.raises(ValueError, match="host"):
        house.node.verify(narrowed, house.node.request_later(lambda: {"method": "GET", "host": "A"}))


def test_audiences_that_strangers_name_are_remembered_within_a_bound(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "_AUDIENCES", 8)
    for number in range(50):
        forged = encode_text(Macaroon.mint(b"guess", f"k1/a{number}"))
        with pytest.raises(InvalidMacaroon):
            house.node.verify(Presentation(forged), house.node.request(), (f"a{number}",))
    assert len(house.node._verifying.verifiers) <= 8
