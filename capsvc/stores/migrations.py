"""The tables of the SQLite store, as steps that are each applied once and never edited afterwards.

Their names stand in :mod:`capsvc.stores.steps` too.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from capsvc.stores.steps import SET

MIGRATIONS = Migrations(SET)


@MIGRATIONS()
def m001_first_tables(db: Database) -> None:
    """Users, the salt column with its change rows, the counter, the key ring's shares."""
    db.executescript(
        """
        CREATE TABLE state (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            revision INTEGER NOT NULL,
            panic TEXT NOT NULL,
            ring INTEGER NOT NULL,
            longest INTEGER NOT NULL
        );
        INSERT INTO state VALUES (1, 0, '', 0, 0);
        CREATE TABLE users (
            name TEXT PRIMARY KEY,
            password TEXT NOT NULL,
            audiences TEXT NOT NULL,
            disabled INTEGER NOT NULL DEFAULT 0,
            created TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE salts (
            user TEXT NOT NULL,
            name TEXT NOT NULL,
            salt BLOB,
            issued INTEGER NOT NULL,
            changed TEXT NOT NULL,
            PRIMARY KEY (user, name)
        ) WITHOUT ROWID;
        CREATE TABLE changes (
            revision INTEGER NOT NULL,
            user TEXT NOT NULL,
            name TEXT NOT NULL,
            salt BLOB,
            instant TEXT NOT NULL,
            PRIMARY KEY (revision, user, name)
        ) WITHOUT ROWID;
        CREATE TABLE keys (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL,
            share BLOB NOT NULL,
            checked BLOB NOT NULL,
            changed TEXT NOT NULL
        );
        """
    )


@MIGRATIONS()
def m002_subjects(db: Database) -> None:
    """Whom issuers of ID tokens know, and which ID tokens were used."""
    db.executescript(
        """
        CREATE TABLE subjects (
            issuer TEXT NOT NULL,
            subject TEXT NOT NULL,
            user TEXT NOT NULL UNIQUE,
            granted TEXT NOT NULL,
            PRIMARY KEY (issuer, subject)
        ) WITHOUT ROWID;
        CREATE TABLE redeemed (
            issuer TEXT NOT NULL,
            mark TEXT NOT NULL,
            ends TEXT NOT NULL,
            PRIMARY KEY (issuer, mark)
        ) WITHOUT ROWID;
        CREATE INDEX redeemed_ends ON redeemed (ends);
        """
    )


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Apply the steps that a database is without, each in a transaction of its own."""
    MIGRATIONS.apply(Database(connection))
