"""A request carries facts, and what it does not carry it does not say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from caveats import BUILTIN, Number, Request


def test_none_leaves_a_fact_out() -> None:
    assert set(Request(path=None, method="GET").facts) == {"method"}


def test_an_empty_fact_is_not_an_absent_one() -> None:
    assert set(Request(action=[], body=b"").facts) == {"action", "body"}


def test_facts_are_read_by_their_type() -> None:
    facts = Request(time=datetime(2026, 11, 22, 6, tzinfo=UTC), method="GET", action=["read"]).facts
    assert dict(facts) == {
        "time": "2026-11-22T06:00:00Z",
        "method": frozenset({"GET"}),
        "action": frozenset({"read"}),
    }


def test_a_fact_that_no_attribute_reads_is_refused() -> None:
    with pytest.raises(TypeError, match="no attribute amount"):
        Request(amount=5)
    assert set(Request(BUILTIN.extend(amount=Number()), amount=5).facts) == {"amount"}


@pytest.mark.parametrize(
    "facts", [{"time": "now"}, {"host": "Example.org"}, {"ip": "nowhere"}, {"query": "a=1"}, {"user": "a/b"}]
)
def test_a_fact_that_does_not_read_is_refused_under_its_name(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(facts))}: "):
        Request(**facts)


@pytest.mark.parametrize("facts", [{"time": True}, {"path": 5}, {"body": 5}, {"user": b"alice"}, {"action": [5]}])
def test_a_fact_of_another_kind_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Request(**facts)


def test_a_request_cannot_be_changed() -> None:
    request = Request(method="GET")
    with pytest.raises(TypeError):
        request.facts["method"] = frozenset({"POST"})  # type: ignore[index]
    with pytest.raises(AttributeError):
        request.now = ""  # type: ignore[misc]


def test_saying_more_gives_another_request() -> None:
    request = Request(BUILTIN.extend(amount=Number()), method="GET", path="/a")
    more = request.saying(method="POST", user="alice", amount=5)
    assert set(request.facts) == {"method", "path"}
    assert set(more.facts) == {"method", "path", "user", "amount"}
    assert more.facts["method"] == frozenset({"POST"})


def test_the_repr_of_a_request_holds_no_salt() -> None:
    assert repr(b"sixteen-byte-slt") not in repr(Request(salt={"default": b"sixteen-byte-slt"}))
