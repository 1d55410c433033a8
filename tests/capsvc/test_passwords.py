"""Passwords: the one slow hash, and ready hashes that somebody brings along."""

from __future__ import annotations

from typing import Any

import argon2
import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from capsvc.errors import CredentialsRefused
from capsvc.passwords import Passwords, check_phc
from capsvc.settings import Settings
from tests.capsvc.installation import OTHER_PASSWORD, PASSWORD, hash_of, passwords

READY = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$" + "A" * 43


def test_a_password_is_its_hashs_and_no_other_is() -> None:
    passwords().verify(hash_of(PASSWORD), PASSWORD)
    for wrong in (OTHER_PASSWORD, PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper(), ""):
        with pytest.raises(CredentialsRefused):
            passwords().verify(hash_of(PASSWORD), wrong)


def test_one_password_never_hashes_to_the_same_twice() -> None:
    assert passwords().hash(PASSWORD) != hash_of(PASSWORD)


def test_section_8_the_hash_is_argon2id_at_owasps_floor() -> None:
    found = extract_parameters(hash_of(PASSWORD))
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 19456, 2, 1)
    assert (found.salt_len, found.hash_len, found.version) == (16, 32, 19)


@pytest.mark.parametrize("length", [0, 7, 1025])
def test_a_new_password_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="8 to 1024 characters"):
        passwords().hash("p" * length)


@pytest.mark.parametrize("length", [8, 1024])
def test_a_new_password_of_an_accepted_length_is_hashed(length: int) -> None:
    passwords().verify(passwords().hash("p" * length), "p" * length)


def test_a_presented_password_that_is_longer_than_any_is_not_the_longest_one() -> None:
    hash = passwords().hash("p" * 1024)
    with pytest.raises(CredentialsRefused):
        passwords().verify(hash, "p" * 5000)


def test_half_a_character_is_in_no_password() -> None:
    with pytest.raises(CredentialsRefused):
        passwords().verify(hash_of(PASSWORD), PASSWORD + "\ud800")


@pytest.mark.parametrize("hash", ["", "not a hash", "$2b$12$" + "a" * 53, READY])
def test_a_hash_that_is_none_refuses_like_a_wrong_password(hash: str) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        passwords().verify(hash, PASSWORD)
    with pytest.raises(CredentialsRefused) as usual:
        passwords().verify(hash_of(PASSWORD), OTHER_PASSWORD)
    assert str(caught.value) == str(usual.value)


def test_an_unknown_user_runs_the_same_hash_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    own, ran = Passwords(Settings()), []
    genuine = argon2._password_hasher.verify_secret  # type: ignore[attr-defined]

    def counted(hash: bytes, secret: bytes, type: Any) -> bool:
        ran.append((extract_parameters(hash.decode()), len(secret)))
        answer: bool = genuine(hash, secret, type)
        return answer

    monkeypatch.setattr(argon2._password_hasher, "verify_secret", counted)  # type: ignore[attr-defined]
    for hash in (None, hash_of(PASSWORD)):
        with pytest.raises(CredentialsRefused):
            own.verify(hash, OTHER_PASSWORD)
    assert len(ran) == 2
    assert ran[0] == ran[1]


def test_law_8_what_is_said_of_a_refused_password_holds_neither_it_nor_its_hash() -> None:
    with pytest.raises(CredentialsRefused) as caught:
        passwords().verify(hash_of(PASSWORD), OTHER_PASSWORD)
    assert OTHER_PASSWORD not in str(caught.value)
    assert "$" not in str(caught.value)


def test_a_hash_of_other_parameters_is_outdated() -> None:
    raised = Passwords(Settings(argon2_time=3))
    assert raised.is_outdated(hash_of(PASSWORD))
    assert not passwords().is_outdated(hash_of(PASSWORD))
    raised.verify(hash_of(PASSWORD), PASSWORD)


# Ready hashes


def test_a_ready_hash_of_argon2id_is_taken_as_it_is() -> None:
    assert check_phc(hash_of(PASSWORD)) == hash_of(PASSWORD)
    other = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4).hash(PASSWORD)
    assert check_phc(other) == other
    passwords().verify(other, PASSWORD)


@pytest.mark.parametrize(
    ("hash", "scheme"),
    [
        ("$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "'2b'"),
        ("$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "'2y'"),
        (READY.replace("argon2id", "argon2i"), "'argon2i'"),
        (READY.replace("argon2id", "argon2d"), "'argon2d'"),
        (READY.replace("argon2id", "ARGON2ID"), "'ARGON2ID'"),
        ("$6$saltsalt$hash", "'6'"),
        ("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4", "'scrypt'"),
        ("pbkdf2_sha256$600000$salt$hash", "no scheme that has a name"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "no scheme that has a name"),
        ("", "no scheme that has a name"),
        ("$", "no scheme that has a name"),
        ("$$", "no scheme that has a name"),
    ],
)
def test_a_hash_of_another_scheme_is_refused_and_the_scheme_is_named(hash: str, scheme: str) -> None:
    with pytest.raises(ValueError, match=f"{scheme}.*only argon2id"):
        check_phc(hash)


def test_a_scheme_is_named_only_so_far_as_it_can_be_one() -> None:
    with pytest.raises(ValueError, match="scheme") as caught:
        check_phc("$" + "x" * 5000 + "$1$2")
    assert len(str(caught.value)) < 200


UNVERIFIABLE = {
    "nothing but a scheme": "$argon2id$",
    "no lanes": "$argon2id$v=19$m=19456,t=2$c29tZXNhbHQ$AAAA",
    "memory in letters": "$argon2id$v=19$m=x,t=2,p=1$c29tZXNhbHQ$AAAA",
    "no hash": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ",
    "a field more": READY + "$more",
    "a newline at the end": READY + "\n",
    "a salt that is no base64": READY.replace("c29tZXNhbHQ", "!!!!!!!!!!!"),
    "an empty salt": READY.replace("c29tZXNhbHQ", ""),
    "an empty hash": READY.replace("A" * 43, ""),
    "a hash that is no base64": READY.replace("A" * 43, "!" * 43),
    "no memory": READY.replace("m=19456", "m=0"),
    "no pass": READY.replace("t=2", "t=0"),
    "less than no pass": READY.replace("t=2", "t=-2"),
    "zero lanes": READY.replace("p=1", "p=0"),
}


@pytest.mark.parametrize("wrong", UNVERIFIABLE)
def test_a_hash_that_nothing_could_ever_verify_is_refused(wrong: str) -> None:
    with pytest.raises(CredentialsRefused):
        passwords().verify(UNVERIFIABLE[wrong], PASSWORD)
    with pytest.raises(ValueError, match="a password hash"):
        check_phc(UNVERIFIABLE[wrong])


@pytest.mark.parametrize(
    "costly",
    [
        READY.replace("m=19456", "m=1048577"),
        READY.replace("t=2", "t=65"),
        READY.replace("p=1", "p=65"),
        READY.replace("v=19", "v=16"),
        READY.replace("v=19$", ""),
    ],
)
def test_a_hash_that_costs_too_much_or_is_of_an_old_version_is_refused(costly: str) -> None:
    with pytest.raises(ValueError, match="too much to check, or of an old version"):
        check_phc(costly)


def test_the_highest_parameters_that_are_taken_are_taken() -> None:
    highest = READY.replace("m=19456,t=2,p=1", "m=1048576,t=64,p=64")
    assert check_phc(highest) == highest
