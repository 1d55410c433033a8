"""The span: how far apart two moments are, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caveats import time_text
from caveats.span import in_words, left, seconds


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (8040, "2 h 14 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d"),
        (3 * 86400 + 59, "3 d"),
        (3 * 86400 + 7200, "3 d 2 h"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(length: int, words: str) -> None:
    assert in_words(length) == words


@given(st.integers(-(10**10), 10**10), st.integers(0, 10**10))
def test_what_is_left_ends_at_the_very_second_at_which_a_verifier_says_expired(now: int, length: int) -> None:
    earlier, later = time_text(now), time_text(now + length)
    assert (seconds(earlier, later), seconds(later, earlier)) == (length, -length)
    assert left(later, earlier).endswith(" left") is (earlier < later)
    assert left(earlier, later) == f"expired {in_words(length)} ago"
