"""JSON bodies: read to a cap, strictly, into a typed value; and the answers."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from capsvc.http.problems import HTTPProblem, Problem, bad_request

T = TypeVar("T", bound=msgspec.Struct)


class Secret(msgspec.Struct):
    """A body that holds a password or a token, and does not print it (law 8)."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


async def read(request: Request, kind: type[T], limit: int) -> T:
    """Read a JSON body into a struct. Raises a 400, 413 or 415 that says what to do."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPProblem(
            Problem(415, "not-json", "The body is not JSON", "Send the body with `Content-Type: application/json`.")
        )
    raw = await _bytes(request, limit)
    try:
        members = json.loads(raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_refuse)
        if b"\\u" in raw:  # an escape can name half a character, which no text may hold
            json.dumps(members, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise bad_request("The body is not UTF-8, or an escape in it is half a character.") from None
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON, or a number in it is too long.") from None
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as wrong:
        raise bad_request(f"The body does not fit: {wrong}.") from None


def answer(value: Any, status: int = 200) -> Response:
    """Answer a value as JSON that no cache keeps."""
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, "application/json")


async def _bytes(request: Request, limit: int) -> bytes:
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += chunk
            if len(read) > limit:
                detail = f"A body has at most {limit} bytes here."
                raise HTTPProblem(Problem(413, "body-too-large", "The body is too large", detail))
    except ClientDisconnect:
        raise bad_request("The body ended before it was whole.") from None
    return bytes(read)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise bad_request("A member stands twice in one object of the body.")
    return members


def _refuse(constant: str) -> Any:
    raise bad_request(f"{constant} is not JSON.")
