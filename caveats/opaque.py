"""Values of a fixed size that only equality is asked of: digests, salts, unique values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from hashlib import sha256

from caveats.attribute import AttributeType, Written, one_of, only
from caveats.encoding import decode_base64, encode_base64
from caveats.errors import DecodeError

SALT_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_SALT_NAME = re.compile(SALT_NAME)
SALT_BYTES = 16


def check_salt_name(name: str) -> str:
    """Return a salt's name if it is one, else raise ValueError.

    One to 64 letters, digits, dots, dashes and underscores of ASCII, a letter or digit first.
    """
    if not _SALT_NAME.fullmatch(name):
        raise ValueError("a salt's name is 1 to 64 ASCII letters, digits, '.', '_' or '-', a letter or digit first")
    return name


def check_salt(name: str, salt: bytes) -> None:
    """Raise ValueError unless this is a salt's name, and its 16 bytes."""
    check_salt_name(name)
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")


class Digest(AttributeType):
    """A SHA-256 digest as ``sha-256:`` and 43 characters of URL-safe base64."""

    name = "digest"
    operators = frozenset({"="})
    absent = "say the {0}, or use a copy that does not bind the {0} where whoever verifies cannot see it"
    __slots__ = ()
    _PREFIX = "sha-256:"

    def operand(self, operator: str, items: tuple[str, ...]) -> str:
        return self.fact(only(items))

    def fact(self, value: bytes | str) -> str:
        """The bytes themselves, or their digest as text."""
        if isinstance(value, bytes):
            return self._PREFIX + encode_base64(sha256(value).digest())
        if not isinstance(value, str):
            raise TypeError("a digest is text; what is to be digested is bytes")
        _fixed_base64(value.removeprefix(self._PREFIX), 32, "a digest is sha-256: and 43 characters of base64")
        if not value.startswith(self._PREFIX):
            raise ValueError("a digest begins with sha-256:")
        return value

    def refusal(self, operator: str, operand: str, fact: str) -> str | None:
        return None if fact == operand else f"it is {fact}"

    def meet(self, demands: Sequence[tuple[str, str]]) -> tuple[Written, ...] | None:
        digests = {operand for _, operand in demands}
        return one_of([*digests]) if len(digests) == 1 else None

    def instead(self, operator: str, items: tuple[str, ...], fact: str) -> str:
        return f"send what has the digest {items[0]}"

    def cover(self, facts: Set[str], most: int) -> tuple[Written, ...] | None:
        return one_of([*facts]) if len(facts) == 1 else None


class Salt(AttributeType):
    """A name and its 16 random bytes; met while the salt column does not disagree.

    The fact is the column's rows for one user: a name with its salt, or with None once revoked. A name
    without a row is met: it has never been revoked. (Authority's own name needs its row; that rule is
    the verifier's.)
    """

    name = "salt"
    operators = frozenset({"="})
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> tuple[str, bytes]:
        name, slash, salt = only(items).partition("/")
        if not slash:
            raise ValueError("a salt is its name, /, and 22 characters of base64")
        return check_salt_name(name), _fixed_base64(salt, SALT_BYTES, "a salt is 22 characters of base64")

    def fact(self, value: Mapping[str, bytes | None]) -> Mapping[str, bytes | None]:
        if not isinstance(value, Mapping):
            raise TypeError("salts are a mapping of names to bytes or None")
        return value

    def refusal(self, operator: str, operand: tuple[str, bytes], fact: Mapping[str, bytes | None]) -> str | None:
        name, salt = operand
        return None if fact.get(name, salt) == salt else "it was revoked"

    def meet(self, demands: Sequence[tuple[str, tuple[str, bytes]]]) -> tuple[Written, ...] | None:
        """Names conjoin. Two salts of one name contradict, as they do for a verifier, even where it has no row."""
        salts = dict(operand for _, operand in demands)
        if any(salts[name] != salt for _, (name, salt) in demands):
            return None
        return tuple(("=", (f"{name}/{encode_base64(salts[name])}",)) for name in sorted(salts))

    def instead(self, operator: str, items: tuple[str, ...], fact: Mapping[str, bytes | None]) -> str:
        return "log in again, or ask whoever handed it on for another"


class Unique(AttributeType):
    """128 random bits as 22 characters of base64. Forbids nothing by itself."""

    name = "unique"
    operators = frozenset({"="})
    needs_fact = False
    __slots__ = ()

    def operand(self, operator: str, items: tuple[str, ...]) -> str:
        return self.fact(only(items))

    def fact(self, value: str) -> str:
        if not isinstance(value, str):
            raise TypeError("a unique value is a str")
        _fixed_base64(value, 16, "a unique value is 22 characters of base64")
        return value

    def refusal(self, operator: str, operand: str, fact: object) -> str | None:
        return None

    def meet(self, demands: Sequence[tuple[str, str]]) -> tuple[Written, ...] | None:
        return ()

    def instead(self, operator: str, items: tuple[str, ...], fact: object) -> str:
        return ""


def _fixed_base64(text: str, size: int, otherwise: str) -> bytes:
    try:
        raw = decode_base64(text)
    except DecodeError:
        raise ValueError(otherwise) from None
    if len(raw) != size:
        raise ValueError(otherwise)
    return raw
