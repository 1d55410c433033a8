"""Taking back from the command line: what is reported as taken back was taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from caveats import decode, encode
from tests.forks import run
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("service") / "home") as server:
        yield server


@pytest.fixture
def profiles(tmp_path: Path) -> dict[str, str]:
    return {"CAPSVC_PROFILES": str(tmp_path / "profiles.json")}


def _log_in(server: Server, profiles: dict[str, str], profile: str, *more: str, user: str = "admin") -> None:
    words = ["login", user, "--password-stdin", "--profile", profile, *more]
    done = run(
        server.home, *words, stdin=f"{server.password if user == 'admin' else 'correct horse'}\n", environment=profiles
    )
    assert done.returncode == 0, done.stderr


def _copy(server: Server, profiles: dict[str, str], token: str, name: str) -> str:
    done = run(server.home, "attenuate", token, "--revocable-as", name, environment=profiles)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _is_alive(server: Server, token: str) -> bool:
    return run(server.home, "verify", token).returncode == 0


def _refused(done: CompletedProcess[str], message: str) -> None:
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert message in done.stderr


def test_a_name_that_is_nowhere_is_an_error_and_no_success(server: Server, profiles: dict[str, str]) -> None:
    token = server.log_in()
    done = run(server.home, "revoke", "contractr", "--token", token, environment=profiles)
    _refused(done, "nothing was taken back: no profile of this service and user remembers contractr")
    assert done.stderr.endswith("; --exact takes it back as it stands\n")
    assert "contractr" not in run(server.home, "salts", token).stdout


def test_a_name_is_found_in_every_profile_of_the_service(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "work")
    kept, unkept = _copy(server, profiles, ":work", "build"), _copy(server, profiles, server.log_in(), "build")
    done = run(server.home, "revoke", "build", "--token", server.log_in(), "--json", environment=profiles)
    told = json.loads(done.stdout)
    assert [name.partition(".")[0] for name in told["names"]] == ["build", "build"]
    assert isinstance(told["revision"], int)
    assert (_is_alive(server, kept), _is_alive(server, unkept)) == (False, False)


def test_a_profile_that_is_named_is_the_only_one_and_the_others_are_told_of(
    server: Server, profiles: dict[str, str]
) -> None:
    _log_in(server, profiles, "work")
    copy = _copy(server, profiles, server.log_in(), "nightly")  # remembered in default
    done = run(server.home, "revoke", "nightly", "--profile", "work", environment=profiles)
    _refused(done, "profile work does not remember nightly (profile default does: say --profile)")
    assert _is_alive(server, copy)


def test_a_whole_salt_name_is_remembered_too(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "work")
    first, second = (_copy(server, profiles, ":work", "pair") for _ in range(2))
    name = decode(first).unverified_caveats[-1].identifier.decode().removeprefix("salt = ").partition("/")[0]
    assert run(server.home, "revoke", name, "--profile", "work", environment=profiles).returncode == 0
    assert (_is_alive(server, first), _is_alive(server, second)) == (False, True)


def test_a_remembered_name_shadows_no_logins_own_name(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "work", "--salt", "laptop")
    copy = _copy(server, profiles, ":work", "laptop")
    lost = server.log_in(salt="laptop")
    done = run(server.home, "revoke", "laptop", "--profile", "work", environment=profiles)
    lines = done.stdout.splitlines()
    assert [line.partition(",")[0].partition(".")[0] for line in lines] == ["revoked laptop", "revoked laptop"]
    assert lines[1].startswith("revoked laptop, revision ")
    assert (_is_alive(server, copy), _is_alive(server, lost)) == (False, False)


def test_what_another_user_remembers_stands_in_another_column(server: Server, profiles: dict[str, str]) -> None:
    run(server.home, "user", "add", "bob", "--password-stdin", stdin="correct horse\n")
    _log_in(server, profiles, "hers", user="bob")
    copy = _copy(server, profiles, ":hers", "shared")
    words = ["revoke", "shared", "--token", server.log_in()]
    _refused(run(server.home, *words, environment=profiles), "no profile of this service and user remembers shared")
    _refused(run(server.home, *words, "--profile", "hers", environment=profiles), "profile hers is of another user")
    assert _is_alive(server, copy)


def test_names_of_one_service_are_not_sent_to_another(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "work")
    _copy(server, profiles, ":work", "ci")
    words = ["revoke", "ci", "--profile", "work", "--url", "http://127.0.0.1:9", "--token", server.log_in()]
    _refused(run(server.home, *words, environment=profiles), "profile work is of another service than the token")


def test_a_token_that_may_not_list_names_revokes_what_is_remembered(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "work")
    copy = _copy(server, profiles, ":work", "ci")
    narrow = encode(decode(server.log_in()).attenuate("path = /v1/revocations"))
    done = run(server.home, "revoke", "ci", "--token", narrow, environment=profiles)
    assert (done.returncode, _is_alive(server, copy)) == (0, False)
    _refused(
        run(server.home, "revoke", "cd", "--token", narrow, environment=profiles), "--exact takes it back as it stands"
    )


def test_a_token_in_the_place_of_a_name_is_not_repeated(server: Server) -> None:
    token = server.log_in()
    done = run(server.home, "revoke", token, "--token", token)
    _refused(done, "NAME: a salt's name is 1 to 64")
    assert token not in done.stderr


def test_a_holders_name_that_was_taken_back_by_mistake_is_not_found_later(
    server: Server, profiles: dict[str, str]
) -> None:
    token = server.log_in()
    assert run(server.home, "revoke", "mistaken", "--exact", "--token", token).returncode == 0
    _refused(run(server.home, "revoke", "mistaken", "--token", token, environment=profiles), "nothing was taken back")


def test_a_logout_where_nothing_is_left_to_revoke_is_a_logout(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "gone")
    kept = json.loads(Path(profiles["CAPSVC_PROFILES"]).read_text())["gone"]["token"]
    assert run(server.home, "revoke", "--this", "--token", kept).returncode == 0
    done = run(server.home, "logout", "--profile", "gone", environment=profiles)
    assert (done.returncode, done.stdout) == (0, "it was revoked already: forgotten\n")
    assert kept not in Path(profiles["CAPSVC_PROFILES"]).read_text()


def test_a_logout_can_be_json(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "gone")
    told = json.loads(run(server.home, "logout", "--profile", "gone", "--json", environment=profiles).stdout)
    assert (told["profile"], isinstance(told["revision"], int)) == ("gone", True)


def test_a_logout_from_a_service_that_is_down_names_the_way_out(server: Server, profiles: dict[str, str]) -> None:
    _log_in(server, profiles, "far")
    path = Path(profiles["CAPSVC_PROFILES"])
    path.write_text(path.read_text().replace(server.url, "http://127.0.0.1:9"))
    _refused(run(server.home, "logout", "--profile", "far", environment=profiles), "--forget forgets it here alone")
    assert run(server.home, "logout", "--profile", "far", "--forget", environment=profiles).returncode == 0


def test_a_token_for_another_audience_is_told_so_in_the_command_lines_words(server: Server) -> None:
    admin = server.log_in(audience="capsvc.verify")
    _refused(run(server.home, "salts", admin), "or is for another audience: `capsvc inspect` shows which")


def test_whoever_finds_a_token_has_it_taken_back_and_what_it_was_cut_from_lives_on(
    server: Server, profiles: dict[str, str]
) -> None:
    root = server.log_in()
    copy = _copy(server, profiles, root, "build")
    for token, more in ((copy, []), ("garbage", []), (copy, ["--json"])):
        done = run(server.home, "report-leak", "-", *more, stdin=token, environment=profiles)
        assert (done.returncode, done.stderr) == (0, "")
        assert "taken back by now" in done.stdout
    assert (_is_alive(server, copy), _is_alive(server, root)) == (False, True)
