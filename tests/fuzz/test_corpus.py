"""Every input that is kept: attacks written by hand, and whatever fuzzing found once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
_CORPUS_BYTES = 300_000


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_that_is_kept_is_a_finding(target: str) -> None:
    inputs = sorted((CORPUS / target).iterdir())
    assert len(inputs) >= 7
    for each in inputs:
        try:
            TARGETS[target](each.read_bytes())
        except Exception as error:
            raise AssertionError(f"python -m tests.fuzz {target} {each}") from error


def test_the_inputs_that_are_kept_belong_to_a_target_each_and_stay_small() -> None:
    kept = [each for each in CORPUS.rglob("*") if each.is_file()]
    assert {each.parent.name for each in kept} == set(TARGETS)
    assert sum(each.stat().st_size for each in kept) < _CORPUS_BYTES
