"""Authority: read back as it was minted, and from nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caveats import Authority, InvalidMacaroon, KeyName, PredicateError, check_audience, prove
from caveats.authority import AUTHORITY_CAVEATS

KEY = b"root key"
ALICE = Authority(
    KeyName("k1", "billing"),
    "3q2-7wAAq83vEjRWeJCrzQ",
    "alice",
    "default",
    bytes(range(16)),
    "2026-11-22T06:00:00Z",
    "2026-12-22T06:00:00Z",
)


def test_authority_is_minted_as_the_design_writes_it() -> None:
    macaroon = ALICE.mint(KEY, "https://caps.example")
    assert macaroon.inspect().splitlines() == [
        "location https://caps.example",
        "identifier k1/billing",
        "cid nonce = 3q2-7wAAq83vEjRWeJCrzQ",
        "cid user = alice",
        "cid salt = default/…",
        "cid time >= 2026-11-22T06:00:00Z",
        "cid time < 2026-12-22T06:00:00Z",
    ]
    assert len(macaroon.unverified_caveats) == AUTHORITY_CAVEATS


@pytest.mark.parametrize("authority", [ALICE, ALICE._replace(key_name=KeyName("k20"), user="Zo\u00eb 100%")])
def test_authority_is_read_back_as_it_was_minted(authority: Authority) -> None:
    assert Authority.of(prove(authority.mint(KEY, ""), KEY)) == authority


def test_what_a_holder_appends_is_no_authority() -> None:
    narrowed = ALICE.mint(KEY, "").attenuate(
        "user = bob", "time < 2026-11-23T00:00:00Z", "time >= 2026-11-22T12:00:00Z"
    )
    assert Authority.of(prove(narrowed, KEY)) == ALICE


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": ""},
        {"user": "a/b"},
        {"user": "Zoe\u0308"},
        {"nonce": "1"},
        {"salt_name": "a/b"},
        {"salt": bytes(15)},
        {"not_after": "tomorrow"},
        {"not_before": "2026-02-30T00:00:00Z"},
    ],
)
def test_authority_that_no_verifier_would_read_is_not_minted(wrong: dict[str, object]) -> None:
    authority = ALICE._replace(**wrong)  # type: ignore[arg-type]
    with pytest.raises(PredicateError):
        authority.mint(KEY, "")


def test_authority_cut_off_is_invalid() -> None:
    whole = ALICE.mint(KEY, "")
    proof = prove(whole, KEY)
    for kept in range(AUTHORITY_CAVEATS):
        with pytest.raises(InvalidMacaroon):
            Authority.of(replace(proof, caveats=proof.caveats[:kept]))


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (b"k1", KeyName("k1")),
        (b"k123456789", KeyName("k123456789")),
        (b"k1/billing", KeyName("k1", "billing")),
        (b"k1/capsvc.admin", KeyName("k1", "capsvc.admin")),
        (b"k1/" + b"a" * 64, KeyName("k1", "a" * 64)),
    ],
)
def test_an_identifier_names_a_key_and_an_audience(identifier: bytes, name: KeyName) -> None:
    assert KeyName.unverified(identifier) == name
    assert str(name).encode() == identifier


@pytest.mark.parametrize(
    "identifier",
    [
        b"", b"k", b"k0", b"k01", b"k1234567890", b"K1", b"1", b"k1/", b"k1//a", b"k1/A", b"k1/a/b", b"k1/-a", b"k1/a.",
        b"k1 ", b"k1\n", b"k1/a\n", b"\xff", b"k\xd9\xa1", b"k1/" + b"a" * 65,
    ],
)  # fmt: skip
def test_an_identifier_that_no_service_writes_is_invalid(identifier: bytes) -> None:
    with pytest.raises(InvalidMacaroon):
        KeyName.unverified(identifier)


@pytest.mark.parametrize("audience", ["a", "0", "billing", "capsvc.verify", "a-b.c", "a" * 64])
def test_an_audience_is_returned(audience: str) -> None:
    assert check_audience(audience) == audience


@pytest.mark.parametrize(
    "audience", ["", "A", "a b", "a/b", "-a", "a-", ".a", "a.", "a_b", "a\n", "caf\u00e9", "a" * 65]
)
def test_an_audience_that_is_none_is_refused(audience: str) -> None:
    with pytest.raises(ValueError, match="an audience is"):
        check_audience(audience)


def test_the_repr_of_authority_holds_no_salt_and_no_nonce() -> None:
    assert repr(ALICE) == "<Authority k1/billing for 'alice' until 2026-12-22T06:00:00Z>"
