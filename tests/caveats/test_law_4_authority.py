"""Law 4: authority is read only from the caveats that the service minted, first and in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    Capability,
    Caveat,
    CaveatUnmet,
    InvalidMacaroon,
    Macaroon,
    Request,
    Salts,
    Verifier,
    prove,
)
from tests.caveats import strategies as some


def first_five(order: Iterable[Caveat], *further: str) -> Macaroon:
    return some.append(Macaroon.mint(b"root key", b"k1").append(*(each.identifier for each in order)), further)


def outcome(macaroon: Macaroon) -> Capability:
    request = Request(some.VOCABULARY, time=some.NOW)
    return Verifier(lambda name: b"root key").verify(
        macaroon, request, lambda *_: Salts({"default": some.AUTHORITY_SALT})
    )


AUTHORITY = some.authority().mint(b"root key", "").unverified_caveats


@settings(max_examples=100, deadline=None)
@given(st.permutations(AUTHORITY).filter(lambda order: tuple(order) != AUTHORITY))
def test_law_4_authority_out_of_order_is_refused(order: list[Caveat]) -> None:
    with pytest.raises(InvalidMacaroon, match=f"^{some.INVALID}$"):
        outcome(first_five(order))


@pytest.mark.parametrize("missing", range(5))
def test_law_4_authority_with_a_caveat_missing_is_refused(missing: int) -> None:
    rest = [each for each in AUTHORITY if each is not AUTHORITY[missing]]
    for further in ((), ("method in GET",), (AUTHORITY[(missing + 1) % 5].identifier.decode(),)):
        if missing < 4 or further != ("time < 2026-12-22T06:00:00Z",):
            with pytest.raises(InvalidMacaroon, match=f"^{some.INVALID}$"):
                outcome(first_five(rest, *further))


@pytest.mark.parametrize("repeated", range(5))
@pytest.mark.parametrize("place", range(5))
def test_law_4_a_repeat_among_the_first_five_is_refused(repeated: int, place: int) -> None:
    order = [*AUTHORITY[:place], AUTHORITY[repeated], *AUTHORITY[place:]]
    if tuple(order[:5]) == AUTHORITY:  # the last one said twice only narrows
        assert outcome(first_five(order)).user == "alice"
    else:
        with pytest.raises(InvalidMacaroon, match=f"^{some.INVALID}$"):
            outcome(first_five(order))


@pytest.mark.parametrize("instead", [True, False])
@pytest.mark.parametrize("place", range(5))
def test_law_4_a_third_party_caveat_among_the_first_five_is_refused(place: int, instead: bool) -> None:
    said = AUTHORITY[place].identifier
    root = first_five(AUTHORITY[:place]).entrust("", b"caveat key", said, bytes(24))
    root = root.append(*(each.identifier for each in AUTHORITY[place + instead :]))
    discharge = root.bind(Macaroon.mint(b"caveat key", said))
    assert prove(root, b"root key", [discharge]).caveats == root.unverified_caveats
    with pytest.raises(InvalidMacaroon, match=f"^{some.INVALID}$"):
        Verifier(lambda name: b"root key").verify(root, Request(time=some.NOW), lambda *_: Salts({}), [discharge])


def test_law_4_nothing_appended_changes_who_the_capability_is_of() -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=250, deadline=None)
    @given(some.presentations(), st.lists(st.one_of(some.met_often, st.just("user in bob alice a%20b")), max_size=3))
    def check(presented: some.Presented, added: list[str]) -> None:
        narrowed = some.append(presented.macaroon, added)
        seen[presented.permits(narrowed)] += 1
        if presented.permits(narrowed):
            before, after = presented.verify(presented.macaroon), presented.verify(narrowed)
            assert (after.user, after.audience, after.nonce) == (before.user, before.audience, before.nonce)
            assert (after.not_before, after.not_after) == (before.not_before, before.not_after)
            assert after.salt_names[0] == before.salt_names[0]
            assert after.expires <= before.expires
            assert after.narrowings == len(added)

    check()
    assert seen[True] > 25, seen


def test_law_4_another_user_appended_forbids_and_the_same_one_does_not() -> None:
    assert outcome(first_five(AUTHORITY, "user in bob alice")).user == "alice"
    with pytest.raises(CaveatUnmet, match="user = bob: it is alice"):
        outcome(first_five(AUTHORITY, "user = bob"))
