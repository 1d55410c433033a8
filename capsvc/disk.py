"""The disk: what was written to it is there after a power cut, and its owner's alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from capsvc.errors import SettingsError


def sync(path: Path) -> None:
    """Wait until a file, or what a directory lists, is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in the place of what is there: after a crash it is the old or the new one.

    It is on the disk once this returns. A draft that somebody planted beside it is not written through.
    Raises OSError.
    """
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def read_private(path: Path, what: str, instead: str) -> bytes:
    """Read a file of secrets. Raises SettingsError where it is not there, cannot be read, or can be by others.

    ``what`` names it, ``instead`` says what to do where it is missing.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except FileNotFoundError:
        raise SettingsError(f"the {what} {path} is missing: {instead}") from None
    except OSError as wrong:
        raise SettingsError(f"the {what} {path} cannot be read: {wrong.strerror}") from None
    if mode & 0o077:
        raise SettingsError(f"the {what} {path} can be read by others: chmod 600 it, then rotate its keys")
    return content
