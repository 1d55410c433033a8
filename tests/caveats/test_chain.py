"""The chain of HMACs, held against the standard library and PyNaCl."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from nacl.secret import SecretBox

from caveats import DischargeError, InvalidMacaroon, chain


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


@pytest.mark.parametrize("key_bytes", [0, 1, 31, 32, 63, 64, 65, 200])
@pytest.mark.parametrize("message_bytes", [0, 1, 55, 56, 64, 1000])
def test_hmac_is_that_of_the_standard_library(key_bytes: int, message_bytes: int) -> None:
    key, message = bytes(range(key_bytes)), b"\xff" * message_bytes
    assert chain.hmac_sha256(key, message) == _hmac(key, message)


def test_hmac_of_rfc_4231_case_2() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert chain.hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex() == expected


def test_a_root_key_is_derived_under_the_label_that_all_libraries_share() -> None:
    assert chain.derive_key(b"root") == _hmac(b"macaroons-key-generator", b"root")


def test_each_signature_is_the_key_of_the_next_step() -> None:
    assert chain.start(b"k" * 32, b"id") == _hmac(b"k" * 32, b"id")
    assert chain.extend(b"s" * 32, b"caveat") == _hmac(b"s" * 32, b"caveat")


def test_a_third_party_caveat_signs_verification_id_and_identifier() -> None:
    signature = b"s" * 32
    both = _hmac(signature, b"vid") + _hmac(signature, b"cid")
    assert chain.extend(signature, b"cid", b"vid") == _hmac(signature, both)


def test_a_discharge_is_bound_under_a_key_of_zeros() -> None:
    zeros = bytes(32)
    assert chain.bind(b"r" * 32, b"d" * 32) == _hmac(zeros, _hmac(zeros, b"r" * 32) + _hmac(zeros, b"d" * 32))


def test_unequal_signatures_are_invalid() -> None:
    chain.demand_equal(b"s" * 32, b"s" * 32)
    for other in (b"t" * 32, b"s" * 31, b""):
        with pytest.raises(InvalidMacaroon):
            chain.demand_equal(b"s" * 32, other)


def test_what_was_sealed_unseals_under_the_same_signature_only() -> None:
    sealed = chain.seal(b"s" * 32, b"caveat key")
    assert len(sealed) == 24 + 16 + 32
    assert chain.unseal(b"s" * 32, sealed) == chain.derive_key(b"caveat key")
    with pytest.raises(DischargeError, match="does not open"):
        chain.unseal(b"t" * 32, sealed)


def test_sealing_draws_another_nonce_each_time() -> None:
    assert chain.seal(b"s" * 32, b"key") != chain.seal(b"s" * 32, b"key")
    assert chain.seal(b"s" * 32, b"key", bytes(24)) == chain.seal(b"s" * 32, b"key", bytes(24))


@pytest.mark.parametrize("size", [1, 16, 23, 24, 25, 39, 40, 71, 72, 73, 4096])
def test_a_verification_id_that_nobody_sealed_does_not_open(size: int) -> None:
    with pytest.raises(DischargeError, match="does not open"):
        chain.unseal(b"s" * 32, bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_verification_id_that_holds_no_key_is_refused(size: int) -> None:
    sealed = bytes(SecretBox(b"s" * 32).encrypt(bytes(size)))
    with pytest.raises(DischargeError, match="does not hold a key"):
        chain.unseal(b"s" * 32, sealed)
