"""What the salt column says of a user: with digests in the place of salts, every verdict is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import Capability, MacaroonError, Revoked, Salts, Verifier
from tests.caveats import strategies as some

PREDICATES = st.lists(st.one_of(some.met_often, st.sampled_from(some.SALTS).map(lambda salt: f"salt = {salt}")))
HORIZONS = st.sampled_from(["", "2026-12-22T06:00:00Z", "2026-12-22T06:00:01Z"])


def _digest(name: str, salt: bytes) -> bytes:
    return sha256(name.encode() + b"/" + salt).digest()[:16]


def _in_digests(column: Salts) -> Salts:
    rows = {name: None if salt is None else _digest(name, salt) for name, salt in column.rows.items()}
    return replace(column, rows=rows, digest=_digest)


def _verdict(presented: some.Presented, held: Sequence[str], column: Salts) -> Capability | tuple[object, ...]:
    verifier = Verifier(lambda name: presented.root_key, presented.audience)
    try:
        return verifier.verify(some.append(presented.macaroon, held), presented.request, lambda user, names: column)
    except MacaroonError as refused:
        return type(refused), *refused.args


def test_with_digests_in_the_place_of_salts_every_verdict_is_the_same() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=500, deadline=None)
    @given(some.presentations(), PREDICATES, HORIZONS)
    def check(presented: some.Presented, held: list[str], horizon: str) -> None:
        column = replace(presented.column, horizon=horizon)
        verdict = _verdict(presented, held, column)
        assert _verdict(presented, held, _in_digests(column)) == verdict
        revoked = isinstance(verdict, tuple) and verdict[0] is Revoked
        seen["accepted" if isinstance(verdict, Capability) else "revoked" if revoked else "refused"] += 1

    check()
    assert min(seen["accepted"], seen["revoked"]) > 40, seen


def test_a_digest_itself_is_no_salt() -> None:
    """Who learns the digests of a page does not come by what agrees with them."""
    digest = _digest("default", some.AUTHORITY_SALT)
    column = Salts({"default": digest}, digest=_digest)
    assert column.of([("default", digest)]).rows == {"default": None}
    assert column.of([("default", some.AUTHORITY_SALT)]).rows == {"default": some.AUTHORITY_SALT}
