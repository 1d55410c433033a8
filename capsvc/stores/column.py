"""The salt column's rows in SQL, each function inside a transaction that somebody else began.

In the words that SQLite and PostgreSQL share. ``user`` is quoted: bare, it is a function in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from secrets import token_bytes
from typing import Any, Protocol

from capsvc.errors import CredentialsRefused, Refused, StoreUnavailable, UnknownUser
from capsvc.stores import HOLDER_NAMES, ISSUED_NAMES, LEAP, RETIRED, IssuedSalt, Reading, Recovery, SaltName, User
from caveats.opaque import SALT_BYTES
from caveats.proven import NONCE_PREFIX, Salts


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """Return the next row; None where there is none."""

    def fetchall(self) -> list[Any]:
        """Return the rows."""


class Transaction(Protocol):
    """A transaction on either engine; what stands for a parameter is ``?``."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""


_STATE = ("one", "revision", "panic", "ring", "longest")

_LOOK = """
    SELECT state.revision, state.panic, state.ring, salts.name, salts.salt
    FROM state LEFT JOIN salts ON salts."user" = ?
"""


def lost() -> StoreUnavailable:
    """Say that the one row of state is missing."""
    return StoreUnavailable("the database has lost its state: restore it from its backup")


def look(connection: Transaction, user: str, names: Sequence[str]) -> Reading:
    """Look up the rows of some names of a user. Raises StoreUnavailable."""
    marks = ",".join("?" * len(names)) or "NULL"
    return _reading(connection.execute(f"{_LOOK} AND salts.name IN ({marks})", (user, *names)).fetchall())


def look_at_all(connection: Transaction, user: str, most: int) -> Reading | None:
    """Look up a user's whole column; None if it has more rows than that. Raises StoreUnavailable."""
    rows = connection.execute(f"{_LOOK} LIMIT ?", (user, most + 1)).fetchall()
    return _reading(rows) if len(rows) <= most else None


def _reading(rows: list[tuple[Any, ...]]) -> Reading:
    if not rows:
        raise lost()
    revision, panic, ring, _, _ = rows[0]
    return Reading(Salts({row[3]: row[4] for row in rows if row[3] is not None}, panic), revision, ring)


def state(connection: Transaction, column: str) -> Any:
    """Return one column of the state."""
    row = connection.execute("SELECT one, revision, panic, ring, longest FROM state").fetchone()
    if row is None:
        raise lost()
    return dict(zip(_STATE, row, strict=True))[column]


def as_user(row: tuple[Any, ...]) -> User:
    """Make a user of a row."""
    name, audiences, disabled, created = row
    return User(name, tuple(audiences.split()), bool(disabled), created)


def as_salt_name(row: tuple[Any, ...]) -> SaltName:
    """Make a name of a row, without its salt."""
    name, is_revoked, is_issued, changed = row
    kind = "issued" if is_issued else "nonce" if name.startswith(NONCE_PREFIX) else "holder"
    return SaltName(name.removeprefix(NONCE_PREFIX), kind, bool(is_revoked), changed)


def demand_user(connection: Transaction, user: str) -> dict[str, Any]:
    """Return a user's audiences and whether she is disabled. Raises UnknownUser."""
    row = connection.execute("SELECT audiences, disabled FROM users WHERE name = ?", (user,)).fetchone()
    if row is None:
        raise UnknownUser(f"there is no user {user}")
    return {"audiences": row[0], "disabled": row[1]}


def issuable(connection: Transaction, user: str, name: str, password: str | None) -> IssuedSalt:
    """Return a name's salt, empty where there is none to mint with yet.

    Raises CredentialsRefused and Refused as :meth:`capsvc.stores.Store.issue_salt` does.
    """
    row = connection.execute(
        "SELECT password, disabled, audiences, salt, issued FROM users"
        ' LEFT JOIN salts ON salts."user" = users.name AND salts.name = ? WHERE users.name = ?',
        (name, user),
    ).fetchone()
    if row is None or row[1] or (password is not None and row[0] != password):
        raise CredentialsRefused("user and password do not belong together")
    if row[4] == 0:
        raise Refused(f"the salt's name {name} was a holder's and is revoked: choose another")
    return IssuedSalt(row[3] or b"", tuple(row[2].split()))


