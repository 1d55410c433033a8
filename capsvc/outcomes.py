"""Outcomes: how many verifications ended how, minute by minute for a day, and nothing of whose they were.

A node counts in the counters of its process (:mod:`capsvc.counters`). Every few seconds each worker adds what
was counted to the current minute and writes its minutes to a file of its own; all files together are the service's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from caveats import CaveatUnmet, Expired, MacaroonError, Request, Revoked
from caveats.memo import Tally

OUTCOMES = ("accepted", "expired", "revoked", "unmet", "invalid")
ACCEPTED, EXPIRED, REVOKED, UNMET, INVALID = range(len(OUTCOMES))
WRITE_SECONDS = 5.0
_MINUTE = 60
KEPT_MINUTES = 24 * 60

Counts = dict[str, int]
"""How often, by outcome."""


def no_counts() -> Counts:
    """Every outcome, none of which has happened."""
    return dict.fromkeys(OUTCOMES, 0)


class Counted(Mapping[str, int]):
    """How often, by outcome, as a tally says now."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __getitem__(self, outcome: str) -> int:
        return self._tally[OUTCOMES.index(outcome)]

    def __iter__(self) -> Iterator[str]:
        return iter(OUTCOMES)

    def __len__(self) -> int:
        return len(OUTCOMES)


def count_refusal(counts: Tally, error: MacaroonError, request: Request) -> None:
    """Count how a verification was refused.

    Where only a ``body`` caveat is in the way, and the request does not say its body yet, nothing is
    decided: whoever can read the body verifies once more.
    """
    if isinstance(error, Expired):
        counts[EXPIRED] += 1
    elif isinstance(error, Revoked):
        counts[REVOKED] += 1
    elif not isinstance(error, CaveatUnmet):
        counts[INVALID] += 1
    elif not all(each.predicate.startswith("body = ") for each in error.unmet) or "body" in request.facts:
        counts[UNMET] += 1


class OutcomeFile:
    """The minutes of one process, in a directory that it shares with the others.

    ``counts`` is what the process goes on counting in; ``clock`` tells seconds since 1970.
    """

    def __init__(self, directory: Path, counts: Mapping[str, int], clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self.path = directory / f"{token_hex(8)}.json"
        self._counts = counts
        self._clock = clock
        self._told = dict(counts)
        self._minutes: dict[int, list[int]] = {}

    def write(self) -> None:
        """Add what was counted since the last time to this minute, and replace the file. Raises OSError."""
        counts = dict(self._counts)
        if counts == self._told:
            return
        now = int(self._clock()) // _MINUTE
        minute = self._minutes.setdefault(now, [0] * len(OUTCOMES))
        for position, outcome in enumerate(OUTCOMES):
            minute[position] += counts[outcome] - self._told[outcome]
        self._told = counts
        self._minutes = {each: counted for each, counted in self._minutes.items() if each > now - KEPT_MINUTES}
        self._directory.mkdir(mode=0o700, exist_ok=True)
        draft = self.path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(self._minutes, separators=(",", ":")))
        draft.replace(self.path)

    def read(self) -> dict[int, Counts]:
        """Sum the files of all processes, by minute since 1970. What cannot be read is left out."""
        oldest = int(self._clock()) // _MINUTE - KEPT_MINUTES
        minutes: dict[int, Counts] = {}
        for path in self._directory.glob("*.json"):
            with suppress(OSError, ValueError, TypeError, AttributeError):
                for minute, counted in json.loads(path.read_text("utf-8")).items():
                    columns = dict(zip(OUTCOMES, counted, strict=True))
                    if int(minute) > oldest:
                        sums = minutes.setdefault(int(minute), no_counts())
                        for outcome, count in columns.items():
                            sums[outcome] += count
        return minutes

    def forget(self) -> None:
        """Delete the files of processes that have counted nothing for a day, as there are after restarts."""
        for path in self._directory.glob("*"):
            with suppress(OSError):
                if path.stat().st_mtime < self._clock() - KEPT_MINUTES * _MINUTE:
                    path.unlink()
