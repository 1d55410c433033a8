"""An examination of an SQLite database: what is wrong in it, found by reading alone, while others use it or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capsvc.stores import DEFAULT_SALT_NAME, StoredKey
from capsvc.stores.backup import BACKUP
from capsvc.stores.connection import journal_mode
from capsvc.stores.steps import missing_steps, unknown_steps

_RESTORE = "`capsvc restore` a backup"


@dataclass(frozen=True, slots=True)
class Examined:
    """What a database says of itself; what could not be read is None or empty. ``wrong`` says what to do."""

    wrong: tuple[str, ...]
    revision: int | None = None
    longest: int = 0
    newest: str = ""
    """The instant of the newest change."""
    keys: tuple[StoredKey, ...] = ()


def examine(path: Path) -> Examined:
    """Examine a database. Whatever is in it, the answer says what is wrong; nothing is raised or written.

    Each look is a transaction of its own, so that writers wait for one look at most. The revision is looked
    at last: it only grows.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)) as database:
            return _examined(database)
    except sqlite3.OperationalError as wrong:
        if getattr(wrong, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return Examined(("the database was left in the middle of a change: start `capsvc serve`, which undoes it",))
        return Examined((f"the database does not answer ({wrong}): if it is not merely locked, {_RESTORE}",))
    except sqlite3.DatabaseError as wrong:
        return Examined((f"the database is damaged ({wrong}): {_RESTORE}",))


def damage(path: Path) -> str:
    """Say what is damaged in a database, whatever it holds; empty if nothing is."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)) as database:
            return "; ".join(_integrity(database))
    except sqlite3.DatabaseError as wrong:
        return str(wrong)


def _examined(database: sqlite3.Connection) -> Examined:
    wrong = [f"the database is damaged ({said}): {_RESTORE}" for said in _integrity(database)]
    for check in (_schema, _journal, _salts, _changes, _subjects):
        wrong += _tried(check, database)
    newest = _first(database, "SELECT instant FROM changes ORDER BY revision DESC LIMIT 1")
    state = _first(database, "SELECT revision, longest FROM state")
    keys = database.execute("SELECT id, state, share, checked, changed FROM keys ORDER BY position").fetchall()
    if state is None:
        return Examined((*wrong, f"the database has lost its state: {_RESTORE}"))
    return Examined(
        tuple(wrong), state[0], state[1], newest[0] if newest else "", tuple(StoredKey(*key) for key in keys)
    )


def _tried(check: Callable[[sqlite3.Connection], Iterator[str]], database: sqlite3.Connection) -> list[str]:
    """Do one check; in a damaged database another may still say something."""
    try:
        return list(check(database))
    except sqlite3.DatabaseError as wrong:
        return [f"the database is damaged ({wrong}): {_RESTORE}"]


def _integrity(database: sqlite3.Connection) -> list[str]:
    said = database.execute("PRAGMA integrity_check(1)").fetchone()[0].splitlines()
    return [] if said == ["ok"] else said[-1:]


def _schema(database: sqlite3.Connection) -> Iterator[str]:
    if database.execute("PRAGMA application_id").fetchone()[0] == BACKUP:
        yield "the database is a backup as it was written: run `capsvc recover`"
    for step in unknown_steps(database):
        yield f"the database was made by a later version, which knows {step}: install that version"
    for step in missing_steps(database):
        yield f"the database is of an earlier version, without {step}: the next command that opens it mends that"


def _journal(database: sqlite3.Connection) -> Iterator[str]:
    found, wanted = database.execute("PRAGMA journal_mode").fetchone()[0], journal_mode(sqlite3.sqlite_version_info[:3])
    if found == "wal" and wanted != "wal":
        yield "the database is in WAL, which this SQLite can corrupt: start `capsvc serve` again, which changes that"


def _salts(database: sqlite3.Connection) -> Iterator[str]:
    lost = _first(
        database,
        "SELECT users.name FROM users LEFT JOIN salts ON salts.user = users.name AND salts.name = ?"
        " WHERE salts.issued IS NOT 1 OR (salts.salt IS NULL) != users.disabled LIMIT 1",
        DEFAULT_SALT_NAME,
    )
    if lost:
        yield f"the user {lost[0]} has no default salt as it should be: `capsvc user disable` her, then enable her"


def _changes(database: sqlite3.Connection) -> Iterator[str]:
    newest = _first(database, "SELECT max(revision) FROM changes")
    state = _first(database, "SELECT revision FROM state")
    if newest and state and (newest[0] or 0) > state[0]:
        yield f"the newest change is {newest[0]}, and the revision is {state[0]}: run `capsvc recover`"


def _subjects(database: sqlite3.Connection) -> Iterator[str]:
    if missing_steps(database):  # which is said above
        return
    lost = _first(
        database, "SELECT user FROM subjects LEFT JOIN users ON users.name = user WHERE users.name IS NULL LIMIT 1"
    )
    if lost:
        yield f"the user {lost[0]} of an identity provider is missing: {_RESTORE}"


def _first(database: sqlite3.Connection, query: str, *values: str) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = database.execute(query, values).fetchone()
    return row
