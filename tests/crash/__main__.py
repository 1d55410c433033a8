"""Kill the service again and again, and say in one line of JSON what was tried and what was lost.

    python -m tests.crash --kills 1000

A fifth of the kills are power cuts, after which the disk has lost what was not synced.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time

from tests.capsvc.installation import quick_directory
from tests.crash.machine import CutOff, Machine
from tests.crash.trial import Summary, Trial

FORGETFUL_EACH = 5
WORKERS_EACH = 100


def crash(kills: int, workers_killed: int, seed: int) -> Summary:
    """Kill a service so many times, each fifth time with a loss of what was not synced; then workers, one at a time.

    Ends with the first promise that is broken, and says in the summary which it was.
    """
    began = time.monotonic()
    with quick_directory() as directory, Machine(directory, seed) as machine:
        trial = Trial(machine, seed)
        try:
            for number in range(kills):
                trial.round(forgetful=number % FORGETFUL_EACH == FORGETFUL_EACH - 1)
            trial.kill_workers(workers_killed)
            trial.end()
        except (AssertionError, CutOff, sqlite3.Error) as broken:
            trial.summary.lost.append(f"after kill {trial.summary.kills}: {broken}")
    trial.summary.seconds = time.monotonic() - began
    return trial.summary


def main() -> None:
    """Run the long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill the service at random instants.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    wanted = parser.parse_args()
    summary = crash(wanted.kills, wanted.kills // WORKERS_EACH, wanted.seed)
    for sentence in summary.lost:
        print(sentence, file=sys.stderr)
    print(json.dumps({**summary.told(), "seed": wanted.seed}))
    sys.exit(1 if summary.lost else 0)


if __name__ == "__main__":
    main()
