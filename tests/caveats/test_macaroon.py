"""The macaroon as a value: minting, narrowing, printing."""

from __future__ import annotations

from typing import Any

import pytest

from caveats import BUILTIN, Caveat, Format, Macaroon, Number, PredicateError, chain, encode
from caveats.encoding import encode_base64

SECRET = "5Jx1mWm0Zk2y0c2Qv3m0tA"


@pytest.fixture
def root() -> Macaroon:
    return Macaroon.mint(b"root key", "k1", "https://caps.example")


def test_a_minted_macaroon_signs_its_identifier(root: Macaroon) -> None:
    assert root.unverified_identifier == b"k1"
    assert root.unverified_caveats == ()
    assert root.signature == chain.start(chain.derive_key(b"root key"), b"k1")


def test_the_location_is_not_signed(root: Macaroon) -> None:
    assert Macaroon.mint(b"root key", b"k1", "elsewhere").signature == root.signature


def test_a_root_key_and_a_caveats_key_are_not_empty(root: Macaroon) -> None:
    with pytest.raises(ValueError, match="not empty"):
        Macaroon.mint(b"", "k1")
    with pytest.raises(ValueError, match="not empty"):
        root.entrust("elsewhere", b"", b"ask")


def test_attenuating_gives_another_macaroon(root: Macaroon) -> None:
    narrowed = root.attenuate("method = GET", BUILTIN.parse("path ^= /docs"))
    assert root.unverified_caveats == ()
    assert narrowed.unverified_caveats == (Caveat(b"method = GET"), Caveat(b"path ^= /docs"))
    assert narrowed.signature == chain.extend(chain.extend(root.signature, b"method = GET"), b"path ^= /docs")


def test_attenuating_appends_all_or_nothing(root: Macaroon) -> None:
    with pytest.raises(PredicateError):
        root.attenuate("method = GET", "colour = red")
    assert root.attenuate() == root


def test_attenuating_speaks_the_vocabulary_it_is_given(root: Macaroon) -> None:
    narrowed = root.attenuate("amount <= 5", vocabulary=BUILTIN.extend(amount=Number()))
    assert narrowed.unverified_caveats[-1].identifier == b"amount <= 5"
    with pytest.raises(PredicateError):
        root.attenuate("amount <= 5")


@pytest.mark.parametrize("predicate", [5, None, ["method = GET"]])
def test_attenuating_by_what_is_no_predicate_is_a_type_error(root: Macaroon, predicate: Any) -> None:
    with pytest.raises(TypeError):
        root.attenuate(predicate)


def test_appending_takes_any_bytes(root: Macaroon) -> None:
    assert root.append(b"\xff", b"").unverified_caveats == (Caveat(b"\xff"), Caveat(b""))


def test_entrusting_seals_the_key_under_the_signature_before(root: Macaroon) -> None:
    entrusted = root.entrust("https://other.example", b"caveat key", b"ask")
    (caveat,) = entrusted.unverified_caveats
    assert (caveat.identifier, caveat.location, caveat.is_third_party) == (b"ask", "https://other.example", True)
    assert chain.unseal(root.signature, caveat.verification_id) == chain.derive_key(b"caveat key")
    assert entrusted.signature == chain.extend(root.signature, b"ask", caveat.verification_id)


def test_binding_changes_a_discharges_signature_alone(root: Macaroon) -> None:
    discharge = Macaroon.mint(b"caveat key", "ask", "there").append(b"user = alice")
    bound = root.bind(discharge)
    assert bound.signature == chain.bind(root.signature, discharge.signature)
    assert (bound.unverified_location, bound.unverified_identifier, bound.unverified_caveats) == (
        "there",
        b"ask",
        discharge.unverified_caveats,
    )


@pytest.mark.parametrize("format", list(Format))
def test_a_first_party_caveat_that_says_where_it_is_is_written_in_no_format(format: Format) -> None:
    assert not Caveat(b"a").is_third_party
    macaroon = Macaroon("", b"k1", (Caveat(b"a", location="there"),), bytes(32))
    with pytest.raises(ValueError, match="no location"):
        encode(macaroon, format)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_signature_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Macaroon("", b"k1", (), bytes(size))


def test_a_macaroon_cannot_be_changed(root: Macaroon) -> None:
    with pytest.raises(AttributeError):
        root.unverified_caveats = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Caveat(b"a").identifier = b"b"  # type: ignore[misc]


def test_inspecting_prints_the_fields_escaped_and_without_secrets(root: Macaroon) -> None:
    macaroon = root.append(f"salt = default/{SECRET}".encode(), b"\xff\n").entrust("there", b"key", b"ask")
    vid = encode_base64(macaroon.unverified_caveats[-1].verification_id)
    assert macaroon.inspect().splitlines() == [
        "location https://caps.example",
        "identifier k1",
        "cid salt = default/…",
        "cid \\xff\\n",
        "cid ask",
        f"vid {vid}",
        "cl there",
    ]


def test_a_repr_holds_no_signature_and_no_salt(root: Macaroon) -> None:
    macaroon = root.append(f"salt = default/{SECRET}".encode()).entrust("there", b"key", b"ask")
    assert repr(macaroon) == "<Macaroon 'k1' with 2 caveats, unverified>"
    assert repr(macaroon.unverified_caveats) == "(<Caveat 'salt = default/…'>, <Caveat 'ask' of a third party>)"
