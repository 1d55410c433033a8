"""Targets that read files and lines: settings, keys, profiles, users to import, access logs; and names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from capsvc.access_log import read_log
from capsvc.cli.user_import import _read_user
from capsvc.errors import CapsvcError, SettingsError
from capsvc.exported import ExportedKeys
from capsvc.names import check_audiences, check_user_name
from capsvc.passwords import check_phc
from capsvc.profiles import Profiles, check_profile_name
from capsvc.settings import FILE_NAME, load
from capsvc.shares import ShareFile
from caveats import BUILTIN, check_audience, check_salt_name
from tests.fuzz.words import SEPARATOR, VOCABULARY

_SETTINGS_BYTES = 2048
"""More is not tried: tomllib takes the square of a dotted name's length, and the file is nobody's but the owner's."""


@cache
def _directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-"))


def _file(name: str, content: bytes) -> Path:
    """Write what is to be read, of mode 0600."""
    path = _directory() / name
    if not path.exists():
        path.touch(0o600)
    path.write_bytes(content)
    return path


def settings(data: bytes) -> None:
    """The settings' file, then variables of the environment, one a field: Settings, or SettingsError."""
    content, *variables = data[:_SETTINGS_BYTES].split(SEPARATOR)
    pairs = (each.decode("utf-8", "surrogateescape").partition("=") for each in variables)
    try:
        found = load(_file(FILE_NAME, content).parent, {f"CAPSVC_{name}": value for name, _, value in pairs})
    except SettingsError as wrong:
        assert str(wrong)
        return
    assert found.words
    assert found.limits


def exported(data: bytes) -> None:
    """A file of exported keys: keys of one audience, or SettingsError without any of its content."""
    try:
        found = ExportedKeys.read(_file("billing.key", data))
    except SettingsError as wrong:
        assert str(wrong).startswith("the exported key ")
        return
    assert found.keys
    assert check_audiences([found.audience])


def shares(data: bytes) -> None:
    """The file of key shares: shares of 32 bytes, or SettingsError without any of its content."""
    try:
        found = ShareFile(_file("keys.json", data)).read()
    except SettingsError as wrong:
        assert "keys.json" in str(wrong)
        return
    assert all(len(each) == 32 for each in found.values())


def profiles(data: bytes) -> None:
    """The file of profiles: profiles, or CapsvcError."""
    try:
        found = Profiles(_file("profiles.json", data)).all()
    except CapsvcError as wrong:
        assert "profiles.json" in str(wrong)
        return
    assert all(isinstance(each.token, str) and each.names_of("x") is not None for each in found.values())


def user_line(data: bytes) -> None:
    """A line of users to import: a user, nothing for an empty line, or ValueError."""
    try:
        found = _read_user(data)
    except ValueError as wrong:
        assert not isinstance(wrong, UnicodeError)
        return
    assert found is None or check_user_name(found.name) == found.name


def log_line(data: bytes) -> None:
    """A line of an access log: a request, None for one that cannot be read, or passed over."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for each in read_log(lines, VOCABULARY, BUILTIN):
        assert 0 < each.line <= len(lines)
        assert each.request is None or each.request.facts is not None


def phc(data: bytes) -> None:
    """A ready password hash: itself, or ValueError that does not repeat it."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        assert check_phc(text) == text
    except ValueError as wrong:
        assert len(str(wrong)) < 200


def name(data: bytes) -> None:
    """Names of users, audiences, salts and profiles: the name itself, or the error that each one documents."""
    text = data.decode("utf-8", "surrogatepass" if data.isascii() else "surrogateescape")
    checks: tuple[tuple[Callable[[str], str], type[Exception]], ...] = (
        (check_user_name, ValueError), (check_audience, ValueError), (check_salt_name, ValueError),
        (check_profile_name, CapsvcError),
    )  # fmt: skip
    for check, error in checks:
        try:
            assert check(text) == text
            assert text.isprintable() or check is check_user_name
        except error as wrong:
            assert not isinstance(wrong, UnicodeError)
    try:
        found = check_audiences(text.split(" "))
    except ValueError:
        return
    assert found == tuple(sorted(set(text.split(" "))))
