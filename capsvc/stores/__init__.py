"""The salt column and what belongs to it, as any engine has to keep it.

One contract test (``tests/capsvc/store_contract.py``) holds every engine to the same behaviour. Every
method may raise StoreUnavailable. What writes is durable once it returns, and returns the revision: one
counter, raised in the same transaction as the change and its change row.

Two kinds of name stand in the column. *Issued* names were made at a login or with the user and carry a
salt; a *holder's* name, or a nonce (behind ``nonce/``), has no row until it is revoked and is null from
then on. Users and issued names are never deleted, only nulled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from caveats.memo import Tally
from caveats.proven import Salts

HOLDER_NAMES = 1000
"""So many revoked holder's names and nonces a user has at most; beyond, her issued salts change instead."""

ISSUED_NAMES = 1000
"""So many names a user can have issued; each is kept for ever."""

DEFAULT_SALT_NAME = "default"

PENDING, SIGNING, VERIFYING, RETIRED = "pending", "signing", "verifying", "retired"
"""The states of a key."""

LEAP = 1_000_000
"""So far a recovery raises the revision: more than anybody commits while it is prepared, or than was forgotten."""

REDEEMED = 100_000
"""So many ID tokens are held as used at once; beyond, nobody logs in with one until some expire."""

FROM_MEMORY, ASKED = range(2)
"""Where a store's tally counts readings that it remembered, and those that it asked its engine for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One consistent look at the column: the salts asked for, and what a node checks beside them.

    ``revision`` is the counter, ``ring`` counts changes of the key ring.
    """

    salts: Salts
    revision: int
    ring: int


@dataclass(frozen=True, slots=True)
class User:
    """A user. ``audiences`` are those that she may have macaroons for, beside none."""

    name: str
    audiences: tuple[str, ...]
    disabled: bool
    created: str


@dataclass(frozen=True, slots=True, repr=False)
class NewUser:
    """A user to add, with an Argon2id hash in PHC form."""

    name: str
    password: str
    audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Assertion:
    """What an issuer says in one ID token, proven: that its ``subject`` logs in.

    ``marks`` name that ID token, each of them alone; it was not issued before ``begins``, and nobody takes it any more
    once ``ends`` is past. ``label`` begins the name of the issuer's users, who may have macaroons for ``audiences`` at
    most.
    """

    issuer: str
    subject: str
    marks: tuple[str, ...]
    begins: str
    ends: str
    label: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SaltName:
    """A row of the column without its salt. ``kind`` is ``issued``, ``holder`` or ``nonce``."""

    name: str
    kind: str
    revoked: bool
    changed: str


