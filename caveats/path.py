"""Paths, compared as the application will see them: decoded once, by whole segments.

Where servers and applications read one path differently, a rule on paths can be walked around. So a
path that could be read in two ways meets no caveat at all (design section 4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import reduce

from caveats import prefixes
from caveats.attribute import AttributeType, Written, either, one_of, only

_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SECOND_ENCODING = re.compile(r"%(?:2e|2f|5c)", re.IGNORECASE)
_ENCODED_SEPARATOR = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_DOT_SEGMENT = re.compile(r"\.\.?(?:;.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Path:
    """A path ready to compare, or the reason why it meets no caveat.

    ``text`` is exact, with its trailing slash if it has one; ``stem`` is without; ``problem`` is empty
    for a path that may be compared.
    """

    text: str
    stem: str
    problem: str = ""

    @classmethod
    def plain(cls, text: str, absolute: bool) -> Path:
        """Make a path of text that is not percent-encoded; ``absolute`` ones begin with ``/``."""
        return cls(text, text.removesuffix("/"), _problem(text, absolute))

    @classmethod
    def from_wire(cls, raw: bytes) -> Path:
        """Make a path of the bytes between host and ``?`` in a request line."""
        if _BAD_ESCAPE.search(raw):
            return cls("", "", "the request's path has a % that starts no escape")
        if _ENCODED_SEPARATOR.search(raw):
            return cls("", "", "the request's path has an encoded slash or backslash")
        if b"?" in raw or b"#" in raw:
            return cls("", "", "the request's path holds a query or a fragment")
        try:
            text = _ESCAPES.sub(lambda found: bytes.fromhex(found[0].replace(b"%", b"").decode()), raw).decode("utf-8")
        except UnicodeDecodeError:
            return cls("", "", "the request's path is not UTF-8")
        return cls.plain(text, absolute=True)

    @property
    def segments(self) -> tuple[str, ...]:
        """The stem's segments: those of a path under a prefix begin with the prefix's."""
        return tuple(self.stem.split("/"))

    def is_under(self, prefix: Path) -> bool:
        """Tell whether the prefix's segments are the first of this path's; ``/`` is above everything."""
        return self.stem == prefix.stem or not prefix.stem or self.stem.startswith(prefix.stem + "/")


def _problem(text: str, absolute: bool) -> str:
    if absolute and not text.startswith("/"):
        return "a path begins with /"
    if not absolute and (not text or text.startswith("/")):
        return "a resource does not begin with / and is not empty"
    if _SECOND_ENCODING.search(text):
        return "%2e, %2f or %5c in the path, which somebody might decode once more"
    if "\0" in text or "\\" in text:
        return "a NUL or a backslash in the path"
    segments = text.split("/")[1 if absolute else 0 :]
    if "" in segments[:-1]:
        return "an empty segment in the path"
    if any(_DOT_SEGMENT.fullmatch(segment) for segment in segments):
        return "a dot segment in the path"
    return ""


class PathType(AttributeType):
    """A path by whole segments: of a request (absolute, as on the wire) or of a resource (relative)."""

    name = "path"
    operators = frozenset({"=", "^=", "in"})
    __slots__ = ("_absolute",)

    def __init__(self, *, absolute: bool) -> None:
        self._absolute = absolute

    def operand(self, operator: str, items: tuple[str, ...]) -> tuple[Path, ...]:
        paths = tuple(Path.plain(item, self._absolute) for item in ((only(items),) if operator == "=" else items))
        for path in paths:
            if path.problem:
                raise ValueError(path.problem)
        return paths

    def fact(self, value: str | bytes) -> Path:
        """A request's path as on the wire, percent-encoded; a resource as the application names it."""
        if not isinstance(value, (str, bytes)):
            raise TypeError("a path is str or bytes")
        if self._absolute:
            return Path.from_wire(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
        if isinstance(value, bytes):
            raise TypeError("a resource is a str")
        return Path.plain(value, absolute=False)

    def refusal(self, operator: str, operand: tuple[Path, ...], fact: Path) -> str | None:
        if fact.problem:
            return fact.problem
        for path in operand:
            if fact.text == path.text or (operator == "^=" and fact.is_under(path)):
                return None
        return f"it is {fact.text}"

    def meet(self, demands: Sequence[tuple[str, tuple[Path, ...]]]) -> tuple[Written, ...] | None:
        """What one demand lists exactly can only be listed exactly in the meet; else there are prefixes alone."""
        lists = [{path.text: path.segments for path in paths} for operator, paths in demands if operator != "^="]
        trees = [{path.segments for path in paths} for operator, paths in demands if operator == "^="]
        if not lists:
            met = prefixes.outermost(reduce(prefixes.meet, trees))
            return (("^=", tuple(sorted("/".join(each) or "/" for each in met))),) if met else None
        texts = set.intersection(*map(set, lists))
        for tree in trees:
            inside = prefixes.under(lists[0].values(), tree)
            texts = {text for text in texts if lists[0][text] in inside}
        return one_of(sorted(texts))

    def cover(self, facts: Set[Path], most: int) -> tuple[Written, ...] | None:
        """List the paths, or where they are more the prefixes that they share."""
        if any(each.problem for each in facts):
            return None
        texts = {each.text for each in facts}
        if len(texts) <= most:
            return one_of(sorted(texts))
        found = prefixes.cover((each.segments for each in facts), most)
        return None if found is None else (("^=", tuple(sorted("/".join(each) or "/" for each in found))),)

    def instead(self, operator: str, items: tuple[str, ...], fact: Path) -> str:
        phrase = f"{'stay under' if operator == '^=' else 'ask for'} {either(items)}"
        return f"write it so that it reads in one way only, and {phrase}" if fact.problem else phrase
