"""JSON on the command line: one document, whole, and on standard output alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caveats import Macaroon, encode
from caveats.encoding import decode_base64
from tests.forks import run
from tests.serving import Server

ROOT = Macaroon.mint(b"a root key", "k1")
PHC = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uJJvqyJtqKwbKQ6r/ckHOQeDYEZdmL5rAYTsRpSa3lw"
LONG = "path = /" + "long/" * 60 + "\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_every_command_on_a_home_can_answer_in_json(tmp_path: Path) -> None:
    def answer(*arguments: str, stdin: str = "") -> Any:
        done = run(tmp_path / "home", *arguments, "--json", stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    home = str(tmp_path / "home")
    assert answer("init") == {"home": home, "made": True, "first_user": "admin"}
    assert answer("init", "--if-missing") == {"home": home, "made": False}
    added = answer("user", "add", "bob", "--audience", "billing", "--password-stdin", stdin="correct horse\n")
    assert added == {"user": "bob", "audiences": ["billing"]}
    disabled = answer("user", "disable", "bob")
    assert (disabled["user"], disabled["disabled"]) == ("bob", True)
    enabled = answer("user", "enable", "bob")
    assert (enabled["disabled"], enabled["revision"] > disabled["revision"]) == (False, True)
    changed = answer("user", "passwd", "bob", "--password-stdin", stdin="battery staple\n")
    assert (changed["user"], changed["revision"] > enabled["revision"]) == ("bob", True)
    line = json.dumps({"user": "carol", "password": PHC})
    assert answer("user", "import", "-", stdin=line) == {"imported": 1, "left_out": 0}
    assert [each["user"] for each in answer("user", "list")] == ["admin", "bob", "carol"]
    assert answer("keys", "add") == {"key_id": "k2", "state": "pending"}
    assert answer("keys", "promote", "k2") == {"key_id": "k2", "state": "signing"}
    assert answer("keys", "rotate") == {"key_id": "k3", "state": "signing"}
    assert answer("keys", "retire", "k1", "--leaked") == {"key_id": "k1", "state": "retired"}


def test_verify_takes_the_option_too(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        done = run(server.home, "verify", server.log_in(), "--json")
    assert json.loads(done.stdout)["user"] == "admin"


def test_an_empty_list_of_users_is_an_array(tmp_path: Path) -> None:
    run(tmp_path / "home", "init", "--first-user", "")
    assert run(tmp_path / "home", "user", "list", "--json").stdout == "[]\n"


def test_inspect_cuts_nothing_and_hides_salts_alone(tmp_path: Path) -> None:
    salt = "ci.x/" + "A" * 22
    macaroon = (
        ROOT.append(b"\xff\xfe raw").attenuate(LONG, f"salt = {salt}").entrust("https://there", b"key", b"\x00id")
    )
    done = run(tmp_path / "nowhere", "inspect", "-", "--json", stdin=encode(macaroon))
    raw, long, hidden, third = json.loads(done.stdout)["caveats"]
    assert decode_base64(raw["identifier"]) == b"\xff\xfe raw"
    assert (long["caveat"], "identifier" in long) == (LONG, False)
    assert (hidden["caveat"], "identifier" in hidden) == ("salt = ci.x/…", False)
    assert (decode_base64(third["identifier"]), third["location"]) == (b"\x00id", "https://there")
    assert "A" * 22 not in done.stdout


def test_attenuate_cuts_nothing_either(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", "attenuate", "-", LONG, LONG, "--json", stdin=encode(ROOT))
    told = json.loads(done.stdout)
    assert (told["scope"], told["redundant"]) == ([LONG], [{"position": 1, "predicate": LONG}])


@pytest.mark.parametrize("arguments", [["inspect", "no token"], ["user", "list"], ["salts", ":work"]])
def test_an_error_is_plain_text_on_standard_error(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path / "nowhere", *arguments, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
