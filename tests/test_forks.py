"""A command that is forked does what a fresh process of it does."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from caveats import Macaroon, encode
from tests import forks, serving

TOKEN = encode(Macaroon.mint(b"a root key", "k1").attenuate("method in GET HEAD"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0), (["attenuate", "--help"], 0), ([], 2), (["nonsense"], 2), (["inspect", "-"], 0),
        (["attenuate", "@token", "path ^= /\N{SNOWMAN}"], 0), (["explain", "-", "--method", "PUT"], 1),
        (["user", "list"], 1), (["keys", "promote", "\udcff"], 2), (["salts", "-", "--url", "http://127.0.0.1:9"], 1),
        (["profile", "list"], 1), (["serve", "--port", "99999"], 1),
    ],
)  # fmt: skip
def test_a_fork_prints_and_returns_what_a_fresh_process_does(tmp_path: Path, arguments: list[str], code: int) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "profiles").write_text("a file where a directory should be")
    fork, fresh = (each.run(tmp_path / "home", *arguments, stdin=TOKEN) for each in (forks, serving))
    by_script = _run_by_script(tmp_path, *arguments)
    assert (fork.returncode, fork.stdout, fork.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)
    assert (by_script.returncode, by_script.stdout, by_script.stderr) == (code, fresh.stdout, fresh.stderr)
    assert fork.returncode == code


def _run_by_script(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an example does."""
    more, descriptor = forks.commands(directory / "bin")
    return subprocess.run(
        [directory / "bin" / "capsvc", *arguments], input=TOKEN, env=forks.environment_for(directory / "home") | more,
        cwd=directory, capture_output=True, text=True, timeout=60, check=False, pass_fds=[descriptor],
    )  # fmt: skip


def test_a_fork_leaves_nothing_to_the_next_and_nothing_here(tmp_path: Path) -> None:
    before = dict(os.environ), Path.cwd()
    there = {"CAPSVC_URL": "http://127.0.0.1:9"}
    assert "no service answers" in forks.run(tmp_path / "home", "salts", TOKEN, environment=there).stderr
    assert "no address" in forks.run(tmp_path / "home", "salts", TOKEN).stderr
    assert (dict(os.environ), Path.cwd()) == before


def test_a_fork_makes_the_same_files(tmp_path: Path) -> None:
    for name, each in (("fork", forks), ("fresh", serving)):
        (tmp_path / name).mkdir()
        assert each.run(tmp_path / name / "home", "init").returncode == 0
    forked, fresh = (
        {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
        for home in (tmp_path / "fork" / "home", tmp_path / "fresh" / "home")
    )
    assert forked == fresh


def test_a_fork_ends_by_a_signal_as_a_process_does(tmp_path: Path) -> None:
    assert forks.run(tmp_path / "home", "init").returncode == 0
    with Path(os.devnull).open("r+b") as nothing:
        fork = forks.Fork(
            ["serve", "--port", "0"], forks.environment_for(tmp_path / "home"), tmp_path, (nothing.fileno(),) * 3
        )
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.01)
    assert fork.poll() is None
    fork.kill()
    assert fork.wait(60) == fork.poll() == -signal.SIGKILL
