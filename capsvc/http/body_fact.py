"""The body fact: read last, and only where nothing but a ``body`` caveat stands in the way (design section 8)."""

from __future__ import annotations

from starlette.types import Receive

from capsvc.http.facts import Headers
from capsvc.http.problems import HTTPProblem, Problem, bad_request
from caveats import CaveatUnmet, Request

BODY_BYTES = 1024 * 1024
"""So much of a body is read to be checked, unless an application says another limit."""

_TOO_LARGE = Problem(413, "body-too-large", "The body is too large", "Send less, or have the limit raised.")
_NO_LENGTH = Problem(
    411, "length-required", "The length of the body is needed", "Send it with Content-Length, and not in chunks."
)


def demand_body_alone(why: CaveatUnmet, request: Request) -> None:
    """Raise CaveatUnmet unless to read the body can change the answer.

    Where other caveats are unmet too, ``body`` is not named with them: the body was not read, and need not
    be, so whether it is met nobody knows.
    """
    if "body" in request.facts:
        raise why
    others = tuple(each for each in why.unmet if not each.predicate.startswith("body = "))
    if others:
        raise CaveatUnmet(others)


def declared_length(headers: Headers, limit: int) -> int | None:
    """Return the bytes that a body declares, or None. Raises a 413 for more than the limit."""
    declared = headers.get(b"content-length", b"")
    if not declared.isdigit():
        return None
    digits = declared.lstrip(b"0") or b"0"  # int() refuses thousands of digits, be they zeros
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise HTTPProblem(_TOO_LARGE)
    return int(digits)


def demand_length(headers: Headers, limit: int) -> int:
    """Do what :func:`declared_length` does, where a body can only be read that declares one. Raises a 411 too."""
    length = declared_length(headers, limit)
    if length is None or b"transfer-encoding" in headers:
        raise HTTPProblem(_NO_LENGTH)
    return length


def demand_whole(body: bytes, length: int) -> bytes:
    """Return a body that has as many bytes as it declared. Raises a 400."""
    if len(body) != length:
        raise bad_request("The body ended before it was whole.")
    return body


async def read_raw(receive: Receive, limit: int) -> bytes:
    """Read a whole body up to a limit. Raises a 400 or 413."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise bad_request("The body ended before it was whole.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            detail = f"A body has at most {limit} bytes here."
            raise HTTPProblem(Problem(413, "body-too-large", "The body is too large", detail))
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)