def demand_room(connection: Transaction, user: str) -> None:
    """Raise Refused where a user has too many issued names for another one."""
    (held,) = connection.execute('SELECT count(*) FROM salts WHERE "user" = ? AND issued', (user,)).fetchone()
    if held >= ISSUED_NAMES:
        raise Refused(f"{user} has {held} salt names already: log in with one of them")


def revision(connection: Transaction) -> int:
    """Return the counter."""
    return int(state(connection, "revision"))


def next_revision(connection: Transaction) -> int:
    """Raise the counter and return it."""
    connection.execute("UPDATE state SET revision = revision + 1")
    return revision(connection)


def change(connection: Transaction, user: str, salts: dict[str, bytes | None], now: str) -> int:
    """Write some salts of a user under one new revision; return it."""
    revision = next_revision(connection)
    for name, salt in salts.items():
        write_salt(connection, revision, user, name, salt, now)
    return revision


def write_salt(connection: Transaction, revision: int, user: str, name: str, salt: bytes | None, now: str) -> None:
    """Write one row and its change row. A name that is new to the column is issued if it has a salt."""
    connection.execute(
        'INSERT INTO salts ("user", name, salt, issued, changed) VALUES (?, ?, ?, ?, ?)'
        ' ON CONFLICT ("user", name) DO UPDATE SET salt = excluded.salt, changed = excluded.changed',
        (user, name, salt, salt is not None, now),
    )
    write_change(connection, revision, user, name, salt, now)


def write_change(connection: Transaction, revision: int, user: str, name: str, salt: bytes | None, now: str) -> None:
    """Write a change row; that of a panic has neither user nor name."""
    connection.execute(
        'INSERT INTO changes (revision, "user", name, salt, instant) VALUES (?, ?, ?, ?, ?)'
        ' ON CONFLICT (revision, "user", name) DO UPDATE SET salt = excluded.salt',
        (revision, user, name, salt, now),
    )


def change_all(connection: Transaction, user: str, now: str) -> int:
    """Give every issued name of a user a new salt; null, while she is disabled."""
    return change(connection, user, new_salts(connection, user), now)


def new_salts(connection: Transaction, user: str) -> dict[str, bytes | None]:
    disabled = demand_user(connection, user)["disabled"]
    names = connection.execute('SELECT name FROM salts WHERE "user" = ? AND issued', (user,)).fetchall()
    return {name: None if disabled else token_bytes(SALT_BYTES) for (name,) in names}


def revoke_holders(connection: Transaction, user: str, name: str, now: str) -> int:
    """Null a holder's name; where there are too many, the older make way for a change of her issued salts."""
    (held,) = connection.execute('SELECT count(*) FROM salts WHERE "user" = ? AND NOT issued', (user,)).fetchone()
    changes: dict[str, bytes | None] = {name: None}
    if held >= HOLDER_NAMES:
        changes |= new_salts(connection, user)
        connection.execute('DELETE FROM salts WHERE "user" = ? AND NOT issued', (user,))
    return change(connection, user, changes, now)


def recover(connection: Transaction, fresh_salt: str, above: int, retired: Collection[str], now: str) -> Recovery:
    """Do what :meth:`capsvc.stores.Store.recover` says. ``fresh_salt`` is an engine's SQL for a new salt."""
    raised = max(revision(connection), above) + LEAP
    ring = int(state(connection, "ring"))
    connection.execute("UPDATE state SET revision = ?, ring = ?", (raised, max(ring + 1, raised)))
    enabled = "SELECT name FROM users WHERE NOT disabled"
    renewed = f'CASE WHEN "user" IN ({enabled}) THEN {fresh_salt} END'
    update = f"UPDATE salts SET changed = ?, salt = {renewed} WHERE issued"  # noqa: S608 - an engine's own words, no data
    salts = connection.execute(update, (now,)).rowcount
    connection.execute(
        'INSERT INTO changes (revision, "user", name, salt, instant)'
        ' SELECT CAST(? AS BIGINT), "user", name, salt, CAST(? AS TEXT) FROM salts WHERE issued',
        (raised, now),
    )
    again = [
        key_id
        for key_id in sorted(retired)
        if connection.execute(
            "UPDATE keys SET state = ?, changed = ? WHERE id = ? AND state != ?", (RETIRED, now, key_id, RETIRED)
        ).rowcount
    ]
    return Recovery(raised, salts, tuple(again))
