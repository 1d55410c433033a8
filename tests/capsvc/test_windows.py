"""Moving windows: what they count is exact while there is room, and their memory is bounded always."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from capsvc.windows import Windows
from tests.capsvc.installation import Clock

SPAN, LIMIT = 10, 3
STEPS = st.lists(
    st.tuples(st.sampled_from(["hit", "look", "give back"]), st.sampled_from("abcd"), st.integers(0, 12)), max_size=60
)


@given(STEPS)
def test_a_window_holds_exactly_what_happened_within_its_span(steps: list[tuple[str, str, int]]) -> None:
    clock = Clock(0)
    windows, model = Windows(SPAN, clock), {key: list[float]() for key in "abcd"}
    for what, key, seconds in steps:
        clock.forward(seconds)
        live = model[key] = [each for each in model[key] if each > clock() - SPAN]
        if what == "hit":
            assert windows.acquire_entry(key, LIMIT, SPAN) == (len(live) < LIMIT)
            live += [clock()] * (len(live) < LIMIT)
        elif what == "give back":
            windows.give_back(key)
            del live[-1:]
        assert windows.get_moving_window(key, LIMIT, SPAN) == ((live or [clock()])[0], len(live))
        assert len(windows) <= len(model)


@given(STEPS, st.integers(0, 3))
def test_where_there_is_no_room_no_key_gets_more_than_its_due(steps: list[tuple[str, str, int]], keys: int) -> None:
    clock = Clock(0)
    windows, taken = Windows(SPAN, clock, keys, shared=2), {key: list[float]() for key in "abcd"}
    for _, key, _ in steps:
        if windows.acquire_entry(key, LIMIT, SPAN):
            taken[key].append(clock())
        assert len(taken[key]) <= LIMIT
        assert len(windows) <= keys


def test_keys_without_number_take_no_more_memory_than_the_first_ones() -> None:
    clock = Clock()
    windows = Windows(SPAN, clock, keys=500, shared=16)

    def fill(start: int) -> int:
        for number in range(start, start + 5_000):
            windows.acquire_entry(f"{number:032x}", LIMIT, SPAN)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = fill(0)
        later = fill(1_000_000)
    finally:
        tracemalloc.stop()
    assert len(windows) == 500
    assert later < first + 20_000


def test_a_key_that_nothing_counts_for_any_more_is_forgotten() -> None:
    clock = Clock()
    windows = Windows(SPAN, clock)
    for number in range(100):
        windows.acquire_entry(str(number), LIMIT, SPAN)
    clock.forward(SPAN)
    windows.acquire_entry("one more", LIMIT, SPAN)
    assert len(windows) == 1


def test_a_key_that_had_a_window_keeps_it_when_there_is_no_room_for_others() -> None:
    clock = Clock()
    windows = Windows(SPAN, clock, keys=1, shared=1)
    assert [windows.acquire_entry("first", LIMIT, SPAN) for _ in range(2)] == [True, True]
    assert [windows.acquire_entry(str(number), LIMIT, SPAN) for number in range(5)] == [True] * 3 + [False] * 2
    assert [windows.acquire_entry("first", LIMIT, SPAN) for _ in range(2)] == [True, False]
