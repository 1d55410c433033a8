"""Commands on tokens: offline ones need nothing, online ones a service; tokens pipe."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from argon2 import PasswordHasher

from caveats import Format, Macaroon, decode, encode, time_text
from tests.forks import COMMAND, run
from tests.serving import Server

ROOT = Macaroon.mint(b"a root key", "k1", "https://caps.example.org").attenuate("method in GET HEAD")
TOKEN = encode(ROOT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("service") / "home") as server:
        yield server


def test_attenuate_prints_nothing_but_the_narrowed_token(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", "attenuate", TOKEN, "path ^= /docs", "method = GET")
    assert (done.returncode, done.stderr) == (0, "")
    assert decode(done.stdout.strip()) == ROOT.attenuate("path ^= /docs", "method = GET")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("format", list(Format))
def test_attenuate_keeps_the_format_of_the_token(tmp_path: Path, format: Format) -> None:
    done = run(tmp_path / "nowhere", "attenuate", encode(ROOT, format), "method = GET")
    assert done.stdout.strip() == encode(ROOT.attenuate("method = GET"), format)


def test_a_token_comes_from_standard_input_or_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    from_file = run(tmp_path / "nowhere", "attenuate", "@token", "method = GET")
    piped = run(tmp_path / "nowhere", "attenuate", "-", "method = GET", stdin=TOKEN + "\n")
    assert from_file.stdout == piped.stdout != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attenuate", TOKEN, "colour = red"], "its attribute is not in the vocabulary"),
        (["attenuate", TOKEN, "time < tomorrow"], "a time is exactly YYYY-MM-DDTHH:MM:SSZ"),
        (["attenuate", TOKEN[:60], "method = GET"], "a field is longer than what follows"),
        (["attenuate", "@missing", "method = GET"], "missing cannot be read: No such file"),
        (["inspect", "not a token"], "not URL-safe base64 without padding"),
        (["inspect", ""], "neither format 1 nor format 2"),
        (["attenuate", TOKEN, "--declare", "amount=colour", "amount <= 5"], "--declare takes NAME=TYPE"),
        (["verify", TOKEN], "there is no home"),
        (["login", "alice", "--password-stdin"], "no address"),
        (["login", "alice", "--password-stdin", "--url", "http://127.0.0.1:9"], "no service answers"),
        (["login", "alice", "--password-stdin", "--url", "nonsense"], "no service answers"),
        (["login", "alice", "--password-stdin", "--lifetime", "soon"], "a span of time is like"),
        (["revoke", "--token", TOKEN], "say exactly one of"),
        (["keys", "list"], "there is no home"),
        (["user", "list"], "there is no home"),
        (["serve"], "there is no home"),
    ],
)
def test_what_goes_wrong_is_one_line_that_says_what(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path / "nowhere", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert TOKEN not in done.stderr


def test_inspect_says_that_nothing_is_verified_and_shows_no_signature() -> None:
    done = subprocess.run([COMMAND, "inspect", "-"], input=TOKEN, capture_output=True, text=True, check=True)
    assert "not verified" in done.stdout
    assert "   0  holder       method in GET HEAD" in done.stdout
    assert ROOT.signature.hex() not in done.stdout


def test_inspect_as_json_is_json(tmp_path: Path) -> None:
    described = json.loads(run(tmp_path / "nowhere", "inspect", TOKEN, "--json").stdout)
    assert described["verified"] is False
    assert described["caveats"] == [{"position": 0, "caveat": "method in GET HEAD", "whose": "holder"}]
    assert (described["scope"], described["expires"], described["expired"]) == (["method in GET HEAD"], None, False)


def test_inspect_prints_no_control_characters_of_a_token(tmp_path: Path) -> None:
    hostile = encode(ROOT.append(b"\x1b[2J\x1b]0;owned\x07\nuser = admin"))
    printed = run(tmp_path / "nowhere", "inspect", hostile).stdout
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "\nuser" not in printed


def test_the_offline_commands_load_no_web_framework_and_no_http_client() -> None:
    code = f"""
