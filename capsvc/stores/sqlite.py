"""The store on one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes

from sqlite_utils import Database

from capsvc.errors import CredentialsRefused, Refused, SettingsError, UnknownUser
from capsvc.stores import (
    ASKED,
    DEFAULT_SALT_NAME,
    FROM_MEMORY,
    IssuedSalt,
    NewUser,
    Reading,
    Recovery,
    SaltName,
    StoredKey,
    User,
)
from capsvc.stores.backup import BACKUP
from capsvc.stores.column import (
    as_salt_name,
    as_user,
    change,
    change_all,
    demand_room,
    demand_user,
    issuable,
    look,
    look_at_all,
    lost,
    next_revision,
    recover,
    revision,
    revoke_holders,
    state,
    write_salt,
)
from capsvc.stores.connection import Connections
from capsvc.stores.migrations import MIGRATIONS
from capsvc.stores.onward import Onward
from capsvc.stores.readings import FEW_ROWS, REMEMBERED, Readings
from caveats.memo import Tally
from caveats.opaque import SALT_BYTES
from caveats.proven import NONCE_PREFIX

_USERS = "SELECT name, audiences, disabled, created FROM users"
_SALT_NAMES = "SELECT name, salt, issued, changed FROM salts WHERE user = ? ORDER BY issued DESC, name"


class SQLiteStore:
    """A :class:`capsvc.stores.Store` on SQLite; on the verification path it asks SQLite once after each commit.

    What was read is remembered, within a bound, while the file's mark stays the same
    (:mod:`capsvc.stores.counter`). A reading from memory is never busy.
    """

    def __init__(self, path: Path, remembered: int = REMEMBERED) -> None:
        """Open an existing database and bring its tables up to date. Raises StoreUnavailable.

        With ``remembered=0`` every look asks SQLite; the answers are the same.
        """
        if not path.is_file():
            raise SettingsError(f"there is no database {path}: run `capsvc init` first")
        self._readings = Readings(remembered)
        self._onward = Onward()
        self.tally: Tally = [0, 0]
        self._connections = Connections(path)
        try:
            with self._connections.reading(patient=True) as connection:
                if connection.execute("PRAGMA application_id").fetchone()[0] == BACKUP:
                    raise SettingsError(f"{path} is a backup as it was written: run `capsvc recover`")
                MIGRATIONS.apply(Database(connection))
        except BaseException:
            self._connections.close()
            raise

    @classmethod
    def create(cls, path: Path, remembered: int = REMEMBERED) -> SQLiteStore:
        """Make a new database, readable by its owner alone. Raises FileExistsError where there is one."""
        path.touch(mode=0o600, exist_ok=False)
        return cls(path, remembered)

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        mark = self._connections.mark()
        held = self._readings.held  # Readings.find for a user with few rows, written out: there is one a request
        found = held.readings.get(user) if held.mark == mark else None
        if found is None:
            found = self._readings.find(mark, user, names)
        if found is not None:
            self.tally[FROM_MEMORY] += 1
            return found
        self.tally[ASKED] += 1
        if not self._readings.are_kept(mark):
            seen = self._onward.seen
            with self._connections.reading(patient) as connection:
                reading = look(connection, user, names)
            self._onward.demand(reading.revision, seen)
            return reading
        seen = self._onward.seen
        with self._connections.snapshot(patient) as connection:
            # The mark is read after the rows and inside their transaction: only then is it theirs.
            whole = look_at_all(connection, user, FEW_ROWS)
            if whole is not None:
                self._onward.demand(whole.revision, seen)
                self._readings.keep_column(self._connections.mark(), user, whole)
                return whole
            reading = look(connection, user, names)
            self._onward.demand(reading.revision, seen)
            self._readings.keep_look(self._connections.mark(), user, names, reading)
            return reading

    def password(self, user: str) -> str | None:
        with self._connections.reading(patient=True) as connection:
            row = connection.execute("SELECT password FROM users WHERE name = ? AND NOT disabled", (user,)).fetchone()
        return row[0] if row else None

    def issue_salt(self, user: str, name: str, password: str | None, now: str) -> IssuedSalt:
        with self._connections.reading(patient=True) as connection:
            found = issuable(connection, user, name, password)
        if found.salt:
            return found
        with self._writing() as connection:
            found = issuable(connection, user, name, password)
            if not found.salt:
                demand_room(connection, user)
                change(connection, user, {name: token_bytes(SALT_BYTES)}, now)
                found = issuable(connection, user, name, password)
        return found

    def replace_hash(self, user: str, old: str, new: str) -> None:
        with self._writing() as connection:
            connection.execute("UPDATE users SET password = ? WHERE name = ? AND password = ?", (new, user, old))

    def add_users(self, users: Iterable[NewUser], now: str) -> list[str]:
        taken = []
        with self._writing() as connection:
            revision = 0
            for user in users:
                row = (user.name, user.password, " ".join(sorted(set(user.audiences))), now)
                added = connection.execute(
                    "INSERT INTO users (name, password, audiences, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    row,
                )
                if added.rowcount:
                    revision = revision or next_revision(connection)
                    write_salt(connection, revision, user.name, DEFAULT_SALT_NAME, token_bytes(SALT_BYTES), now)
                else:
                    taken.append(user.name)
        return taken

    def user(self, name: str) -> User:
        with self._connections.reading(patient=True) as connection:
            for row in Database(connection).query(f"{_USERS} WHERE name = ?", [name]):
                return as_user(row)
        raise UnknownUser(f"there is no user {name}")

    def users(self, after: str = "", limit: int = 100) -> list[User]:
        with self._connections.reading(patient=True) as connection:
            rows = Database(connection).query(f"{_USERS} WHERE name > ? ORDER BY name LIMIT ?", [after, limit])
            return [as_user(row) for row in rows]

    def salt_names(self, user: str) -> list[SaltName]:
        self.user(user)
        with self._connections.reading(patient=True) as connection:
            rows = Database(connection).query(_SALT_NAMES, [user])
            return [as_salt_name(row) for row in rows]

    def set_password(self, user: str, password: str, now: str, current: str | None = None) -> int:
        with self._writing() as connection:
            demand_user(connection, user)
            wanted = (password, user, current, current)
            changed = connection.execute(
                "UPDATE users SET password = ? WHERE name = ? AND (? IS NULL OR password = ?)", wanted
            )
            if not changed.rowcount:
                raise CredentialsRefused("user and password do not belong together")
            return change_all(connection, user, now)

    def set_audiences(self, user: str, audiences: Sequence[str], now: str) -> int:
        return self.change_user(user, now, disabled=None, audiences=audiences, password=None)

    def set_disabled(self, user: str, disabled: bool, now: str) -> int:
        return self.change_user(user, now, disabled=disabled, audiences=None, password=None)

    def change_user(
        self, user: str, now: str, *, disabled: bool | None, audiences: Sequence[str] | None, password: str | None
    ) -> int:
        with self._writing() as connection:
            known = demand_user(connection, user)
            wanted: dict[str, object] = {} if password is None else {"password": password}
            if audiences is not None and known["audiences"] != " ".join(sorted(set(audiences))):
                wanted["audiences"] = " ".join(sorted(set(audiences)))
            if disabled is not None and bool(known["disabled"]) != disabled:
                wanted["disabled"] = disabled
            if not wanted:
                return revision(connection)
            Database(connection).table("users").update(user, wanted)
            return change_all(connection, user, now)

    def revoke_name(self, user: str, name: str, now: str) -> int:
        with self._writing() as connection:
            disabled = demand_user(connection, user)["disabled"]
            row = connection.execute("SELECT issued FROM salts WHERE user = ? AND name = ?", (user, name)).fetchone()
            if row and row[0]:
                return change(connection, user, {name: None if disabled else token_bytes(SALT_BYTES)}, now)
            return revision(connection) if row else revoke_holders(connection, user, name, now)

    def revoke_nonce(self, user: str, nonce: str, now: str) -> int:
        return self.revoke_name(user, NONCE_PREFIX + nonce, now)

    def revoke_all(self, user: str, now: str) -> int:
        with self._writing() as connection:
            demand_user(connection, user)
            return change_all(connection, user, now)

    def panic(self, before: str) -> int:
        with self._writing() as connection:
            if state(connection, "panic") >= before:
                return revision(connection)
            connection.execute("UPDATE state SET panic = ?", (before,))
            return next_revision(connection)

    def revision(self) -> int:
        with self._connections.reading(patient=True) as connection:
            return revision(connection)

    def longest(self, lifetime: int) -> int:
        with self._writing() as connection:
            connection.execute("UPDATE state SET longest = max(longest, ?)", (lifetime,))
            return int(state(connection, "longest"))

    def keys(self, *, patient: bool = True) -> tuple[int, list[StoredKey]]:
        with self._connections.reading(patient) as connection:
            rows = connection.execute(
                "SELECT ring, id, keys.state, share, checked, changed FROM state LEFT JOIN keys ORDER BY position"
            ).fetchall()
        if not rows:
            raise lost()
        return rows[0][0], [StoredKey(*row[1:]) for row in rows if row[1] is not None]

    def add_key(self, key: StoredKey) -> None:
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM keys WHERE id = ?", (key.key_id,)).fetchone():
                raise Refused(f"the key id {key.key_id} was used before")
            row = (key.key_id, key.state, key.share, key.check, key.changed)
            connection.execute("INSERT INTO keys (id, state, share, checked, changed) VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("UPDATE state SET ring = ring + 1")

    def set_key_states(self, states: dict[str, str], now: str) -> None:
        with self._writing() as connection:
            for key_id, state in states.items():
                connection.execute("UPDATE keys SET state = ?, changed = ? WHERE id = ?", (state, now, key_id))
            connection.execute("UPDATE state SET ring = ring + 1")

    def recover(self, above: int, retired: Collection[str], now: str) -> Recovery:
        with self._connections.writing() as connection:
            return recover(connection, above, retired, now)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction that writes. While it lasts nobody else commits, so that what was seen is not ahead."""
        with self._connections.writing() as connection:
            self._onward.demand(revision(connection), self._onward.seen)
            yield connection
            committed = revision(connection)
        self._onward.demand(committed, 0)

    def demand_writable(self) -> None:
        with self._connections.writing():
            pass

    def close(self) -> None:
        self._connections.close()
