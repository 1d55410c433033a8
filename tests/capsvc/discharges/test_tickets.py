"""Tickets: sealed for one reader, in one spelling, and silent about what is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.errors import TicketError
from capsvc.ticket_keys import KeyFinder, OpeningKey, PrivateKey, PublicKey, SealingKey, SharedKey, finder
from capsvc.tickets import CONDITION_BYTES, TICKET_BYTES, Ticket, entrust
from caveats import DischargeError, Format, Macaroon, decode, encode, prove, to_pymacaroons

CAVEAT_KEY = bytes(range(32))
SHARED = SharedKey("k1", b"s" * 32)
PRIVATE = PrivateKey("k1", b"p" * 32)
KEYS = finder(SHARED, PRIVATE)
PAIRS: list[tuple[SealingKey, OpeningKey]] = [(SHARED, SHARED), (PRIVATE.public, PRIVATE)]
both = pytest.mark.parametrize(("sealing", "opening"), PAIRS, ids=["shared", "public"])


def _refused(raw: bytes, keys: KeyFinder = KEYS) -> None:
    with pytest.raises(TicketError, match=r"^the ticket does not open here$") as caught:
        Ticket.open(raw, keys)
    assert caught.value.__cause__ is None


@both
def test_who_holds_the_key_reads_what_was_sealed(sealing: SealingKey, opening: OpeningKey) -> None:
    ticket = Ticket(CAVEAT_KEY, "user = zoë")
    raw = ticket.seal(sealing)
    assert Ticket.open(raw, finder(opening)) == ticket
    assert raw != ticket.seal(sealing)
    assert b"user" not in raw
    assert CAVEAT_KEY not in raw


@both
def test_one_changed_byte_anywhere_does_not_open(sealing: SealingKey, opening: OpeningKey) -> None:
    raw = Ticket(CAVEAT_KEY, "user = bob").seal(sealing)
    for position in range(len(raw)):
        for change in (1, 0x80):
            _refused(raw[:position] + bytes([raw[position] ^ change]) + raw[position + 1 :])


@both
def test_what_is_cut_longer_or_renamed_does_not_open(sealing: SealingKey, opening: OpeningKey) -> None:
    raw = Ticket(CAVEAT_KEY, "user = bob").seal(sealing)
    for end in range(len(raw)):
        _refused(raw[:end])
    _refused(raw + b"\0")
    alias = type(opening)("k2", opening.secret)
    _refused(raw[:3] + b"k2" + raw[5:], finder(alias))


@both
def test_another_key_or_kind_does_not_open(sealing: SealingKey, opening: OpeningKey) -> None:
    raw = Ticket(CAVEAT_KEY, "user = bob").seal(sealing)
    _refused(raw, finder(SharedKey("k1", b"x" * 32), PrivateKey("k1", b"x" * 32)))
    _refused(raw, finder())


def test_what_was_sealed_and_is_no_ticket_does_not_open() -> None:
    head = b"\x01\x01\x02k1"
    for plain in (
        b"",
        head,
        head + bytes(31),
        head + bytes(32),
        head + bytes(32) + b"\xff",
        head + bytes(32) + b"a\nb",
    ):
        _refused(head + SHARED.seal(plain))


@given(st.binary(max_size=200))
def test_bytes_of_strangers_do_not_open(raw: bytes) -> None:
    _refused(raw)
    _refused(b"\x01\x01\x02k1" + raw)
    _refused(b"\x01\x02\x02k1" + raw)


def test_the_longest_ticket_fits_and_a_longer_one_is_not_read() -> None:
    key = PrivateKey("k" * 64, b"p" * 32)
    raw = Ticket(CAVEAT_KEY, "é" * (CONDITION_BYTES // 2)).seal(key.public)
    assert len(raw) <= TICKET_BYTES
    assert Ticket.open(raw, finder(key)).condition == "é" * (CONDITION_BYTES // 2)
    head = b"\x01\x01\x02k1"
    _refused(head + SHARED.seal(head + bytes(32) + b"a" * TICKET_BYTES))


@pytest.mark.parametrize("condition", ["", "a\nb", "a\0", "\x9f", "\ud800", "é" * 257])
def test_a_condition_that_is_none_is_the_callers_mistake(condition: str) -> None:
    with pytest.raises(ValueError, match="a condition"):
        Ticket.of(condition)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SharedKey("k1", b"short"),
        lambda: PrivateKey("", bytes(32)),
        lambda: PublicKey("k 1", bytes(32)),
        lambda: PublicKey("k" * 65, bytes(32)),
        lambda: Ticket(b"short", "user = bob"),
        lambda: finder(SHARED, SHARED),
        lambda: PublicKey("k1", bytes(32)).seal(b""),
    ],
)
def test_what_is_no_key_is_the_callers_mistake(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="key"):
        make()


def test_a_public_key_is_read_as_it_is_written() -> None:
    assert PublicKey.read("k1", PRIVATE.public.text) == PRIVATE.public


def test_law_8_nothing_of_it_prints_a_secret() -> None:
    text = repr([Ticket(CAVEAT_KEY, "user = bob"), SHARED, PRIVATE])
    for secret in (CAVEAT_KEY, SHARED.secret, PRIVATE.secret):
        assert repr(secret) not in text
    assert "bob" not in text


@both
@pytest.mark.parametrize("format", list(Format))
def test_an_entrusted_macaroon_is_proven_with_a_discharge_of_the_tickets_key(
    sealing: SealingKey, opening: OpeningKey, format: Format
) -> None:
    root = encode(Macaroon.mint(b"root key", "k1"), format)
    asking = decode(entrust(root, "https://idp.example.org", "user = bob", sealing))
    (caveat,) = asking.unverified_caveats
    assert caveat.location == "https://idp.example.org"
    ticket = Ticket.open(caveat.identifier, finder(opening))
    assert ticket.condition == "user = bob"
    discharge = asking.bind(Macaroon.mint(ticket.caveat_key, caveat.identifier))
    assert len(prove(asking, b"root key", [discharge]).discharges) == 1
    with pytest.raises(DischargeError):
        prove(asking, b"root key")


def test_an_object_of_pymacaroons_is_taken() -> None:
    asking = decode(entrust(to_pymacaroons(Macaroon.mint(b"root key", "k1")), "https://a.example", "b", SHARED))
    assert asking.unverified_caveats[0].is_third_party


def test_a_third_party_without_a_location_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="location"):
        entrust(Macaroon.mint(b"root key", "k1"), "", "user = bob", SHARED)
