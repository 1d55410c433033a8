"""Settings: where they come from, and that whatever is wrong is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from capsvc.errors import SettingsError
from capsvc.settings import FILE_NAME, Settings, load
from caveats import BUILTIN, Limits


def _load(home: Path, text: str = "", **environment: str) -> Settings:
    (home / FILE_NAME).write_text(text, "utf-8")
    return load(home, environment)


def test_without_file_and_environment_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path / "no-such-home", {"PATH": "/bin", "HOME": "/root"}) == Settings()


def test_the_defaults_are_the_designs(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    assert settings.limits == Limits(characters=8192, caveats=64, discharges=8, depth=4)
    assert settings.header_characters == 16384
    assert settings.trusted_proxies == ("127.0.0.0/8", "::1/128")
    assert settings.forwarded == "X-Forwarded"
    assert not settings.open_verify
    assert settings.words == BUILTIN


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    text = "port = 9001\nworkers = 3\nurl = 'https://caps.example'\n"
    settings = _load(tmp_path, text, CAPSVC_PORT="9002", CAPSVC_AUDIENCE="billing")
    assert (settings.port, settings.workers, settings.url) == (9002, 3, "https://caps.example")
    assert settings.audience == "billing"


def test_the_environment_gives_numbers_truths_and_lists(tmp_path: Path) -> None:
    settings = _load(
        tmp_path,
        CAPSVC_OPEN_VERIFY="true",
        CAPSVC_CLOCK_SKEW="5",
        CAPSVC_TRUSTED_PROXIES="10.0.0.0/8, 2001:db8::/32",
        CAPSVC_EXPORTED_AUDIENCES="billing, reports",
    )
    assert settings.open_verify
    assert settings.skew == timedelta(seconds=5)
    assert settings.trusted_proxies == ("10.0.0.0/8", "2001:db8::/32")
    assert settings.exported_audiences == ("billing", "reports")


def test_a_store_that_is_no_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for wrong in ("sqlite:///secret", "alice:secret@caps.example", "host=caps.example password=secret"):
        with pytest.raises(SettingsError, match="store is like postgresql://") as refused:
            _load(tmp_path, CAPSVC_STORE=wrong)
        assert "secret" not in str(refused.value)
    assert _load(tmp_path, CAPSVC_STORE="postgresql://caps@caps.example/caps").store


def test_an_empty_list_of_proxies_trusts_none(tmp_path: Path) -> None:
    assert _load(tmp_path, CAPSVC_TRUSTED_PROXIES="").trusted_proxies == ()


def test_the_home_is_no_setting_of_itself(tmp_path: Path) -> None:
    assert _load(tmp_path, CAPSVC_HOME="/elsewhere") == Settings()
    with pytest.raises(SettingsError, match="home"):
        _load(tmp_path, "home = '/elsewhere'")


@pytest.mark.parametrize("variable", ["CAPSVC_PROT", "CAPSVC_VOCABULARY", "CAPSVC_", "CAPSVC_LIMITS"])
def test_a_variable_that_is_no_setting_is_named(tmp_path: Path, variable: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable} is not a setting"):
        _load(tmp_path, **{variable: "text"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "5"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "true"),
        ("port", "'http'"),
        ("workers", "0"),
        ("workers", "65"),
        ("url", "'caps.example'"),
        ("url", "'https://caps.example/?a=b'"),
        ("url", "'ftp://caps.example'"),
        ("audience", "'Billing'"),
        ("lifetime", "0"),
        ("lifetime", "2592001"),
        ("max_lifetime", "0"),
        ("max_lifetime", "2591999"),
        ("max_login_age", "-5"),
        ("clock_skew", "0"),
        ("clock_skew", "3601"),
        ("audience", "'capsvc.admin'"),
        ("audience", "'capsvc.other'"),
        ("exported_audiences", "'billing'"),
        ("exported_audiences", "['Billing']"),
        ("exported_audiences", "['billing', 'capsvc.admin']"),
        ("exported_audiences", "['capsvc.verify']"),
        ("exported_audiences", "['capsvc.other']"),
        ("exported_audiences", "['']"),
        ("clock_skew", "-1"),
        ("open_verify", "'maybe'"),
        ("trusted_proxies", "'10.0.0.0/8'"),
        ("trusted_proxies", "['proxy']"),
        ("trusted_proxies", "['10.0.0.1/8']"),
        ("trusted_proxies", "[5]"),
        ("forwarded", "'Forwarded'"),
        ("argon2_memory_kib", "19455"),
        ("argon2_time", "1"),
        ("argon2_parallelism", "0"),
        ("token_characters", "0"),
        ("header_characters", "0"),
        ("caveats", "0"),
        ("discharges", "0"),
        ("depth", "0"),
        ("body_bytes", "1000001"),
        ("vocabulary", "5"),
        ("vocabulary", "{amount = 'money'}"),
        ("vocabulary", "{amount = 5}"),
        ("vocabulary", "{Amount = 'number'}"),
        ("vocabulary", "{user = 'text'}"),
        ("prot", "8000"),
    ],
)
def test_each_wrong_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"\b{name}\b"):
        _load(tmp_path, f"{name} = {value}")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CAPSVC_PORT", "http"), ("CAPSVC_PORT", ""), ("CAPSVC_OPEN_VERIFY", "yes"), ("CAPSVC_ARGON2_TIME", "1")],
)
def test_a_wrong_variable_is_named_as_it_stands_in_the_environment(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        _load(tmp_path, **{variable: value})


def test_the_floor_of_argon2_holds_from_the_environment_too(tmp_path: Path) -> None:
    for variable in ("CAPSVC_ARGON2_MEMORY_KIB", "CAPSVC_ARGON2_TIME"):
        with pytest.raises(SettingsError, match=variable):
            _load(tmp_path, "argon2_memory_kib = 65536\nargon2_time = 3", **{variable: "1"})
    raised = _load(tmp_path, CAPSVC_ARGON2_MEMORY_KIB="65536", CAPSVC_ARGON2_TIME="3")
    assert (raised.argon2_memory_kib, raised.argon2_time) == (65536, 3)


@pytest.mark.parametrize("raw", [b"port = ", b"port = 1\nport = 2", b"\xff\xfe", b"port: 8000"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(raw)
    with pytest.raises(SettingsError, match=r"capsvc\.toml cannot be read"):
        load(tmp_path, {})


def test_a_file_that_cannot_be_read_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SettingsError, match=r"capsvc\.toml cannot be read"):
        load(tmp_path, {})


def test_section_8_an_application_declares_its_attributes(tmp_path: Path) -> None:
    text = "[vocabulary]\namount = 'number'\nself = 'text'\nteam = 'tokens'\nfolder = 'path'\nnet = 'network'"
    words = _load(tmp_path, text).words
    assert set(words) - set(BUILTIN) == {"amount", "self", "team", "folder", "net"}
    assert str(words.parse("amount <= 5")) == "amount <= 5"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 9  # type: ignore[misc]
