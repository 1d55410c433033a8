"""Arguments that several commands share: tokens, passwords, spans of time, vocabularies."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from capsvc.errors import CapsvcError
from caveats import BUILTIN, DECLARABLE, Vocabulary

_LONGEST_INPUT = 1024 * 1024
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "": 1}

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
UrlOption = Annotated[
    str, typer.Option("--url", envvar="CAPSVC_URL", help="Where the service is; else the address in the home.")
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin, not a prompt.")]


def read_token(argument: str) -> str:
    """Read a token from an argument, stdin (``-``), a file (``@FILE``) or a profile (``:NAME``)."""
    if argument == "-":
        return _stdin().read(_LONGEST_INPUT).strip()
    if argument.startswith("@"):
        return read_file(Path(argument[1:]))
    if argument.startswith(":"):
        from capsvc.profiles import Profiles

        return Profiles.of(os.environ).token_of(argument[1:]).token
    return argument


def said_token(token: str, profile: str) -> str:
    """Choose what was said of ``--token`` and ``--profile``; neither is the profile ``default``."""
    if token and profile and token != f":{profile}":
        raise CapsvcError("say --token or --profile, not both")
    return token or f":{profile or 'default'}"


def vocabulary(declared: list[str]) -> Vocabulary:
    """Extend the built-in vocabulary by what ``--declare`` says. Raises CapsvcError."""
    types = {}
    for each in declared:
        name, _, type = each.partition("=")
        if type not in DECLARABLE:
            raise CapsvcError(f"--declare takes NAME=TYPE with a type of {', '.join(DECLARABLE)}")
        types[name] = DECLARABLE[type]
    try:
        return BUILTIN.extend(**types)
    except ValueError as wrong:
        raise CapsvcError(f"--declare: {wrong}") from None


def read_file(path: Path) -> str:
    """Read a small text file without the white space around it. Raises CapsvcError."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_INPUT).strip()
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "it is not text"
        raise CapsvcError(f"{path} cannot be read: {reason}") from None


def read_contents(path: Path) -> bytes:
    """Read a file as it is. Raises CapsvcError."""
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise CapsvcError(f"{path} cannot be read: {wrong.strerror}") from None


def read_password(from_stdin: bool, prompt: str = "Password", confirm: bool = False) -> str:
    """Read a password from stdin's first line, or ask for it on the terminal without showing it."""
    if from_stdin:
        return _stdin().readline(_LONGEST_INPUT).rstrip("\r\n")
    password: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return password


def _stdin() -> TextIO:
    if sys.stdin is None:
        raise CapsvcError("there is no standard input to read from")
    return sys.stdin


def seconds(span: str) -> int:
    """Read a span such as ``90``, ``10m``, ``8h`` or ``30d``; empty is 0. Raises CapsvcError."""
    if not span:
        return 0
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", span)
    if not found:
        raise CapsvcError("a span of time is like 90s, 10m, 8h or 30d")
    return int(found[1]) * _UNITS[found[2]]
