"""Disturb a cluster for a while, and say in one line of JSON what was tried and what was broken.

    python -m tests.cluster --seconds 600

Needs root, PostgreSQL, iproute2 and a C compiler. All processes and networks live in namespaces that end with this
command, however it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

_INSIDE = "TESTS_CLUSTER_INSIDE"
_APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def main() -> None:
    """Run the long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="Disturb a cluster at random.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--freshness", type=int, default=2)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    wanted = parser.parse_args()
    if _INSIDE not in os.environ:
        if os.geteuid():
            sys.exit("error: only root makes networks")
        command = [*_APART, sys.executable, "-m", "tests.cluster", *sys.argv[1:], "--seed", str(wanted.seed)]
        os.execvpe(command[0], command, {**os.environ, _INSIDE: "true"})  # noqa: S606
    from tests.cluster.trial import run

    summary = run(wanted.seconds, wanted.freshness, wanted.seed)
    for sentence in summary.violations:
        print(sentence, file=sys.stderr)
    print(json.dumps({**vars(summary), "violations": len(summary.violations), "seed": wanted.seed}))
    sys.exit(1 if summary.violations else 0)


if __name__ == "__main__":
    main()
