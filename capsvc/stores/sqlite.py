"""The store on one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import Any

from sqlite_utils import Database

from capsvc.errors import CredentialsRefused, Refused, SettingsError, StoreUnavailable, UnknownUser
from capsvc.stores import (
    DEFAULT_SALT_NAME,
    HOLDER_NAMES,
    ISSUED_NAMES,
    IssuedSalt,
    NewUser,
    Reading,
    SaltName,
    StoredKey,
    User,
)
from capsvc.stores.connection import Connections
from capsvc.stores.migrations import MIGRATIONS
from caveats.opaque import SALT_BYTES
from caveats.verifier import NONCE_PREFIX, Salts

_READ = """
    SELECT state.revision, state.panic, state.ring, salts.name, salts.salt
    FROM state LEFT JOIN salts ON salts.user = ? AND salts.name IN ({})
"""

_USERS = "SELECT name, audiences, disabled, created FROM users"
_STATE = ("one", "revision", "panic", "ring", "longest")
_SALT_NAMES = "SELECT name, salt, issued, changed FROM salts WHERE user = ? ORDER BY issued DESC, name"


class SQLiteStore:
    """A :class:`capsvc.stores.Store` on SQLite. Reads by one prepared statement on the verification path."""

    def __init__(self, path: Path) -> None:
        """Open an existing database and bring its tables up to date. Raises StoreUnavailable."""
        if not path.is_file():
            raise SettingsError(f"there is no database {path}: run `capsvc init` first")
        self._connections = Connections(path)
        with self._connections.reading(patient=True) as connection:
            MIGRATIONS.apply(Database(connection))

    @classmethod
    def create(cls, path: Path) -> SQLiteStore:
        """Make a new database, readable by its owner alone. Raises FileExistsError where there is one."""
        path.touch(mode=0o600, exist_ok=False)
        return cls(path)

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        with self._connections.reading(patient) as connection:
            marks = ",".join("?" * len(names))
            rows = connection.execute(_READ.format(marks), (user, *names)).fetchall()
        if not rows:
            raise _lost()
        revision, panic, ring, _, _ = rows[0]
        return Reading(Salts({row[3]: row[4] for row in rows if row[3] is not None}, panic), revision, ring)

    def password(self, user: str) -> str | None:
        with self._connections.reading(patient=True) as connection:
            row = connection.execute("SELECT password FROM users WHERE name = ? AND NOT disabled", (user,)).fetchone()
        return row[0] if row else None

    def issue_salt(self, user: str, name: str, password: str | None, now: str) -> IssuedSalt:
        with self._connections.reading(patient=True) as connection:
            found = _issuable(connection, user, name, password)
        if found.salt:
            return found
        with self._connections.writing() as connection:
            found = _issuable(connection, user, name, password)
            if not found.salt:
                _demand_room(connection, user)
                _change(connection, user, {name: token_bytes(SALT_BYTES)}, now)
                found = _issuable(connection, user, name, password)
        return found

    def replace_hash(self, user: str, old: str, new: str) -> None:
        with self._connections.writing() as connection:
            connection.execute("UPDATE users SET password = ? WHERE name = ? AND password = ?", (new, user, old))

    def add_users(self, users: Iterable[NewUser], now: str) -> list[str]:
        taken = []
        with self._connections.writing() as connection:
            revision = _next_revision(connection)
            for user in users:
                row = (user.name, user.password, " ".join(user.audiences), now)
                added = connection.execute(
                    "INSERT INTO users (name, password, audiences, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    row,
                )
                if added.rowcount:
                    _write_salt(connection, revision, user.name, DEFAULT_SALT_NAME, token_bytes(SALT_BYTES), now)
                else:
                    taken.append(user.name)
        return taken

    def user(self, name: str) -> User:
        with self._connections.reading(patient=True) as connection:
            for row in Database(connection).query(f"{_USERS} WHERE name = ?", [name]):
                return _user(row)
        raise UnknownUser(f"there is no user {name}")

    def users(self, after: str = "", limit: int = 100) -> list[User]:
        with self._connections.reading(patient=True) as connection:
            rows = Database(connection).query(f"{_USERS} WHERE name > ? ORDER BY name LIMIT ?", [after, limit])
            return [_user(row) for row in rows]

    def salt_names(self, user: str) -> list[SaltName]:
        self.user(user)
        with self._connections.reading(patient=True) as connection:
            rows = Database(connection).query(_SALT_NAMES, [user])
            return [_salt_name(row) for row in rows]

    def set_password(self, user: str, password: str, now: str, current: str | None = None) -> int:
        with self._connections.writing() as connection:
            _demand_user(connection, user)
            wanted = (password, user, current, current)
            changed = connection.execute(
                "UPDATE users SET password = ? WHERE name = ? AND (? IS NULL OR password = ?)", wanted
            )
            if not changed.rowcount:
                raise CredentialsRefused("user and password do not belong together")
            return _change_all(connection, user, now)

    def set_audiences(self, user: str, audiences: Sequence[str], now: str) -> int:
        wanted = " ".join(sorted(set(audiences)))
        with self._connections.writing() as connection:
            if _demand_user(connection, user)["audiences"] == wanted:
                return _revision(connection)
            connection.execute("UPDATE users SET audiences = ? WHERE name = ?", (wanted, user))
            return _change_all(connection, user, now)

    def set_disabled(self, user: str, disabled: bool, now: str) -> int:
        with self._connections.writing() as connection:
            if bool(_demand_user(connection, user)["disabled"]) == disabled:
                return _revision(connection)
            connection.execute("UPDATE users SET disabled = ? WHERE name = ?", (disabled, user))
            return _change_all(connection, user, now)

    def revoke_name(self, user: str, name: str, now: str) -> int:
        with self._connections.writing() as connection:
            disabled = _demand_user(connection, user)["disabled"]
            row = connection.execute("SELECT issued FROM salts WHERE user = ? AND name = ?", (user, name)).fetchone()
            if row and row[0]:
                return _change(connection, user, {name: None if disabled else token_bytes(SALT_BYTES)}, now)
            return _revision(connection) if row else _revoke_holders(connection, user, name, now)

    def revoke_nonce(self, user: str, nonce: str, now: str) -> int:
        return self.revoke_name(user, NONCE_PREFIX + nonce, now)

    def revoke_all(self, user: str, now: str) -> int:
        with self._connections.writing() as connection:
            _demand_user(connection, user)
            return _change_all(connection, user, now)

    def panic(self, before: str) -> int:
        with self._connections.writing() as connection:
            if _state(connection, "panic") >= before:
                return _revision(connection)
            connection.execute("UPDATE state SET panic = ?", (before,))
            return _next_revision(connection)

    def revision(self) -> int:
        with self._connections.reading(patient=True) as connection:
            return _revision(connection)

    def longest(self, lifetime: int) -> int:
        with self._connections.writing() as connection:
            connection.execute("UPDATE state SET longest = max(longest, ?)", (lifetime,))
            return int(_state(connection, "longest"))

    def keys(self) -> tuple[int, list[StoredKey]]:
        with self._connections.reading(patient=True) as connection:
            rows = connection.execute(
                "SELECT ring, id, keys.state, share, checked, changed FROM state LEFT JOIN keys ORDER BY position"
            ).fetchall()
        if not rows:
            raise _lost()
        return rows[0][0], [StoredKey(*row[1:]) for row in rows if row[1] is not None]

    def add_key(self, key: StoredKey) -> None:
        with self._connections.writing() as connection:
            if connection.execute("SELECT 1 FROM keys WHERE id = ?", (key.key_id,)).fetchone():
                raise Refused(f"the key id {key.key_id} was used before")
            row = (key.key_id, key.state, key.share, key.check, key.changed)
            connection.execute("INSERT INTO keys (id, state, share, checked, changed) VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("UPDATE state SET ring = ring + 1")

    def set_key_states(self, states: dict[str, str], now: str) -> None:
        with self._connections.writing() as connection:
            for key_id, state in states.items():
                connection.execute("UPDATE keys SET state = ?, changed = ? WHERE id = ?", (state, now, key_id))
            connection.execute("UPDATE state SET ring = ring + 1")

    def close(self) -> None:
        self._connections.close()


def _lost() -> StoreUnavailable:
    return StoreUnavailable("the database has lost its state: restore it from its backup")


def _state(connection: sqlite3.Connection, column: str) -> Any:
    row = connection.execute("SELECT one, revision, panic, ring, longest FROM state").fetchone()
    if row is None:
        raise _lost()
    return dict(zip(_STATE, row, strict=True))[column]


def _user(row: dict[str, Any]) -> User:
    return User(row["name"], tuple(row["audiences"].split()), bool(row["disabled"]), row["created"])


def _salt_name(row: dict[str, Any]) -> SaltName:
    kind = "issued" if row["issued"] else "nonce" if row["name"].startswith(NONCE_PREFIX) else "holder"
    return SaltName(row["name"].removeprefix(NONCE_PREFIX), kind, row["salt"] is None, row["changed"])


def _demand_user(connection: sqlite3.Connection, user: str) -> dict[str, Any]:
    row = connection.execute("SELECT audiences, disabled FROM users WHERE name = ?", (user,)).fetchone()
    if row is None:
        raise UnknownUser(f"there is no user {user}")
    return {"audiences": row[0], "disabled": row[1]}


def _issuable(connection: sqlite3.Connection, user: str, name: str, password: str | None) -> IssuedSalt:
    row = connection.execute(
        "SELECT password, disabled, audiences, salt, issued FROM users"
        " LEFT JOIN salts ON salts.user = users.name AND salts.name = ? WHERE users.name = ?",
        (name, user),
    ).fetchone()
    if row is None or row[1] or (password is not None and row[0] != password):
        raise CredentialsRefused("user and password do not belong together")
    if row[4] == 0:
        raise Refused(f"the salt's name {name} was a holder's and is revoked: choose another")
    return IssuedSalt(row[3] or b"", tuple(row[2].split()))


def _demand_room(connection: sqlite3.Connection, user: str) -> None:
    """Raise Refused where a user has too many issued names for another one."""
    (held,) = connection.execute("SELECT count(*) FROM salts WHERE user = ? AND issued", (user,)).fetchone()
    if held >= ISSUED_NAMES:
        raise Refused(f"{user} has {held} salt names already: log in with one of them")


def _revision(connection: sqlite3.Connection) -> int:
    return int(_state(connection, "revision"))


def _next_revision(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE state SET revision = revision + 1")
    return _revision(connection)


def _change(connection: sqlite3.Connection, user: str, salts: dict[str, bytes | None], now: str) -> int:
    revision = _next_revision(connection)
    for name, salt in salts.items():
        _write_salt(connection, revision, user, name, salt, now)
    return revision


def _write_salt(
    connection: sqlite3.Connection, revision: int, user: str, name: str, salt: bytes | None, now: str
) -> None:
    """Write one row and its change row. A name that is new to the column is issued if it has a salt."""
    connection.execute(
        "INSERT INTO salts (user, name, salt, issued, changed) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET salt = excluded.salt, changed = excluded.changed",
        (user, name, salt, salt is not None, now),
    )
    connection.execute(
        "INSERT INTO changes (revision, user, name, salt, instant) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET salt = excluded.salt",
        (revision, user, name, salt, now),
    )


def _change_all(connection: sqlite3.Connection, user: str, now: str) -> int:
    """Give every issued name of a user a new salt; null, while she is disabled."""
    disabled = _demand_user(connection, user)["disabled"]
    names = connection.execute("SELECT name FROM salts WHERE user = ? AND issued", (user,)).fetchall()
    return _change(connection, user, {name: None if disabled else token_bytes(SALT_BYTES) for (name,) in names}, now)


def _revoke_holders(connection: sqlite3.Connection, user: str, name: str, now: str) -> int:
    """Null a holder's name; where there are too many, the older make way for a change of her issued salts."""
    (held,) = connection.execute("SELECT count(*) FROM salts WHERE user = ? AND NOT issued", (user,)).fetchone()
    if held >= HOLDER_NAMES:
        _change_all(connection, user, now)
        connection.execute("DELETE FROM salts WHERE user = ? AND NOT issued", (user,))
    return _change(connection, user, {name: None}, now)
