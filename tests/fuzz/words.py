"""Targets of the caveat language: predicates, and the values of each type."""

from __future__ import annotations

import re
import struct
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from caveats import BUILTIN, DECLARABLE, AttributeType, PredicateError, Request, time_text
from caveats.encoding import decode_item, encode_item
from caveats.path import Path
from caveats.scope import weakest

VOCABULARY = BUILTIN.extend(amount=DECLARABLE["number"], label=DECLARABLE["text"], tags=DECLARABLE["tokens"])
SEPARATOR = b"\x1e"
"""Between the fields of an input: a control character that nothing here gives a meaning."""


def fields(data: bytes, most: int = 80) -> list[bytes]:
    """Split an input into its fields; of nothing there is none."""
    return data.split(SEPARATOR, most) if data else []


def request(**more: Any) -> Request:
    """A request with a fact for every attribute that one can carry."""
    return Request(
        VOCABULARY, time="2026-11-25T12:00:00Z", method="GET", host="api.example.org", path="/docs/7", ip="10.0.0.1",
        body=b"", query=b"", action=("read", "list"), resource="projects/42", amount="5", label="a", tags=("x",),
        **more,
    )  # fmt: skip


TURNING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What turns a line, ends it, or cannot be written: none of it is ever shown to a person."""

FACTS = request().saying(user="alice", audience="billing").facts


def predicate(data: bytes) -> None:
    """A predicate: it prints back to its bytes and refuses with text, or PredicateError."""
    try:
        found = VOCABULARY.parse(data)
    except PredicateError as wrong:
        assert str(wrong)
        return
    spelled = data.decode("utf-8")
    assert str(found) == spelled
    assert VOCABULARY.spell(found) == data
    assert VOCABULARY.parse(spelled) == found
    if found.attribute != "salt":
        assert isinstance(found.refusal(FACTS), str | None)
    assert isinstance(found.instead({}), str)
    try:
        met = weakest((found, found))
    except ValueError:  # no request meets it, such as `time <` the first second that there is
        return
    for each in met:  # the meet is of the language too
        assert VOCABULARY.parse(str(each)) == each
        assert each.refusal(FACTS) is None or found.refusal(FACTS) is not None


def item(data: bytes) -> None:
    """A percent-encoded item: it is how its text is written, or PredicateError."""
    spelled = data.decode("utf-8", "surrogateescape")
    try:
        text = decode_item(spelled)
    except PredicateError:
        return
    assert encode_item(text) == spelled
    assert decode_item(encode_item(text)) == text


def path(data: bytes) -> None:
    """A request's path as on the wire: one reading, or a problem that meets no caveat."""
    found = Path.from_wire(data)
    if found.problem:
        assert BUILTIN["path"].refusal("^=", (Path.plain("/", absolute=True),), found) == found.problem
        return
    assert found.text.startswith("/")
    assert not {".", ".."} & set(found.text.split("/"))
    assert "//" not in found.text
    assert "\\" not in found.text
    assert Path.from_wire(quote(found.text, safe="/").encode("ascii")) == found
    assert found.is_under(Path.plain("/", absolute=True))
    written = encode_item(found.text)
    assert BUILTIN.parse(f"path = {written}").refusal({"path": found}) is None


def _values(type: AttributeType, data: bytes) -> None:
    """The values of a type, as a caveat writes them and as a request tells them: ValueError or TypeError."""
    spelled = data.decode("utf-8", "surrogatepass") if _is_text(data) else data.decode("latin-1")
    operators = sorted(type.operators)
    operator, items = operators[len(data) % len(operators)], tuple(spelled.split(" "))
    facts = []
    for told in (spelled, data, items[0], list(items)):
        try:
            facts.append(type.fact(told))
        except (ValueError, TypeError) as wrong:
            assert not isinstance(wrong, UnicodeError)
    try:
        operand = type.operand(operator, items)
    except ValueError as wrong:
        assert not isinstance(wrong, UnicodeError)
        return
    assert type.instead(operator, items, facts[0] if facts else None) is not None
    for fact in facts:
        assert isinstance(type.refusal(operator, operand, fact), str | None)
    for met, written in type.meet([(operator, operand)]) or ():
        type.operand(met, written)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def number(data: bytes) -> None:
    """A number: exact, and written in one way."""
    _values(DECLARABLE["number"], data)
    try:
        found = DECLARABLE["number"].fact(data.decode("latin-1"))
    except ValueError:
        return
    assert found == Decimal(data.decode("ascii")) * 10**18


def network(data: bytes) -> None:
    """Networks and addresses."""
    _values(BUILTIN["ip"], data)


def time(data: bytes) -> None:
    """A moment, as text, as an integer and as a float: a real second, or ValueError."""
    _values(BUILTIN["time"], data)
    moments: list[str | int | float] = [data.decode("latin-1"), int.from_bytes(data[:32], "big", signed=True)]
    if len(data) >= 8:
        moments += struct.unpack("<d", data[:8])
    for moment in moments:
        try:
            written = time_text(moment)
        except ValueError:
            continue
        assert time_text(written) == written
        assert len(written) == 20


def opaque(data: bytes) -> None:
    """Digests, salts and unique values: the first byte says which."""
    _values(BUILTIN[("body", "salt", "nonce")[data[0] % 3]] if data else BUILTIN["salt"], data[1:])


def words(data: bytes) -> None:
    """Texts, token sets, hosts and resources: the first byte says which."""
    names = "user", "label", "action", "host", "resource", "path"
    _values(VOCABULARY[names[data[0] % len(names)]] if data else VOCABULARY["user"], data[1:])
