"""Law 8: whatever holds a secret does not print it."""

from __future__ import annotations

import pytest

from capsvc.http.discharges import Asked, Discharged
from capsvc.http.logins import IdTokenLogin, Login
from capsvc.http.revocations import PasswordChange
from capsvc.http.tokens import Token
from capsvc.http.users import Addition, Change
from capsvc.http.verification import Question
from capsvc.settings import Settings
from caveats import Authority, KeyName, Macaroon

SECRET = "do not print this"
BEGINS, ENDS = "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z"
SALT = b"sixteen secrets!"


@pytest.mark.parametrize(
    "held",
    [
        Login(user="alice", password=SECRET),
        IdTokenLogin(id_token=SECRET),
        Token(SECRET, "alice", None, "default", "nonce", "", ""),
        PasswordChange(SECRET, SECRET),
        Addition("alice", SECRET),
        Change(password=SECRET),
        Asked(SECRET),
        Discharged(SECRET, ENDS),
        Question(SECRET, [SECRET]),
        Authority(KeyName("k1"), "A" * 22, "alice", "default", SALT, BEGINS, ENDS),
        Macaroon.mint(SECRET.encode(), "k1"),
        Settings(store=f"postgresql://alice:{SECRET}@caps.example/caps"),
    ],
    ids=lambda held: type(held).__name__,
)  # fmt: skip
def test_law_8_what_holds_a_secret_does_not_print_it(held: object) -> None:
    assert SECRET not in repr(held)
    assert "sixteen" not in repr(held)
