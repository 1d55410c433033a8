"""Arguments that several commands share: tokens, files, passwords, spans of time, vocabularies."""

from __future__ import annotations

import os
import re
import sys
from errno import ENAMETOOLONG, ENOENT
from pathlib import Path
from typing import Annotated, TextIO

import typer

from capsvc.errors import CapsvcError
from caveats import BUILTIN, DECLARABLE, DecodeError, Limits, Vocabulary, decode
from caveats.predicate import shown

_LONGEST_INPUT = 1024 * 1024
_ANY_SIZE = Limits(_LONGEST_INPUT, _LONGEST_INPUT)
_LONGEST_NAME = 128
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "": 1}
_LONGEST_DAYS = 3650

TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="A token, - for stdin, @FILE, or :PROFILE.")]
TokenOption = Annotated[
    str,
    typer.Option("--token", metavar="TOKEN", help="The capability to show: a token, - for stdin, @FILE, or :PROFILE."),
]
ProfileOption = Annotated[str, typer.Option("--profile", metavar="NAME", help="The profile of one service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Declared = Annotated[
    list[str],
    typer.Option("--declare", metavar="NAME=TYPE", help="An attribute of the application, such as amount=number."),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin, not a prompt.")]


def read_text(file: str) -> str:
    """Read a text that is no argument, since others see those, from a file or stdin (``-``). Raises CapsvcError."""
    if file == "-":
        return _demand_some(_stdin().read(_LONGEST_INPUT).strip(), "standard input")
    return _demand_some(read_file(Path(file)), "the file")


def read_token(argument: str) -> str:
    """Read a token from an argument, stdin (``-``), a file (``@FILE``) or a profile (``:NAME``)."""
    if argument == "-":
        return read_text("-")
    if argument == "@":
        raise CapsvcError("@ needs the name of a file behind it: @FILE")
    if argument.startswith("@"):
        return _demand_some(read_file(Path(argument[1:])), "the file")
    if argument.startswith(":"):
        from capsvc.profiles import Profiles

        return Profiles.of(os.environ).token_of(argument[1:]).token
    try:
        decode(argument, _ANY_SIZE)
    except DecodeError as wrong:
        raise CapsvcError(f"not a token (a file is @FILE): {wrong}") from None
    return argument


def said_token(token: str, profile: str) -> str:
    """Choose what was said of ``--token`` and ``--profile``; neither is the profile ``default``."""
    if token and profile and token != f":{profile}":
        raise CapsvcError("say --token or --profile, not both")
    return token or f":{profile or 'default'}"


def vocabulary(declared: list[str]) -> Vocabulary:
    """Extend the built-in vocabulary by what ``--declare`` says. Raises CapsvcError."""
    types = pairs("--declare", "NAME=TYPE", declared)
    try:
        return BUILTIN.extend(**{name: DECLARABLE[type] for name, type in types.items()})
    except KeyError:
        raise CapsvcError(f"--declare takes NAME=TYPE with a type of {', '.join(DECLARABLE)}") from None
    except ValueError as wrong:
        raise CapsvcError(f"--declare: {wrong}") from None


def pairs(option: str, form: str, said: list[str]) -> dict[str, str]:
    """Read what an option says as ``NAME=VALUE``, each name once. Raises CapsvcError."""
    found: dict[str, str] = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not equals:
            raise CapsvcError(f"{option} takes {form}")
        if name in found:
            raise CapsvcError(f"{option} says {shown(name)} twice")
        found[name] = value
    return found


def read_file(path: Path) -> str:
    """Read a small text file without the white space around it. Raises CapsvcError."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_INPUT).strip()
    except (OSError, UnicodeDecodeError) as wrong:
        raise unreadable(path, wrong) from None


def read_contents(path: Path) -> bytes:
    """Read a file as it is. Raises CapsvcError."""
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise unreadable(path, wrong) from None


def unreadable(path: Path, wrong: OSError | UnicodeDecodeError) -> CapsvcError:
    """Say why a file cannot be read. A name that may be a token is not repeated."""
    name, reason = str(path), "it is not text" if isinstance(wrong, UnicodeDecodeError) else wrong.strerror
    if len(name) <= _LONGEST_NAME and not _is_token(name):
        return CapsvcError(f"{shown(name)} cannot be read: {reason}")
    if isinstance(wrong, OSError) and wrong.errno in (ENOENT, ENAMETOOLONG):
        return CapsvcError("no such file; to give a token itself, leave out @")
    return CapsvcError(f"the file cannot be read: {reason}")


def read_password(from_stdin: bool, prompt: str = "Password", confirm: bool = False, file: Path | None = None) -> str:
    """Read a password from a file or stdin's first line, or ask for it on the terminal without showing it."""
    if file is not None and from_stdin:
        raise typer.BadParameter("say --password-file or --password-stdin, not both")
    if file is not None:
        return read_file(file)
    if from_stdin:
        return _stdin().readline(_LONGEST_INPUT).rstrip("\r\n")
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise CapsvcError("there is no terminal to ask for a password on: say --password-stdin") from None
    password: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return password


def _stdin() -> TextIO:
    if sys.stdin is None:
        raise CapsvcError("there is no standard input to read from")
    return sys.stdin


def _demand_some(text: str, where: str) -> str:
    if not text:
        raise CapsvcError(f"{where} is empty")
    return text


def _is_token(text: str) -> bool:
    try:
        decode(text, _ANY_SIZE)
    except DecodeError:
        return False
    return True


def seconds(span: str) -> int:
    """Read a span such as ``90``, ``10m``, ``8h`` or ``30d``; empty, not said, is 0. Raises CapsvcError."""
    if not span:
        return 0
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", span)
    if not found:
        raise CapsvcError("a span of time is like 90s, 10m, 8h or 30d")
    length = int(found[1]) * _UNITS[found[2]]
    if not 1 <= length <= _LONGEST_DAYS * _UNITS["d"]:
        raise CapsvcError(f"a span of time is 1s to {_LONGEST_DAYS}d")
    return length
