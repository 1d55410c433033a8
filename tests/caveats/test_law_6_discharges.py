"""Law 6: every discharge that is sent is used, exactly once; two with one identifier are refused."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import DischargeError, Macaroon, prove
from tests.caveats import strategies as some

entrusted = some.minted(max_third=4).filter(lambda minted: minted.discharges)


@settings(max_examples=100, deadline=None)
@given(entrusted, st.randoms())
def test_law_6_the_discharges_prove_in_any_order_and_none_may_be_left_out(minted: some.Minted, random: Random) -> None:
    sent = list(minted.bound)
    random.shuffle(sent)
    proof = prove(minted.macaroon, minted.key, sent)
    assert sorted(each.identifier for each in proof.discharges) == sorted(each.unverified_identifier for each in sent)
    for left_out in range(len(sent)):
        with pytest.raises(DischargeError):
            prove(minted.macaroon, minted.key, sent[:left_out] + sent[left_out + 1 :])


@settings(max_examples=100, deadline=None)
@given(entrusted, some.keys, st.binary(min_size=41, max_size=50), st.booleans())
def test_law_6_a_discharge_left_over_or_sent_twice_is_refused(
    minted: some.Minted, key: bytes, unasked: bytes, first: bool
) -> None:
    sent = list(minted.bound)
    for further in (minted.macaroon.bind(Macaroon.mint(key, unasked)), sent[0]):
        with pytest.raises(DischargeError):
            prove(minted.macaroon, minted.key, [further, *sent] if first else [*sent, further])


def test_law_6_one_discharge_does_not_answer_two_caveats() -> None:
    once = Macaroon.mint(b"root key", b"k1").entrust("", b"caveat key", b"ask")
    discharge = Macaroon.mint(b"caveat key", b"ask")
    assert len(prove(once, b"root key", [once.bind(discharge)]).discharges) == 1
    twice = once.entrust("", b"caveat key", b"ask")
    for sent in (
        [twice.bind(discharge)],
        [twice.bind(discharge)] * 2,
        [twice.bind(discharge), twice.bind(discharge.append(b""))],
    ):
        with pytest.raises(DischargeError):
            prove(twice, b"root key", sent)
