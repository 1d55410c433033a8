"""A store in the SQL that both engines share; an engine adds how a transaction begins and ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from secrets import token_bytes

from capsvc.errors import CredentialsRefused, Refused, UnknownUser, WentBack
from capsvc.stores import (
    ASKED,
    DEFAULT_SALT_NAME,
    Assertion,
    Changes,
    IssuedSalt,
    NewUser,
    Reading,
    SaltName,
    StoredKey,
    User,
)
from capsvc.stores.column import (
    Transaction,
    as_salt_name,
    as_user,
    change,
    change_all,
    demand_room,
    demand_user,
    issuable,
    look,
    lost,
    next_revision,
    revision,
    revoke_holders,
    state,
    write_change,
    write_salt,
)
from capsvc.stores.history import History
from capsvc.stores.onward import Onward
from capsvc.stores.repetition import repeated
from capsvc.stores.subjects import demand_password, redeem
from caveats import time_text
from caveats.memo import Tally
from caveats.opaque import SALT_BYTES
from caveats.proven import NONCE_PREFIX

HALF_A_DAY = 12 * 3600
_USERS = "SELECT name, audiences, disabled, created FROM users"
_SALT_NAMES = 'SELECT name, salt IS NULL, issued, changed FROM salts WHERE "user" = ? ORDER BY issued DESC, name'


class SQLStore(ABC):
    """A :class:`capsvc.stores.Store` but for how its transactions begin and end."""

    def __init__(self, history: History) -> None:
        self.tally: Tally = [0, 0]
        self._history = history
        self.onward = Onward()
        """What was seen of the revision here, also by what follows this store."""

    @abstractmethod
    def _reading(self, patient: bool = True) -> AbstractContextManager[Transaction]:
        """Give a transaction that only reads; raises StoreBusy at once unless patient."""

    @abstractmethod
    def _certain(self, patient: bool = True) -> AbstractContextManager[Transaction]:
        """Give one that only reads, and ends well only if it saw all that was acknowledged before it began."""

    @abstractmethod
    def _consistent(self) -> AbstractContextManager[Transaction]:
        """Give one as :meth:`_certain` does, in which every look sees the same state."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Transaction]:
        """Give one in which nobody else writes, from its beginning on; durable once it ended well."""

    def catch_up(self, revision: int, *, patient: bool = True) -> None:  # noqa: B027 - nothing is to be done here
        """Do nothing: every look sees all."""

    @repeated
    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        self.tally[ASKED] += 1
        seen = self.onward.seen
        with self._certain(patient) as transaction:
            reading = look(transaction, user, names)
        self.onward.demand(reading.revision, seen)
        return reading

    def password(self, user: str) -> str | None:
        with self._reading() as transaction:
            row = transaction.execute("SELECT password FROM users WHERE name = ? AND NOT disabled", (user,)).fetchone()
        return row[0] or None if row else None

    @repeated
    def issue_salt(self, user: str, name: str, password: str | None, now: str) -> IssuedSalt:
        with self._certain() as transaction:
            found = issuable(transaction, user, name, password)
        if found.salt:
            return found
        with self._writing() as transaction:
            found = issuable(transaction, user, name, password)
            if not found.salt:
                demand_room(transaction, user)
                change(transaction, user, {name: token_bytes(SALT_BYTES)}, now)
                found = issuable(transaction, user, name, password)
        return found

    @repeated
    def replace_hash(self, user: str, old: str, new: str) -> None:
        with self._writing() as transaction:
            transaction.execute("UPDATE users SET password = ? WHERE name = ? AND password = ?", (new, user, old))

    def add_users(self, users: Iterable[NewUser], now: str) -> list[str]:
        return self._add_users(list(users), now)

    @repeated
    def _add_users(self, users: list[NewUser], now: str) -> list[str]:
        taken = []
        with self._writing() as transaction:
            revision = 0
            for user in users:
                row = (user.name, user.password, " ".join(sorted(set(user.audiences))), now)
                added = transaction.execute(
                    "INSERT INTO users (name, password, audiences, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    row,
                )
                if added.rowcount:
                    revision = revision or next_revision(transaction)
                    write_salt(transaction, revision, user.name, DEFAULT_SALT_NAME, token_bytes(SALT_BYTES), now)
                else:
                    taken.append(user.name)
        return taken

    @repeated
    def redeem(self, assertion: Assertion, now: str) -> str:
        with self._writing() as transaction:
            return redeem(transaction, assertion, now)

    def user(self, name: str) -> User:
        with self._reading() as transaction:
            row = transaction.execute(f"{_USERS} WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise UnknownUser(f"there is no user {name}")
        return as_user(row)

    def users(self, after: str = "", limit: int = 100) -> list[User]:
        with self._reading() as transaction:
            rows = transaction.execute(f"{_USERS} WHERE name > ? ORDER BY name LIMIT ?", (after, limit)).fetchall()
        return [as_user(row) for row in rows]

    def salt_names(self, user: str) -> list[SaltName]:
        with self._reading() as transaction:
            demand_user(transaction, user)
            return [as_salt_name(row) for row in transaction.execute(_SALT_NAMES, (user,)).fetchall()]

    @repeated
    def set_password(self, user: str, password: str, now: str, current: str | None = None) -> int:
        with self._writing() as transaction:
            demand_user(transaction, user)
            demand_password(transaction, user)
            wanted = (password, user, current, current)
            changed = transaction.execute(
                "UPDATE users SET password = ? WHERE name = ? AND (CAST(? AS TEXT) IS NULL OR password = ?)", wanted
            )
            if not changed.rowcount:
                raise CredentialsRefused("user and password do not belong together")
            return change_all(transaction, user, now)

    def set_audiences(self, user: str, audiences: Sequence[str], now: str) -> int:
        return self.change_user(user, now, disabled=None, audiences=audiences, password=None)

    def set_disabled(self, user: str, disabled: bool, now: str) -> int:
        return self.change_user(user, now, disabled=disabled, audiences=None, password=None)

    @repeated
    def change_user(
        self, user: str, now: str, *, disabled: bool | None, audiences: Sequence[str] | None, password: str | None
    ) -> int:
        with self._writing() as transaction:
            known = demand_user(transaction, user)
            if password is not None:
                demand_password(transaction, user)
            wanted: dict[str, object] = {} if password is None else {"password": password}
            if audiences is not None and known["audiences"] != " ".join(sorted(set(audiences))):
                wanted["audiences"] = " ".join(sorted(set(audiences)))
            if disabled is not None and bool(known["disabled"]) != disabled:
                wanted["disabled"] = disabled
            if not wanted:
                return revision(transaction)
            columns = ", ".join(f"{column} = ?" for column in wanted)
            transaction.execute(f"UPDATE users SET {columns} WHERE name = ?", (*wanted.values(), user))  # noqa: S608 - names of ours
            return change_all(transaction, user, now)

    @repeated
    def revoke_name(self, user: str, name: str, now: str) -> int:
        with self._writing() as transaction:
            disabled = demand_user(transaction, user)["disabled"]
            row = transaction.execute(
                'SELECT issued, changed FROM salts WHERE "user" = ? AND name = ?', (user, name)
            ).fetchone()
            if row is None:
                return revoke_holders(transaction, user, name, now)
            if row[0]:
                return change(transaction, user, {name: None if disabled else token_bytes(SALT_BYTES)}, now)
            # A verifier may hold only what changed while something alive could be minted: it has to hear of this again.
            if row[1] < _before(now, int(state(transaction, "longest")) + HALF_A_DAY):
                return change(transaction, user, {name: None}, now)
            return revision(transaction)

    def revoke_nonce(self, user: str, nonce: str, now: str) -> int:
        return self.revoke_name(user, NONCE_PREFIX + nonce, now)

    @repeated
    def revoke_all(self, user: str, now: str) -> int:
        with self._writing() as transaction:
            demand_user(transaction, user)
            return change_all(transaction, user, now)

    @repeated
    def panic(self, before: str) -> int:
        with self._writing() as transaction:
            if state(transaction, "panic") >= before:
                return revision(transaction)
            transaction.execute("UPDATE state SET panic = ?", (before,))
            raised = next_revision(transaction)
            write_change(transaction, raised, "", "", None, before)
            return raised

    def revision(self) -> int:
        with self._reading() as transaction:
            return revision(transaction)

    @repeated
    def changes(self, since: int, most: int, skip: int = 0) -> Changes:
        seen = self.onward.seen
        with self._consistent() as transaction:
            found, past = self._history.changes(transaction, since, most, skip)
        self.onward.demand(found.head, seen)
        self._history.past = past
        if since > found.head:
            raise WentBack(f"the database has revision {found.head}, and {since} was asked about")
        return found

    @repeated
    def longest(self, lifetime: int) -> int:
        with self._writing() as transaction:
            transaction.execute("UPDATE state SET longest = ? WHERE longest < ?", (lifetime, lifetime))
            return int(state(transaction, "longest"))

    @repeated
    def keys(self, *, patient: bool = True) -> tuple[int, list[StoredKey]]:
        with self._certain(patient) as transaction:
            return look_at_keys(transaction)

    @repeated
    def add_key(self, key: StoredKey) -> None:
        with self._writing() as transaction:
            if transaction.execute("SELECT 1 FROM keys WHERE id = ?", (key.key_id,)).fetchone():
                raise Refused(f"the key id {key.key_id} was used before")
            transaction.execute(
                "INSERT INTO keys (position, id, state, share, checked, changed)"
                " VALUES ((SELECT coalesce(max(position), 0) + 1 FROM keys), ?, ?, ?, ?, ?)",
                (key.key_id, key.state, key.share, key.check, key.changed),
            )
            transaction.execute("UPDATE state SET ring = ring + 1")

    @repeated
    def set_key_states(self, states: dict[str, str], now: str) -> None:
        with self._writing() as transaction:
            for key_id, state in states.items():
                transaction.execute("UPDATE keys SET state = ?, changed = ? WHERE id = ?", (state, now, key_id))
            transaction.execute("UPDATE state SET ring = ring + 1")


def look_at_keys(transaction: Transaction) -> tuple[int, list[StoredKey]]:
    """Return the ring count and all keys, in the order in which they were added. Raises StoreUnavailable."""
    rows = transaction.execute(
        "SELECT ring, id, keys.state, share, checked, changed FROM state LEFT JOIN keys ON TRUE ORDER BY position"
    ).fetchall()
    if not rows:
        raise lost()
    return rows[0][0], [StoredKey(*row[1:]) for row in rows if row[1] is not None]


def _before(now: str, seconds: int) -> str:
    try:
        return time_text(datetime.fromisoformat(now) - timedelta(seconds=seconds))
    except OverflowError:
        return ""
