"""Copies of an SQLite database: taken from one that is in use, and put in the place of one that is.

Both go through SQLite's backup API (https://www.sqlite.org/backup.html) in one step, so that a copy is one
state that was committed, and a database is the old one or the copy and never a mixture: the pages are
written in one transaction with SQLite's own locks and journal, which raises the change counter
(:mod:`capsvc.stores.counter`) as any other does. Other processes go right on.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Protocol

from capsvc.disk import sync
from capsvc.errors import CapsvcError, SettingsError, StoreBusy
from capsvc.stores.connection import PATIENCE_SECONDS, demand_durable, translated
from capsvc.stores.steps import unknown_steps

BACKUP = int.from_bytes(b"cpsb")
"""The application id (https://www.sqlite.org/pragma.html#pragma_application_id) of a copy, which nobody serves."""


class _Progress(Protocol):
    def __call__(self, status: int, remaining: int, total: int, /) -> object: ...


def write_backup(database: Path, target: Path, replace: bool) -> int:
    """Copy a database that may be in use into one file, mode 0600, checked and synced; return its bytes.

    Raises CapsvcError where there is a file already, unless ``replace``, or where it cannot be written.
    Raises StoreUnavailable.
    """
    if target.exists() and (not replace or target.samefile(database)):
        raise CapsvcError(f"there is a file {target} already: nothing was written")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    except OSError as wrong:
        raise CapsvcError(f"{target} cannot be written: {wrong.strerror}") from None
    draft = Path(name)
    try:
        os.close(descriptor)
        take(database, draft)
        _set_application(draft, BACKUP)
        demand_whole(draft)
        sync(draft)
        if replace:
            draft.replace(target)
        else:
            os.link(draft, target)
        sync(target.parent)
        return target.stat().st_size
    except FileExistsError:
        raise CapsvcError(f"there is a file {target} already: nothing was written") from None
    except OSError as wrong:
        raise CapsvcError(f"{target} cannot be written: {wrong.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def take(database: Path, copy: Path) -> None:
    """Copy a database that may be in use into an empty file, which is not synced. Raises StoreUnavailable."""
    with translated(), closing(_connect(database, "rw")) as source, closing(_connect(copy, "rw")) as target:
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target, pages=-1, progress=_patient())
        target.execute("PRAGMA journal_mode = DELETE").fetchone()


def demand_whole(path: Path) -> None:
    """Raise SettingsError unless a file is a whole database of this service, of this version or an earlier one."""
    try:
        with closing(_connect(path, "ro")) as database:
            said = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if said != "ok":
                raise SettingsError(f"{path} is damaged: {said.splitlines()[-1]}; take another")
            if database.execute("SELECT count(*) FROM state").fetchone()[0] != 1:
                raise SettingsError(f"{path} has lost its state: take another")
            unknown = unknown_steps(database)
    except sqlite3.OperationalError as wrong:
        raise SettingsError(f"{path} is no database of this service: {wrong}") from None
    except sqlite3.DatabaseError as wrong:
        raise SettingsError(f"{path} is no whole database: {wrong}; take another") from None
    if unknown:
        raise SettingsError(f"{path} was made by a later version, which knows {unknown[0]}: install that version")


def make_servable(copy: Path) -> None:
    """Take from a copy the mark by which a store refuses to be opened on it."""
    _set_application(copy, 0)


def write_over(copy: Path, database: Path) -> None:
    """Write a copy over a database that may be in use, in one step, after which other processes go right on.

    Raises StoreUnavailable, after which the database is as it was.
    """
    with translated(), closing(_connect(copy, "ro")) as source, closing(_connect(database, "rw")) as live:
        demand_durable(live)
        source.backup(live, pages=-1, progress=_patient())


def put_in_place(copy: Path, database: Path) -> None:
    """Put a copy's file in the place of a database; processes that have that one open refuse until they start again.

    For one that is missing, damaged, or went back: other processes may have pages of it in memory under a
    change count to which it would come once more.
    """
    for left in ("-journal", "-wal", "-shm"):  # SQLite would take them for the copy's
        database.with_name(database.name + left).unlink(missing_ok=True)
    sync(copy)
    copy.replace(database)
    sync(database.parent)


def _set_application(copy: Path, number: int) -> None:
    with translated(), closing(_connect(copy, "rw")) as database:
        database.execute(f"PRAGMA application_id = {number}")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE_SECONDS, isolation_level=None
    )


def _patient() -> _Progress:
    """Give up a step that has waited for a lock for long enough; by itself sqlite3 would go on for ever."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS

    def progress(status: int, remaining: int, total: int, /) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise StoreBusy("the database is locked by another process: try again")

    return progress
