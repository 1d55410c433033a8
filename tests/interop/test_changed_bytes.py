"""One byte or one character of a text is changed: ours refuses it, whatever the others say."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caveats import DecodeError, decode
from caveats.encoding import decode_base64, encode_base64
from tests.caveats.strategies import without_locations
from tests.interop.actors import NAMES, Actor, Ours
from tests.interop.stories import Cast, Story, handed, stories, tell

ALPHABET = 'ABCYZabcyz0189-_+/=\n {}[]":,\\'


class Change(NamedTuple):
    """One character of a text, or one byte of what it spells, made another."""

    of_text: bool
    at: int
    by: int

    def of(self, text: str) -> str:
        """Return the changed text."""
        if self.of_text or text.startswith("{"):
            at = self.at % len(text)
            return text[:at] + ALPHABET[self.by % len(ALPHABET)] + text[at + 1 :]
        raw = bytearray(decode_base64(text))
        raw[self.at % len(raw)] ^= self.by
        return encode_base64(bytes(raw))


CHANGES = st.lists(
    st.builds(Change, st.booleans(), st.integers(0, 10_000), st.integers(1, 255)), min_size=8, max_size=8
)


@pytest.mark.parametrize("cast", NAMES, indirect=True)
def test_a_changed_byte_is_refused_here_unless_it_is_of_a_location_which_nobody_signs(cast: tuple[Actor]) -> None:
    foreign = cast[0]
    everybody = Cast(foreign, foreign, foreign)
    refused = 0

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories(everybody), CHANGES)
    def check(story: Story, changes: list[Change]) -> None:
        nonlocal refused
        told = tell(story, everybody)
        text, key, met = handed(story, told.token, foreign), story.root.key, set(story.root.first_party())
        bound = [each for each, _ in told.bound]
        for change in changes:
            other = change.of(text)
            if other == text:
                continue
            permitted = Ours().verify(other, key, met, bound)
            refused += not permitted
            assert not permitted or without_locations(decode(other)) == without_locations(told.computed)
            if _is_macaroon(other) and not permitted:
                # Of the content they judge as we do. Spelling is where they are lenient: test_limits.py.
                assert not foreign.verify(other, key, met, bound) or foreign.name == "pymacaroons"

    check()
    assert refused >= 100


def _is_macaroon(text: str) -> bool:
    """Whether it decodes. What does not is not given to others: C libmacaroons never returns from some of it."""
    try:
        macaroon = decode(text)
    except DecodeError:
        return False
    return _utf8(macaroon.unverified_identifier) and all(_utf8(each.identifier) for each in macaroon.unverified_caveats)


def _utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
