"""Profiles: a private file, changed as a whole, that loses no name."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from capsvc.errors import CapsvcError
from capsvc.profiles import Profile, Profiles


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "config" / "profiles.json")


def test_the_file_is_found_by_the_environment() -> None:
    assert Profiles.of({"CAPSVC_PROFILES": "/a/b", "XDG_CONFIG_HOME": "/c"}).path == Path("/a/b")
    assert Profiles.of({"XDG_CONFIG_HOME": "/c"}).path == Path("/c/capsvc/profiles.json")
    assert Profiles.of({"XDG_CONFIG_HOME": "c"}).path == Path.home() / ".config/capsvc/profiles.json"
    assert Profiles.of({}).path == Path.home() / ".config/capsvc/profiles.json"


def test_what_is_kept_is_read_again_from_a_file_that_only_its_owner_reads(profiles: Profiles) -> None:
    assert profiles.all() == {}
    profiles.remember("work", "ci", "ci.a")
    profiles.keep("work", "https://caps.example", "a token")
    profiles.remember("work", "ci", "ci.b")
    assert profiles.all() == {"work": Profile("https://caps.example", "a token", {"ci": ("ci.a", "ci.b")})}
    assert stat.S_IMODE(profiles.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(profiles.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in profiles.path.parent.iterdir()] == ["profiles.json"]


def test_what_is_forgotten_can_still_be_taken_back(profiles: Profiles) -> None:
    profiles.keep("work", "https://caps.example", "a token")
    profiles.remember("work", "ci", "ci.a")
    profiles.forget("work")
    assert profiles.all() == {"work": Profile("https://caps.example", "", {"ci": ("ci.a",)})}
    with pytest.raises(CapsvcError, match="profile work holds no token"):
        profiles.token_of("work")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_read_is_refused_and_not_changed(profiles: Profiles, mode: int) -> None:
    profiles.keep("work", "https://caps.example", "a token")
    profiles.path.chmod(mode)
    before = profiles.path.read_bytes()
    for use in (profiles.all, lambda: profiles.remember("work", "ci", "ci.a"), lambda: profiles.forget("work")):
        with pytest.raises(CapsvcError, match="others can read it: chmod 600 it") as caught:
            use()
        assert "a token" not in str(caught.value)
    assert profiles.path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"work": 1}', '{"work": {"url": 1, "token": "", "revocable": {}}}', "[" * 100_000],
    ids=range(6),
)
def test_a_file_that_holds_no_profiles_is_refused(profiles: Profiles, text: str) -> None:
    profiles.keep("work", "https://caps.example", "a token")
    profiles.path.write_text(text)
    with pytest.raises(CapsvcError, match=r"holds no profiles: move it away .* keep it: the names of --revocable-as"):
        profiles.all()


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65])
def test_a_profiles_name_is_plain(profiles: Profiles, name: str) -> None:
    with pytest.raises(CapsvcError, match="a profile's name is"):
        profiles.keep(name, "https://caps.example", "a token")
    assert not profiles.path.exists()


def test_names_that_are_remembered_at_once_are_all_kept(profiles: Profiles) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: profiles.remember("work", "ci", f"ci.{number}"), range(24)))
    assert sorted(profiles.all()["work"].revocable["ci"]) == sorted(f"ci.{number}" for number in range(24))


def test_a_file_that_is_a_link_stays_one(profiles: Profiles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "mine.json"
    profiles.path.parent.mkdir()
    profiles.path.symlink_to(elsewhere)
    profiles.keep("work", "https://caps.example", "a token")
    profiles.remember("work", "ci", "ci.a")
    assert profiles.path.readlink() == elsewhere
    assert profiles.all() == Profiles(elsewhere).all() != {}
    assert [each.name for each in elsewhere.parent.iterdir()] == ["mine.json"]


def test_a_name_is_found_as_it_was_chosen_and_whole() -> None:
    profile = Profile(revocable={"ci": ("ci.a", "ci.b"), "ci.a": ("ci.a.c",)})
    assert profile.names_of("ci") == ("ci.a", "ci.b")
    assert profile.names_of("ci.b") == ("ci.b",)
    assert profile.names_of("ci.a") == ("ci.a", "ci.a.c")
    assert profile.names_of("c") == ()


def test_a_profile_prints_without_its_token() -> None:
    assert "a token" not in repr(Profile("https://caps.example", "a token"))
