"""The console's JavaScript core in a process of its own, held to what the Python says."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from caveats import BUILTIN, DECLARABLE, Format, Macaroon, MacaroonError, Vocabulary
from caveats.encoding import encode_base64

HERE = Path(__file__).parent
CORE = HERE.parents[2] / "capsvc/console/static/core"
MODULES = sorted(CORE.glob("*.js"))
FORMATS = {Format.V1: 1, Format.V2: 2, Format.JSON: "json"}
_AT_ONCE = 200

Answer = dict[str, Any] | tuple[str, ...]
"""What is answered, or the name of the error and what it says; of an error in other words the name alone."""


class Case(NamedTuple):
    """A command to the core, and what the Python says to the same."""

    command: dict[str, Any]
    ours: Answer

    @property
    def is_answered(self) -> bool:
        """Whether the Python raises no error."""
        return isinstance(self.ours, dict)


class Core:
    """The core in node, spoken to in lines of JSON."""

    def __init__(self, node: str) -> None:
        command = [node, HERE / "core_cases.mjs", CORE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def agree(self, cases: Iterable[Case]) -> list[Case]:
        """Assert that the core says of every case what the Python says; return the cases."""
        them = list(cases)
        rest = iter(them)
        while some := list(islice(rest, _AT_ONCE)):
            for (command, ours), theirs in zip(some, self.answers(*(each.command for each in some)), strict=True):
                assert (theirs[: len(ours)] if isinstance(theirs, tuple) else theirs) == ours, command
        return them

    def answers(self, *commands: dict[str, Any]) -> list[Answer]:
        """Ask for several things in one line."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(commands) + "\n")
        stdin.flush()
        return [(each["error"], each["message"]) if "error" in each else each for each in json.loads(stdout.readline())]

    def answer(self, do: str, **arguments: object) -> Answer:
        """Ask for one thing."""
        return self.answers({"do": do, **arguments})[0]

    def close(self) -> None:
        """End it. Nothing may be left to say."""
        assert self._process.communicate(timeout=60)[0] == ""
        assert self._process.returncode == 0


def case(ours: Callable[[], dict[str, Any]], do: str, value_error: str = "ValueError", **arguments: object) -> Case:
    """A case whose answer is computed, or which error it ends in; what a ValueError is there may be told."""
    answer: Answer
    try:
        answer = ours()
    except MacaroonError as error:
        answer = type(error).__name__, str(error)
    except ValueError as error:
        answer = value_error, str(error)
    return Case({"do": do, **arguments}, answer)


def vocabulary(declared: Mapping[str, str]) -> Vocabulary:
    """The built-in vocabulary with further attributes, as a service publishes them."""
    return BUILTIN.extend(**{name: DECLARABLE[type] for name, type in declared.items()})


def said(value: Any) -> Any:
    """Write a fact, or a text, as JSON can: bytes, rows of the salt column, tokens."""
    if isinstance(value, bytes):
        return {"bytes": as_text(value)}
    if isinstance(value, Mapping):
        return {"rows": {name: None if salt is None else encode_base64(salt) for name, salt in value.items()}}
    return sorted(value) if isinstance(value, (tuple, set, frozenset)) else value


def as_text(raw: bytes) -> str:
    """Write bytes as the answers have them."""
    return b64encode(raw).decode("ascii")


def fields(macaroon: Macaroon, format: Format) -> dict[str, Any]:
    """The fields of a macaroon as the core names them."""
    return {
        "format": FORMATS[format],
        "location": macaroon.unverified_location,
        "identifier": as_text(macaroon.unverified_identifier),
        "caveats": [
            [as_text(each.identifier), as_text(each.verification_id), each.location]
            for each in macaroon.unverified_caveats
        ],
        "signature": as_text(macaroon.signature),
    }
