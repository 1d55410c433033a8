"""The disk that forgets: it forgets what was not synced, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.capsvc.installation import quick_directory
from tests.crash.disk import Chance, Disk, compiled, notes, preloading

NOTHING = Chance(Random(1), kept=0.0)
EVERYTHING = Chance(Random(1), kept=1.0, torn=0.0)
TORN = Chance(Random(1), kept=1.0, torn=1.0)
KILLED = -9

_INSERTS = """
import os, sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("PRAGMA journal_mode = TRUNCATE")
store.execute("PRAGMA synchronous = " + sys.argv[2])
store.execute("CREATE TABLE acknowledged (number INTEGER)")
for number in range(20):
    store.execute("INSERT INTO acknowledged VALUES (?)", (number,))
    print(number, flush=True)
os.kill(os.getpid(), 9)
"""
_ROWS = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
try:
    print(*(number for number, in store.execute("SELECT number FROM acknowledged")))
except sqlite3.DatabaseError as wrong:
    print(wrong)
"""
_REPLACES = """
import os, sys
home, text, steps = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
draft = os.open(home + "/draft", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
os.write(draft, text)
if "file" in steps:
    os.fsync(draft)
os.replace(home + "/draft", home + "/file")
if "directory" in steps:
    os.fsync(os.open(home, os.O_RDONLY))
"""


class _Machine:
    """A directory that processes write to under the shim, until its power is cut."""

    def __init__(self, library: Path, directory: Path) -> None:
        self.home, self._log, self._library = directory / "home", directory / "log", library
        self._log.mkdir()
        self.home.mkdir()
        (self.home / "file").write_text("old")
        self._disk = Disk(self.home)

    def run(self, *command: str, code: int = 0) -> str:
        environment = {**os.environ, "CAPSVC_HOME": str(self.home), **preloading(self._library, self.home, self._log)}
        done = subprocess.run(
            [sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == code
        return done.stdout

    def cut_power(self, chance: Chance) -> dict[str, bytes]:
        """Return what was in the directory; put what the disk kept there."""
        was = self.files()
        for note in notes(self._log):
            self._disk.apply(note)
        self._disk.write(self.home, chance)
        return was

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.home.iterdir()}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def machine(library: Path) -> Iterator[_Machine]:
    with quick_directory() as directory:
        yield _Machine(library, directory)


@pytest.mark.parametrize(("synchronous", "is_durable"), [("OFF", False), ("FULL", True)])
def test_acknowledged_rows_are_lost_where_sqlite_does_not_sync_and_kept_where_it_does(
    machine: _Machine, synchronous: str, is_durable: bool
) -> None:
    path = str(machine.home / "capsvc.db")
    acknowledged = machine.run("-c", _INSERTS, path, synchronous, code=KILLED).split()
    assert len(acknowledged) == 20
    machine.cut_power(NOTHING)
    found = subprocess.run([sys.executable, "-c", _ROWS, path], capture_output=True, text=True, check=True)
    assert (found.stdout.split() == acknowledged) is is_durable


def test_a_disk_that_keeps_everything_has_what_the_processes_saw_byte_for_byte(machine: _Machine) -> None:
    for arguments in (["init"], ["keys", "rotate"]):
        machine.run("-c", "from capsvc.cli import main; main()", *arguments)
    was = machine.cut_power(EVERYTHING)
    assert {"capsvc.db", "keys.json", "first-password"} <= was.keys()
    assert machine.files() == was


def test_a_home_that_init_says_it_made_is_whole_though_the_disk_keeps_only_what_was_synced(machine: _Machine) -> None:
    machine.run("-c", "from capsvc.cli import main; main()", "init")
    was = machine.cut_power(NOTHING)
    kept = machine.files()
    assert kept["first-password"]
    assert {name: kept[name] for name in ("capsvc.db", "keys.json", "first-password", "first-user")} == {
        name: was[name] for name in ("capsvc.db", "keys.json", "first-password", "first-user")
    }


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([], {"file": b"old"}),
        (["file"], {"file": b"old"}),
        (["directory"], {"file": b""}),
        (["file", "directory"], {"file": b"new"}),
    ],
)
def test_a_file_that_is_replaced_is_there_once_both_it_and_its_directory_were_synced(
    machine: _Machine, steps: list[str], kept: dict[str, bytes]
) -> None:
    machine.run("-c", _REPLACES, str(machine.home), "new", *steps)
    assert machine.cut_power(NOTHING) == {"file": b"new"}
    assert machine.files() == kept


def test_a_write_that_was_not_synced_is_torn_at_sectors(machine: _Machine) -> None:
    machine.run("-c", _REPLACES, str(machine.home), "x" * 64 * 512, "directory")
    machine.cut_power(TORN)
    (content,) = machine.files().values()
    sectors = {content[start : start + 512] for start in range(0, len(content), 512)}
    assert sectors == {bytes(512), b"x" * 512}


def test_what_was_not_synced_survives_by_chance_and_the_same_seed_is_the_same_chance(library: Path) -> None:
    outcomes = []
    for seed in (*range(6), *range(6)):
        with quick_directory() as directory:
            machine = _Machine(library, directory)
            machine.run("-c", _REPLACES, str(machine.home), "new")
            machine.cut_power(Chance(Random(seed), kept=0.5, torn=0.0))
            outcomes.append(tuple(sorted(machine.files().items())))
    assert outcomes[:6] == outcomes[6:]
    assert len(set(outcomes)) > 2
