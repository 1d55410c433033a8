"""The import of users: lines of JSON, read in batches, of which a bad one is named and left out."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from capsvc.errors import CapsvcError

if TYPE_CHECKING:
    from rich.progress import Progress

    from capsvc.stores import NewUser

_BATCH = 1000
_LONGEST_LINE = 64 * 1024


def opened(file: Path) -> AbstractContextManager[BinaryIO]:
    """Open a file to import, or standard input for ``-``. Raises OSError, CapsvcError."""
    if str(file) != "-":
        return file.open("rb")
    if sys.stdin is None:
        raise CapsvcError("there is no standard input to read from")
    return nullcontext(sys.stdin.buffer)


class UserImport:
    """Reads lines into batches, and says which were left out. Holds one batch at a time."""

    def __init__(self, lines: BinaryIO, progress: Progress) -> None:
        self.added = 0
        self.left_out = 0
        self._lines = lines
        self._read = 0
        self._progress = progress
        status = os.fstat(lines.fileno())
        self._task = progress.add_task("importing", total=status.st_size if stat.S_ISREG(status.st_mode) else None)

    def batches(self) -> Iterator[list[tuple[int, NewUser]]]:
        """Read the users that can be added, each with the number of its line."""
        users = self._users()
        while batch := list(islice(users, _BATCH)):
            yield batch
            self._progress.update(self._task, completed=self._read)

    def settle(self, batch: list[tuple[int, NewUser]], taken: list[str]) -> None:
        """Count a batch that is in the store; name the lines whose user's name was taken."""
        left = list(taken)
        for number, user in reversed(batch):
            if user.name in left:
                left.remove(user.name)
                self._leave_out(number, f"the name {user.name} is taken")
        self.added += len(batch) - len(taken)

    def _users(self) -> Iterator[tuple[int, NewUser]]:
        number = 0
        while line := self._lines.readline(_LONGEST_LINE):
            number += 1
            self._read += len(line)
            try:
                if len(line) == _LONGEST_LINE:
                    self._skip_rest()
                    raise ValueError(f"longer than {_LONGEST_LINE} bytes")
                user = _read_user(line)
            except ValueError as wrong:
                self._leave_out(number, str(wrong))
                continue
            if user:
                yield number, user

    def _skip_rest(self) -> None:
        while (more := self._lines.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
            self._read += len(more)

    def _leave_out(self, number: int, reason: str) -> None:
        self.left_out += 1
        self._progress.console.print(f"line {number}: {reason}", markup=False, highlight=False, soft_wrap=True)


def _read_user(line: bytes) -> NewUser | None:
    from capsvc.names import check_audiences, check_user_name
    from capsvc.passwords import check_phc
    from capsvc.stores import NewUser

    if not line.strip():
        return None
    try:
        members: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(members, dict) or not {"user", "password"} <= members.keys() <= {"user", "password", "audiences"}:
        raise ValueError("an object with user, password and perhaps audiences is wanted")
    audiences = members.get("audiences", [])
    texts = [members["user"], members["password"], *(audiences if isinstance(audiences, list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("user, password and each of audiences are text")
    return NewUser(check_user_name(texts[0]), check_phc(texts[1]), check_audiences(texts[2:]))
