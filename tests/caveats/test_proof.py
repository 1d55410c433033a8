"""The proof of a chain, prefixes of it, and the caps on discharges."""

from __future__ import annotations

from typing import Any

import pymacaroons
import pytest

from caveats import (
    Caveat,
    DecodeError,
    DischargeError,
    Format,
    InvalidMacaroon,
    Limits,
    Macaroon,
    Prefix,
    Proof,
    chain,
    encode,
    prove,
    to_pymacaroons,
)

KEY = b"root key"
ROOT = Macaroon.mint(KEY, "k1", "there")


def _asking(macaroon: Macaroon, *names: str) -> Macaroon:
    for name in names:
        macaroon = macaroon.entrust("other", b"key of " + name.encode(), name.encode())
    return macaroon


def _discharge(name: str, *asks: str) -> Macaroon:
    return _asking(Macaroon.mint(b"key of " + name.encode(), name, "other"), *asks)


def _bound(root: Macaroon, *discharges: Macaroon) -> list[Macaroon]:
    return [root.bind(each) for each in discharges]


@pytest.mark.parametrize(
    "form", [lambda m: m, encode, lambda m: encode(m, Format.V1), lambda m: encode(m, Format.JSON), to_pymacaroons]
)
def test_whatever_stands_for_a_macaroon_is_proven(form: Any) -> None:
    root = _asking(ROOT.append(b"\xff, read by nobody"), "a")
    proof = prove(form(root), KEY, [form(each) for each in _bound(root, _discharge("a"))])
    assert proof == Proof(b"k1", root.unverified_caveats, (Proof(b"a", ()),))


def test_nothing_is_proven_with_another_key() -> None:
    for key in (b"another", b""):
        with pytest.raises(InvalidMacaroon):
            prove(ROOT, key)


def test_a_macaroon_that_pymacaroons_wrongly_verifies_is_invalid() -> None:
    foreign = pymacaroons.Macaroon(location="", identifier="k1", key="root key")
    foreign.caveats.append(pymacaroons.Caveat("user = bob"))
    assert pymacaroons.Verifier().verify(foreign, "root key")
    with pytest.raises(InvalidMacaroon):
        prove(foreign, KEY)


def test_the_roots_own_chain_is_proven_before_any_discharge_is_looked_at() -> None:
    with pytest.raises(InvalidMacaroon):
        prove(_asking(ROOT, "a"), b"another", ["no macaroon"])
    with pytest.raises(DecodeError):
        prove(_asking(ROOT, "a"), KEY, ["no macaroon"])


def test_a_prefix_extended_step_by_step_is_the_whole_chain() -> None:
    whole = _asking(ROOT.append(b"a", b"b"), "x").append(b"c")
    start = Prefix.of(chain.derive_key(KEY), b"k1")
    at_once, thirds = start.extend(whole.unverified_caveats)
    stepwise = start
    for caveat in whole.unverified_caveats:
        stepwise, _ = stepwise.extend([caveat])
    assert at_once == stepwise
    assert at_once.signature == whole.signature
    assert at_once.caveats == whole.unverified_caveats
    assert thirds == [(whole.unverified_caveats[2], ROOT.append(b"a", b"b").signature)]


def test_extending_a_prefix_leaves_it_as_it_is() -> None:
    start = Prefix.of(chain.derive_key(KEY), b"k1")
    longer, thirds = start.extend([Caveat(b"a")])
    assert (start.caveats, longer.caveats, thirds) == ((), (Caveat(b"a"),), [])
    assert start.extend([]) == (start, [])
    assert start.signature == ROOT.signature


def test_the_repr_of_a_prefix_holds_no_signature() -> None:
    assert repr(Prefix.of(chain.derive_key(KEY), b"k1")) == "<Prefix 'k1' of 0 caveats>"


def test_discharges_stand_in_order_of_use_the_nested_ones_after_their_own() -> None:
    root = _asking(ROOT, "a", "b")
    sent = _bound(root, _discharge("b"), _discharge("c"), _discharge("a", "c"))
    assert [each.identifier for each in prove(root, KEY, sent).discharges] == [b"a", b"c", b"b"]


def test_as_many_discharges_as_the_limit_are_proven_and_more_refused() -> None:
    names = [f"n{each}" for each in range(9)]
    root = _asking(ROOT, *names)
    sent = _bound(root, *map(_discharge, names))
    with pytest.raises(DischargeError, match="more than 8 discharges"):
        prove(root, KEY, sent)
    assert len(prove(root, KEY, sent, Limits(discharges=9)).discharges) == 9


def test_discharges_nested_as_deep_as_the_limit_are_proven_and_deeper_refused() -> None:
    root = _asking(ROOT, "n1")
    sent = [_discharge(f"n{each}", f"n{each + 1}") for each in range(1, 5)]
    five = _bound(root, *sent, _discharge("n5"))
    with pytest.raises(DischargeError, match="nested deeper than 4"):
        prove(root, KEY, five)
    assert len(prove(root, KEY, five, Limits(depth=5)).discharges) == 5
    assert len(prove(root, KEY, _bound(root, *sent[:3], _discharge("n4"))).discharges) == 4


def test_a_discharge_that_asks_for_itself_ends() -> None:
    root = _asking(ROOT, "a")
    with pytest.raises(DischargeError, match="no unused discharge"):
        prove(root, KEY, _bound(root, _discharge("a", "a")))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([], "no unused discharge answers the caveat for other"),
        (["a", "b"], "that no caveat asks for"),
        (["a", "a"], "two discharges with one identifier"),
        (["b"], "no unused discharge"),
    ],
)
def test_every_discharge_is_used_exactly_once(sent: list[str], reason: str) -> None:
    root = _asking(ROOT, "a")
    with pytest.raises(DischargeError, match=reason):
        prove(root, KEY, _bound(root, *map(_discharge, sent)))


def test_a_discharge_bound_to_another_macaroon_is_refused() -> None:
    root = _asking(ROOT, "a")
    narrowed = root.append(b"b")
    for sent in (_discharge("a"), root.bind(_discharge("a"))):
        with pytest.raises(DischargeError, match="not bound to this macaroon"):
            prove(narrowed, KEY, [sent])
    assert prove(narrowed, KEY, [narrowed.bind(_discharge("a"))]).discharges == (Proof(b"a", ()),)


def test_a_caveat_put_into_a_bound_discharge_is_refused() -> None:
    root = _asking(ROOT, "a")
    with pytest.raises(DischargeError):
        prove(root, KEY, [root.bind(_discharge("a")).append(b"b")])


def test_caveats_of_objects_are_capped_too() -> None:
    with pytest.raises(InvalidMacaroon):
        prove(ROOT.append(*[b"a"] * 65), KEY)
    root = _asking(ROOT, "a")
    with pytest.raises(DischargeError, match="more than 64 caveats"):
        prove(root, KEY, _bound(root, _discharge("a").append(*[b"a"] * 65)))
    assert prove(root, KEY, _bound(root, _discharge("a").append(*[b"a"] * 64))).discharges


def test_discharges_may_be_any_iterable() -> None:
    root = _asking(ROOT, "a")
    assert prove(root, KEY, iter(_bound(root, _discharge("a")))).discharges == (Proof(b"a", ()),)
