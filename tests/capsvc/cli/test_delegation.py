"""Delegation from the command line: narrow, look, explain, keep, hand on, take back."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess

import httpx2
import pytest

from capsvc.cli.wording import in_words
from caveats import Authority, Format, KeyName, Macaroon, decode, encode
from tests.forks import run
from tests.serving import Server

WINDOW = "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
TOKEN = encode(Macaroon.mint(b"a root key", "k1").attenuate("method in GET HEAD"))
FOR_BILLING = encode(
    Authority(KeyName("k1", "billing"), "3q2-7wAAq83vEjRWeJCrzQ", "alice", "default", b"s" * 16, *WINDOW).mint(
        b"a root key", "https://caps.example"
    )
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("service") / "home") as server:
        yield server


def _added(done: CompletedProcess[str], token: str = TOKEN) -> list[str]:
    assert done.returncode == 0, done.stderr
    texts = [each.identifier.decode() for each in decode(done.stdout.strip()).unverified_caveats]
    return texts[len(decode(token).unverified_caveats) :]


def _run(path: Path, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
    return run(path / "nowhere", *arguments, stdin=stdin)


def test_options_say_the_usual_predicates_beside_raw_ones(tmp_path: Path) -> None:
    bare = encode(Macaroon.mint(b"a root key", "not a service's"))
    options = [
        "--get",
        "--method",
        "POST",
        "--path",
        "/a b",
        "--path",
        "/c",
        "--exact-path",
        "/c/d",
        "--action",
        "read",
    ]
    options += ["--until", "2099-01-01T00:00:00Z", "--ip", "192.0.2.7", "--ip", "2001:db8::1", "--resource", "x/y"]
    done = _run(tmp_path, "attenuate", bare, "user = alice", *options)
    assert done.stderr == "warning: caveat 1 changes nothing: path ^= /a%20b /c\n"
    assert _added(done, bare) == [
        "method in GET HEAD POST", "path ^= /a%20b /c", "path = /c/d", "time < 2099-01-01T00:00:00Z",
        "ip in 192.0.2.7/32 2001:db8::1/128", "action = read", "resource ^= x/y", "user = alice",
    ]  # fmt: skip


def test_a_span_ends_so_long_from_now(tmp_path: Path) -> None:
    added = _added(_run(tmp_path, "attenuate", FOR_BILLING, "--for", "10m"), FOR_BILLING)
    left = datetime.fromisoformat(added[0].removeprefix("time < ")).timestamp() - time.time()
    assert 540 < left <= 600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TOKEN, "method = POST"], "method: caveats 0, 1 contradict each other"),
        ([TOKEN, "--path", "/a", "path ^= /b"], "path: caveats 1, 2 contradict each other"),
        ([FOR_BILLING, "user = bob"], "user: caveats 1, 5 contradict each other"),
        ([FOR_BILLING, "--until", "2025-01-01T00:00:00Z"], "time: caveats 3, 5 contradict each other"),
        ([FOR_BILLING, "--audience", "reports"], "audience = reports, but the token is for the audience billing"),
        ([TOKEN, "--audience", "billing"], "audience = billing, but the token is for no audience"),
    ],
)
def test_what_nothing_could_permit_is_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = _run(tmp_path, "attenuate", *arguments, "--revocable-as", "ci")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: nothing would be permitted: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "profiles").exists()


def test_a_caveat_that_changes_nothing_is_warned_of(tmp_path: Path) -> None:
    done = _run(
        tmp_path, "attenuate", FOR_BILLING, "--audience", "billing", "--get", "method in GET HEAD PUT", "--json"
    )
    assert done.stderr == (
        "warning: caveat 6 changes nothing: audience = billing\n"
        "warning: caveat 7 changes nothing: method in GET HEAD PUT\n"
    )
    told = json.loads(done.stdout)
    assert told["redundant"] == [
        {"position": 6, "predicate": "audience = billing"},
        {"position": 7, "predicate": "method in GET HEAD PUT"},
    ]
    assert "salt = default/…" in told["scope"]
    assert len(decode(told["macaroon"]).unverified_caveats) == 8


def test_a_nonce_of_the_holder_is_warned_of(tmp_path: Path) -> None:
    done = _run(tmp_path, "attenuate", TOKEN, f"nonce = {'A' * 22}")
    assert (done.returncode, done.stderr) == (0, f"warning: caveat 1 changes nothing: nonce = {'A' * 22}\n")


@pytest.mark.parametrize("option", ["--path", "--exact-path"])
def test_an_option_of_paths_that_looks_percent_encoded_is_warned_of(tmp_path: Path, option: str) -> None:
    done = _run(tmp_path, "attenuate", TOKEN, option, "/a%20b")
    assert done.stderr == "warning: /a%20b is taken as it is written, and not percent-decoded\n"
    assert _added(done)[0].endswith("= /a%2520b")


def test_before_and_after_are_shown_on_standard_error(tmp_path: Path) -> None:
    done = _run(tmp_path, "attenuate", TOKEN, "method = GET", "--show")
    assert done.stderr == "before\n  method in GET HEAD\nafter\n  method = GET\n"
    assert _added(done) == ["method = GET"]


def test_to_append_nothing_is_a_misuse(tmp_path: Path) -> None:
    assert _run(tmp_path, "attenuate", TOKEN).returncode == 2


def test_a_name_to_take_back_by_is_remembered_without_its_salt(tmp_path: Path) -> None:
    first = _added(_run(tmp_path, "attenuate", TOKEN, "--revocable-as", "ci"))[0]
    second = _added(_run(tmp_path, "attenuate", TOKEN, "--revocable-as", "ci", "--profile", "default"))[0]
    kept = tmp_path / "profiles" / "profiles.json"
    names = [each.removeprefix("salt = ").partition("/")[0] for each in (first, second)]
    assert json.loads(kept.read_text())["default"]["revocable"] == {"ci": names}
    assert names[0] != names[1]
    assert first.partition("/")[2] not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_copy_whose_name_cannot_be_remembered_is_not_given(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("a file where the directory should be")
    done = _run(tmp_path, "attenuate", TOKEN, "--revocable-as", "ci")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_inspect_says_whose_each_caveat_is_and_when_it_ends(tmp_path: Path) -> None:
    ended = encode(decode(FOR_BILLING).attenuate("time < 2026-01-02T00:00:00Z", "method = GET").append(b"colour = red"))
    lines = _run(tmp_path, "inspect", ended).stdout.splitlines()
    assert lines[0].startswith("Decoded, not verified: ")
    assert "   1  service      user = alice" in lines
    assert "   6  holder       method = GET" in lines
    assert any(line.startswith("expires     2026-01-02T00:00:00Z, ") and line.endswith(" ago") for line in lines)
    told = json.loads(_run(tmp_path, "inspect", ended, "--json").stdout)
    assert (told["expires"], told["expired"], told["redundant"]) == ("2026-01-02T00:00:00Z", True, [4])


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (3 * 3600, "in 3 hours"), (3 * 3600 - 5, "in 2 hours 59 minutes"), (1, "in 1 second"), (0, "0 seconds ago"),
        (-86400 * 2, "2 days ago"), (90, "in 1 minute 30 seconds"), (60, "in 1 minute"),
        (90 * 60, "in 1 hour 30 minutes"), (86400 + 59, "in 1 day"), (-3601, "1 hour ago"),
    ],
)  # fmt: skip
def test_a_moment_in_words(later: int, words: str) -> None:
    assert in_words("2026-11-22T06:00:00Z", 1_795_327_200 - later) == words


def test_explain_is_a_checklist_with_an_exit_code(tmp_path: Path) -> None:
    refused = _run(tmp_path, "explain", TOKEN, "--method", "POST", "--path", "/docs/7")
    assert (refused.returncode, refused.stderr) == (1, "")
    assert refused.stdout == (
        "decoded, not verified\ncaveat 0  holder  unmet  method in GET HEAD: the request needs POST; use GET or HEAD\n"
    )
    told = json.loads(_run(tmp_path, "explain", TOKEN, "--method", "POST", "--json").stdout)
    assert (told["verified"], told["met"], told["caveats"][0]["instead"]) == (False, False, "use GET or HEAD")
    met = _run(tmp_path, "explain", TOKEN, "--method", "GET")
    assert (met.returncode, met.stdout.splitlines()[0]) == (0, "decoded, not verified")


@pytest.mark.parametrize("fact", [["--ip", "nowhere"], ["--time", "soon"], ["--fact", "colour=red"]])
def test_a_fact_that_cannot_be_read_is_one_line(tmp_path: Path, fact: list[str]) -> None:
    done = _run(tmp_path, "explain", TOKEN, *fact)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: a fact is wrong: ")


@pytest.mark.parametrize("format", [Format.V1, Format.V2])
def test_a_header_is_bound_and_holds_no_original(tmp_path: Path, format: Format) -> None:
    token = encode(TOKEN, format)
    done = _run(tmp_path, "header", "GET", "https://api.example/docs/7", "--token", "-", stdin=token)
    assert done.stdout.startswith("Authorization: Bearer ")
    assert token not in done.stdout
    refused = _run(tmp_path, "header", "GET", "not a url", "--token", token)
    assert (refused.returncode, refused.stderr) == (1, "error: a URL is like https://api.example/docs/7\n")


def test_one_delegate_is_taken_back_by_the_name_that_was_chosen(server: Server) -> None:
    kept = run(server.home, "login", "admin", "--password-stdin", "--profile", "work", stdin=server.password + "\n")
    assert (kept.returncode, kept.stdout, kept.stderr) == (0, "", "kept in profile work\n")
    copies = [
        run(server.home, "attenuate", ":work", "--revocable-as", name).stdout.strip() for name in ("ci", "ci", "other")
    ]
    assert [run(server.home, "verify", each).returncode for each in copies] == [0, 0, 0]
    done = run(server.home, "revoke", "ci", "--profile", "work")
    assert [line.partition(".")[0] for line in done.stdout.splitlines()] == ["revoked ci", "revoked ci"]
    assert [run(server.home, "verify", each).returncode for each in copies] == [1, 1, 0]
    assert run(server.home, "salts", ":work", "--json").returncode == 0
    listed = run(server.home, "profile", "list")
    assert listed.stdout == f"work\t{server.url}\ttoken\tci other\n"


def test_a_kept_token_goes_to_its_own_service_alone(server: Server) -> None:
    run(server.home, "login", "admin", "--password-stdin", "--profile", "own", stdin=server.password + "\n")
    done = run(server.home, "salts", ":own", environment={"CAPSVC_URL": "http://127.0.0.1:9"})
    assert (done.returncode, done.stdout) == (1, "")
    assert f"profile own is for {server.url}" in done.stderr


def test_a_renewed_profile_keeps_the_fresh_macaroon_and_a_logout_forgets_it(server: Server) -> None:
    run(server.home, "login", "admin", "--password-stdin", "--profile", "short", stdin=server.password + "\n")
    kept = server.home.parent / "profiles" / "profiles.json"
    before = json.loads(kept.read_text())["short"]["token"]
    assert run(server.home, "renew", ":short").stdout == ""
    after = json.loads(kept.read_text())["short"]["token"]
    assert after != before
    assert run(server.home, "logout", "--profile", "short").stdout.startswith("revoked, revision ")
    assert run(server.home, "verify", after).returncode == 1
    assert after not in kept.read_text()
    gone = run(server.home, "salts", ":short")
    assert gone.stderr == "error: profile short holds no token: `capsvc login USER --profile short`\n"


def test_a_header_opens_one_request_of_a_real_service_and_no_other(server: Server) -> None:
    token = server.log_in()
    url = f"{server.url}/v1/capability?a=b"
    name, _, value = run(server.home, "header", "GET", url, "--token", token).stdout.strip().partition(": ")
    assert httpx2.get(url, headers={name: value}, timeout=30).status_code == 200
    refused = httpx2.get(f"{server.url}/v1/salts", headers={name: value}, timeout=30)
    assert (refused.status_code, {each["instead"] for each in refused.json()["unmet"]} != {""}) == (403, True)
