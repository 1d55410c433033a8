"""A disk that is full, read-only or damaged under a running service: nothing that was acknowledged is lost."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from capsvc.home import Home
from capsvc.restoration import restore
from capsvc.stores.backup import write_backup
from tests.capsvc.http.serving import Serving, bearer, make_home, narrow, now, serving
from tests.capsvc.mounts import filled, read_only, small_disk
from tests.forks import run

_SALT = "Zk2y0c2Qv3m0tA5Jx1mWmw"


def _status(service: Serving, token: str) -> int:
    return service.client.get("/v1/capability", headers=bearer(token)).status_code


def _revoke(service: Serving, token: str, name: str) -> Any:
    return service.client.post("/v1/revocations", headers=bearer(token), json={"name": name})


def _command(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(home.path, *arguments)


def _assert_one_line(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")


def test_on_a_full_disk_what_was_acknowledged_stands_and_the_rest_is_repeated_when_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 8) as disk, serving(make_home(disk / "home")) as service:
        token = service.token()
        copies = {f"friend.{number}": narrow(token, f"salt = friend.{number}/{_SALT}") for number in range(12)}
        asked = list(copies)
        acknowledged = [name for name in asked[:4] if _revoke(service, token, name).status_code == 200]
        assert len(acknowledged) == 4
        with filled(disk):
            answers = {name: _revoke(service, token, name) for name in asked[4:]}
            acknowledged += [name for name, answer in answers.items() if answer.status_code == 200]
            refused = {name: answer for name, answer in answers.items() if name not in acknowledged}
            assert refused
            assert {answer.status_code for answer in refused.values()} == {503}
            assert all(answer.json()["type"].endswith(":store-unavailable") for answer in refused.values())
            for name in acknowledged:
                assert _status(service, copies[name]) == 401
        for name in refused:
            assert _revoke(service, token, name).status_code == 200
        for copy in copies.values():
            assert _status(service, copy) == 401
        assert _status(service, token) == 200
        assert "Traceback" not in service.stderr()
        assert service.home.high_water.read().revision == _revision(service.home)


def _revision(home: Home) -> int:
    with closing(home.open_store()) as store:
        return store.revision()


def test_a_revocation_whose_high_water_cannot_be_written_is_answered_with_503_and_can_be_repeated(
    tmp_path: Path,
) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        token = service.token()
        copy = narrow(token, f"salt = friend.abcd/{_SALT}")
        with read_only(service.home.high_water.path):
            answer = _revoke(service, token, "friend.abcd")
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:capsvc:problem:store-unavailable")
            assert "again" in answer.json()["detail"]
            assert str(tmp_path) not in answer.text
            assert _status(service, token) == 200, "verification asks nothing of the high water"
        answer = _revoke(service, token, "friend.abcd")
        assert answer.status_code == 200
        assert service.home.high_water.read().revision == answer.json()["revision"]
        assert _status(service, copy) == 401
        assert "high water cannot be written" in service.stderr()


def test_on_a_read_only_disk_nothing_starts_and_nothing_is_changed_until_it_can_be_written_again(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        home = make_home(disk / "home")
        with serving(home) as service:
            user = service.new_user()
            token = service.log_in(user)
        before = home.database.read_bytes()
        with read_only(disk):
            for arguments in (("serve", "--port", "0"), ("user", "disable", user), ("recover", "--yes")):
                _assert_one_line(_command(home, *arguments))
            told = _command(home, "doctor")
            assert told.returncode == 1
            assert "is read-only" in told.stdout
        assert home.database.read_bytes() == before
        assert _command(home, "user", "disable", user).returncode == 0
        with serving(home) as service:
            assert _status(service, token) == 401


def test_a_full_disk_leaves_a_backup_unwritten_and_a_restore_undone(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        home = make_home(disk / "home")
        write_backup(home.database, tmp_path / "backup.db", replace=False)
        before = home.database.read_bytes()
        with filled(disk):
            _assert_one_line(_command(home, "backup", str(disk / "backup.db")))
            _assert_one_line(_command(home, "restore", str(tmp_path / "backup.db"), "--yes"))
            assert {each.name for each in disk.iterdir()} == {"home", "filler"}
        assert home.database.read_bytes() == before
        assert not list(home.path.glob(".restore-*"))
        assert _command(home, "restore", str(tmp_path / "backup.db"), "--yes").returncode == 0


def test_a_page_that_is_damaged_permits_nothing_and_a_backup_mends_it(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with serving(home) as service:
        user = service.new_user()
        token = service.log_in(user)
        write_backup(home.database, tmp_path / "backup.db", replace=False)
        assert _revoke(service, token, "friend.abcd").status_code == 200
    size = home.database.stat().st_size
    with home.database.open("r+b") as file:
        for page in range(1, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 100)
    _assert_one_line(_command(home, "serve", "--port", "0"))
    told = _command(home, "doctor")
    assert (told.returncode, told.stderr) == (1, "")
    assert "damaged" in told.stdout
    assert "Traceback" not in told.stdout
    acknowledged = home.high_water.read().revision
    done = restore(home, tmp_path / "backup.db", now())
    assert done.recovery.revision > acknowledged
    with serving(home) as service:
        assert _status(service, token) == 401
        assert _status(service, service.log_in(user)) == 200
