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

from capsvc.errors import CapsvcError, SettingsError, StoreBusy, StoreUnavailable
from capsvc.stores.connection import PATIENCE_SECONDS, demand_durable, translated
from capsvc.stores.migrations import unknown_steps

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
        with translated(), closing(_connect(database, "rw")) as source, closing(_connect(draft, "rw")) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # synced below, once
            source.backup(copy, pages=-1, progress=_patient())
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            copy.execute(f"PRAGMA application_id = {BACKUP}")
        demand_whole(draft)
        _sync(draft)
        if replace:
            draft.replace(target)
        else:
            os.link(draft, target)
        _sync(target.parent)
        return target.stat().st_size
    except FileExistsError:
        raise CapsvcError(f"there is a file {target} already: nothing was written") from None
    except OSError as wrong:
        raise CapsvcError(f"{target} cannot be written: {wrong.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def demand_whole(path: Path) -> None:
    """Raise SettingsError unless a file is a whole database of this service, of this version or an earlier one."""
    try:
        with closing(_connect(path, "ro")) as database:
            said = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if said != "ok":
                raise SettingsError(f"{path} is damaged: {said.splitlines()[-1]}; take another backup")
            if database.execute("SELECT count(*) FROM state").fetchone()[0] != 1:
                raise SettingsError(f"{path} has lost its state: take another backup")
            unknown = unknown_steps(database)
    except sqlite3.OperationalError as wrong:
        raise SettingsError(f"{path} is no database of this service: {wrong}") from None
    except sqlite3.DatabaseError as wrong:
        raise SettingsError(f"{path} is no whole database: {wrong}; take another backup") from None
    if unknown:
        raise SettingsError(f"{path} was made by a later version, which knows {unknown[0]}: install that version")


def make_servable(copy: Path) -> None:
    """Take from a copy the mark by which a store refuses to be opened on it."""
    with translated(), closing(_connect(copy, "rw")) as database:
        database.execute("PRAGMA application_id = 0")


def put_in_place(copy: Path, database: Path) -> bool:
    """Write a copy over a database in one step; return whether processes that have it open go right on.

    They do not where it is missing, or so damaged that SQLite takes it for none: then the copy's file takes
    its place. Raises StoreUnavailable, after which the database is as it was.
    """
    try:
        with translated(), closing(_connect(copy, "ro")) as source, closing(_connect(database, "rw")) as live:
            demand_durable(live)
            source.backup(live, pages=-1, progress=_patient())
        return True
    except StoreBusy:
        raise
    except StoreUnavailable:
        if _opens(database):
            raise
    for left in ("-journal", "-wal", "-shm"):  # of the damaged one: SQLite would take them for the copy's
        database.with_name(database.name + left).unlink(missing_ok=True)
    _sync(copy)
    copy.replace(database)
    _sync(database.parent)
    return False


def _opens(database: Path) -> bool:
    """Whether SQLite takes a file for a database, however damaged further on."""
    if not database.is_file():
        return False
    try:
        with closing(_connect(database, "rw")) as connection:
            connection.execute("PRAGMA journal_mode").fetchone()
        return True
    except sqlite3.OperationalError:
        return True
    except sqlite3.DatabaseError:
        return False


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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
