"""Suggesting: the command that learns from an access log what a token needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from capsvc.access_log import Logged, read_log
from capsvc.cli.arguments import AsJson, Declared, vocabulary
from capsvc.errors import CapsvcError
from caveats import Request, Suggestion, Vocabulary, suggest
from caveats.predicate import shown
from caveats.suggestion import MOST

_USUAL = ("method", "path")
_SHOWN_REFUSALS = 20


def suggest_from_log(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="In combined log format, or JSON lines; - for stdin.")],
    most: Annotated[int, typer.Option(min=1, help="So many items a predicate lists before it generalises.")] = MOST,
    attribute: Annotated[
        list[str], typer.Option(metavar="NAME", help="What to narrow; method and path by default. May be repeated.")
    ] = [],
    against: Annotated[Path | None, typer.Option(metavar="LOG", help="Tell what of another log it refuses.")] = None,
    declare: Declared = [],
    as_json: AsJson = False,
) -> None:
    """Print the tightest predicates that would have permitted every request in a log. Offline.

    For `capsvc attenuate`: one predicate a line. Requests that were answered with 400 or more are passed over.
    """
    words = vocabulary(declare)
    wanted = tuple(attribute) or _USUAL
    for name in wanted:
        if name not in words:
            raise CapsvcError(f"the vocabulary has no attribute {name}: say --declare {name}=TYPE if it is yours")
    with _opened(log) as file:
        learned = _Reading(file, words, wanted)
        try:
            found = suggest(learned, most, vocabulary=words, leave_out=())
        except ValueError:
            raise CapsvcError(f"{log} holds no request that can be read: is it in combined log format?") from None
    _warn(log, learned)
    refused: list[tuple[int, tuple[str, ...]]] = []
    compared = None
    if against is not None:
        with _opened(against) as file:
            compared = _Reading(file, words, wanted)
            refused = [(compared.lines[each.position], each.reasons) for each in found.refused(compared)]
        _warn(against, compared)
    told = {each.attribute: each.why for each in found.left_open}
    said = {each.attribute for each in found.predicates}
    left_open = told | {name: "no request says it" for name in wanted if name not in told and name not in said}
    _print(found, left_open, compared, refused, as_json)


class _Reading:
    """Reads requests from a log, and remembers where they stood and how many lines it could not read."""

    def __init__(self, file: TextIO, words: Vocabulary, wanted: tuple[str, ...]) -> None:
        self._logged: Iterator[Logged] = read_log(file, words, wanted)
        self.lines: list[int] = []
        self.unread: list[int] = []

    def __iter__(self) -> Iterator[Request]:
        for line, request in self._logged:
            if request is None:
                self.unread.append(line)
            else:
                self.lines.append(line)
                yield request


def _print(
    found: Suggestion,
    left_open: dict[str, str],
    compared: _Reading | None,
    refused: list[tuple[int, tuple[str, ...]]],
    as_json: bool,
) -> None:
    if as_json:
        told: dict[str, object] = {
            "requests": found.requests,
            "predicates": [str(each) for each in found.predicates],
            "left_open": left_open,
        }
        if compared is not None:
            told |= {
                "against": len(compared.lines),
                "refused": [{"line": line, "reasons": list(reasons)} for line, reasons in refused],
            }
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    if found.predicates:
        typer.echo(str(found))
    for name, why in left_open.items():
        typer.echo(f"left open: {name}: {why}", err=True)
    if compared is not None:
        typer.echo(f"refuses {len(refused)} of {len(compared.lines)} requests", err=True)
        for line, reasons in refused[:_SHOWN_REFUSALS]:
            typer.echo(f"  line {line}: {'; '.join(map(shown, reasons))}", err=True)
        if len(refused) > _SHOWN_REFUSALS:
            typer.echo(f"  and {len(refused) - _SHOWN_REFUSALS} more: --json lists them all", err=True)


def _warn(log: Path, reading: _Reading) -> None:
    if reading.unread:
        lines = f"{len(reading.unread)} lines" if len(reading.unread) > 1 else "1 line"
        typer.echo(f"warning: {lines} of {log} could not be read, line {reading.unread[0]} first", err=True)


@contextmanager
def _opened(log: Path) -> Iterator[TextIO]:
    if str(log) == "-":
        yield typer.get_text_stream("stdin")
        return
    try:
        with log.open(encoding="utf-8", errors="surrogateescape") as file:
            yield file
    except OSError as wrong:
        raise CapsvcError(f"{log} cannot be read: {wrong.strerror}") from None
