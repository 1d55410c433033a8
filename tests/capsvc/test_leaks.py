"""Leaks: what a report takes back, and that whoever found a token takes back no more with it, whatever she appends."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capsvc import leaks
from capsvc.errors import StoreUnavailable
from capsvc.leaks import REPORTED_NAMES, Leaks, TakenBack
from capsvc.stores import HOLDER_NAMES
from caveats import Expired, Format, Macaroon, MacaroonError, Revoked, encode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.installation import Installation, installed

CAVEAT_KEY = b"a key shared with a third party!"


@pytest.fixture
def house() -> Iterator[Installation]:
    with installed() as made:
        yield made


def _report(house: Installation, found: Macaroon) -> TakenBack | None:
    return Leaks(house.node, house.store).take_back(encode_text(found))


def _salt(name: str, value: bytes | None = None) -> bytes:
    return f"salt = {name}/{encode_base64(value or token_bytes(16))}".encode()


def _is_live(house: Installation, macaroon: Macaroon, audience: str | None = None) -> bool:
    try:
        house.verify(macaroon, audience)
    except (Revoked, Expired):
        return False
    return True


def _column(house: Installation) -> list[tuple[str, str, bool]]:
    return [(each.name, each.kind, each.revoked) for each in house.store.salt_names("alice")]


def test_a_found_root_is_taken_back_by_its_nonce_and_other_logins_live_on(house: Installation) -> None:
    found, other = house.log_in(), house.log_in()
    taken = _report(house, found.macaroon)
    assert taken == TakenBack("alice", None, found.written.nonce, house.store.revision())
    assert not _is_live(house, found.macaroon)
    assert _is_live(house, other.macaroon)
    assert (found.written.nonce, "nonce", True) in _column(house)


def test_a_found_copy_is_taken_back_by_the_last_name_in_it_and_what_it_was_cut_from_lives_on(
    house: Installation,
) -> None:
    root = house.log_in().macaroon
    contractor = root.append(b"method = GET", _salt("contractor.k3x9"))
    theirs = contractor.append(_salt("job.a1b2"), b"path ^= /docs")
    taken = _report(house, theirs)
    assert taken is not None
    assert taken.name == "job.a1b2"
    assert not _is_live(house, contractor.append(_salt("job.a1b2")))
    assert _is_live(house, root)
    assert _column(house)[1:] == [("job.a1b2", "holder", True)]


@pytest.mark.parametrize("audience", [None, "billing", "capsvc.admin", "capsvc.verify"])
def test_a_token_for_any_audience_is_taken_back(house: Installation, audience: str | None) -> None:
    house.store.set_audiences("alice", ["billing", "capsvc.admin", "capsvc.verify"], house.now)
    found = house.log_in(audience=audience).macaroon
    assert _report(house, found) is not None
    assert not _is_live(house, found, audience)


def test_a_token_that_needs_a_discharge_is_taken_back_without_it(house: Installation) -> None:
    root = house.log_in().macaroon
    assert _report(house, root.entrust("https://third.example", CAVEAT_KEY, b"ask")) is not None
    assert not _is_live(house, root)


def test_a_token_in_format_1_is_taken_back_and_one_in_json_is_none(house: Installation) -> None:
    found = house.log_in().macaroon
    take_back = Leaks(house.node, house.store).take_back
    assert take_back(encode(found, Format.JSON)) is None
    assert _is_live(house, found)
    assert take_back(encode(found, Format.V1)) is not None


def test_what_requests_are_asked_for_does_not_keep_a_token_from_being_taken_back(house: Installation) -> None:
    found = house.log_in().macaroon.append(b"path ^= /docs", b"colour = red", b"time >= 2030-01-01T00:00:00Z")
    assert _report(house, found) is not None


@pytest.mark.parametrize("appended", [b"time < 2026-11-22T06:00:00Z", b"request = 3q2-7wAAq83vEjRWeJCrzQ"])
def test_an_expired_copy_and_one_that_is_bound_to_a_request_change_nothing(
    house: Installation, appended: bytes
) -> None:
    root = house.log_in().macaroon
    for found in (root.append(appended), root.append(_salt("job.a1b2"), appended), root.append(appended, b"a = b")):
        before = house.store.revision()
        assert _report(house, found) is None
        assert house.store.revision() == before
    assert _is_live(house, root)


def test_a_copy_is_alive_until_the_very_second_in_which_it_ends(house: Installation) -> None:
    root = house.log_in().macaroon
    copy = root.append(f"time < {house.after(10)}".encode())
    house.clock.forward(10)
    assert _report(house, copy) is None
    assert _report(house, root.append(f"time < {house.after(1)}".encode())) is not None


def test_what_is_taken_back_already_changes_nothing_any_more(house: Installation) -> None:
    named = house.log_in().macaroon.append(_salt("job.a1b2"))
    root, changed, old = house.log_in().macaroon, house.log_in(salt_name="laptop").macaroon, house.log_in().macaroon
    for found in (named, root):
        assert _report(house, found) is not None
    house.store.revoke_name("alice", "laptop", house.now)
    revision = house.store.revision()
    assert [_report(house, each) for each in (named, root, changed)] == [None] * 3
    assert house.store.revision() == revision
    house.clock.forward(60)
    panic = house.store.panic(house.now)
    assert _report(house, old) is None
    assert house.store.revision() == panic


def test_what_was_never_a_token_of_this_service_changes_nothing(house: Installation) -> None:
    root = house.log_in().macaroon
    before = house.store.revision()
    take_back = Leaks(house.node, house.store).take_back
    forged = Macaroon(
        root.unverified_location, root.unverified_identifier, root.unverified_caveats[:-1], root.signature
    )
    others = [forged, Macaroon.mint(CAVEAT_KEY, b"ticket"), Macaroon.mint(b"key", "k1"), Macaroon.mint(b"key", "k9")]
    others += [root.append(*[b"a"] * 60)]  # more caveats than anybody may present
    for text in ["", "AA", "é", "\ud800", "x" * 100_000, "{}", *map(encode_text, others), encode_text(root) + "="]:
        assert take_back(text) is None
    assert house.store.revision() == before
    assert _is_live(house, root)


def test_a_token_of_a_retired_key_changes_nothing(house: Installation) -> None:
    root = house.log_in().macaroon
    house.promote(house.add_key())
    house.retire("k1")
    before = house.store.revision()
    assert _report(house, root) is None
    assert house.store.revision() == before


NAMES = ["default", "laptop", "console", "never-used", "job.a1b2", "x"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["default", "laptop"]),
    st.sampled_from([[], ["job.a1b2"], ["job.a1b2", "other.c3d4"]]),
    st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=4),
)
def test_whatever_a_finder_appends_no_issued_name_changes_and_no_more_is_taken_back_than_she_found(
    logged_in_as: str, handed_on: list[str], appended: list[tuple[str, bool]]
) -> None:
    with installed() as house:
        house.log_in(salt_name="laptop")
        minted = house.log_in(salt_name=logged_in_as)
        found = minted.macaroon.append(*(_salt(name) for name in handed_on))
        own = {logged_in_as: minted.written.salt}
        reported = found.append(*(_salt(name, own.get(name) if right else None) for name, right in appended))
        issued = house.store.read("alice", ()).salts.rows
        taken = _report(house, reported)
        rows = house.store.read("alice", ()).salts.rows
        assert {name: rows[name] for name in issued} == dict(issued)
        assert "console" not in rows
        if handed_on:
            assert _is_live(house, minted.macaroon), "the root is beyond the reach of who found a named copy"
            assert _is_live(house, minted.macaroon.append(*(_salt(name) for name in handed_on[:-1])))
        assert len(rows) == len(issued) + (taken is not None)


def test_a_finder_who_names_an_issued_name_hits_the_copy_that_she_found(house: Installation) -> None:
    laptop, root = house.log_in(salt_name="laptop"), house.log_in()
    copy = root.macaroon.append(_salt("job.a1b2"))
    assert _report(house, copy.append(_salt("laptop"))) is None, "of two values one is wrong: nobody can use it"
    taken = _report(house, copy.append(_salt("laptop", laptop.written.salt)))
    assert taken is not None
    assert taken.name == "job.a1b2"
    assert _is_live(house, laptop.macaroon)


def test_reports_never_fill_the_column_so_that_issued_salts_make_way(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REPORTED_NAMES < HOLDER_NAMES
    monkeypatch.setattr(leaks, "REPORTED_NAMES", 20)
    root = house.log_in().macaroon
    named = root.append(_salt("job.a1b2"))
    taken = [_report(house, named.append(_salt(f"junk.{number}"))) for number in range(25)]
    assert [each is not None for each in taken] == [True] * 20 + [False] * 5
    assert _is_live(house, root)
    house.store.revoke_name("alice", "job.a1b2", house.now)
    assert not _is_live(house, named)
    assert _is_live(house, root)


def test_a_store_that_cannot_say_is_never_taken_for_a_report_that_was_heard(house: Installation) -> None:
    found = house.log_in().macaroon
    house.store.close()
    with pytest.raises(StoreUnavailable):
        _report(house, found)


def test_what_no_verifier_takes_is_no_leak(house: Installation) -> None:
    minted = house.log_in()
    root_key = house.node.ring().root_key(minted.written.key_name)
    assert root_key is not None
    shapeless = Macaroon.mint(root_key, "k1").append(b"user = alice")
    with pytest.raises(MacaroonError):
        house.verify(shapeless)
    assert _report(house, shapeless) is None
