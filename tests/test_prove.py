"""The table of what was tried: it runs what there is, and takes silence and failure for a loss."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.prove import TRIALS, Told, Trial, main

_ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.what)
def test_every_trial_runs_what_there_is(trial: Trial) -> None:
    module, *arguments = trial.command
    assert find_spec(module) is not None
    assert all((_ROOT / each).exists() for each in arguments if each.startswith("tests/"))


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("........\n8 passed in 2.00s", Told("8 tests", 0)),
        ("1 failed, 7 passed, 2 errors in 2.00s", Told("7 tests", 3)),
        ("7 passed, 1 skipped in 2.00s", Told("7 tests", 1)),
        ("no tests ran in 0.01s", Told("0 tests", 1)),
        ("", Told("0 tests", 1)),
    ],
)
def test_what_failed_was_skipped_or_did_not_run_is_a_loss(printed: str, told: Told) -> None:
    laws = TRIALS[0]
    assert laws.read(printed) == told


def test_a_program_that_says_nothing_or_fails_is_a_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = next(trial for trial in TRIALS if trial.command[0] == "tests.crash")
    silent = Trial("a program that is not there", ("tests.no_such_program",), crash.read)
    monkeypatch.setattr("tests.prove.TRIALS", [silent])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("| a program that is not there | it said nothing that can be read | 1 |")
