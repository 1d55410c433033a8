"""Whatever is changed in a macaroon that was signed, except a location, is refused by ``prove``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import Caveat, DecodeError, Format, InvalidMacaroon, Macaroon, VerificationError, prove
from caveats.wire import decode_binary, encode_binary
from tests.caveats import strategies as some

with_caveats = some.minted(min_caveats=1)


def put(macaroon: Macaroon, caveats: list[Caveat]) -> Macaroon:
    """The same macaroon with other caveats under its old signature."""
    return replace(macaroon, unverified_caveats=tuple(caveats))


def refuses(minted: some.Minted, changed: Macaroon) -> None:
    assert prove(minted.macaroon, minted.key, minted.bound).caveats == minted.macaroon.unverified_caveats
    with pytest.raises(InvalidMacaroon, match=f"^{some.INVALID}$"):
        prove(changed, minted.key, minted.bound)


@settings(max_examples=100, deadline=None)
@given(with_caveats)
def test_dropping_any_caveat_is_refused(minted: some.Minted) -> None:
    caveats = list(minted.macaroon.unverified_caveats)
    for at in range(len(caveats)):
        refuses(minted, put(minted.macaroon, caveats[:at] + caveats[at + 1 :]))


@settings(max_examples=100, deadline=None)
@given(some.minted(min_caveats=2))
def test_exchanging_any_two_different_caveats_is_refused(minted: some.Minted) -> None:
    caveats = list(minted.macaroon.unverified_caveats)
    for one in range(len(caveats)):
        for other in range(one):
            moved = caveats.copy()
            moved[one], moved[other] = moved[other], moved[one]
            if replaced(moved) != replaced(caveats):
                refuses(minted, put(minted.macaroon, moved))


def replaced(caveats: list[Caveat]) -> list[tuple[bytes, bytes]]:
    """The signed fields of caveats."""
    return [(each.identifier, each.verification_id) for each in caveats]


@settings(max_examples=100, deadline=None)
@given(some.minted(), st.one_of(some.identifiers, st.none()))
def test_inserting_or_repeating_a_caveat_anywhere_is_refused(minted: some.Minted, inserted: bytes | None) -> None:
    caveats = list(minted.macaroon.unverified_caveats)
    for at in range(len(caveats) + 1):
        new = Caveat(inserted or b"") if inserted is not None or at == len(caveats) else caveats[at]
        refuses(minted, put(minted.macaroon, [*caveats[:at], new, *caveats[at:]]))


@settings(max_examples=100, deadline=None)
@given(with_caveats, some.identifiers, st.binary(min_size=1, max_size=80))
def test_changing_any_field_of_any_caveat_is_refused(minted: some.Minted, identifier: bytes, sealed: bytes) -> None:
    caveats = list(minted.macaroon.unverified_caveats)
    for at, old in enumerate(caveats):
        for new in (
            old._replace(identifier=identifier),
            old._replace(verification_id=sealed),
            Caveat(old.identifier),
            Caveat(old.verification_id, old.identifier or b"x"),
            Caveat(old.verification_id + old.identifier),
        ):
            if replaced([new]) != replaced([old]):
                refuses(minted, put(minted.macaroon, [*caveats[:at], new, *caveats[at + 1 :]]))


@settings(max_examples=100, deadline=None)
@given(with_caveats, some.identifiers, some.keys)
def test_another_identifier_or_key_is_refused(minted: some.Minted, identifier: bytes, key: bytes) -> None:
    if identifier != minted.macaroon.unverified_identifier:
        refuses(minted, replace(minted.macaroon, unverified_identifier=identifier))
    if key != minted.key:
        with pytest.raises(InvalidMacaroon):
            prove(minted.macaroon, key, minted.bound)


@settings(max_examples=50, deadline=None)
@given(with_caveats)
def test_the_signature_of_a_macaroon_with_fewer_caveats_does_not_follow_from_this_one(minted: some.Minted) -> None:
    for count in range(len(minted.macaroon.unverified_caveats)):
        fewer = minted.macaroon.unverified_caveats[:count]
        for signature in (minted.macaroon.signature, bytes(32), minted.key[:32].ljust(32, b"\0")):
            refuses(minted, replace(minted.macaroon, unverified_caveats=fewer, signature=signature))


def fates(macaroon: Macaroon, key: bytes, sent: tuple[Macaroon, ...], format: Format) -> Counter[str]:
    """Flip every bit of a binary token, and count what became of it; fail if more than a location gave way."""
    raw = encode_binary(macaroon, format)
    seen: Counter[str] = Counter()
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            changed = decode_binary(bytes(flipped))
            prove(changed, key, sent)
        except DecodeError:
            seen["not a macaroon"] += 1
        except VerificationError:
            seen["not proven"] += 1
        else:
            seen["location"] += 1
            assert changed != macaroon
            assert some.without_locations(changed) == some.without_locations(macaroon), f"bit {bit} is not signed"
    return seen


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_flipping_any_single_bit_of_a_token_is_refused_unless_it_is_in_a_location(format: Format) -> None:
    root = some.authority("alice", "billing").mint(b"root key", "https://id.example")
    root = root.entrust("https://third.example", b"caveat key", b"ask", bytes(24)).append(b"\x80 not text")
    sent = (root.bind(Macaroon.mint(b"caveat key", b"ask").append(b"method = GET")),)
    seen = fates(root, b"root key", sent, format)
    in_locations = 8 * len("https://id.examplehttps://third.example")
    assert 0 < seen["location"] < in_locations, "some flips of a location are not UTF-8"
    assert seen["not proven"] > 1000
    assert seen["not a macaroon"] > 100


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_flipping_any_single_bit_of_a_token_without_locations_is_refused(format: Format) -> None:
    seen = fates(Macaroon.mint(b"root key", b"k1").append(b"user = alice", b""), b"root key", (), format)
    assert not seen["location"]


@settings(max_examples=60, deadline=None)
@given(some.minted().filter(lambda minted: minted.discharges), st.data())
def test_flipping_any_single_bit_of_a_bound_discharge_is_refused(minted: some.Minted, data: st.DataObject) -> None:
    sent = list(minted.bound)
    at = data.draw(st.integers(0, len(sent) - 1))
    raw = bytearray(encode_binary(sent[at]))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        changed = decode_binary(bytes(raw))
    except DecodeError:
        return
    if some.without_locations(changed) != some.without_locations(sent[at]):
        with pytest.raises(VerificationError):
            prove(minted.macaroon, minted.key, [*sent[:at], changed, *sent[at + 1 :]])


@settings(max_examples=80, deadline=None)
@given(some.minted().filter(lambda minted: minted.discharges), some.identifiers)
def test_a_discharge_that_is_unbound_or_bound_before_the_last_caveat_is_refused(
    minted: some.Minted, added: bytes
) -> None:
    longer = minted.macaroon.append(added)
    assert prove(longer, minted.key, map(longer.bind, minted.discharges))
    for sent in (minted.discharges, minted.bound, tuple(map(longer.bind, minted.bound))):
        with pytest.raises(VerificationError):
            prove(longer, minted.key, sent)
