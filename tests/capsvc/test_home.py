"""The home: one directory for one installation, made once and never made over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from capsvc.disk import write_private
from capsvc.errors import SettingsError
from capsvc.home import Home
from capsvc.keyring import KeyRing
from caveats import KeyName
from tests.capsvc.installation import quick_directory

NOW = "2026-11-22T06:00:00Z"


@pytest.fixture
def home() -> Iterator[Home]:
    with quick_directory() as path:
        yield Home.of({"CAPSVC_HOME": str(path / "deep" / "home")})


def _contents(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir()}


def test_a_home_is_found_by_the_environment_else_under_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.of({"CAPSVC_HOME": "/srv/caps"}).path == Path("/srv/caps")
    assert Home.of({"CAPSVC_HOME": "elsewhere"}).path == tmp_path / "elsewhere"
    assert Home.of({}).path == Home.of({"CAPSVC_HOME": ""}).path == tmp_path / "var"


def test_a_home_reads_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "capsvc.toml").write_text("port = 9001")
    assert Home.of({"CAPSVC_HOME": str(tmp_path)}).settings.port == 9001
    assert Home.of({"CAPSVC_HOME": str(tmp_path), "CAPSVC_PORT": "9002"}).settings.port == 9002


def test_a_new_home_has_one_key_that_signs_and_no_user(home: Home) -> None:
    assert not home.exists
    with closing(home.create(NOW)) as store:
        assert home.exists
        assert [(key.key_id, key.state) for key in store.keys()[1]] == [("k1", "signing")]
        assert KeyRing.load(store, home.shares).signing().key_id == "k1"
        assert store.users() == []


def test_section_7_no_two_homes_have_the_same_key(home: Home, tmp_path: Path) -> None:
    other = Home.of({"CAPSVC_HOME": str(tmp_path / "other")})
    with closing(home.create(NOW)) as one, closing(other.create(NOW)) as two:
        rings = KeyRing.load(one, home.shares), KeyRing.load(two, other.shares)
    assert rings[0].root_key(KeyName("k1")) != rings[1].root_key(KeyName("k1"))


def test_a_new_home_and_what_lies_in_it_is_its_owners_alone(home: Home) -> None:
    before = os.umask(0)
    try:
        home.create(NOW).close()
        write_private(home.first_password_file, b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in home.path.iterdir()}
    assert modes.keys() >= {"capsvc.db", "keys.json", "first-password"}
    assert set(modes.values()) == {0o600}


def test_a_home_is_opened_again_as_it_was(home: Home) -> None:
    home.create(NOW).close()
    with closing(home.open_store()) as store:
        assert KeyRing.load(store, home.shares).signing().key_id == "k1"


def test_a_home_is_never_made_over_another(home: Home) -> None:
    home.create(NOW).close()
    before = _contents(home.path)
    with pytest.raises(SettingsError, match="already: nothing was changed"):
        home.create(NOW)
    assert _contents(home.path) == before


@pytest.mark.parametrize("left", ["capsvc.db", "keys.json"])
def test_half_a_home_is_never_made_over_either(home: Home, left: str) -> None:
    home.create(NOW).close()
    for each in home.path.iterdir():
        if each.name != left:
            each.unlink()
    before = _contents(home.path)
    assert set(before) == {left}
    with pytest.raises(SettingsError, match="already"):
        home.create(NOW)
    assert _contents(home.path) == before


def test_a_home_that_is_not_there_is_not_opened(home: Home) -> None:
    with pytest.raises(SettingsError, match=r"no home at .*capsvc init"):
        home.open_store()
    assert not home.path.exists()


def test_a_private_file_replaces_what_stood_there_and_follows_no_link(home: Home) -> None:
    home.create(NOW).close()
    target = home.path.parent / "target"
    target.write_text("mine")
    home.address_file.symlink_to(target)
    write_private(home.address_file, b"http://127.0.0.1:8000")
    assert target.read_text() == "mine"
    assert home.address_file.read_text() == "http://127.0.0.1:8000"
    assert not home.address_file.is_symlink()
    assert stat.S_IMODE(home.address_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("mode", "is_opened"), [(0o755, True), (0o700, True), (0o720, False), (0o702, False)])
def test_a_home_is_opened_only_if_nobody_else_can_write_into_it(home: Home, mode: int, is_opened: bool) -> None:
    home.create(NOW).close()
    home.path.chmod(mode)
    if is_opened:
        home.open_store().close()
        return
    with pytest.raises(SettingsError, match="others can write into the home"):
        home.open_store()
