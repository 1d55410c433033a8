"""Subjects in SQL: whom an issuer of ID tokens knows, which user is hers, and which ID tokens were used.

Each function is inside a transaction that somebody else began, in which nobody else writes.
"""

from __future__ import annotations

from secrets import token_bytes, token_hex

from capsvc.errors import Refused, Replayed, StoreUnavailable
from capsvc.stores import DEFAULT_SALT_NAME, REDEEMED, Assertion
from capsvc.stores.column import Transaction, change_all, demand_user, next_revision, write_salt
from caveats.opaque import SALT_BYTES

NO_PASSWORD = ""
"""Stands where a user has none: it is no hash, so that no password is ever its."""

_SUFFIX_BYTES = 10
_NOBODY, _NEVER = "", "9999-12-31T23:59:59Z"
"""Whose mark a bar is, and when it ends."""


def redeem(transaction: Transaction, assertion: Assertion, now: str) -> str:
    """Do what :meth:`capsvc.stores.Store.redeem` says."""
    _use_up(transaction, assertion, now)
    row = transaction.execute(
        'SELECT "user", granted FROM subjects WHERE issuer = ? AND subject = ?', (assertion.issuer, assertion.subject)
    ).fetchone()
    if row is None:
        return _introduce(transaction, assertion, now)
    name, granted = row
    _follow(transaction, name, set(granted.split()), set(assertion.audiences), now)
    return str(name)


def demand_password(transaction: Transaction, user: str) -> None:
    """Raise Refused for a user who logs in elsewhere, and for whom a password would be a second way in."""
    row = transaction.execute("SELECT password FROM users WHERE name = ?", (user,)).fetchone()
    if row is not None and row[0] == NO_PASSWORD:
        raise Refused(f"{user} logs in with an identity provider, and has no password here")


def bar(transaction: Transaction, now: str) -> None:
    """Take no ID token from now on that was issued by now: which of those were used is not known any more."""
    transaction.execute("DELETE FROM redeemed WHERE issuer = ?", (_NOBODY,))
    transaction.execute("INSERT INTO redeemed (issuer, mark, ends) VALUES (?, ?, ?)", (_NOBODY, now, _NEVER))


def _use_up(transaction: Transaction, assertion: Assertion, now: str) -> None:
    transaction.execute("DELETE FROM redeemed WHERE ends < ?", (now,))
    barred = transaction.execute("SELECT mark FROM redeemed WHERE issuer = ?", (_NOBODY,)).fetchone()
    if barred is not None and assertion.begins <= barred[0]:
        raise Replayed("this ID token is from before the database was recovered, and may have been used")
    for mark in assertion.marks:
        found = "SELECT 1 FROM redeemed WHERE issuer = ? AND mark = ?"
        if transaction.execute(found, (assertion.issuer, mark)).fetchone():
            raise Replayed("this ID token was used before")
    (held,) = transaction.execute("SELECT count(*) FROM redeemed").fetchone()
    if held >= REDEEMED:
        raise StoreUnavailable(f"{held} marks of used ID tokens are held, which is the most: wait until some expire")
    for mark in assertion.marks:
        inserted = "INSERT INTO redeemed (issuer, mark, ends) VALUES (?, ?, ?)"
        transaction.execute(inserted, (assertion.issuer, mark, assertion.ends))


def _introduce(transaction: Transaction, assertion: Assertion, now: str) -> str:
    """Make a user for a subject that was never seen. Her name says nothing of her, and nobody can guess it."""
    audiences = " ".join(sorted(set(assertion.audiences)))
    added = "INSERT INTO users (name, password, audiences, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    name = f"{assertion.label}-{token_hex(_SUFFIX_BYTES)}"
    while not transaction.execute(added, (name, NO_PASSWORD, audiences, now)).rowcount:
        name = f"{assertion.label}-{token_hex(_SUFFIX_BYTES)}"
    write_salt(transaction, next_revision(transaction), name, DEFAULT_SALT_NAME, token_bytes(SALT_BYTES), now)
    transaction.execute(
        'INSERT INTO subjects (issuer, subject, "user", granted) VALUES (?, ?, ?, ?)',
        (assertion.issuer, assertion.subject, name, audiences),
    )
    return name


def _follow(transaction: Transaction, name: str, granted: set[str], configured: set[str], now: str) -> None:
    """Let a user's audiences follow the configuration; what an administrator took from her stays taken."""
    held = set(demand_user(transaction, name)["audiences"].split())
    wanted = (held | (configured - granted)) & configured
    if configured != granted:
        transaction.execute('UPDATE subjects SET granted = ? WHERE "user" = ?', (" ".join(sorted(configured)), name))
    if wanted != held:
        transaction.execute("UPDATE users SET audiences = ? WHERE name = ?", (" ".join(sorted(wanted)), name))
        change_all(transaction, name, now)
