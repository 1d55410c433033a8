"""The audit log: whole lines by whoever writes, none lost in silence, and no secret in any."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import stat
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.acts import Act, Presented
from capsvc.audit import AuditFile
from tests.capsvc.installation import Clock, installed, quick_directory

FULL = Path("/dev/full")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _write_many(path: Path, who: str) -> None:
    """Long lines, since those grow in more steps than one as they are written."""
    for number in range(200):
        AuditFile(path).append(Act(act="revoke", who=who, name="n" * 4000, revision=number))


def test_lines_of_many_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, who)) for who in ("one", "two")]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    for who in ("one", "two"):
        assert [line["revision"] for line in _lines(path) if line["who"] == who] == list(range(200))


def test_a_line_that_another_is_still_writing_is_not_taken_for_one_cut_off(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    append = Thread(target=audit.append, args=(Act(act="mint", who="alice"),))
    with audit.path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write('{"who":')
        other.flush()
        append.start()
        append.join(0.2)
        other.write('"bob"}\n')
    append.join(60)
    assert [line["who"] for line in _lines(audit.path)] == ["bob", "alice"]


def test_only_the_owner_can_read_it_and_it_says_when(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl", Clock())
    audit.append(Act(act="mint", who="alice", name="default"))
    assert stat.S_IMODE(audit.path.stat().st_mode) == 0o600
    assert _lines(audit.path) == [{"time": "2026-11-22T06:00:00Z", "act": "mint", "who": "alice", "name": "default"}]


def test_after_the_file_was_moved_away_the_next_line_begins_a_new_one(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    audit.append(Act(act="mint", who="alice"))
    audit.path.rename(tmp_path / "audit.jsonl.1")
    audit.append(Act(act="mint", who="bob"))
    assert [line["who"] for line in _lines(audit.path)] == ["bob"]
    assert [line["who"] for line in _lines(tmp_path / "audit.jsonl.1")] == ["alice"]


def test_a_line_that_was_cut_off_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    audit.path.write_text('{"time":"2026')
    audit.append(Act(act="mint", who="alice"))
    cut, whole = audit.path.read_text().splitlines()
    assert (cut, json.loads(whole)["who"]) == ('{"time":"2026', "alice")


def test_what_a_full_disk_does_not_take_is_an_error_and_is_written_once_there_is_room(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    audit.path.symlink_to(FULL)
    with pytest.raises(OSError, match=os.strerror(28)):
        audit.append(Act(act="mint", who="alice"))
    with pytest.raises(OSError, match=os.strerror(28)):
        audit.demand_writable()
    audit.path.unlink()
    audit.demand_writable()
    assert [line["who"] for line in _lines(audit.path)] == ["alice"]


@pytest.mark.parametrize("wrong", ["directory", "gone"])
def test_a_file_that_cannot_be_written_is_not_writable(tmp_path: Path, wrong: str) -> None:
    audit = AuditFile(tmp_path / "there" / "audit.jsonl")
    if wrong == "directory":
        audit.path.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        audit.demand_writable()


def test_to_ask_whether_it_can_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    audit.append(Act(act="mint", who="alice"))
    before = audit.path.read_bytes()
    audit.demand_writable()
    assert audit.path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["audit.jsonl"]


@given(st.text(min_size=1, max_size=50))
def test_whatever_a_name_is_an_act_is_one_line(name: str) -> None:
    with quick_directory() as directory:
        audit = AuditFile(directory / "audit.jsonl")
        audit.append(Act(act="add user", who="admin", whom=name.encode("utf-8", "replace").decode()))
        raw = audit.path.read_bytes()
        assert raw.count(b"\n") == 1
        assert raw.isascii()


def test_what_a_presented_capability_was_narrowed_by_is_told_without_salts() -> None:
    with installed() as house:
        secret = "5Jx1mWm0Zk2y0c2Qv3m0tA"
        macaroon = house.log_in().macaroon.append(f"salt = friend/{secret}".encode(), b"time < 2030-01-01T00:00:00Z")
        presented = Presented.of(house.verify(macaroon).capability)
    assert presented.narrowed == ["salt = friend", "time < 2030-01-01T00:00:00Z"]
    assert secret not in repr(presented)
