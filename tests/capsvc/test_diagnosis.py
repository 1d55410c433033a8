"""The diagnosis: nothing wrong with a sound home, each fault named with what to do, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from capsvc import diagnosis, keyring
from capsvc.diagnosis import diagnose
from capsvc.disk import write_private
from capsvc.home import Home
from capsvc.stores import NewUser
from capsvc.stores.backup import write_backup
from capsvc.stores.connection import journal_mode
from caveats import time_text
from tests.capsvc.http.serving import environment, hashed
from tests.capsvc.installation import quick_directory
from tests.forks import run

LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def home() -> Iterator[Home]:
    with quick_directory() as directory:
        home = Home.of({"CAPSVC_HOME": str(directory / "home")})
        with closing(home.create(_now())) as store:
            store.add_users([NewUser("alice", hashed()), NewUser("bob", hashed())], _now())
            store.set_disabled("bob", True, _now())
        yield home


def _now(later: float = 0) -> str:
    return time_text(time.time() + later)


def _sql(statement: str) -> Callable[[Home], None]:
    def execute(home: Home) -> None:
        with closing(sqlite3.connect(home.database)) as database, database:
            database.execute(statement)

    return execute


def _old(home: Home) -> None:
    old = home.database.read_bytes()
    with closing(home.open_store()) as store:
        store.revoke_all("alice", _now())
    home.database.write_bytes(old)


def _retired_key_back(home: Home) -> None:
    with closing(home.open_store()) as store:
        keyring.promote(store, keyring.add(store, home.shares, _now()), _now())
        old = home.database.read_bytes()
        keyring.retire(store, "k1", _now(), _now(), leaked=True)
    home.database.write_bytes(old)


def _pending_without_share(home: Home) -> None:
    before = home.shares.read()
    with closing(home.open_store()) as store:
        keyring.add(store, home.shares, _now())
    home.shares.write(before)


def _long_verifying(home: Home) -> None:
    with closing(home.open_store()) as store:
        keyring.promote(store, keyring.add(store, home.shares, LONG_AGO), LONG_AGO)


def _other_shares(home: Home) -> None:
    other = Home.of({"CAPSVC_HOME": str(home.path.parent / "other")})
    other.create(_now()).close()
    shutil.copy(other.shares.path, home.shares.path)


def _damaged_page(home: Home) -> None:
    with home.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8192)


def _backup_in_place(home: Home) -> None:
    write_backup(home.database, home.path.parent / "backup.db", replace=False)
    shutil.copyfile(home.path.parent / "backup.db", home.database)


def _future(home: Home) -> None:
    with closing(home.open_store()) as store:
        store.revoke_all("alice", _now(86400))


def _outcomes(home: Home) -> None:
    home.outcomes.mkdir(mode=0o700)
    (home.outcomes / "a.json").write_text("{")


FAULTS: list[tuple[Callable[[Home], object], str]] = [
    (lambda home: home.path.chmod(0o755), "home can be opened by others: chmod 700 it"),
    (lambda home: home.database.chmod(0o644), "capsvc.db can be opened by others: chmod 600 it"),
    (lambda home: home.shares.path.chmod(0o640), "can be read by others: chmod 600 it, then rotate its keys"),
    (lambda home: os.chown(home.high_water.path, 12345, -1), "belongs to another user than the home: chown it"),
    (lambda home: home.shares.path.unlink(), "keys.json is missing: restore it from its backup"),
    (_other_shares, "is not of this database: restore the two from one home"),
    (_pending_without_share, "holds no share of k2, which is pending: copy it"),
    (_long_verifying, "nothing that k1 signed is alive: run `capsvc keys retire k1`"),
    (_sql("UPDATE keys SET state = 'verifying'"), "no key signs: run `capsvc keys add`"),
    (lambda home: home.database.unlink(), "capsvc.db is missing: `capsvc restore` a backup"),
    (lambda home: home.database.write_bytes(b"no database " * 9999), "the database is damaged"),
    (_damaged_page, "the database is damaged"),
    (_backup_in_place, "is a backup as it was written: run `capsvc recover`"),
    (_sql("DELETE FROM state"), "has lost its state: `capsvc restore` a backup"),
    (_sql("DELETE FROM salts WHERE user = 'alice'"), "the user alice has no default salt"),
    (_sql("UPDATE salts SET salt = x'00112233445566778899aabbccddeeff' WHERE user = 'bob'"), "the user bob has no"),
    (_sql("INSERT INTO subjects VALUES ('https://idp.example', 's', 'x-1', '')"), "the user x-1 of an identity"),
    (_sql("UPDATE state SET revision = 1"), "the newest change is 2, and the revision is 1: run `capsvc recover`"),
    (_sql("INSERT INTO _sqlite_migrations VALUES (9, 'capsvc', 'm099', '')"), "a later version, which knows m099"),
    (_sql("DELETE FROM _sqlite_migrations"), "of an earlier version, without m001"),
    (_old, "the database went back from revision 3 to 2: run `capsvc recover`"),
    (_retired_key_back, "k1 was retired and is verifying; run `capsvc recover`"),
    (lambda home: home.high_water.path.unlink(), "high-water is missing"),
    (lambda home: home.high_water.path.write_bytes(b""), "high-water is damaged: run `capsvc recover`"),
    (_future, "which is yet to come: set the clock"),
    (lambda home: write_private(home.first_password_file, b"x"), "holds a password: change it"),
    (lambda home: (home.path / ".restore-x").mkdir(mode=0o700), "is left of a restore that was interrupted"),
    (_outcomes, "a.json is damaged, and left out where outcomes are shown: delete it"),
    (lambda home: write_private(home.replays, b"no database " * 999), "replays.db is damaged"),
    (lambda home: write_private(home.address_file, b"http://127.0.0.1:1\n"), "nothing answers at 'http://127.0.0.1:1'"),
    (lambda home: write_private(home.address_file, b"nonsense\x00"), "nothing answers at"),
]  # fmt: skip
if journal_mode(sqlite3.sqlite_version_info[:3]) != "wal":
    FAULTS.append((_sql("PRAGMA journal_mode = WAL"), "in WAL, which this SQLite can corrupt"))


def _contents(home: Home) -> dict[str, bytes]:
    files = (path for path in home.path.rglob("*") if path.is_file() and path.suffix not in (".db-wal", ".db-shm"))
    return {path.name: path.read_bytes() for path in files}


def test_nothing_is_wrong_with_a_sound_home(home: Home) -> None:
    assert diagnose(home) == []


@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=[said[:50] for _, said in FAULTS])
def test_a_fault_is_named_with_what_to_do_and_nothing_is_changed(
    home: Home, fault: Callable[[Home], object], said: str
) -> None:
    fault(home)
    before = _contents(home)
    found = diagnose(home)
    assert any(said in each for each in found), found
    assert all(each.count("\n") == 0 for each in found)
    assert _contents(home) == before


def test_a_disk_with_little_room_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "FREE_BYTES", 2**60)
    assert any("make room for" in each for each in diagnose(home))


def test_an_interrupted_change_is_named_and_left_to_the_service(home: Home) -> None:
    writer = (
        "import sqlite3, sys, os; d = sqlite3.connect(sys.argv[1]); d.execute('PRAGMA cache_size = 1');"
        "d.executemany('INSERT INTO users VALUES (?, ?, ?, 0, ?)', [(str(n), 'p' * 500, '', '') for n in range(2000)]);"
        "os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", writer, str(home.database)], check=False)
    assert done.returncode == 9
    assert any("left in the middle of a change" in each for each in diagnose(home))
    home.open_store().close()
    assert diagnose(home) == []


def test_law_8_no_finding_holds_a_secret(home: Home) -> None:
    secret = "not-to-be-shown"
    write_private(home.first_password_file, secret.encode())
    home.high_water.path.write_text(secret)
    home.shares.path.write_text(json.dumps({"shares": {"k1": secret}}))
    assert secret not in "\n".join(diagnose(home))


def test_the_command_answers_in_lines_or_json_and_by_its_exit_code(home: Home) -> None:
    sound = run(home.path, "doctor")
    assert (sound.returncode, sound.stdout) == (0, f"nothing is wrong with {home.path}\n")
    home.shares.path.unlink()
    (home.path / "capsvc.toml").write_text("port = 'x'")
    told = run(home.path, "doctor", "--json")
    assert (told.returncode, told.stderr) == (1, "")
    wrong = json.loads(told.stdout)["wrong"]
    assert any("port" in each for each in wrong)
    assert any("keys.json is missing" in each for each in wrong)


def test_a_home_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert len(diagnose(Home.of(environment(tmp_path / "nowhere", {})))) == 1
