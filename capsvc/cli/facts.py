"""The facts of a request, as options tell them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from capsvc.cli.arguments import pairs, read_contents
from capsvc.errors import CapsvcError

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
"""A token of RFC 9110, section 5.6.2, and too short for one of ours, which is not to be repeated."""

MethodOption = Annotated[str, typer.Option(help="Such as GET.")]
HostOption = Annotated[str, typer.Option(help="As in the Host header.")]
PathOption = Annotated[str, typer.Option(help="As on the wire, percent-encoded.")]
QueryOption = Annotated[str | None, typer.Option(help="The raw query string.")]
AddressOption = Annotated[str, typer.Option(help="The client's address.")]
BodyFile = Annotated[Path | None, typer.Option(help="A file that holds the body.")]
ActionOption = Annotated[list[str], typer.Option(help="May be repeated.")]
FactOption = Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="A fact of the vocabulary.")]
ResourceOption = Annotated[str, typer.Option(help="As the application names it, such as projects/42.")]


def told_facts(
    method: str,
    host: str,
    path: str,
    query: str | None,
    ip: str,
    body: Path | None,
    action: list[str],
    resource: str,
    fact: list[str],
) -> dict[str, Any]:
    """Gather the facts that a request says, each once. Raises CapsvcError."""
    own: dict[str, Any] = {
        "method": check_method(method) if method else None,
        "host": host or None,
        "path": path or None,
        "query": None if query is None else query.encode("utf-8", "surrogateescape"),
        "ip": ip or None,
        "body": None if body is None else read_contents(body),
        "action": action or None,
        "resource": resource or None,
    }
    others = pairs("--fact", "NAME=VALUE", fact)
    for name in others:
        if name in own:
            raise CapsvcError(f"--fact {name}: there is an option of its own for it")
    return {name: value for name, value in own.items() if value is not None} | others


def check_method(method: str) -> str:
    """Return a method if it is written as one. Raises CapsvcError."""
    if not _METHOD.fullmatch(method):
        raise CapsvcError("a method is one word, such as GET")
    if method != method.upper():
        raise CapsvcError(f"methods are told apart by case: write {method.upper()}")
    return method
