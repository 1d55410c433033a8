"""Backups of a running service: what was revoked since stays revoked, whatever is put back, and however."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from capsvc import keyring
from capsvc.errors import CapsvcError, SettingsError
from capsvc.home import Home
from capsvc.restoration import recover, restore
from capsvc.stores import LEAP
from capsvc.stores.backup import write_backup
from caveats import decode
from tests.capsvc.http.serving import ADMIN, Serving, bearer, make_home, narrow, now, serving

_ONE_MORE = "salt = friend.abcd/Zk2y0c2Qv3m0tA5Jx1mWmw"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home = make_home(tmp_path_factory.mktemp("restore") / "home", "workers = 2\nopen_verify = true\n")
    with serving(home) as service:
        yield service


def _status(service: Serving, token: str) -> int:
    return service.client.get("/v1/capability", headers=bearer(token)).status_code


def _revoke(service: Serving, token: str, **what: Any) -> int:
    answer = service.client.post("/v1/revocations", headers=bearer(token), json=what)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["revision"])


def _nonce(token: str) -> str:
    return decode(token).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")


def _database_revision(home: Home) -> int:
    with closing(home.open_store()) as store:
        return store.revision()


def test_what_was_revoked_after_a_backup_stays_revoked_when_it_is_restored_under_the_service(
    service: Serving, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    user = service.new_user()
    everything, friends, once = service.log_in(user), narrow(service.log_in(user), _ONE_MORE), service.log_in(user)
    laptop = service.log_in(user, salt="laptop")
    for token in (everything, friends, once, laptop):
        assert _status(service, token) == 200
    write_backup(service.home.database, backup, replace=False)
    _revoke(service, everything, name="laptop")
    _revoke(service, everything, name="friend.abcd")
    _revoke(service, once, nonce=_nonce(once))
    untouched = service.token()
    revision = _revoke(service, everything, all=True)

    done = restore(service.home, backup, now())

    assert done.online
    assert done.recovery.revision > revision + LEAP // 2
    # Each of the two workers is asked, in all likelihood: connections are new each time.
    for token in (everything, friends, once, laptop, untouched):
        assert {_status(service, token) for _ in range(8)} == {401}
    fresh = service.log_in(user)
    assert {_status(service, fresh) for _ in range(8)} == {200}
    asked = {"token": fresh, "min_revision": revision}
    answer = service.client.post("/v1/verify", json=asked).json()
    assert answer["active"] is True
    assert answer["revision"] >= done.recovery.revision
    assert _revoke(service, fresh, all=True) == done.recovery.revision + 1
    assert _status(service, fresh) == 401


def test_workers_that_are_asked_all_the_while_accept_nothing_old_once_it_is_restored(
    service: Serving, tmp_path: Path
) -> None:
    user = service.new_user()
    revoked = service.log_in(user)
    backup = tmp_path / "backup.db"
    write_backup(service.home.database, backup, replace=False)
    _revoke(service, revoked, all=True)
    statuses, over = [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            statuses.append(_status(service, revoked))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        for _ in range(5):
            assert restore(service.home, backup, now()).online
    finally:
        over.set()
        for each in threads:
            each.join()
    assert len(statuses) > 10
    assert set(statuses) <= {401, 503}, "an old salt was live for a moment"
    assert statuses[-1] == 401 or _status(service, revoked) == 401


def test_a_database_put_back_by_cp_under_the_service_permits_nothing_until_it_is_recovered(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        user = service.new_user()
        token = service.log_in(user)
        old = tmp_path / "old.db"
        shutil.copyfile(service.home.database, old)
        _revoke(service, token, all=True)
        assert _status(service, token) == 401
        with old.open("rb") as source, service.home.database.open("r+b") as target:
            shutil.copyfileobj(source, target)  # over it, as cp does, and never empty
        fresh = service.client.get("/v1/capability", headers=bearer(token))
        assert (fresh.status_code, fresh.json()["type"]) == (503, "urn:capsvc:problem:store-unavailable")
        assert "went back" in service.stderr()
        with pytest.raises(SettingsError, match=r"went back.*capsvc recover"):
            service.home.open_store()
        done = recover(service.home, now())
        assert not done.online
        assert done.recovery.revision > LEAP
        assert _status(service, token) == 503
    with serving(service.home) as service:
        assert _status(service, token) == 401
        assert _status(service, service.log_in(user)) == 200


def test_a_database_that_did_not_go_back_is_recovered_under_the_service(service: Serving) -> None:
    user = service.new_user()
    token = service.log_in(user)
    assert recover(service.home, now()).online
    assert _status(service, token) == 401
    assert _status(service, service.log_in(user)) == 200


def test_a_revocation_is_not_written_into_a_database_that_went_back(tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home")) as service:
        admin, token = service.token(ADMIN), service.token()
        user = service.client.get("/v1/capability", headers=bearer(token)).json()["user"]
        old = service.home.database.read_bytes()
        _revoke(service, token, all=True)
        with service.home.database.open("r+b") as target:
            target.write(old)
        answer = service.client.post("/v1/revocations", headers=bearer(admin), json={"user": user, "all": True})
        assert answer.status_code == 503
        assert service.home.database.read_bytes()[100:] == old[100:]


def test_a_key_that_was_retired_after_the_backup_is_retired_again_and_another_signs(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    write_backup(home.database, tmp_path / "backup.db", replace=False)
    with closing(home.open_store()) as store:
        keyring.promote(store, keyring.add(store, home.shares, now()), now())
        keyring.retire(store, "k1", now(), now(), leaked=True)
    done = restore(home, tmp_path / "backup.db", now())
    assert (done.recovery.retired, done.signs) == (("k1",), "k3")
    with closing(home.open_store()) as store:
        assert {key.key_id: key.state for key in store.keys()[1]} == {"k1": "retired", "k3": "signing"}
        assert set(keyring.KeyRing.load(store, home.shares).keys) == {"k3"}


def test_a_panic_is_never_lowered_by_a_backup(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    write_backup(home.database, tmp_path / "backup.db", replace=False)
    panic = now(-5)
    with closing(home.open_store()) as store:
        store.panic(panic)
    restore(home, tmp_path / "backup.db", now())
    with closing(home.open_store()) as store:
        assert store.read("", ()).salts.panic == panic


@pytest.mark.parametrize("how", ["missing", "garbage", "a damaged page"])
def test_a_home_whose_database_is_lost_gets_it_from_a_backup(tmp_path: Path, how: str) -> None:
    home = make_home(tmp_path / "home")
    with closing(home.open_store()) as store:
        store.panic(now(-5))
    write_backup(home.database, tmp_path / "backup.db", replace=False)
    with closing(home.open_store()) as store:
        store.panic(now())
        acknowledged = store.revision()
    if how == "missing":
        home.database.unlink()
    elif how == "garbage":
        home.database.write_bytes(b"no database " * 10_000)
    else:
        with home.database.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * 3 * 4096)
    done = restore(home, tmp_path / "backup.db", now())
    assert not done.online or how == "a damaged page"
    assert _database_revision(home) > acknowledged


def test_a_restored_database_needs_the_share_of_its_own_home(tmp_path: Path) -> None:
    home, other = make_home(tmp_path / "home"), make_home(tmp_path / "other")
    write_backup(other.database, tmp_path / "backup.db", replace=False)
    before = home.database.read_bytes()
    with pytest.raises(SettingsError, match="another installation"):
        restore(home, tmp_path / "backup.db", now())
    assert home.database.read_bytes() == before
    assert not list(home.path.glob(".restore-*"))


@pytest.mark.parametrize("damage", ["half", "a byte", "text", "nothing", "later"])
def test_a_backup_that_is_damaged_or_of_a_later_version_changes_nothing(tmp_path: Path, damage: str) -> None:
    home, backup = make_home(tmp_path / "home"), tmp_path / "backup.db"
    write_backup(home.database, backup, replace=False)
    whole = backup.read_bytes()
    if damage == "later":
        import sqlite3

        with closing(sqlite3.connect(backup)) as database, database:
            database.execute("INSERT INTO _sqlite_migrations VALUES (99, 'capsvc', 'm099_later', '')")
    else:
        changed = {"half": whole[: len(whole) // 2], "a byte": whole[:4096] + b"\xa5" * 50 + whole[4146:]}
        backup.write_bytes({**changed, "text": b"text " * 5000, "nothing": b""}[damage])
    before = home.database.read_bytes()
    with pytest.raises(SettingsError, match=r"backup|database|later version"):
        restore(home, backup, now())
    assert home.database.read_bytes() == before


def test_a_backup_is_one_private_file_that_is_never_written_over_another(tmp_path: Path) -> None:
    home, backup = make_home(tmp_path / "home"), tmp_path / "backup.db"
    write_backup(home.database, backup, replace=False)
    assert backup.stat().st_mode & 0o777 == 0o600
    assert {each.name for each in tmp_path.iterdir()} == {"home", "backup.db"}
    first = backup.stat().st_ino
    with pytest.raises(CapsvcError, match="already: nothing was written"):
        write_backup(home.database, backup, replace=False)
    assert backup.stat().st_ino == first
    write_backup(home.database, backup, replace=True)
    assert backup.stat().st_ino != first
    with pytest.raises(CapsvcError, match="already"):
        write_backup(home.database, home.database, replace=True)
    with pytest.raises(CapsvcError, match="cannot be written"):
        write_backup(home.database, tmp_path / "nowhere" / "backup.db", replace=False)


def test_a_backup_is_not_served_as_it_is(tmp_path: Path) -> None:
    home, backup = make_home(tmp_path / "home"), tmp_path / "backup.db"
    write_backup(home.database, backup, replace=False)
    shutil.copyfile(backup, home.database)
    with pytest.raises(SettingsError, match=r"is a backup.*capsvc recover"):
        home.open_store()
    assert not recover(home, now()).online
    home.open_store().close()


def test_a_backup_holds_no_share_of_the_key_file(tmp_path: Path) -> None:
    home, backup = make_home(tmp_path / "home"), tmp_path / "backup.db"
    write_backup(home.database, backup, replace=False)
    (share,) = home.shares.read().values()
    assert share not in backup.read_bytes()
    assert json.loads(home.shares.path.read_text())["shares"]["k1"].encode() not in backup.read_bytes()
