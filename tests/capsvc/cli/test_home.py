"""Making and serving a home from the command line."""

from __future__ import annotations

import socket
import sqlite3
import stat
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.forks import COMMAND, run
from tests.serving import Server


def test_init_makes_a_private_home_with_a_first_user_whose_password_only_the_owner_reads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(home, "init")
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    assert (home / "first-password").read_text().strip() not in done.stderr
    assert run(home, "user", "list").stdout == "admin\tenabled\tcapsvc.admin capsvc.verify\n"


def test_init_never_touches_a_home_that_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(home, "init")
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    again = run(home, "init")
    assert again.returncode == 1
    assert "there is a home" in again.stderr
    assert run(home, "init", "--if-missing").returncode == 0
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before


def test_a_service_finds_its_state_again(tmp_path: Path) -> None:
    with Server(tmp_path / "home", command=COMMAND) as first:
        token = first.log_in()
    with Server(tmp_path / "home", command=COMMAND) as second:
        answer = httpx2.get(f"{second.url}/v1/capability", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert answer.status_code == 200


def test_serve_greets_with_address_user_password_file_and_whole_lines_to_paste(tmp_path: Path) -> None:
    with Server(tmp_path / "var", command=COMMAND) as server:
        greeting = server.log.read_text()
        lines = [line.strip() for line in greeting.splitlines() if line.startswith("  ")]
        assert server.url in greeting
        assert "first user admin, password in var/first-password" in greeting
        assert server.password not in greeting
        assert lines[0] == "umask 077"
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert "revoked, revision" in done.stdout
    assert done.stderr.strip().startswith("error: the capability is revoked")


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    run(tmp_path / "home", "init")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path / "home", "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "Address already in use; choose another with --port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (lambda home: (home / "keys.json").unlink(), "keys.json is missing: restore it"),
        (lambda home: (home / "keys.json").write_text('{"shares": {"k1": "AAAA"}}'), "is cut off or damaged"),
        (lambda home: (home / "keys.json").write_text(""), "is cut off or damaged"),
        (lambda home: (home / "keys.json").chmod(0o644), "can be read by others: chmod 600"),
        (lambda home: (home / "keys.json").write_text('{"shares": {"k1": "' + "A" * 43 + '"}}'), "does not belong"),
        (lambda home: (home / "capsvc.db").write_bytes(b"not a database at all" * 100), "the database does not answer"),
        (lambda home: (home / "capsvc.toml").write_text("workers = 'many'"), "workers (CAPSVC_WORKERS, or workers in"),
        (lambda home: (home / "capsvc.toml").write_text("prot = 1"), "prot"),
        (lambda home: (home / "capsvc.toml").write_text("argon2_time = 1"), "argon2_time"),
        (lambda home: (home / "capsvc.toml").write_text("= ="), "capsvc.toml cannot be read"),
    ],
)  # fmt: skip
def test_a_home_that_is_damaged_is_one_clear_line(tmp_path: Path, breaking: object, message: str) -> None:
    home = tmp_path / "home"
    run(home, "init")
    assert callable(breaking)
    breaking(home)
    done = run(home, "serve", "--port", "0")
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_database_that_is_locked_is_one_clear_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(home, "init")
    lock = sqlite3.connect(home / "capsvc.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    done = run(home, "user", "disable", "admin")
    lock.execute("ROLLBACK")
    lock.close()
    assert (done.returncode, done.stderr) == (1, "error: the database is locked by another process: try again\n")
    assert "enabled" in run(home, "user", "list").stdout


def test_keys_rotate_and_a_leaked_one_is_refused_at_once(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        old = server.log_in()
        for arguments in (["add"], ["promote", "k2"]):
            assert run(server.home, "keys", *arguments).returncode == 0
        new = server.log_in()
        refused = run(server.home, "keys", "retire", "k1")
        assert "wait, or say --leaked" in refused.stderr
        ask = f"{server.url}/v1/capability"
        assert httpx2.get(ask, headers={"Authorization": f"Bearer {old}"}, timeout=30).status_code == 200
        assert run(server.home, "keys", "retire", "k1", "--leaked").returncode == 0
        assert httpx2.get(ask, headers={"Authorization": f"Bearer {old}"}, timeout=30).status_code == 401
        assert httpx2.get(ask, headers={"Authorization": f"Bearer {new}"}, timeout=30).status_code == 200
        states = [line.split("\t")[:2] for line in run(server.home, "keys", "list").stdout.splitlines()]
        assert states == [["k1", "retired"], ["k2", "signing"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "k1"], "k1 is signing: only a pending key can be promoted"),
        (["promote", "k9"], "k9 is not in the ring"),
        (["retire", "k1"], "k1 signs: add another key"),
        (["retire", "k1", "--leaked"], "k1 signs: add another key"),
        (["retire", "k9"], "k9 is not in the ring"),
    ],
)
def test_a_key_that_cannot_change_so_says_why(tmp_path: Path, arguments: list[str], message: str) -> None:
    run(tmp_path / "home", "init")
    done = run(tmp_path / "home", "keys", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
