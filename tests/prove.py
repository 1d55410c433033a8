"""``python -m tests.prove``: the short form of whatever is tried to break the service, and a table of what was lost.

Each row is a program of its own, one after another. The long forms are make targets, and their figures stand in
docs/reliability.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Told(NamedTuple):
    """What a program says that it tried, and everything that was lost or found."""

    often: str
    lost: int


class Trial(NamedTuple):
    """A row: what is tried, by which module, and how to read what it prints."""

    what: str
    command: tuple[str, ...]
    read: Callable[[str], Told]


def _json(read: Callable[[dict[str, Any]], Told]) -> Callable[[str], Told]:
    """Read the last line as JSON."""
    return lambda printed: read(json.loads(printed.strip().splitlines()[-1]))


def _tests(printed: str) -> Told:
    """Read how many tests passed and failed; a run that says neither proves nothing."""
    counted = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", printed)}
    passed = counted.pop("passed", 0)
    return Told(f"{passed} tests", sum(counted.values()) + (passed == 0))


def _pytest(*paths: str) -> tuple[str, ...]:
    return ("pytest", "-q", "-p", "no:cacheprovider", *paths)


TRIALS = [
    Trial("the nine laws", _pytest("tests/caveats", "-k", "law_"), _tests),
    Trial(
        "hostile input to every reader, guided by coverage",
        ("tests.fuzz", "--seconds", "60"),
        _json(lambda told: Told(f"{told['executions']:,} inputs, {told['targets']} readers", told["findings"])),
    ),
    Trial("what the contract forbids, at every route", _pytest("tests/capsvc/http/test_contract_fuzzed.py"), _tests),
    Trial(
        "requests that two servers read differently",
        _pytest("tests/capsvc/http/test_smuggling.py", "tests/capsvc/proxies"),
        _tests,
    ),
    Trial(
        "kill -9 at random instants, some with a disk that forgets",
        ("tests.crash", "--kills", "50"),
        _json(lambda told: Told(f"{told['kills']} kills, {told['acknowledged']} acknowledged", told["lost"])),
    ),
    Trial(
        "a cluster whose nodes and databases are killed, paused and cut off",
        ("tests.cluster", "--seconds", "20"),
        _json(lambda told: Told(
            f"{sum(told['faults'].values())} faults, {told['acknowledged']} acknowledged", told["violations"]
        )),
    ),
    Trial(
        "full, read-only, locked and damaged disks; old backups",
        _pytest("tests/capsvc/http/test_broken_disk.py", "tests/capsvc/http/test_restore.py",
                "tests/capsvc/http/test_broken_home.py", "tests/capsvc/test_high_water.py"),
        _tests,
    ),
    Trial(
        "everything at once, with revocations at random",
        ("benchmarks.soak", "--seconds", "15"),
        _json(lambda told: Told(
            f"{told['operations']} operations, {told['revocations']} revocations",
            told["violations"] + len(told["failures"]),
        )),
    ),
    Trial(
        "a flood of logins at ten times what can be hashed",
        ("benchmarks.flood", "--rounds", "3", "--seconds", "3", "--workers", "1"),
        _json(lambda told: Told(
            f"{sum(told['statuses'].values())} logins; p99 of verification {told['p99_during_ratio']} times as long",
            told["statuses"]["others"] + (told["login_seconds_after"] >= 2),
        )),
    ),
    Trial(
        "slow clients, an end in the middle, a rotation under load",
        _pytest("tests/capsvc/http/test_connections.py", "tests/capsvc/http/test_graceful_end.py",
                "tests/capsvc/cli/test_key_rotation.py"),
        _tests,
    ),
    Trial("secrets in all that a long run says", _pytest("tests/capsvc/test_secrets_of_a_run.py"), _tests),
    Trial(
        "time of comparing, and of an unknown user",
        ("benchmarks.constant_time", "--comparisons", "100000", "--logins", "200"),
        _json(lambda told: Told(
            ", ".join(f"t {abs(each['t']):.1f} of {each['bar']:g}" for each in told["findings"].values()),
            0 if told["holds"] else 1,
        )),
    ),
]  # fmt: skip


def main() -> None:
    """Print the table, row by row; exit code 1 where something was lost, or a program failed."""
    print("| tried | how often | lost | seconds |\n|---|---|---|---|", flush=True)
    broken = [trial for trial in TRIALS if not _holds(trial)]
    for trial in broken:
        print(f"broken: python -m {' '.join(trial.command)}", file=sys.stderr)
    sys.exit(1 if broken else 0)


def _holds(trial: Trial) -> bool:
    begun = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", *trial.command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        told = trial.read(ran.stdout)
    except (ValueError, LookupError, TypeError):
        told = Told("it said nothing that can be read", 1)
    lost = told.lost or (1 if ran.returncode else 0)
    print(f"| {trial.what} | {told.often} | {lost or 'nothing'} | {time.monotonic() - begun:.0f} |", flush=True)
    return not lost


if __name__ == "__main__":
    main()
