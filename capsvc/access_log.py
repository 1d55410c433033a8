"""Access logs: the facts of requests that were served, from lines as web servers write them.

Two forms are read: the common and combined log format of nginx and Apache, and JSON, one object a line whose
members are named as attributes are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from caveats import Request, Vocabulary

_LINE = re.compile(r'(?P<ip>\S+) \S+ [^\["]*\[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>[0-9]{3})\b')
_REQUEST = re.compile(r"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?P<target>/\S*) HTTP/[0-9.]+")
_TIME = "%d/%b/%Y:%H:%M:%S %z"
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_REFUSED = 400
_LONGEST_LINE = 65536


class Logged(NamedTuple):
    """What a log says: a request, or None where the line cannot be read; and its line, from 1."""

    line: int
    request: Request | None


def read_log(lines: Iterable[str], vocabulary: Vocabulary, attributes: Iterable[str]) -> Iterator[Logged]:
    """Read the requests of a log, each with those of some attributes that its line tells.

    Whatever was answered with 400 or more is passed over: it was not permitted, or not there.
    """
    wanted = frozenset(attributes)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        facts = _json(line) if line.lstrip().startswith("{") else _combined(line)
        if facts is None:
            yield Logged(number, None)
        elif facts:
            yield Logged(number, _request(facts, vocabulary, wanted))


def _request(facts: dict[str, Any], vocabulary: Vocabulary, wanted: frozenset[str]) -> Request | None:
    try:
        return Request(vocabulary, **{name: value for name, value in facts.items() if name in wanted})
    except (TypeError, ValueError):
        return None


def _combined(line: str) -> dict[str, Any] | None:
    """The facts of a line in the combined format; empty for a request that was refused, None for no such line."""
    found = _LINE.match(line) if len(line) <= _LONGEST_LINE else None
    if found is None:
        return None
    if int(found["status"]) >= _REFUSED:
        return {}
    request = _REQUEST.fullmatch(found["request"])
    if request is None:
        return None
    target = _ESCAPE.sub(lambda escape: f"%{escape[1].upper()}", request["target"])
    path, _, query = target.partition("?")
    try:
        moment = datetime.strptime(found["time"], _TIME)
    except ValueError:
        return None
    return {
        "ip": found["ip"],
        "time": moment,
        "method": request["method"],
        "path": path,
        "query": query.encode("utf-8", "surrogateescape"),
    }


def _json(line: str) -> dict[str, Any] | None:
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return None
    status = members.pop("status", 0) if isinstance(members, dict) else 0
    if not isinstance(members, dict) or not isinstance(status, int):
        return None
    return members if status < _REFUSED else {}
