"""The file of key shares: mode 0600, written whole and synced, read only when nobody else can."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capsvc.disk import read_private, write_private
from capsvc.errors import SettingsError
from caveats.encoding import decode_base64, encode_base64
from caveats.errors import DecodeError

if TYPE_CHECKING:
    from capsvc.keyring import KeyRing
    from capsvc.stores import Column

SHARE_BYTES = 32
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ShareFile:
    """One share of each ring secret by key id, as JSON at a path."""

    path: Path

    def read(self) -> dict[str, bytes]:
        """Read the shares. Raises SettingsError, which says what to do, for whatever is wrong."""
        return self._read()[0]

    def ring(self, column: Column, *, patient: bool = True) -> KeyRing:
        """Put the ring of a node together, as :meth:`capsvc.keyring.KeyRing.load` does."""
        from capsvc.keyring import KeyRing

        return KeyRing.load(column, self, patient=patient)

    @property
    def expects_high_water(self) -> bool:
        """Whether a high water was made beside this file: one that is missing then was deleted. Raises SettingsError.

        Versions before the high water wrote files that do not say so.
        """
        return self._read()[1]

    def _read(self) -> tuple[dict[str, bytes], bool]:
        text = read_private(self.path, "key file", "restore it from its backup")
        try:
            told = json.loads(text)
            shares = {str(key_id): decode_base64(share) for key_id, share in told["shares"].items()}
            expects_high_water = told.get("high_water") is True
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DecodeError):
            raise SettingsError(f"the key file {self.path} is cut off or damaged: restore it from its backup") from None
        if not all(len(share) == SHARE_BYTES for share in shares.values()):
            raise SettingsError(f"the key file {self.path} is cut off or damaged: restore it from its backup")
        return shares, expects_high_water

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing the ring meanwhile, on this machine. Raises SettingsError if they do."""
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not _lock(descriptor):
                if time.monotonic() > deadline:
                    raise SettingsError("another command is changing the key ring: try again")
                time.sleep(0.01)
            yield
        finally:
            os.close(descriptor)

    def write(self, shares: Mapping[str, bytes]) -> None:
        """Replace the file by one with these shares, durably: after a crash it is the old or the new one."""
        told = {key_id: encode_base64(share) for key_id, share in shares.items()}
        text = json.dumps({"high_water": True, "shares": told}, indent=2)
        write_private(self.path, f"{text}\n".encode())


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
