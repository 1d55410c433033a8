"""The one pattern and the memory of proven chains never change a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    BUILTIN,
    Authority,
    CaveatUnmet,
    DecodeError,
    Format,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    MacaroonError,
    Request,
    Salts,
    Verifier,
    decode,
    encode,
)
from caveats.encoding import decode_base64, encode_base64, write_varint
from caveats.pieces import split_first_party
from caveats.root import Roots
from caveats.wire import DEFAULT_LIMITS
from tests.caveats import strategies as some

KEY = b"a root key"
SALT = bytes(range(16))
NONCE = "3q2-7wAAq83vEjRWeJCrzQ"
NOW = "2026-11-25T12:00:00Z"
users = st.sampled_from(["alice", "bob.x@example.org", "älice", "alice smith", "a%b", "x" * 128, "o'hara"])
days = st.sampled_from(["2026-11-22", "2026-12-29", "2026-12-30", "2026-12-31", "2028-02-29", "2027-02-28"])
locations = st.sampled_from(["https://caps.example.org", "", "http://é", "x" * 127, "x" * 128])
appended = st.lists(
    st.one_of(
        some.predicates,
        st.sampled_from(
            ["method = GET", f"salt = ci.x/{NONCE}", f"request = {NONCE}", "user = alice", "path ^= " + "/x" * 90]
        ),
    ),
    max_size=4,
)


@st.composite
def tokens(draw: st.DrawFn) -> Macaroon:
    """Roots of a service, ordinary and odd, with what holders appended."""
    authority = Authority(
        KeyName(draw(st.sampled_from(["k1", "k12"])), draw(st.sampled_from([None, "billing"]))),
        NONCE, draw(users), draw(st.sampled_from(["default", "a.b-c_d"])), SALT,
        "2026-11-22T06:00:00Z", draw(days) + "T06:00:00Z",
    )  # fmt: skip
    macaroon = authority.mint(KEY, draw(locations))
    return macaroon.append(*(text.encode() for text in draw(appended)))


def outcome(verifier: Verifier, token: Any, request: Request, rows: dict[str, bytes | None]) -> Any:
    """The verdict, as something that can be compared."""
    try:
        capability = verifier.verify(token, request, lambda user, names: Salts(rows))
    except CaveatUnmet as unmet:
        return unmet.unmet
    except MacaroonError as error:
        return type(error), str(error)
    return capability.user, capability.audience, capability.expires, capability.narrowings, capability.predicates


def verifier(audience: str | None, remembered: int) -> Verifier:
    return Verifier(lambda name: KEY, audience, timedelta(days=900), remembered=remembered)


columns = st.sampled_from(
    [
        {"default": SALT, "a.b-c_d": SALT},
        {"default": SALT, "ci.x": None},
        {"default": None},
        {},
        {f"nonce/{NONCE}": None},
    ]
)


@settings(max_examples=300, deadline=None)
@given(tokens(), some.requests(), columns, st.sampled_from([None, "billing"]))
def test_the_pattern_the_general_way_and_the_memory_come_to_one_verdict(
    macaroon: Macaroon, request: Request, rows: dict[str, bytes | None], audience: str | None
) -> None:
    remembering, forgetting = verifier(audience, 64), verifier(audience, 0)
    text = encode(macaroon)
    general = outcome(forgetting, macaroon, request, rows)
    assert outcome(forgetting, text, request, rows) == general
    assert outcome(remembering, text, request, rows) == general
    assert outcome(remembering, text, request, rows) == general
    assert outcome(remembering, encode(macaroon, Format.V1), request, rows) == general


@settings(max_examples=300, deadline=None)
@given(tokens(), st.data())
def test_changed_bytes_come_to_one_verdict_too_and_never_to_a_permit(macaroon: Macaroon, data: st.DataObject) -> None:
    raw = bytearray(decode_base64(encode(macaroon.append(b"time < 2026-12-01T00:00:00Z"))))
    location = len(macaroon.unverified_location.encode())
    start = 2 + len(write_varint(location)) + location if location else 1
    place = data.draw(st.integers(min(start, len(raw) - 1), len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    text = encode_base64(bytes(raw))
    request = Request(time=NOW)
    rows: dict[str, bytes | None] = {"default": SALT, "a.b-c_d": SALT}
    audience = data.draw(st.sampled_from([None, "billing"]))
    found = outcome(verifier(audience, 64), text, request, rows)
    assert isinstance(found[0], type)
    assert issubclass(found[0], MacaroonError)
    try:
        changed = decode(text)
    except MacaroonError:
        return
    assert outcome(verifier(audience, 0), changed, request, rows)[0] is found[0]


@settings(max_examples=200, deadline=None)
@given(tokens(), st.integers(0, 40))
def test_what_is_split_is_what_is_decoded(macaroon: Macaroon, limit: int) -> None:
    raw = decode_base64(encode(macaroon))
    start = len(raw) - 35 - sum(len(each.identifier) + 3 for each in macaroon.unverified_caveats[5:])
    rest = split_first_party(raw, start, limit)
    if (
        any(len(each.identifier) > 127 for each in macaroon.unverified_caveats[5:])
        or len(macaroon.unverified_caveats) - 5 > limit
    ):
        assert rest is None
    else:
        assert rest == (tuple(each.identifier for each in macaroon.unverified_caveats[5:]), macaroon.signature)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=9), st.sampled_from([b"\x00\x02", b"\x01\x00\x02\x00"])), max_size=5))
def test_a_caveat_that_looks_like_the_end_of_another_is_split_as_it_is_decoded(appended: list[bytes]) -> None:
    macaroon = Macaroon.mint(KEY, "k1").append(*appended)
    raw = decode_base64(encode(macaroon))
    rest = split_first_party(raw, 6, 64)
    assert rest is None or rest == (tuple(appended), macaroon.signature)
    assert rest is not None or any(b"\x00\x02" in each + b"\x00" or not each for each in appended)


@pytest.mark.parametrize("kept", range(40))
def test_a_token_that_is_cut_off_anywhere_near_its_beginning_is_refused_as_ever(kept: int) -> None:
    text = encode(Macaroon.mint(KEY, "k1", "https://caps.example.org"))[:kept]
    with pytest.raises(DecodeError):
        decode(text)
    with pytest.raises(DecodeError):
        verifier(None, 64).verify(text, Request(time=NOW), lambda user, names: Salts({}))


@pytest.mark.parametrize("narrowing", [[], ["method = GET"], [f"request = {NONCE}"]])
def test_what_services_mint_is_proven_the_fast_way_known_and_not(narrowing: list[str]) -> None:
    authority = Authority(
        KeyName("k1"), NONCE, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-31T06:00:00Z"
    )
    roots = Roots(lambda name: KEY, None, DEFAULT_LIMITS, 64, [0, 0, 0])
    text = encode(authority.mint(KEY, "https://caps.example.org").attenuate(*narrowing))
    for _ in range(4):
        proven = roots.prove(text, BUILTIN)
        assert proven is not None
        assert proven[-1].authority == authority


def test_a_known_root_does_not_vouch_for_another_signature() -> None:
    authority = Authority(
        KeyName("k1"), NONCE, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-31T06:00:00Z"
    )
    macaroon = authority.mint(KEY, "")
    remembering = verifier(None, 64)
    request, rows = Request(time=NOW), {"default": SALT}
    for _ in range(3):
        assert outcome(remembering, encode(macaroon), request, rows)[0] == "alice"
    forged = replace(macaroon, signature=bytes(32))
    for each in (forged, forged.attenuate("method = GET"), forged.append(f"request = {NONCE}".encode())):
        assert outcome(remembering, encode(each), request, rows)[0] is InvalidMacaroon
