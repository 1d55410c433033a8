"""Key sets: which keys are read, and what each of them can prove."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from capsvc.identity.id_token import IdToken
from capsvc.identity.key_set import KeySet
from tests.capsvc.identity.issuing import ALGORITHMS, b64, new_key, sign, sign_by_secret

KEYS = {algorithm: new_key(algorithm) for algorithm in ALGORITHMS}


def _public(algorithm: str, **more: Any) -> dict[str, Any]:
    return {**KEYS[algorithm].as_dict(private=False), "kid": algorithm, **more}


def _token(algorithm: str, key: Any = None, **header: Any) -> IdToken:
    return IdToken.read(sign(b'{"sub":"s"}', key or KEYS[algorithm], {"alg": algorithm, "kid": algorithm, **header}))


def _proves(published: Any, token: IdToken) -> bool:
    key = KeySet.of({"keys": published}).find(token.unverified_key_id)
    return key is not None and key.has_signed(token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_proves_what_it_signed_and_nothing_else(algorithm: str) -> None:
    published = [_public(each) for each in ALGORITHMS]
    assert _proves(published, _token(algorithm))
    assert not _proves(published, _token(algorithm, new_key(algorithm)))
    text = _token(algorithm).text
    head, _, signature = text.split(".")
    forged = IdToken.read(f"{head}.{b64(b'{}')}.{signature}")
    assert not _proves(published, forged)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_key_proves_by_an_algorithm_that_is_not_its_own(algorithm: str) -> None:
    text = _token(algorithm).text
    for other in (*ALGORITHMS, "none", "HS256", "HS384", "HS512", "ES256K", "Ed448", "RS1", "", "rs256"):
        header = b64(json.dumps({"alg": other, "kid": algorithm}).encode())
        changed = IdToken.read(f"{header}.{text.partition('.')[2]}")
        assert not _proves([_public(algorithm)], changed)


def test_a_public_key_is_never_a_shared_secret() -> None:
    for secret in (KEYS["RS256"].as_pem(private=False), json.dumps(_public("RS256")).encode()):
        forged = IdToken.read(sign_by_secret(b'{"sub":"s"}', secret, {"kid": "RS256"}))
        assert not _proves([_public("RS256")], forged)
    oct = {"kty": "oct", "k": b64(b"k" * 32), "kid": "HS256"}
    shared = IdToken.read(sign_by_secret(b"{}", b"k" * 32, {"kid": "HS256"}))
    assert not _proves([oct], shared)


def test_a_key_for_one_algorithm_proves_by_that_alone() -> None:
    assert not _proves([_public("RS256", alg="PS256")], _token("RS256"))
    assert _proves([_public("RS256", alg="RS256")], _token("RS256"))
    assert not _proves([_public("RS256", alg="PS256", kid="RS256")], _token("PS256", kid="RS256"))
    assert _proves([_public("PS256", alg="PS256", kid="RS256")], _token("PS256", kid="RS256"))


@pytest.mark.parametrize(
    "changed",
    [{"use": "enc"}, {"use": 5}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"kty": "oct"}, {"kty": 5},
     {"kid": 5}, {"alg": 5}, {"n": "AQAB"}, {"n": 5}, {"n": ""}, {"e": ""}, {"e": None}],
)  # fmt: skip
def test_a_key_that_is_not_for_signatures_or_too_weak_is_left_out(changed: dict[str, Any]) -> None:
    assert not _proves([_public("RS256", **changed)], _token("RS256"))
    assert _proves(
        [_public("RS256", **changed, **({} if "kid" in changed else {"kid": "x"})), _public("RS256")], _token("RS256")
    )


def test_two_keys_of_one_id_are_both_left_out() -> None:
    other = {**new_key("RS256").as_dict(private=False), "kid": "RS256"}
    assert not _proves([_public("RS256"), other], _token("RS256"))
    assert not _proves([other, _public("RS256")], _token("RS256"))


def test_a_key_of_fewer_bits_than_can_be_trusted_is_left_out() -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024)
    published = {**weak.as_dict(private=False), "kid": "RS256"}
    assert KeySet.of({"keys": [published]}).keys == {}


def test_a_token_without_a_key_id_is_for_the_only_key_of_a_set() -> None:
    token = _token("ES256", kid=None)
    assert _proves([_public("ES256")], IdToken.read(sign(b"{}", KEYS["ES256"], {"alg": "ES256"})))
    assert not _proves([_public("ES256"), _public("RS256")], IdToken.read(sign(b"{}", KEYS["ES256"], {"alg": "ES256"})))
    assert token.unverified_key_id is None


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{}] * 101}, "keys", 5])
def test_what_is_no_key_set_is_an_error(document: Any) -> None:
    with pytest.raises(ValueError, match="a key set"):
        KeySet.of(document)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"]), _JSON
    | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "X25519", "AQAB", "A" * 400])), max_size=4))  # fmt: skip
def test_any_list_of_keys_is_a_key_set(keys: list[Any]) -> None:
    assert len(KeySet.of({"keys": keys}).keys) <= len(keys)
