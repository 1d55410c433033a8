"""The memory of proven chains: bounded, of proven ones only, and never in the way of a refusal."""

from __future__ import annotations

import pytest

from caveats import (
    Authority,
    CaveatUnmet,
    Expired,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    Request,
    Revoked,
    Salts,
    Verifier,
    encode,
)
from caveats.encoding import encode_base64
from caveats.memo import Memo

KEY, SALT = b"a root key", bytes(range(16))
NOW = Request(time="2026-11-25T12:00:00Z", method="GET")


def root(number: int = 0) -> Macaroon:
    nonce = encode_base64(number.to_bytes(16, "big"))
    authority = Authority(
        KeyName("k1"), nonce, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z"
    )
    return authority.mint(KEY, "https://caps.example")


def column(user: str, names: tuple[str, ...]) -> Salts:
    return Salts({"default": SALT})


def held(verifier: Verifier) -> tuple[str, str]:
    return repr(verifier._roots.texts), repr(verifier._roots._roots)


def test_a_memo_never_holds_more_than_its_entries_and_always_the_newest() -> None:
    memo: Memo[int, str] = Memo(10)
    for number in range(1000):
        memo.remember(number, str(number))
        assert len(memo) <= 10
        assert memo.get(number) == str(number)


def test_a_memo_of_no_entries_remembers_nothing() -> None:
    memo: Memo[int, str] = Memo(0)
    memo.remember(1, "one")
    assert memo.get(1) is None


def test_strangers_cannot_grow_the_memory_with_tokens_that_they_cannot_prove() -> None:
    verifier = Verifier(lambda name: b"another key")
    for number in range(50):
        with pytest.raises(InvalidMacaroon):
            verifier.verify(encode(root(number)), NOW, column)
    assert held(verifier) == ("<Memo of 0 entries>", "<Memo of 0 entries>")


def test_a_copy_that_is_bound_to_one_request_is_not_kept_but_its_root_is() -> None:
    verifier = Verifier(lambda name: KEY)
    verifier.verify(encode(root().attenuate("request = " + "A" * 22)), NOW, column)
    assert held(verifier) == ("<Memo of 0 entries>", "<Memo of 1 entries>")


def test_a_retired_key_is_forgotten_at_once() -> None:
    keys = {KeyName("k1"): KEY}
    verifier = Verifier(keys.get)
    text = encode(root())
    verifier.verify(text, NOW, column)
    for other in ({}, {KeyName("k1"): b"another key"}):
        keys.clear()
        keys.update(other)
        with pytest.raises(InvalidMacaroon):
            verifier.verify(text, NOW, column)
        with pytest.raises(InvalidMacaroon):
            verifier.verify(encode(root().attenuate("method = GET")), NOW, column)


def test_times_salts_nonce_panic_and_predicates_are_looked_at_every_time() -> None:
    verifier = Verifier(lambda name: KEY)
    text = encode(root().attenuate("method = GET"))
    verifier.verify(text, NOW, column)
    nonce = "nonce/" + "A" * 22
    for rows in ({}, {"default": None}, {"default": bytes(16)}, {"default": SALT, nonce: None}):
        with pytest.raises(Revoked):
            verifier.verify(text, NOW, lambda user, names, rows=rows: Salts(rows))
    with pytest.raises(Revoked):
        verifier.verify(text, NOW, lambda user, names: Salts({"default": SALT}, "2026-11-22T06:00:01Z"))
    with pytest.raises(Expired):
        verifier.verify(text, NOW.saying(time="2026-12-22T06:00:00Z"), column)
    with pytest.raises(CaveatUnmet):
        verifier.verify(text, NOW.saying(time="2026-11-22T05:59:59Z"), column)
    with pytest.raises(CaveatUnmet):
        verifier.verify(text, NOW.saying(method="POST"), column)
    verifier.verify(text, NOW, column)


def test_a_discharge_that_nothing_asks_for_is_refused_beside_a_known_token_too() -> None:
    verifier = Verifier(lambda name: KEY)
    text = encode(root())
    verifier.verify(text, NOW, column)
    with pytest.raises(Exception, match="no caveat asks for"):
        verifier.verify(text, NOW, column, [Macaroon.mint(b"a key", "left over")])


def test_an_expiry_that_was_plausible_later_is_not_so_earlier() -> None:
    from datetime import timedelta

    verifier = Verifier(lambda name: KEY, longest=timedelta(days=28))
    text = encode(root())
    verifier.verify(text, NOW, column)
    with pytest.raises(InvalidMacaroon):
        verifier.verify(text, Request(time="2026-11-23T00:00:00Z"), column)


def test_a_text_is_remembered_with_the_key_that_proved_it_and_not_with_the_one_used_last() -> None:
    keys = {KeyName("k1"): KEY, KeyName("k2"): b"another key"}
    verifier = Verifier(keys.get)
    text = encode(root(1))
    other = encode(Authority(
        KeyName("k2"), encode_base64(bytes(16)), "alice", "default", SALT,
        "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z",
    ).mint(keys[KeyName("k2")], "https://caps.example"))  # fmt: skip
    for each in (text, other, text):
        verifier._roots.prove(each, NOW.vocabulary)
    verifier.verify(text, NOW, column)
    del keys[KeyName("k1")]
    with pytest.raises(InvalidMacaroon):
        verifier.verify(text, NOW, column)


def test_long_copies_of_a_known_root_are_not_kept() -> None:
    verifier = Verifier(lambda name: KEY)
    for number in range(20):
        text = encode(root().attenuate(*(f"path in / /{number}{'x' * 90}{each}" for each in range(12))))
        assert verifier.verify(text, NOW.saying(path="/"), column).user == "alice"
    assert held(verifier) == ("<Memo of 0 entries>", "<Memo of 1 entries>")


def test_each_proof_is_counted_by_what_of_the_chain_was_remembered() -> None:
    proofs = [0, 0, 0]
    verifier = Verifier(lambda name: KEY, proofs=proofs)
    # Every verification is asked three times in turn, and once more where nothing is remembered: tests/conftest.py.
    verifier.verify(encode(root()), NOW, column)
    assert proofs == [1, 1, 2], "whole, root, nothing"
    verifier.verify(encode(root().append(b"method = GET")), NOW, column)
    assert proofs == [1 + 2, 1 + 1, 2 + 1]


def test_a_proof_that_fails_is_not_counted() -> None:
    proofs = [0, 0, 0]
    token = encode(root())
    with pytest.raises(InvalidMacaroon):
        Verifier(lambda name: b"another key", proofs=proofs).verify(token, NOW, column)
    assert proofs == [0, 0, 0]
