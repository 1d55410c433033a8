"""Steps: what an SQLite database was brought up to date by, told without what does it, which takes long to load."""

from __future__ import annotations

import sqlite3

SET = "capsvc"
STEPS = "m001_first_tables", "m002_subjects"
"""The names of the steps of :mod:`capsvc.stores.migrations`, in their order."""


def missing_steps(connection: sqlite3.Connection) -> list[str]:
    """List the steps that a database still has to be brought up to date by."""
    applied = _applied(connection)
    return [step for step in STEPS if step not in applied]


def unknown_steps(connection: sqlite3.Connection) -> list[str]:
    """List the steps that were applied to a database and that this version does not know: a later one made it."""
    return [step for step in _applied(connection) if step not in STEPS]


def _applied(connection: sqlite3.Connection) -> list[str]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone() is None:
        return []
    rows = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (SET,))
    return [str(name) for (name,) in rows]
