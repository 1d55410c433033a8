"""The tables of the PostgreSQL store, as steps that are each applied once and never edited afterwards.

Plain SQL that engines speaking PostgreSQL's protocol have too: no sequence, trigger or advisory lock.
Names are compared byte by byte (``COLLATE "C"``), as SQLite does.
"""

from __future__ import annotations

from capsvc.errors import StoreUnavailable
from capsvc.stores.postgresql.transactions import Transaction

_FIRST_TABLES = (
    """
    CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        revision BIGINT NOT NULL,
        panic TEXT NOT NULL,
        ring BIGINT NOT NULL,
        longest BIGINT NOT NULL,
        writes BIGINT NOT NULL DEFAULT 0
    )
    """,
    "INSERT INTO state (one, revision, panic, ring, longest) VALUES (1, 0, '', 0, 0)",
    """
    CREATE TABLE users (
        name TEXT COLLATE "C" PRIMARY KEY,
        password TEXT NOT NULL,
        audiences TEXT NOT NULL,
        disabled BOOLEAN NOT NULL DEFAULT FALSE,
        created TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE salts (
        "user" TEXT COLLATE "C" NOT NULL,
        name TEXT COLLATE "C" NOT NULL,
        salt BYTEA,
        issued BOOLEAN NOT NULL,
        changed TEXT NOT NULL,
        PRIMARY KEY ("user", name)
    )
    """,
    # recorded: by the database's clock, beside the instant, which is by that of whichever node wrote it.
    """
    CREATE TABLE changes (
        revision BIGINT NOT NULL,
        "user" TEXT COLLATE "C" NOT NULL,
        name TEXT COLLATE "C" NOT NULL,
        salt BYTEA,
        instant TEXT NOT NULL,
        recorded TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (revision, "user", name)
    )
    """,
    "CREATE INDEX changes_recorded ON changes (recorded)",
    """
    CREATE TABLE keys (
        position INTEGER PRIMARY KEY,
        id TEXT COLLATE "C" NOT NULL UNIQUE,
        state TEXT NOT NULL,
        share BYTEA NOT NULL,
        checked BYTEA NOT NULL,
        changed TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE beats (
        node TEXT COLLATE "C" PRIMARY KEY,
        beat BIGINT NOT NULL,
        recorded TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
)
_SUBJECTS = (
    """
    CREATE TABLE subjects (
        issuer TEXT COLLATE "C" NOT NULL,
        subject TEXT COLLATE "C" NOT NULL,
        "user" TEXT COLLATE "C" NOT NULL UNIQUE,
        granted TEXT NOT NULL,
        PRIMARY KEY (issuer, subject)
    )
    """,
    """
    CREATE TABLE redeemed (
        issuer TEXT COLLATE "C" NOT NULL,
        mark TEXT COLLATE "C" NOT NULL,
        ends TEXT NOT NULL,
        PRIMARY KEY (issuer, mark)
    )
    """,
    "CREATE INDEX redeemed_ends ON redeemed (ends)",
)
STEPS = (_FIRST_TABLES, _SUBJECTS)

_APPLIED = "CREATE TABLE IF NOT EXISTS steps (step INTEGER PRIMARY KEY)"
_FORGET_BEATS = "DELETE FROM beats WHERE recorded < now() - INTERVAL '1 day'"


def bring_up_to_date(transaction: Transaction) -> None:
    """Apply the steps that are missing. Raises StoreUnavailable where a newer version has applied others."""
    transaction.execute("INSERT INTO steps (step) VALUES (0) ON CONFLICT DO NOTHING")
    # Whoever holds this row applies steps; nobody else does meanwhile.
    transaction.execute("SELECT step FROM steps WHERE step = 0 FOR UPDATE")
    applied = {step for (step,) in transaction.execute("SELECT step FROM steps").fetchall()}
    if max(applied) > len(STEPS):
        raise StoreUnavailable("the database was written by a newer version of capsvc: install that one")
    for number, statements in enumerate(STEPS, 1):
        if number not in applied:
            for statement in statements:
                transaction.execute(statement)
            transaction.execute("INSERT INTO steps (step) VALUES (?)", (number,))
    transaction.execute(_FORGET_BEATS)


def make_room(transaction: Transaction) -> None:
    """Make the table of applied steps."""
    transaction.execute(_APPLIED)
