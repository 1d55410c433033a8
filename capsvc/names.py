"""Names that are given to users and audiences, and which of them are reserved."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import category

from caveats import BUILTIN, check_audience

ADMIN, VERIFY = "capsvc.admin", "capsvc.verify"
RESERVED_AUDIENCES = (ADMIN, VERIFY)
CONSOLE_SALT_NAME = "console"
"""The salt's name that sessions of the console are logged in with."""

_RESERVED_PREFIX = "capsvc."
_USER_CHARACTERS = 128
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})


def check_user_name(name: str) -> str:
    """Return a user's name if it is one: 1 to 128 characters that can be seen, NFC, no ``/``, not ``.`` or ``..``.

    Raises ValueError.
    """
    if len(name) > _USER_CHARACTERS:
        raise ValueError(f"a user's name has at most {_USER_CHARACTERS} characters")
    fact: str = BUILTIN["user"].fact(name)
    if name in (".", "..") or any(category(character) in _UNSEEN for character in name):
        raise ValueError("a user's name is not . or .., and has no characters that cannot be seen")
    return fact


def check_audiences(audiences: Iterable[str]) -> tuple[str, ...]:
    """Return audiences, sorted and each once, if a user can be given them. Raises ValueError."""
    wanted = sorted(set(audiences))
    for audience in wanted:
        if check_audience(audience).startswith(_RESERVED_PREFIX) and audience not in RESERVED_AUDIENCES:
            raise ValueError(
                f"audiences that begin with {_RESERVED_PREFIX} are reserved: {' '.join(RESERVED_AUDIENCES)}"
            )
    return tuple(wanted)
