"""Who minted, who narrowed, who verified: one macaroon, one verdict, whichever libraries take part."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings

from caveats import encode
from tests.interop.actors import CELL, NAMES, Actor, Ours
from tests.interop.stories import Cast, Story, formats_of, handed, stories, tell

EXAMPLES = int(os.environ.get("INTEROP_EXAMPLES", "8"))


def _verdicts(story: Story, cast: Cast, count: Callable[[int], None]) -> None:
    told = tell(story, cast)
    ours, verifier = Ours(), cast.verifier
    formats = formats_of(story, verifier)
    bound = [text for text, _ in told.bound]
    loose = [encode(each, formats[0]) for each in told.loose]
    met = set(story.root.first_party())
    count(1 + len(bound))

    def agreed(key: bytes, met: set[bytes], discharges: list[str]) -> bool:
        token, sent = handed(story, told.token, verifier), [handed(story, each, verifier) for each in discharges]
        theirs = verifier.verify(token, key, met, sent)
        assert theirs == ours.verify(token, key, met, sent)
        assert theirs == ours.verify(told.token, key, met, discharges)
        return theirs

    key = story.root.key
    assert agreed(key, met, bound)
    assert not agreed(key + b"x", met, bound)
    if met:
        assert not agreed(key, met - {min(met)}, bound)
    if bound:
        assert not agreed(key, met, bound[1:])
        assert not agreed(key, met, [*loose[:1], *bound[1:]])


@pytest.mark.parametrize("cast", [*product(NAMES, repeat=3)], indirect=True, ids="-".join)
def test_a_macaroon_means_the_same_whoever_minted_narrowed_and_verified_it(
    request: pytest.FixtureRequest, cast: tuple[Actor, Actor, Actor], record_property: Callable[[str, object], None]
) -> None:
    seen: list[int] = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories(Cast(*cast)))
    def check(story: Story) -> None:
        _verdicts(story, Cast(*cast), seen.append)

    try:
        check()
    finally:
        record_property(CELL, (*(actor.name for actor in cast), sum(seen)))
