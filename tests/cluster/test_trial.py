"""Half a minute of a cluster that is disturbed, and the clock that is set in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.nodes import compiled_clock

NEEDED = ("unshare", "nsenter", "ip", "cc")
IS_HERE = not os.geteuid() and all(map(shutil.which, NEEDED)) and any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = pytest.mark.skipif(
    not IS_HERE and not os.environ.get("CI"), reason="root, PostgreSQL, iproute2 and a C compiler are needed"
)


@pytest.mark.timeout(180)
def test_whatever_crashes_or_is_cut_off_nothing_revoked_is_accepted_later_than_promised() -> None:
    command = [sys.executable, "-m", "tests.cluster", "--seconds", "10", "--freshness", "2", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    told = json.loads(done.stdout)
    assert told["violations"] == 0
    assert {"primary deposed while it answers", "node paused", "node cut off", "clock stepped"} <= told["faults"].keys()
    assert {"mint", "narrow", "present", "revoke"} <= told["operations"].keys()
    assert told["acknowledged"] > 0
    assert told["not_fresh"] > 0


_CLOCKS = "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic())"


def test_a_clock_that_is_set_moves_the_wall_clock_alone(tmp_path: Path) -> None:
    clock, library = tmp_path / "clock", compiled_clock(tmp_path)

    def clocks(seconds: int) -> list[float]:
        clock.write_bytes(seconds.to_bytes(8, sys.byteorder, signed=True))
        environment = {**os.environ, "LD_PRELOAD": str(library), "CLUSTER_CLOCK": str(clock)}
        command = [sys.executable, "-c", _CLOCKS]
        return [float(each) for each in subprocess.check_output(command, env=environment, text=True).split()]

    right, ahead = clocks(0), clocks(100_000)
    assert ahead[0] - right[0] > 99_000
    assert 0 <= ahead[1] - right[1] < 1000
    assert 0 <= ahead[2] - right[2] < 1000
