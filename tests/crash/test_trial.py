"""Fifty kills, ten of them power cuts, and some of single workers: nothing that was acknowledged is lost."""

from __future__ import annotations

from tests.crash.__main__ import crash

KILLS, WORKERS_KILLED = 50, 2


def test_a_service_killed_fifty_times_keeps_its_word_and_starts_without_repair() -> None:
    summary = crash(KILLS, WORKERS_KILLED, seed=7)
    assert summary.lost == []
    assert (summary.kills, summary.forgetful, summary.workers_killed) == (KILLS, KILLS // 5, WORKERS_KILLED)
    wanted = {"mint", "narrow", "name", "nonce", "all", "password", "disable", "add user", "import", "keys rotate"}
    assert wanted <= summary.operations.keys()
    assert 0 < summary.acknowledged < summary.operations.total()