import sys
sys.argv = ["capsvc", "attenuate", {TOKEN!r}, "method = GET"]
from capsvc.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = {{"starlette", "uvicorn", "httpx2", "msgspec", "argon2", "sqlite_utils"}} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_login_prints_the_token_alone_and_it_verifies(server: Server) -> None:
    done = run(server.home, "login", "admin", "--password-stdin", "--salt", "laptop", stdin=server.password + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    verified = run(server.home, "verify", "-", "--method", "GET", stdin=done.stdout)
    assert json.loads(verified.stdout)["salt"] == ["laptop"]


def test_a_wrong_password_is_refused_without_being_repeated(server: Server) -> None:
    done = run(server.home, "login", "admin", "--password-stdin", stdin="a wrong password\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "user and password are refused" in done.stderr
    assert "a wrong password" not in done.stderr


def test_renew_gives_a_fresh_nonce_and_revoke_takes_one_token_back(server: Server) -> None:
    token = server.log_in()
    renewed = run(server.home, "renew", "-", stdin=token).stdout.strip()
    assert decode(renewed).unverified_caveats[0] != decode(token).unverified_caveats[0]
    revoked = run(server.home, "revoke", "--this", "--token", token)
    assert revoked.stdout.startswith("revoked, revision ")
    assert run(server.home, "verify", token).returncode == 1
    assert run(server.home, "verify", renewed).returncode == 0


def test_a_holders_own_name_takes_back_only_the_copy_that_carries_it(server: Server) -> None:
    token = server.log_in()
    handed_on = encode(decode(token).attenuate("salt = ci.x7f2k9/" + "A" * 22))
    assert run(server.home, "verify", handed_on).returncode == 0
    assert run(server.home, "revoke", "ci.x7f2k9", "--exact", "--token", token).returncode == 0
    refused = run(server.home, "verify", handed_on)
    assert (refused.returncode, refused.stderr) == (1, "error: the macaroon is revoked\n")
    assert run(server.home, "verify", token).returncode == 0


def test_verify_names_each_caveat_that_is_not_met(server: Server) -> None:
    narrowed = encode(decode(server.log_in()).attenuate("path ^= /docs", "method = GET", "action in read list"))
    done = run(server.home, "verify", narrowed, "--path", "/x", "--method", "POST", "--action", "read")
    assert done.returncode == 1
    assert "caveat 5: path ^= /docs: it is /x" in done.stderr
    assert "caveat 6: method = GET: the request needs POST" in done.stderr
    assert "caveat 7" not in done.stderr


def test_everyone_is_refused_after_a_panic_and_may_log_in_again(server: Server) -> None:
    token, admin = server.log_in(), server.log_in(audience="capsvc.admin")
    done = run(server.home, "revoke", "--everyone", "--before", "now", "--token", admin)
    assert done.returncode == 0, done.stderr
    assert run(server.home, "verify", token).stderr == "error: the macaroon is revoked\n"
    assert run(server.home, "verify", server.log_in()).returncode == 0


def test_a_token_never_has_to_stand_among_the_arguments(server: Server) -> None:
    token = server.log_in()
    for arguments in (
        ["verify", "-"],
        ["renew", "-"],
        ["salts", "-"],
        ["inspect", "-"],
        ["revoke", "a.b", "--exact", "--token", "-"],
    ):
        assert run(server.home, *arguments, stdin=token).returncode == 0, arguments


def test_a_login_that_appends_an_earlier_end_says_so(server: Server) -> None:
    soon = time_text(time.time() + 60)
    wanted = {"user": "admin", "password": server.password, "caveats": [f"time < {soon}", "method = GET"]}
    answer = httpx2.post(f"{server.url}/v1/tokens", json=wanted, timeout=30).json()
    assert answer["expires"] == soon


def test_everyone_and_a_user_are_not_asked_for_at_once(server: Server) -> None:
    token, admin = server.log_in(), server.log_in(audience="capsvc.admin")
    body = {"everyone": True, "before": "2026-01-01T00:00:00Z", "user": "admin"}
    answer = httpx2.post(
        f"{server.url}/v1/revocations", json=body, headers={"Authorization": f"Bearer {admin}"}, timeout=30
    )
    assert answer.status_code == 400
    done = run(server.home, "revoke", "--everyone", "--before", "now", "--user", "admin", "--token", admin)
    assert "not both" in done.stderr
    assert run(server.home, "verify", token).returncode == 0


@pytest.mark.parametrize("token", ["é", "a\nb", "a b"])
def test_a_token_that_no_header_holds_is_not_sent(server: Server, token: str) -> None:
    said = run(server.home, "salts", token)
    assert said.stderr == "error: not a token (a file is @FILE): not URL-safe base64 without padding\n"
    piped = run(server.home, "salts", "-", stdin=token)
    assert piped.stderr == "error: a token is URL-safe base64, on one line\n"


def test_an_imported_user_with_a_short_password_logs_in(server: Server) -> None:
    hash = PasswordHasher(time_cost=3).hash("abc12")
    (server.home / "short.jsonl").write_text(json.dumps({"user": "shorty", "password": hash}) + "\n")
    assert run(server.home, "user", "import", str(server.home / "short.jsonl")).returncode == 0
    for _ in range(2):  # the first login makes the hash anew
        assert run(server.home, "login", "shorty", "--password-stdin", stdin="abc12\n").returncode == 0


def test_a_closed_standard_input_is_no_traceback() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} inspect {TOKEN} <&-; {COMMAND} inspect - <&-"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "method in GET HEAD" in done.stdout
    assert done.stderr == "error: there is no standard input to read from\n"
