"""The file of key shares: what is wrong with one is said, and writing one is all or nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from capsvc.errors import SettingsError
from capsvc.shares import SHARE_BYTES, ShareFile

SHARES = {"k1": bytes(range(SHARE_BYTES)), "k2": bytes(reversed(range(SHARE_BYTES)))}


@pytest.fixture
def file(tmp_path: Path) -> ShareFile:
    written = ShareFile(tmp_path / "keys.json")
    written.write(SHARES)
    return written


def test_what_was_written_is_read(file: ShareFile) -> None:
    assert file.read() == SHARES
    file.write({})
    assert file.read() == {}


def test_section_7_the_file_has_mode_0600_whatever_the_umask_says(file: ShareFile) -> None:
    before = os.umask(0)
    try:
        file.write(SHARES)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_missing_file_is_to_be_restored(file: ShareFile) -> None:
    file.path.unlink()
    with pytest.raises(SettingsError, match=r"keys\.json is missing: restore it"):
        file.read()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{tmp_path} cannot be read"):
        ShareFile(tmp_path).read()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o610, 0o601, 0o644, 0o777])
def test_section_7_a_file_that_others_can_open_is_not_used(file: ShareFile, mode: int) -> None:
    file.path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        file.read()


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_alone_is_used(file: ShareFile, mode: int) -> None:
    file.path.chmod(mode)
    assert file.read() == SHARES


def test_a_link_is_as_private_as_what_it_leads_to(file: ShareFile, tmp_path: Path) -> None:
    link = ShareFile(tmp_path / "link.json")
    link.path.symlink_to(file.path)
    assert link.read() == SHARES
    file.path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        link.read()


def test_a_link_that_leads_nowhere_is_a_missing_file(tmp_path: Path) -> None:
    link = ShareFile(tmp_path / "link.json")
    link.path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="missing"):
        link.read()


def test_a_file_cut_off_anywhere_is_damaged(file: ShareFile) -> None:
    whole = file.path.read_bytes().rstrip()
    for size in range(len(whole)):
        file.path.write_bytes(whole[:size])
        with pytest.raises(SettingsError, match="cut off or damaged"):
            file.read()


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "{}",
        '{"shares": null}',
        '{"shares": []}',
        '{"shares": {"k1": 5}}',
        '{"shares": {"k1": null}}',
        '{"shares": {"k1": ""}}',
        '{"shares": {"k1": "AAAA"}}',
        '{"shares": {"k1": "' + "A" * 44 + '"}}',
        '{"shares": {"k1": "' + "A" * 42 + '="}}',
        '{"shares": {"k1": "' + "A" * 42 + 'B"}}',
        '{"shares": {"k1": "' + "A" * 42 + '€"}}',
        '{"shares": {}} and more',
    ],
)
def test_a_share_that_is_short_long_or_misspelled_is_damaged(file: ShareFile, text: str) -> None:
    file.path.write_text(text)
    with pytest.raises(SettingsError, match="cut off or damaged"):
        file.read()


def test_bytes_that_are_no_text_are_damaged(file: ShareFile) -> None:
    file.path.write_bytes(b"\xff\xfe\xa5")
    with pytest.raises(SettingsError, match="cut off or damaged"):
        file.read()


def test_law_8_what_is_said_of_a_damaged_file_holds_nothing_of_it(file: ShareFile) -> None:
    text = file.path.read_text()
    file.path.write_text(text.replace('"k2"', "'k2'"))
    with pytest.raises(SettingsError) as caught:
        file.read()
    assert not any(part in str(caught.value) for part in text.split('"') if len(part) == 43)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_writing_that_is_interrupted_keeps_the_old_file_whole(
    file: ShareFile, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def power_cut(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), power_cut)
        with pytest.raises(KeyboardInterrupt):
            file.write({"k3": bytes(SHARE_BYTES)})
    assert file.read() == SHARES
    file.write({"k3": bytes(SHARE_BYTES)})
    assert file.read() == {"k3": bytes(SHARE_BYTES)}


def test_the_new_file_is_synced_before_it_takes_the_place_and_the_directory_after(
    file: ShareFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"fsync {kind}" + (f" of {os.fstat(descriptor).st_size}" if kind == "file" else ""))
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        steps.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    file.write(SHARES)
    assert steps == [f"fsync file of {file.path.stat().st_size}", "replace", "fsync directory"]


def test_a_draft_that_somebody_planted_is_not_written_through(file: ShareFile, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("mine")
    file.path.with_suffix(".new").symlink_to(target)
    file.write({})
    assert target.read_text() == "mine"
    assert file.read() == {}
