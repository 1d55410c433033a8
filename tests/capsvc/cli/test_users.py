"""Commands on users, the import of many among them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.forks import COMMAND, environment_for, run

PHC = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uJJvqyJtqKwbKQ6r/ckHOQeDYEZdmL5rAYTsRpSa3lw"
USERS = int(os.environ.get("TEST_IMPORT_USERS", "10000"))
_FEW = 1000
_FLAT_KIB = 24 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run(tmp_path / "home", "init").returncode == 0
    return tmp_path / "home"


def test_a_user_is_added_disabled_enabled_and_given_a_password_from_standard_input(home: Path) -> None:
    assert (
        run(home, "user", "add", "bob", "--audience", "billing", "--password-stdin", stdin="12345678\n").returncode == 0
    )
    assert run(home, "user", "disable", "bob").returncode == 0
    assert "bob\tdisabled\tbilling\n" in run(home, "user", "list").stdout
    assert run(home, "user", "enable", "bob").returncode == 0
    assert run(home, "user", "passwd", "bob", "--password-stdin", stdin="87654321\n").returncode == 0
    assert "bob\tenabled\tbilling\n" in run(home, "user", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["add", "admin", "--password-stdin"], "12345678\n", "the name admin is taken"),
        (["add", "a/b", "--password-stdin"], "12345678\n", "a name holds no /"),
        (["add", "bob", "--password-stdin"], "short\n", "a password has 8 to 1024 characters"),
        (["add", "bob", "--audience", "capsvc.root", "--password-stdin"], "12345678\n", "are reserved"),
        (["add", "bob", "--audience", "Big", "--password-stdin"], "12345678\n", "an audience is"),
        (["disable", "nobody"], "", "there is no user nobody"),
        (["disable", ""], "", "say which user"),
        (["passwd", "nobody", "--password-stdin"], "12345678\n", "there is no user nobody"),
        (["import", "missing.jsonl"], "", "missing.jsonl cannot be read"),
    ],
)
def test_a_user_that_cannot_be_so_says_why(home: Path, arguments: list[str], stdin: str, message: str) -> None:
    done = run(home, "user", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_import_names_each_bad_line_and_loses_none_of_the_others(home: Path) -> None:
    lines = [
        {"user": "carol", "password": PHC},
        {"user": "dave", "password": "$2b$12$" + "a" * 53},
        {"user": "erin", "password": PHC, "audiences": ["billing"]},
        {"user": "carol", "password": PHC},
        {"user": "admin", "password": PHC},
        {"user": "x/y", "password": PHC},
        {"user": "frank"},
        {"user": "grace", "password": PHC, "rôle": "admin"},
        {"user": 5, "password": PHC},
        {"user": "heidi", "password": "plain text"},
        {"user": "ivan", "password": PHC.replace("m=19456", "m=99999999")},
    ]
    text = [json.dumps(line).encode() for line in lines]
    text += [
        b"not json",
        b"\xff\xfe",
        b"",
        b'{"user": "' + b"j" * 70000 + b'"}',
        json.dumps(lines[0]).replace("carol", "kim").encode(),
    ]
    (home / "users.jsonl").write_bytes(b"\n".join(text))
    done = run(home, "user", "import", str(home / "users.jsonl"))
    assert done.returncode == 1
    reasons = dict(line.split(": ", 1) for line in done.stderr.splitlines() if line.startswith("line "))
    assert reasons == {
        "line 2": "a password hash of scheme '2b': only argon2id is taken",
        "line 4": "the name carol is taken",
        "line 5": "the name admin is taken",
        "line 6": "a name holds no / and no control character",
        "line 7": "an object with user, password and perhaps audiences is wanted",
        "line 8": "an object with user, password and perhaps audiences is wanted",
        "line 9": "user, password and each of audiences are text",
        "line 10": "a password hash of no scheme that has a name: only argon2id is taken",
        "line 11": "a password hash of parameters that would cost too much to check, or of an old version",
        "line 12": "not JSON",
        "line 13": "not JSON",
        "line 15": "longer than 65536 bytes",
    }
    assert "imported 3 users, left out 12 lines" in done.stderr
    listed = {line.split("\t")[0] for line in run(home, "user", "list").stdout.splitlines()}
    assert listed == {"admin", "carol", "erin", "kim"}


def test_an_import_reads_standard_input_and_says_one_line(home: Path) -> None:
    done = run(home, "user", "import", "-", stdin=json.dumps({"user": "carol", "password": PHC}))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "imported 1 user, left out 0 lines\n")


def test_many_users_are_imported_in_flat_memory(home: Path) -> None:
    few = _imported(home, "few", _FEW)
    many = _imported(home, "many", USERS)
    assert many - few < _FLAT_KIB
    assert run(home, "user", "list").stdout.count("\n") == _FEW + USERS + 1 or USERS > 100_000


def _imported(home: Path, prefix: str, count: int) -> int:
    """Import so many users; return the peak of the process's resident memory in KiB."""
    file = home / f"{prefix}.jsonl"
    with file.open("w") as lines:
        for number in range(count):
            lines.write(json.dumps({"user": f"{prefix}{number:07}", "password": PHC}) + "\n")
    importing = subprocess.Popen(
        [COMMAND, "user", "import", str(file)], env=environment_for(home), stderr=subprocess.PIPE, text=True
    )
    assert importing.stderr is not None
    said = importing.stderr.read()
    importing.stderr.close()
    _, status, usage = os.wait4(importing.pid, 0)
    importing.returncode = os.waitstatus_to_exitcode(status)
    assert importing.returncode == 0, said
    assert f"imported {count} users, left out 0 lines" in said
    return usage.ru_maxrss


def test_users_and_keys_are_listed_as_json_too(tmp_path: Path) -> None:
    run(tmp_path / "home", "init")
    users = json.loads(run(tmp_path / "home", "user", "list", "--json").stdout)
    assert users == [{"user": "admin", "disabled": False, "audiences": ["capsvc.admin", "capsvc.verify"]}]
    keys = json.loads(run(tmp_path / "home", "keys", "list", "--json").stdout)
    assert [(each["key_id"], each["state"]) for each in keys] == [("k1", "signing")]
