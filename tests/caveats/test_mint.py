"""The mint: the same macaroons as authority's own, from what was computed once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import Authority, KeyName, Mint, PredicateError, encode

KEY, NONCE, SALT = b"a root key", "3q2-7wAAq83vEjRWeJCrzQ", bytes(range(16))
ALICE = Authority(KeyName("k1"), NONCE, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z")
odd = st.text(st.characters(categories=None, codec=None), max_size=6)  # half characters too
fields = st.fixed_dictionaries(
    {},
    optional={
        "nonce": st.one_of(odd, st.sampled_from([NONCE + "\0\x02", NONCE[:-1] + "B"])),
        "user": st.one_of(odd, st.sampled_from(["a b", "a%b", "a/b", "x" * 120, "x" * 121, "x" * 200, "a\0\x02b"])),
        "salt_name": st.one_of(odd, st.sampled_from(["laptop", "a" * 64, "a" * 65])),
        "salt": st.binary(max_size=18),
        "not_before": st.one_of(odd, st.sampled_from(["2026-02-29T00:00:00Z", "2028-02-29T00:00:00Z"])),
        "not_after": st.one_of(odd, st.sampled_from(["2026-11-31T00:00:00Z", "0999-01-01T00:00:00Z", "2026-11-22"])),
        "key_name": st.sampled_from([KeyName("k1", "billing"), KeyName("k2")]),
    },
)


def made(mint: Any, *given: Any) -> str | type[Exception]:
    try:
        text = mint(*given)
    except PredicateError as refused:
        return type(refused)
    return text if isinstance(text, str) else encode(text)


@settings(max_examples=500, deadline=None)
@given(fields, st.sampled_from(["", "https://caps.example.org", "http://é", "x" * 200]))
def test_a_mint_makes_what_authority_makes_and_refuses_what_it_refuses(changes: dict[str, Any], location: str) -> None:
    authority = ALICE._replace(**changes)
    mint = Mint(authority.key_name, KEY, location)
    assert made(mint.mint, authority) == made(authority.mint, KEY, location)


def test_an_ordinary_user_is_minted_for() -> None:
    assert made(Mint(KeyName("k1"), KEY).mint, ALICE) == encode(ALICE.mint(KEY, ""))


def test_a_mint_makes_nothing_for_another_key_or_audience() -> None:
    for other in (KeyName("k2"), KeyName("k1", "billing")):
        with pytest.raises(ValueError, match="this mint is that of k1"):
            Mint(KeyName("k1"), KEY).mint(ALICE._replace(key_name=other))


def test_law_8_a_mint_does_not_print_its_key() -> None:
    assert repr(Mint(KeyName("k1"), KEY)) == "<Mint of k1>"
