"""Capabilities of a service like ours, narrowed and discharged by foreign libraries, before our Verifier."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caveats import Format, decode, encode
from tests.caveats import strategies as some
from tests.interop.actors import NAMES, Actor, Ours

LOCATION = "https://id.example"


@pytest.mark.parametrize("cast", NAMES[1:], indirect=True)
def test_what_a_foreign_library_narrowed_gets_the_verdict_of_what_was_narrowed_here(cast: tuple[Actor]) -> None:
    foreign = cast[0]
    seen: Counter[bool] = Counter()
    caveats = st.lists(st.one_of(some.met_often, some.predicates), max_size=3)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some.presentations(), caveats, caveats, st.booleans(), st.sampled_from(foreign.reads))
    def check(
        presented: some.Presented, added: list[str], of_third: list[str], with_third: bool, format: Format
    ) -> None:
        root = replace(presented.macaroon, unverified_location=LOCATION)

        def verdict(actor: Actor) -> bool:
            token = actor.narrow(encode(root, format), [each.encode() for each in added])
            sent = []
            if with_third:
                token = actor.entrust(token, "https://third.example", b"caveat key", b"ask")
                asked = actor.mint(b"caveat key", b"ask", "https://third.example", foreign.mints[0])
                sent.append(actor.bind(token, actor.narrow(asked, [each.encode() for each in of_third])))
            return presented.permits(decode(token), *map(decode, sent))

        permitted = verdict(foreign)
        seen[permitted] += 1
        assert permitted == verdict(Ours())

    check()
    assert min(seen[True], seen[False]) >= 5, seen
