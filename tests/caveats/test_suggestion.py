"""Suggestions: they permit all that was seen, and nothing that as many items could have excluded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import BUILTIN, Predicate, Request, scope, suggest
from caveats.prefixes import cover
from tests.caveats import strategies as some

SEEN = st.lists(some.requests(), min_size=1, max_size=12)
SMALL: dict[str, tuple[Any, ...]] = {
    "path": ("/", "/a", "/a/", "/a/x", "/a/x/1", "/a/x/2", "/a/y", "/b", "/b/x", "/c/x/1", "/c/x/2"),
    "resource": ("a", "a/x", "a/x/1", "a/x/2", "a/y", "b", "b/x", "c/x/1"),
    "ip": ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "11.0.0.1", "2001:db8::1", "2001:db8::2", "::1"),
    "amount": (-1, 0, "0.5", 1, 2, 3, 5, 100),
    "label": ("a", "b", "c", "d"),
    "action": ("read", ("read", "list"), "list", ("write", "list"), "share"),
    "body": (b"", b"x", b"y"),
    "time": (some.NOW, *some.TIMES),
}


@settings(max_examples=100, deadline=None)
@given(SEEN, st.integers(1, 6), st.booleans())
def test_everything_that_was_seen_is_permitted(seen: list[Request], most: int, with_time: bool) -> None:
    leave_out = () if with_time else ("time",)
    found = suggest(seen, most, vocabulary=some.VOCABULARY, leave_out=leave_out)
    for request in seen:
        assert scope(found.predicates, some.VOCABULARY).unmet(request) == ()
    assert list(found.refused(seen)) == []
    assert all(len(each.items) <= most for each in found.predicates)
    assert not {each.attribute for each in found.predicates} & {each.attribute for each in found.left_open}


def _narrower(attribute: str, most: int) -> Iterable[Predicate]:
    """Every predicate of at most so many items, of values that stand in the small world or above one there."""
    type = some.VOCABULARY[attribute]
    items = sorted({item for value in SMALL[attribute] for item in _written(attribute, value)})
    if attribute in ("amount", "time"):
        bounds = [op for op in sorted(type.operators) if op not in ("=", "in")]
        yield from (Predicate.of(attribute, type, op, (item,)) for op in bounds for item in items)
    lists = chain.from_iterable(combinations(items, size) for size in range(1, most + 1))
    for chosen in lists:
        for op in sorted({"in", "^=", "="} & type.operators):
            if op != "=" or len(chosen) == 1:
                yield Predicate.of(attribute, type, op, chosen)


def _written(attribute: str, value: Any) -> list[str]:
    if attribute in ("path", "resource"):
        stem = value.rstrip("/") or "/"
        above = ["/".join(stem.split("/")[:size]) for size in range(1, len(stem.split("/")) + 1)]
        return [value, stem, *(each or "/" for each in above)]
    if attribute == "ip":
        from ipaddress import ip_network

        network = ip_network(value)
        sizes = (0, 7, 8, 23, 24, 29, 30, 31, 32) if network.version == 4 else (0, 32, 64, 125, 126, 127, 128)
        return [str(network.supernet(new_prefix=size)) for size in sizes]
    if attribute == "action":
        return [value] if isinstance(value, str) else [*value]
    if attribute == "body":
        return [BUILTIN["body"].fact(value)]
    return [str(value)]


@pytest.mark.parametrize("attribute", SMALL)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_nothing_is_permitted_that_a_predicate_of_as_many_items_could_have_excluded(
    attribute: str, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.sampled_from(SMALL[attribute]), min_size=1, max_size=6))
    most = data.draw(st.integers(1, 2))
    seen = [Request(some.VOCABULARY, **{attribute: value}) for value in values]
    found = suggest(seen, most, vocabulary=some.VOCABULARY, leave_out=())
    ours = scope(found.predicates, some.VOCABULARY)
    for other in _rivals(attribute, most):
        if any(other.refusal(each.facts) is not None for each in seen):
            continue
        both = scope([*found.predicates, other], some.VOCABULARY)
        assert ours.is_narrower_than(both), f"{other} excludes more than {found}"


_KNOWN: dict[tuple[str, int], list[Predicate]] = {}


def _rivals(attribute: str, most: int) -> list[Predicate]:
    key = attribute, most
    if key not in _KNOWN:
        _KNOWN[key] = list(_narrower(attribute, most))
    return _KNOWN[key]


def test_where_more_was_seen_than_may_be_listed_it_generalises() -> None:
    seen = [
        Request(method="GET", path=f"/docs/2026/{day}", ip=f"10.0.0.{day}", action=f"read-{day}")
        for day in range(1, 10)
    ]
    assert str(suggest(seen, 9)).splitlines()[:2] == [
        "method = GET",
        "action in " + " ".join(f"read-{day}" for day in range(1, 10)),
    ]
    found = suggest(seen, 2)
    assert str(found).splitlines() == ["method = GET", "path ^= /docs/2026", "ip in 10.0.0.0/29 10.0.0.8/31"]
    assert found.left_open == (("action", "9 values, and no predicate of 2 items is met by all"),)
    assert repr(found) == "<Suggestion of 3 predicates from 9 requests>"


def test_what_some_request_does_not_say_is_left_open() -> None:
    found = suggest([Request(method="GET", path="/a"), Request(method="GET")])
    assert str(found) == "method = GET"
    assert found.left_open == (("path", "1 of 2 requests do not say it"),)


def test_a_path_that_could_be_read_in_two_ways_leaves_paths_open() -> None:
    found = suggest([Request(path="/a"), Request(path="/a/../b")])
    assert (found.predicates, [each.attribute for each in found.left_open]) == ((), ["path"])


def test_it_says_what_it_would_have_refused_and_why() -> None:
    found = suggest([Request(method="GET", path="/docs/7"), Request(method="GET", path="/docs/8")], 1)
    refused = list(found.refused([Request(method="GET", path="/docs/9"), Request(method="PUT", path="/pub")]))
    assert refused == [
        (1, ("method = GET: the request needs PUT", "path ^= /docs: it is /pub")),
    ]


def test_times_are_left_out_unless_they_are_asked_for() -> None:
    seen = [Request(time=each, method="GET") for each in ("2026-11-22T12:00:00Z", "2026-11-22T12:30:00Z")]
    assert str(suggest(seen)) == "method = GET"
    assert str(suggest(seen, leave_out=())).splitlines() == [
        "time >= 2026-11-22T12:00:00Z", "time < 2026-11-22T12:30:01Z", "method = GET",
    ]  # fmt: skip
    last = [Request(time="9999-12-31T23:59:59Z")]
    assert str(suggest(last, leave_out=())) == "time >= 9999-12-31T23:59:59Z"


@pytest.mark.parametrize("arguments", [([],), ([Request()], 0), ([Request(some.VOCABULARY)],)])
def test_what_nothing_can_be_learned_from_is_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        suggest(*arguments)
    with pytest.raises(ValueError, match="no attribute colour"):
        suggest([Request()], leave_out=("colour",))


@given(st.sets(st.text("ab", min_size=0, max_size=5), min_size=1), st.integers(1, 5))
def test_a_cover_is_made_of_prefixes_that_no_longer_ones_replace(keys: set[str], most: int) -> None:
    found = cover(keys, most)
    if found is None:
        assert "" in keys or len({key[0] for key in keys}) > most or {key[:1] for key in keys} == {"a", "b"}
        return
    assert len(found) <= most
    assert all(any(key.startswith(each) for each in found) for key in keys)
    for each in found:
        under = [key for key in keys if key.startswith(each)]
        assert under
        branches = {key[: len(each) + 1] for key in under}
        assert each in keys or len(found) - 1 + len(branches) > most
