"""What is said on the command line: nothing empty is taken for nothing said, and no slip is repeated or guessed at."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from capsvc.cli import app
from caveats import Macaroon, encode
from tests.forks import COMMAND, environment_for, run

TOKEN = encode(Macaroon.mint(b"a root key", "k1", "https://caps.example.org").attenuate("method in GET HEAD"))
UNTIL_LONG_AGO = encode(Macaroon.mint(b"a root key", "k1").attenuate("time < 2025-01-01T00:00:00Z"))

_NO_TEXT = ("against", "body", "body_file", "most", "password_file", "port", "to", "workers")


def _commands(group: TyperGroup, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, (*before, name))
        else:
            yield (*before, name), command


def _text_options() -> Iterator[tuple[str, ...]]:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    for name, command in _commands(root):
        arguments = ["a"] * sum(each.param_type_name == "argument" and each.required for each in command.params)
        demanded = [each for each in command.params if each.param_type_name == "option" and each.required]
        for option in command.params:
            others = [text for each in demanded if each is not option for text in (each.opts[0], "a")]
            if option.param_type_name == "option" and not option.is_flag and option.name not in _NO_TEXT:
                yield (*name, *arguments, *others, option.opts[0], "")


@pytest.mark.parametrize("arguments", [*_text_options()], ids=" ".join)
def test_an_empty_option_is_never_taken_for_one_that_was_left_out(arguments: tuple[str, ...], tmp_path: Path) -> None:
    home = {"CAPSVC_HOME": str(tmp_path / "home")}  # `init --first-user ''` makes one
    done = CliRunner().invoke(app, arguments, env=home)
    if arguments[-2] in ("--query", "--first-user"):
        assert "it is empty" not in done.output
    else:
        assert (done.exit_code, "it is empty: leave the option out" in done.output) == (2, True)


def test_an_empty_one_among_several_is_a_misuse_too(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", "attenuate", TOKEN, "--method", "GET", "--method", "")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attenuate", TOKEN, "--for", "0"], "a span of time is 1s to 3650d"),
        (["attenuate", TOKEN, "--for", "999999999d"], "a span of time is 1s to 3650d"),
        (["login", "alice", "--password-stdin", "--lifetime", "0s"], "a span of time is 1s to 3650d"),
        (["attenuate", TOKEN, "--until", "2025-01-01T00:00:00Z"], "nothing would be permitted: it has expired"),
        (["attenuate", UNTIL_LONG_AGO, "--get"], "nothing would be permitted: it has expired"),
        (["attenuate", TOKEN, "--method", "get"], "write GET"),
        (["attenuate", TOKEN, "--method", "GET HEAD"], "a method is one word, such as GET"),
        (["explain", TOKEN, "--method", "get"], "write GET"),
        (["attenuate", TOKEN, "amount <= 5"], "amount <= 5: its attribute is not in the vocabulary; say --declare"),
        (["attenuate", TOKEN, "salt = ci/" + "A" * 21], "salt …: a salt is 22 characters of base64"),
        (["attenuate", TOKEN, "--revocable-as", "a" * 56], "--revocable-as takes 1 to 55 ASCII letters"),
        (["attenuate", TOKEN, "--declare", "a=text", "--declare", "a=text", "a = b"], "--declare says a twice"),
        (["explain", TOKEN, "--fact", "action"], "--fact takes NAME=VALUE"),
        (["explain", TOKEN, "--fact", "request=a", "--fact", "request=b"], "--fact says request twice"),
        (["explain", TOKEN, "--fact", "method=GET"], "--fact method: there is an option of its own"),
        (["explain", TOKEN, "--fact", "time=2026-01-01T00:00:00Z"], "--fact time: there is an option of its own"),
        (["header", TOKEN, "https://api.example/"], "a method is one word, such as GET"),
        (["inspect", "token"], "not a token (a file is @FILE)"),
        (["inspect", "-"], "standard input is empty"),
        (["inspect", "@"], "@ needs the name of a file"),
        (["inspect", "@empty"], "the file is empty"),
        (["inspect", "@" + TOKEN], "no such file; to give a token itself, leave out @"),
        (["inspect", "@" + "x" * 300], "no such file; to give a token itself, leave out @"),
        (["salts", TOKEN, "--url", "http://127.0.0.1:99999"], "no service answers at http://127.0.0.1:99999"),
        (["salts", TOKEN, "--url", "http://127.0.0.1:port"], "no service answers at http://127.0.0.1:port"),
        (["salts", TOKEN, "--url", "http://user:secret@127.0.0.1:9"], "neither user nor password"),
        (["revoke", "ci", "--token", TOKEN, "--profile", "work"], "there is no profile work"),
    ],
)
def test_a_slip_is_one_line_that_says_what_to_do(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty").touch()
    done = run(tmp_path / "nowhere", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any(secret.lower() in done.stderr.lower() for secret in (TOKEN, "secret", "x" * 300, "A" * 21))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revoke", "--everyone", "--token", TOKEN], "--before TIME"),
        (["revoke", "--all", "--before", "now", "--token", TOKEN], "--before TIME"),
        (["revoke", "--all", "--exact", "--token", TOKEN], "--exact needs a NAME"),
        (["login", "a", "--password-stdin", "--password-file", "p", "--url", "http://127.0.0.1:9"], "not both"),
        (["header", "GET", "https://a.example/", "--no-body", "--body-file", "b"], "not both"),
    ],
)
def test_what_does_not_go_together_is_a_misuse(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path / "nowhere", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["salts", TOKEN, "--user", "\udcff"], ["user", "disable", "\udcff"], ["user", "enable", "\udcff"],
        ["user", "passwd", "\udcff"], ["login", "\udcff"], ["keys", "promote", "\udcff"],
        ["attenuate", TOKEN, "\udcff"],
    ],
)  # fmt: skip
def test_what_is_not_utf8_is_refused_before_anything_is_asked(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path / "nowhere", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(": it is not UTF-8\n")


def test_a_token_may_stand_in_a_file_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "\udcff").write_text(TOKEN)
    assert run(tmp_path / "nowhere", "inspect", "@\udcff").returncode == 0


def test_a_password_is_not_asked_for_where_there_is_no_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "login", "alice", "--url", "http://127.0.0.1:9"], env=environment_for(tmp_path / "nowhere"),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: there is no terminal to ask for a password on: say --password-stdin\n"


def test_nothing_is_done_where_standard_output_is_closed(tmp_path: Path) -> None:
    command = f"{COMMAND} attenuate {TOKEN} --revocable-as ci >&-"
    done = subprocess.run(
        ["bash", "-c", command], env=environment_for(tmp_path / "nowhere"), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "error: standard output is closed\n")
    assert not (tmp_path / "profiles").exists()


def test_a_home_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in (["user", "list"], ["init"], ["salts", TOKEN]):
        done = run(tmp_path / "file", *arguments)
        assert done.stderr.startswith(f"error: {tmp_path}{os.sep}file is not a directory: set CAPSVC_HOME"), arguments
        assert len(done.stderr.splitlines()) == 1