@dataclass(frozen=True, slots=True, repr=False)
class IssuedSalt:
    """A current salt to mint with, read in one look with the audiences that its user may have."""

    salt: bytes
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class StoredKey:
    """The store's share of a ring key, its state, and a check value over the whole secret."""

    key_id: str
    state: str
    share: bytes
    check: bytes
    changed: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery did: its revision, how many salts it changed, which keys it retired again."""

    revision: int
    salts: int
    retired: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Change:
    """A change row: under a revision, a name of a user got this salt; None where it was taken back.

    ``recorded`` is when, in seconds since 1970, by the store's own clock.
    """

    revision: int
    user: str
    name: str
    salt: bytes | None
    recorded: int


@dataclass(frozen=True, slots=True, repr=False)
class Changes:
    """What changed after a revision up to ``to``, and how things stand at ``head``, the counter: all in one look.

    ``keys`` are the ids of the keys that are not retired, in the order of the ring, ``ring`` counts its changes;
    ``longest`` is in seconds. Rows that were recorded before ``begins`` (seconds since 1970, by the store's own
    clock) may be left out: nothing that is alive depends on them. That of a panic always is.
    """

    rows: Sequence[Change]
    to: int
    head: int
    panic: str
    ring: int
    keys: tuple[str, ...]
    longest: int
    begins: int


class Column(Protocol):
    """What a node asks when it verifies."""

    tally: Tally
    """Counts what :meth:`read` answers; who serves puts one here that others see."""

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        """Look up at least the rows of some names of a user; with the panic instant, revision and ring count.

        The only call on the verification path. A store sees every change that was acknowledged, by whomever,
        before it was called; one that follows a store, all that were so a stated while before. A reading may
        be shared: nobody changes its rows. Raises StoreBusy at once unless ``patient``.
        """

    def catch_up(self, revision: int, *, patient: bool = True) -> None:
        """See to it, if that is possible at once, that readings from now on have seen a revision.

        Does nothing where every reading sees all. Raises StoreBusy at once unless ``patient``.
        """

    def longest(self, lifetime: int) -> int:
        """Remember a maximum lifetime in seconds; return the largest that was ever configured."""

    def keys(self, *, patient: bool = True) -> tuple[int, list[StoredKey]]:
        """Return the ring count and all keys, in the order in which they were added.

        Raises StoreBusy at once unless ``patient``.
        """


class Store(Column, Protocol):
    """What the service asks of an engine. Instants are texts as :func:`caveats.time_text` writes them."""

    def password(self, user: str) -> str | None:
        """Return the user's password hash; None for an unknown or disabled user, and for one of an issuer."""

    def issue_salt(self, user: str, name: str, password: str | None, now: str) -> IssuedSalt:
        """Return the current salt of an issued name, making one where there is none or it was nulled.

        Where ``password`` is a hash, it has to be the user's still, in the same look. Raises
        CredentialsRefused if not, or for an unknown or disabled user; Refused for a holder's name, and
        for a new one past ISSUED_NAMES.
        """

    def replace_hash(self, user: str, old: str, new: str) -> None:
        """Replace a password's hash by a stronger one of the same password; changes nothing else."""

    def add_users(self, users: Iterable[NewUser], now: str) -> list[str]:
        """Add users in one transaction; return the names that were taken and were left as they are."""

    def redeem(self, assertion: Assertion, now: str) -> str:
        """Use an ID token up, and return the name of its subject's user, in one transaction.

        Where the subject is new, a user is made for it, of a new name and without a password. Her audiences follow the
        assertion's; if that changes anything, all of her salts change. Raises Replayed; StoreUnavailable where
        REDEEMED are held.
        """

    def user(self, name: str) -> User:
        """Return a user. Raises UnknownUser."""

    def users(self, after: str = "", limit: int = 100) -> list[User]:
        """List users by name, beginning after a name."""

    def salt_names(self, user: str) -> list[SaltName]:
        """List the user's rows, issued ones first. Raises UnknownUser."""

    def set_password(self, user: str, password: str, now: str, current: str | None = None) -> int:
        """Set a password's hash and change all of the user's salts.

        Raises UnknownUser; Refused for a user of an issuer, who has none; CredentialsRefused where ``current`` is a
        hash and not the user's any more.
        """

    def set_audiences(self, user: str, audiences: Sequence[str], now: str) -> int:
        """Set which audiences a user may have; if that changes anything, change all of her salts."""

    def set_disabled(self, user: str, disabled: bool, now: str) -> int:
        """Disable a user (null all of her issued salts) or enable her (new ones). Idempotent."""

    def change_user(
        self, user: str, now: str, *, disabled: bool | None, audiences: Sequence[str] | None, password: str | None
    ) -> int:
        """Do several of the three above in one transaction; None leaves one as it is. Raises UnknownUser, Refused."""

    def revoke_name(self, user: str, name: str, now: str) -> int:
        """Change the salt of an issued name; null a holder's. Raises UnknownUser."""

    def revoke_nonce(self, user: str, nonce: str, now: str) -> int:
        """Revoke one macaroon and what was cut from it. Raises UnknownUser."""

    def revoke_all(self, user: str, now: str) -> int:
        """Change all of the user's issued salts. Raises UnknownUser."""

    def panic(self, before: str) -> int:
        """Refuse every window that began before an instant. Never lowered: an earlier one changes nothing."""

    def revision(self) -> int:
        """Return the counter."""

    def changes(self, since: int, most: int, skip: int = 0) -> Changes:
        """Return what changed after a revision, in order: all that was acknowledged before this was called.

        At most ``most`` rows, cut where a revision ends. Where one revision alone has more, ``to`` is ``since``, and
        the rows are followed by those that are found with ``skip``: so many rows after ``since`` are passed over.
        They stay the same for ever. Raises WentBack where ``since`` is yet to come.
        """

    def add_key(self, key: StoredKey) -> None:
        """Add a key. Raises Refused when its id was ever used."""

    def set_key_states(self, states: dict[str, str], now: str) -> None:
        """Set the states of some keys in one transaction."""

    def recover(self, above: int, retired: Collection[str], now: str) -> Recovery:
        """Let nothing be used that was ever issued, in one transaction: for a database that went back.

        Change every issued salt (null for who is disabled) under one revision, LEAP above the greater of
        ``above`` and its own; retire the keys of these ids that it has; raise the ring count at least to the
        revision, so that no process takes the ring for one that it knows; take no ID token that was issued by now,
        since it may have been used. Nothing is lowered, the panic instant neither. A million users do not stand in
        memory.
        """

    def demand_writable(self) -> None:
        """Raise StoreUnavailable where nothing can be changed now. Changes nothing."""

    def follow(self, freshness: float) -> Column:
        """Return what a node that goes on verifies with: this store, or what follows it in memory.

        That refuses with StoreUnavailable whatever it cannot prove to be as of at most ``freshness`` seconds ago. It
        ends with the store.
        """

    def close(self) -> None:
        """Let go of the engine; the store is not used afterwards."""
