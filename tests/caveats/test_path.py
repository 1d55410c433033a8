"""Paths: how facts are read, and the reasons for which one meets nothing."""

from __future__ import annotations

from typing import Any

import pytest

from caveats import PathType
from caveats.path import Path


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"/a%2", "the request's path has a % that starts no escape"),
        (b"/a%2Fb", "the request's path has an encoded slash or backslash"),
        (b"/a?b", "the request's path holds a query or a fragment"),
        (b"/a#b", "the request's path holds a query or a fragment"),
        (b"/%ff", "the request's path is not UTF-8"),
        (b"/%252e", "%2e, %2f or %5c in the path, which somebody might decode once more"),
        (b"*", "a path begins with /"),
        (b"/a\\b", "a NUL or a backslash in the path"),
        (b"//", "an empty segment in the path"),
        (b"/..", "a dot segment in the path"),
    ],
)
def test_a_path_that_meets_nothing_says_why(raw: bytes, problem: str) -> None:
    path = Path.from_wire(raw)
    assert path.problem == problem
    everything = PathType(absolute=True)
    assert everything.refusal("^=", everything.operand("^=", ("/",)), path) == problem


def test_a_path_keeps_its_trailing_slash_in_its_text_only() -> None:
    path = Path.from_wire(b"/docs/")
    assert (path.text, path.stem, path.problem) == ("/docs/", "/docs", "")


def test_the_root_is_above_everything_and_under_itself_alone() -> None:
    root, docs = Path.from_wire(b"/"), Path.from_wire(b"/docs")
    assert docs.is_under(root)
    assert root.is_under(root)
    assert not root.is_under(docs)


def test_a_path_is_text_or_bytes() -> None:
    assert PathType(absolute=True).fact("/%64") == PathType(absolute=True).fact(b"/d") == Path("/d", "/d")
    for value in (5, ["/a"], None):
        with pytest.raises(TypeError):
            PathType(absolute=True).fact(value)  # type: ignore[arg-type]


def test_text_that_is_not_unicode_is_a_path_that_meets_nothing() -> None:
    assert PathType(absolute=True).fact("/\ud800").problem == "the request's path is not UTF-8"


def test_a_resource_is_text() -> None:
    with pytest.raises(TypeError):
        PathType(absolute=False).fact(b"projects")


@pytest.mark.parametrize("item", ["docs", "/docs//x", "/docs/..", "/a\0b", "/a\\b"])
def test_a_caveat_on_a_path_that_nothing_could_meet_is_refused(item: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        PathType(absolute=True).operand("^=", ("/fine", item))


@pytest.mark.parametrize(("operator", "reason"), [("=", "it is /pub"), ("^=", "it is /pub"), ("in", "it is /pub")])
def test_an_unmet_path_says_which_it_is(operator: str, reason: str) -> None:
    paths = PathType(absolute=True)
    fact: Any = paths.fact("/%70ub")
    assert paths.refusal(operator, paths.operand(operator, ("/docs",)), fact) == reason
