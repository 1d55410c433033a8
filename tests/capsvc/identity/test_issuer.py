"""Issuers: what is configured is checked at start, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from capsvc.errors import SettingsError
from capsvc.names import check_user_name
from capsvc.settings import FILE_NAME, Settings, load

GOOD = {"issuer": "'https://idp.example/realms/one'", "client_id": "'capsvc'", "name": "'example'"}


def _load(home: Path, *identities: dict[str, str], before: str = "") -> Settings:
    tables = [
        "\n".join(["[[identity]]", *(f"{name} = {value}" for name, value in each.items())]) for each in identities
    ]
    (home / FILE_NAME).write_text(before + "\n".join(tables), "utf-8")
    return load(home, {})


def test_an_identity_is_read(tmp_path: Path) -> None:
    more = {
        "audiences": "['billing']",
        "max_lifetime": "3600",
        "caveats": "['method in GET HEAD']",
        "claims": "{groups = 'action in {}', 'https://idp.example/team' = 'team = {}'}",
    }
    settings = _load(tmp_path, {**GOOD, **more}, before="vocabulary = {team = 'text'}\n")
    (issuer,) = settings.identity
    assert (issuer.name, issuer.audiences, issuer.max_lifetime) == ("example", ("billing",), 3600)
    assert [str(each) for each in issuer.fixed(settings.words)] == ["method in GET HEAD"]
    assert [each.claim for each in issuer.templates(settings.words)] == ["groups", "https://idp.example/team"]


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert _load(tmp_path).identity == ()


@pytest.mark.parametrize(
    "issuer",
    ["http://idp.example", "ftp://idp.example", "idp.example", "https://", "https://idp.example/?a=b", "https://a b",
     "https://idp.example/#x", "https://alice:secret@idp.example", "https://idp.example:port", "http://127.0.0.1.example",
     "http://localhost.example", "https://" + "x" * 300, "https://[::1", "http://0.0.0.0", "https://idp.example/\n"],
)  # fmt: skip
def test_an_issuer_that_is_no_https_address_is_refused(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(SettingsError, match=r"identity\[0\]\.issuer") as refused:
        _load(tmp_path, {**GOOD, "issuer": f'"{issuer}"'.replace("\n", "\\n")})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:9400", "http://[::1]:9400", "http://localhost", "https://a.example/"]
)
def test_an_issuer_is_https_or_on_this_machine(tmp_path: Path, issuer: str) -> None:
    assert _load(tmp_path, {**GOOD, "issuer": f"'{issuer}'"}).identity[0].issuer == issuer


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", "''"),
        ("client_id", "'é'"),
        ("client_id", "5"),
        ("name", "''"),
        ("name", "'Example'"),
        ("name", "'a/b'"),
        ("name", "'1a'"),
        ("name", "'x234567890123456789012345678901234'"),
        ("audiences", "['capsvc.admin']"),
        ("audiences", "['capsvc.verify', 'billing']"),
        ("audiences", "['capsvc.other']"),
        ("audiences", "['Billing']"),
        ("audiences", "'billing'"),
        ("max_lifetime", "-1"),
        ("max_lifetime", "2592001"),
        ("max_lifetime", "'an hour'"),
        ("caveats", "['colour = red']"),
        ("caveats", "['salt = a/b']"),
        ("caveats", "['action in {}x y ']"),
        ("caveats", "[" + "'action in read'," * 60 + "]"),
        ("claims", "{groups = 'action in read'}"),
        ("claims", "{groups = 'salt = {}'}"),
        ("claims", "{groups = 'colour = {}'}"),
        ("claims", "{groups = ['action in {}']}"),
        ("claims", "'groups'"),
        ("colour", "'red'"),
    ],
)
def test_each_wrong_setting_of_an_identity_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"identity\[0\].*\b(?:{name}|claims)\b"):
        _load(tmp_path, {**GOOD, name: value})


@pytest.mark.parametrize("name", ["issuer", "client_id", "name"])
def test_a_setting_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"identity\[0\].*`{name}`"):
        _load(tmp_path, {each: value for each, value in GOOD.items() if each != name})


@pytest.mark.parametrize("name", ["issuer", "name"])
def test_two_identities_share_neither_issuer_nor_name(tmp_path: Path, name: str) -> None:
    other = {"issuer": "'https://other.example'", "client_id": "'capsvc'", "name": "'other'"}
    assert len(_load(tmp_path, GOOD, other).identity) == 2
    with pytest.raises(SettingsError, match=rf"identity\[1\]\.{name}"):
        _load(tmp_path, GOOD, {**other, name: GOOD[name]})


def test_an_identity_stands_in_the_file_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CAPSVC_IDENTITY is not a setting that the environment can give"):
        load(tmp_path, {"CAPSVC_IDENTITY": "[]"})
    with pytest.raises(SettingsError, match=r"identity in capsvc\.toml"):
        _load(tmp_path, before="identity = 5\n")


def test_a_name_of_an_issuers_user_is_a_users_name(tmp_path: Path) -> None:
    assert check_user_name(f"{'x' * 32}-{'0' * 20}")
