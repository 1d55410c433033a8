"""Exported keys: what a resource server needs to verify the capabilities of its own audience, and no others.

For each key of the ring there is one root key, derived for the audience: who has it verifies, and can forge,
for that audience alone. Beside it stand what the feed of changes is read with: the key of its digests, and the
public half of the key that signs it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from capsvc.disk import read_private, write_private
from capsvc.errors import SettingsError
from capsvc.names import check_audiences
from caveats.encoding import decode_base64, encode_base64
from caveats.errors import DecodeError

VERSION = 1
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ExportedKey:
    """What is derived from one key of the ring for one audience, each 32 bytes; ``public`` is of Ed25519."""

    root_key: bytes = field(repr=False)
    digests: bytes = field(repr=False)
    public: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not all(len(each) == KEY_BYTES for each in (self.root_key, self.digests, self.public)):
            raise ValueError(f"an exported key has {KEY_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class ExportedKeys:
    """The keys of one audience by the id of their ring key; ``longest`` is a lifetime in seconds, skew included.

    ``issuer`` is the public URL of the service that exported them: a hint, which nothing trusts.
    """

    issuer: str
    audience: str
    longest: int
    keys: Mapping[str, ExportedKey]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file of exported keys. Raises SettingsError, which says what to do, for whatever is wrong."""
        again = f"export it again with `capsvc keys export --audience … --to {path}`"
        text = read_private(path, "exported key", again)
        try:
            told = json.loads(text)
            if told["version"] != VERSION:
                raise SettingsError(f"the exported key {path} is of another version: {again}")
            return cls._of(told)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DecodeError):
            raise SettingsError(f"the exported key {path} is cut off or damaged: {again}") from None

    @classmethod
    def _of(cls, told: dict[str, Any]) -> Self:
        issuer, longest = told["issuer"], told["longest"]
        (audience,) = check_audiences([told["audience"]])
        if type(issuer) is not str or type(longest) is not int or longest < 1:
            raise ValueError
        keys = {
            str(key_id): ExportedKey(*(decode_base64(each[part]) for part in ("root_key", "digests", "public")))
            for key_id, each in told["keys"].items()
        }
        if not keys:
            raise ValueError
        return cls(issuer, audience, longest, keys)

    def write(self, path: Path) -> None:
        """Put them into a file of mode 0600, durably. Raises OSError."""
        told = {
            "version": VERSION,
            "issuer": self.issuer,
            "audience": self.audience,
            "longest": self.longest,
            "keys": {
                key_id: {
                    "root_key": encode_base64(each.root_key),
                    "digests": encode_base64(each.digests),
                    "public": encode_base64(each.public),
                }
                for key_id, each in self.keys.items()
            },
        }
        write_private(path, f"{json.dumps(told, indent=2)}\n".encode())
