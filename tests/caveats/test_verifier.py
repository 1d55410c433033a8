"""The verifier: what it asks of its caller, and what it answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caveats import (
    BUILTIN,
    Authority,
    Capability,
    CaveatUnmet,
    DecodeError,
    Expired,
    Format,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    Number,
    Request,
    Revoked,
    Salts,
    Verifier,
    encode,
    to_pymacaroons,
)
from caveats.proven import SaltLookup

KEY, SALT = b"root key", bytes(range(16))
NONCE = "3q2-7wAAq83vEjRWeJCrzQ"
ALICE = Authority(KeyName("k1"), NONCE, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z")
ROOT = ALICE.mint(KEY, "https://caps.example")
VERIFIER = Verifier(lambda name: KEY if name == KeyName("k1") else None)
NOW = Request(time="2026-11-25T12:00:00Z")


def _column(**rows: bytes | None) -> SaltLookup:
    return lambda user, names: Salts({"default": SALT, **rows})


def _verify(token: Any = ROOT, request: Request = NOW) -> Capability:
    return VERIFIER.verify(token, request, _column())


def test_a_capability_says_what_was_proven() -> None:
    narrowed = ROOT.attenuate("time < 2026-12-01T00:00:00Z", f"salt = bob.x/{'A' * 22}", "method = GET")
    capability = _verify(narrowed, NOW.saying(method="GET"))
    assert (capability.user, capability.audience, capability.nonce) == ("alice", None, NONCE)
    assert capability.salt_names == ("default", "bob.x")
    assert (capability.not_before, capability.not_after) == (ALICE.not_before, ALICE.not_after)
    assert capability.expires == "2026-12-01T00:00:00Z"
    assert capability.narrowings == 3
    assert [str(each).encode() for each in capability.predicates] == [
        each.identifier for each in narrowed.unverified_caveats
    ]


def test_a_capability_cannot_be_used_as_a_boolean() -> None:
    capability = _verify()
    with pytest.raises(TypeError, match="not a boolean"):
        bool(capability)
    with pytest.raises(TypeError, match="not a boolean"):
        assert capability
    with pytest.raises(TypeError, match="not a boolean"):
        not capability  # noqa: B018


def test_reprs_hold_no_secrets() -> None:
    assert repr(_verify()) == "<Capability of 'alice' until 2026-12-22T06:00:00Z>"
    for each in (VERIFIER, Salts({"default": SALT}), _verify().predicates):
        assert repr(SALT) not in repr(each)
        assert repr(KEY) not in repr(each)


@pytest.mark.parametrize(
    "form", [lambda m: m, encode, lambda m: encode(m, Format.V1), lambda m: encode(m, Format.JSON), to_pymacaroons]
)
def test_whatever_stands_for_a_macaroon_is_verified(form: Any) -> None:
    assert _verify(form(ROOT)) == _verify()


@pytest.mark.parametrize(
    "fact", [{"user": "alice"}, {"audience": "billing"}, {"nonce": NONCE}, {"salt": {"default": SALT}}]
)
def test_a_request_that_says_what_authority_says_is_the_callers_mistake(fact: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not user, audience, salt or nonce"):
        _verify(ROOT, NOW.saying(**fact))


def test_a_request_without_the_time_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="says the time"):
        _verify(ROOT, Request(method="GET"))


def test_the_key_is_looked_up_by_its_name_and_for_our_audience_only() -> None:
    asked: list[KeyName] = []

    def keys(name: KeyName) -> bytes | None:
        asked.append(name)
        return None

    for identifier in ("k7", "k7/billing", "k7/shipping"):
        with pytest.raises(InvalidMacaroon):
            Verifier(keys, "billing").verify(Macaroon.mint(KEY, identifier), NOW, _column())
    assert set(asked) == {KeyName("k7", "billing")}


def test_salts_are_looked_up_once_with_every_name_and_the_nonce_after_the_times() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def salts(user: str, names: tuple[str, ...]) -> Salts:
        asked.append((user, names))
        return Salts({"default": SALT})

    narrowed = ROOT.attenuate(f"salt = bob.x/{'A' * 22}", f"salt = bob.x/{'A' * 22}", "user in alice bob")
    VERIFIER.verify(narrowed, NOW, salts)
    assert asked == [("alice", ("default", "bob.x", f"nonce/{NONCE}"))]
    with pytest.raises(Expired):
        VERIFIER.verify(narrowed, NOW.saying(time=ALICE.not_after), salts)
    with pytest.raises(InvalidMacaroon):
        VERIFIER.verify(replace(narrowed, signature=bytes(32)), NOW, salts)
    assert len(asked) == 1


def test_a_store_that_cannot_answer_never_permits() -> None:
    def salts(user: str, names: tuple[str, ...]) -> Salts:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        VERIFIER.verify(ROOT, NOW, salts)


def test_an_end_beyond_the_longest_lifetime_is_invalid_even_at_the_end_of_time() -> None:
    forever = ALICE._replace(not_after="9999-12-31T23:59:59Z").mint(KEY, "")
    with pytest.raises(InvalidMacaroon):
        _verify(forever)
    late = NOW.saying(time="9999-12-31T00:00:00Z")
    assert _verify(forever, late).not_after == "9999-12-31T23:59:59Z"
    with pytest.raises(InvalidMacaroon):
        replace(VERIFIER, longest=timedelta(hours=23)).verify(forever, late, _column())


def test_an_expired_macaroon_says_when() -> None:
    with pytest.raises(Expired, match=r"2026-11-23T00:00:00Z"):
        _verify(ROOT.attenuate("time < 2026-11-23T00:00:00Z"))


def test_whatever_is_invalid_or_revoked_says_the_same() -> None:
    unproven = [
        Macaroon.mint(KEY, "another service's"),
        Macaroon.mint(KEY, "k1/billing"),
        Macaroon.mint(KEY, "k2"),
        replace(ROOT, signature=bytes(32)),
        Macaroon.mint(KEY, "k1"),
        Macaroon.mint(KEY, "k1").append(b"colour = red"),
        ALICE._replace(not_after="2036-12-22T06:00:00Z").mint(KEY, ""),
        ROOT.append(*[b"user = alice"] * 60),
    ]
    said = set()
    for token in unproven:
        with pytest.raises(InvalidMacaroon) as invalid:
            _verify(token)
        said.add(str(invalid.value))
    assert len(said) == 1
    columns = [_column(default=None), _column(default=bytes(16)), _column(**{f"nonce/{NONCE}": None})]
    said = set()
    for column in [
        *columns,
        lambda user, names: Salts({"default": SALT}, ALICE.not_after),
        lambda user, names: Salts({}),
    ]:
        with pytest.raises(Revoked) as revoked:
            VERIFIER.verify(ROOT, NOW, column)
        said.add(str(revoked.value))
    assert len(said) == 1


def test_unmet_caveats_are_named_with_their_reasons() -> None:
    narrowed = ROOT.attenuate("method = GET", "path ^= /docs").append(b"colour = red\xff")
    with pytest.raises(CaveatUnmet) as caught:
        _verify(narrowed, NOW.saying(method="POST"))
    assert [tuple(each) for each in caught.value.unmet] == [
        (5, "method = GET", "the request needs POST", None, "use GET"),
        (6, "path ^= /docs", "the request does not say its path", None, "say the path"),
        (7, "colour = red\\xff", "a predicate is UTF-8", None, "use a copy without it"),
    ]
    assert str(caught.value).startswith("method = GET: the request needs POST; path ^= /docs: ")


def test_an_unmet_salt_of_another_operator_is_named_without_the_salt() -> None:
    with pytest.raises(CaveatUnmet) as caught:
        _verify(ROOT.append(b"salt in bob/" + b"A" * 22))
    assert [each.predicate for each in caught.value.unmet] == ["salt …"]
    assert "A" * 22 not in str(caught.value)


def test_predicates_are_read_in_the_requests_vocabulary() -> None:
    narrowed = ROOT.append(b"amount <= 5")
    shop = BUILTIN.extend(amount=Number())
    assert _verify(narrowed, Request(shop, time="2026-11-25T12:00:00Z", amount=5)).narrowings == 1
    with pytest.raises(CaveatUnmet, match="not in the vocabulary"):
        _verify(narrowed)


def test_the_time_is_floored_to_the_second() -> None:
    narrowed = ROOT.attenuate("time < 2026-11-25T12:00:00Z")
    almost = 1795607999.999  # 2026-11-25T11:59:59.999Z
    assert _verify(narrowed, Request(time=almost)).expires == "2026-11-25T12:00:00Z"
    with pytest.raises(Expired):
        _verify(narrowed, Request(time=almost + 0.001))


def test_text_that_is_no_macaroon_is_a_decode_error_and_a_thing_that_is_none_a_type_error() -> None:
    with pytest.raises(DecodeError):
        _verify("no macaroon")
    with pytest.raises(TypeError):
        _verify(b"no macaroon")
