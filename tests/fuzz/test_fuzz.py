"""The fuzzer itself, for a second a target; ``make fuzz`` runs it for an hour."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

REPOSITORY = Path(__file__).parents[2]


def _fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=240, check=False)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """All targets, each for a second, with chance that is the same each time."""
    kept = tmp_path_factory.mktemp("fuzz")
    return _fuzz("--seconds", str(len(TARGETS)), "--seed", "1", "--keep", str(kept))


def test_a_minute_of_fuzzing_finds_nothing(fuzzed: subprocess.CompletedProcess[str]) -> None:
    assert fuzzed.returncode == 0, fuzzed.stdout + fuzzed.stderr
    summary = json.loads(fuzzed.stdout.splitlines()[-1])
    assert (summary["targets"], summary["findings"]) == (len(TARGETS), 0)


def test_every_target_runs_code_whose_branches_are_seen(fuzzed: subprocess.CompletedProcess[str]) -> None:
    seen = dict(re.findall(r"^(\w+) +\d+ runs, branches \d+ to (\d+)$", fuzzed.stdout, re.MULTILINE))
    assert set(seen) == set(TARGETS)
    assert min(map(int, seen.values())) >= 10, seen
