"""JSON bodies: read to a cap, strictly, into a typed value; and the answers."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from capsvc.http.body_fact import read_raw
from capsvc.http.endpoint import Answer
from capsvc.http.problems import HTTPProblem, Problem, bad_request
from capsvc.strict_json import NotJSON, parse

T = TypeVar("T", bound=msgspec.Struct)
_DEPTH, _PLAIN_INT = 4, 2**53
_UNKNOWN, _FIELD = re.compile("(unknown field) `(.*)`", re.DOTALL), re.compile("[a-z_]{1,32}")
_NO_STORE, _JSON = (b"cache-control", b"no-store"), (b"content-type", b"application/json")
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


class Secret(msgspec.Struct):
    """A body that holds a password or a token, and does not print it (law 8)."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


async def read(request: Request, kind: type[T], limit: int) -> T:
    """Read a JSON body into a struct. Raises a 400, 413 or 415 that says what to do."""
    return await read_body(request.scope, request.receive, kind, limit)


async def read_body(scope: Scope, receive: Receive, kind: type[T], limit: int) -> T:
    """Do what :func:`read` does, for a plain ASGI application."""
    return fit(await read_members(scope, receive, limit), kind)


async def read_members(scope: Scope, receive: Receive, limit: int) -> Any:
    """Read a JSON body as it is, for who chooses by it what it has to fit. Raises as :func:`read` does."""
    if not _is_json(scope):
        raise HTTPProblem(
            Problem(415, "not-json", "The body is not JSON", "Send the body with `Content-Type: application/json`.")
        )
    raw = await read_raw(receive, limit)
    members = quick_members(raw)
    return strict_members(raw) if members is None else members


def fit(members: Any, kind: type[T]) -> T:
    """Make a struct of a body that was read. Raises a 400."""
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as wrong:
        raise bad_request(f"The body does not fit: {_UNKNOWN.sub(_named, str(wrong))}.") from None


def _named(unknown: re.Match[str]) -> str:
    """Say which field is unknown, but where it is a token by mistake."""
    return unknown[0] if _FIELD.fullmatch(unknown[2]) else unknown[1]


def strict_members(raw: bytes) -> Any:
    """Parse JSON. Raises a 400 for what is none, and for a member that stands twice in one object."""
    try:
        return parse(raw)
    except NotJSON as wrong:
        raise bad_request(f"The body is no JSON that can be taken: {wrong}.") from None


def quick_members(raw: bytes) -> dict[str, Any] | None:
    """Parse what most bodies are; None where only the strict way can tell, which takes twice as long.

    msgspec keeps the last of two members of one name. Where nothing is escaped, every quotation mark of
    JSON begins or ends a text; so where as many texts came out as stand in it, no name was lost.
    """
    if b"\\" in raw or not raw.isascii():
        return None
    try:
        members = _decode(raw)
        if type(members) is dict and 2 * _texts(members, _DEPTH) == raw.count(b'"'):
            return members
    except (msgspec.DecodeError, RecursionError, _NotPlain):
        pass
    return None


def _texts(value: Any, depth: int) -> int:
    """Count the texts, names of members among them, in what only the plainest JSON holds."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is dict and depth:
        return len(value) + sum([_texts(each, depth - 1) for each in value.values()])
    if kind is list and depth:
        return sum([_texts(each, depth - 1) for each in value])
    if kind is bool or value is None or (kind is int and 0 <= value <= _PLAIN_INT):
        return 0
    raise _NotPlain


class _NotPlain(Exception):
    """There is a number that parsers may read in different ways, or great depth."""


def answer(value: Any, status: int = 200) -> Response:
    """Answer a value as JSON that no cache keeps."""
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, "application/json")


def json_answer(value: Any, status: int = 200) -> Answer:
    """Do what :func:`answer` does, for a plain ASGI application."""
    body = _encode(value)
    length = str(len(body)).encode("ascii")
    return Answer(status, [_NO_STORE, (b"content-length", length), _JSON], body)


def _is_json(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind: str = value.decode("latin-1")
            return kind.partition(";")[0].strip().lower() == "application/json"
    return False
