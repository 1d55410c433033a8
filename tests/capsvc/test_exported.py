"""Files of exported keys: what was written is read, privately; and whatever else lies there is one clear error."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from capsvc.errors import SettingsError
from capsvc.exported import ExportedKey, ExportedKeys
from capsvc.keyring import PENDING, SIGNING, VERIFYING, KeyRing, RingKey
from caveats import KeyName
from tests.capsvc.installation import quick_directory

secrets = st.binary(min_size=32, max_size=32)
key_ids = st.from_regex("k[1-9][0-9]{0,3}", fullmatch=True)
exported = st.builds(
    ExportedKeys, st.text(max_size=40), st.sampled_from(["billing", "a.b-c"]), st.integers(1, 10**9),
    st.dictionaries(key_ids, st.builds(ExportedKey, secrets, secrets, secrets), min_size=1, max_size=3),
)  # fmt: skip
KEYS = ExportedKeys(
    "https://caps.example", "billing", 2_592_030, {"k1": ExportedKey(bytes(32), bytes(range(32)), bytes(range(1, 33)))}
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with quick_directory() as path:
        yield path


def _written(directory: Path, content: bytes) -> Path:
    path = directory / "billing.key"
    path.touch(0o600)
    path.write_bytes(content)
    return path


def _text(directory: Path) -> bytes:
    path = directory / "whole.key"
    KEYS.write(path)
    return path.read_bytes()


@given(exported)
def test_keys_are_read_as_they_were_written(keys: ExportedKeys) -> None:
    with quick_directory() as directory:
        keys.write(directory / "billing.key")
        assert ExportedKeys.read(directory / "billing.key") == keys


def test_the_file_is_its_owners_alone_and_whole_in_the_place_of_an_older_one(directory: Path) -> None:
    path = directory / "mode.key"
    path.write_text("older")
    path.chmod(0o644)
    KEYS.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ExportedKeys.read(path) == KEYS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_section_7_a_file_of_exported_keys_that_others_can_open_is_not_used(directory: Path, mode: int) -> None:
    path = directory / "open.key"
    KEYS.write(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        ExportedKeys.read(path)


def test_a_file_that_is_not_there_says_how_it_is_made(directory: Path) -> None:
    for path in (directory / "none.key", directory):
        with pytest.raises(SettingsError, match=r"capsvc keys export|cannot be read"):
            ExportedKeys.read(path)


def test_a_file_cut_off_anywhere_is_refused(directory: Path) -> None:
    text = _text(directory)
    for length in range(len(text.rstrip())):
        with pytest.raises(SettingsError, match="cut off or damaged"):
            ExportedKeys.read(_written(directory, text[:length]))


@given(st.binary(max_size=200) | st.from_regex(r'\{"version": ?1(, ?"[a-z]*": ?[0-9"a-z\[\]{}]*)*\}').map(str.encode))
def test_any_bytes_are_one_clear_error(content: bytes) -> None:
    with quick_directory() as directory, pytest.raises(SettingsError, match=r"billing\.key is (cut off|of another)"):
        ExportedKeys.read(_written(directory, content))


TOLD: dict[str, Any] = {
    "version": 1, "issuer": "", "audience": "billing", "longest": 5,
    "keys": {"k1": dict.fromkeys(("root_key", "digests", "public"), "A" * 43)},
}  # fmt: skip


@given(
    st.sampled_from([*TOLD]),
    st.recursive(
        st.none() | st.booleans() | st.integers(max_value=0) | st.floats() | st.text("Aü/", max_size=44),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["k1", "root_key", "digests", "public"]), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)
def test_a_member_of_another_kind_is_one_clear_error(name: str, value: object) -> None:
    assume(name != "issuer" or type(value) is not str)
    with quick_directory() as directory:
        assert ExportedKeys.read(_written(directory, json.dumps(TOLD).encode())).audience == "billing"
        changed = _written(directory, json.dumps({**TOLD, name: value}).encode())
        with pytest.raises(SettingsError) as refused:
            ExportedKeys.read(changed)
        assert "\n" not in str(refused.value)
        assert "AAAA" not in str(refused.value)


def test_law_8_exported_keys_do_not_print_what_they_hold() -> None:
    for secret in (bytes(32), bytes(range(32))):
        assert repr(secret)[2:20] not in repr(KEYS)


# What is exported of a ring


RING = KeyRing(
    3, {f"k{n}": RingKey(f"k{n}", state, bytes([n]) * 32) for n, state in enumerate((VERIFYING, SIGNING, PENDING), 1)}
)


def test_what_is_exported_is_what_the_service_signs_with_and_every_key_of_the_ring_is_in_it() -> None:
    found = RING.exported("billing")
    assert list(found) == ["k1", "k2", "k3"]
    for key_id, key in found.items():
        assert key.root_key == RING.root_key(KeyName(key_id, "billing"))


def test_section_7_no_two_exported_values_and_no_key_of_the_services_own_are_the_same() -> None:
    values = [
        value
        for audience in ("billing", "reports", "bill", "k1/billing")
        for key in RING.exported(audience).values()
        for value in (key.root_key, key.digests, key.public)
    ]
    for key_id in RING.keys:
        values += [RING.console_key(key_id) or b"", RING.keys[key_id].secret]
        names = (KeyName(key_id), KeyName(key_id, "capsvc.admin"), KeyName(key_id, "capsvc.verify"))
        values += [RING.root_key(name) or b"" for name in names]
        for audience in ("billing", "reports"):
            values += [(RING.feed_keys(key_id, audience) or (b"", b""))[0]]
    assert len(set(values)) == len(values)
    assert all(len(value) == 32 for value in values)


def test_nothing_is_derived_of_a_key_that_is_unknown_or_retired() -> None:
    assert RING.feed_keys("k9", "billing") is None
