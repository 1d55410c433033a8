"""What commands do to a home stands in its audit log."""

from __future__ import annotations

import json
from pathlib import Path

from tests.forks import run


def test_every_command_that_administers_leaves_a_line_with_who_and_what(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", str(tmp_path / "backup.db")
    commands = [
        ["init"], ["user", "add", "alice", "--password-stdin"], ["user", "disable", "alice"], ["keys", "rotate"],
        ["keys", "add"], ["keys", "promote", "k3"], ["keys", "retire", "k2", "--leaked"], ["backup", backup],
        ["restore", backup, "--yes"], ["recover", "--yes"],
    ]  # fmt: skip
    for each in commands:
        done = run(home, *each, stdin="correct horse battery\n")
        assert done.returncode == 0, (each, done.stderr)
    lines = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
    assert {line["via"] for line in lines} == {"command line"}
    assert all(line["who"] for line in lines)
    acts = [(line["act"], line.get("whom") or line.get("key")) for line in lines]
    assert acts[-8:] == [
        ("add user", "alice"), ("change user", "alice"), ("rotate key", "k2"), ("add key", "k3"),
        ("promote key", "k3"), ("retire key", "k2"), ("restore", None), ("recover", None),
    ]  # fmt: skip
    assert lines[-1]["revision"] > lines[-2]["revision"]
