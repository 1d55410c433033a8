"""The home of one installation: a directory, mode 0700, with everything that it keeps.

``capsvc.toml`` (settings, optional), ``capsvc.db`` (the store, unless the settings name another), ``keys.json`` (the
file shares of the key ring), ``high-water`` (what a database that went back is held to), ``address`` (where ``serve``
listens), ``first-password`` (of the first user, once), ``replays.db`` (what the replay guard let in within the last
minute, where it is on), ``outcomes/`` (how verifications ended, by minute), ``metrics/`` (what each worker
counts), ``turns/`` (what the workers take turns at hashing by), ``audit.jsonl`` (the audit log).
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from capsvc import keyring
from capsvc.audit import AuditFile
from capsvc.errors import SettingsError, StoreUnavailable
from capsvc.high_water import HighWater, Mark
from capsvc.settings import DEFAULT_HOME, Settings, load
from capsvc.shares import ShareFile
from capsvc.stores import Store
from capsvc.stores.acknowledging import AcknowledgingStore
from capsvc.stores.replays import Replays
from capsvc.stores.sqlite import SQLiteStore

_DATABASE, _SHARES, _ADDRESS, _FIRST_PASSWORD = "capsvc.db", "keys.json", "address", "first-password"
_HIGH_WATER, _REPLAYS, _OUTCOMES, _METRICS, _AUDIT = "high-water", "replays.db", "outcomes", "metrics", "audit.jsonl"
_TURNS = "turns"


@dataclass(frozen=True, slots=True)
class Home:
    """A home and its settings."""

    path: Path
    settings: Settings

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Home:
        """Find the home (``CAPSVC_HOME``, else ``./var``) and read its settings. Raises SettingsError."""
        path = cls.at(environment)
        return cls(path, load(path, environment))

    @staticmethod
    def at(environment: Mapping[str, str]) -> Path:
        """Say where the home is."""
        return Path(environment.get("CAPSVC_HOME") or DEFAULT_HOME).absolute()

    @property
    def shares(self) -> ShareFile:
        """The file of key shares."""
        return ShareFile(self.path / _SHARES)

    @property
    def database(self) -> Path:
        """The database of the store."""
        return self.path / _DATABASE

    @property
    def high_water(self) -> HighWater:
        """The highest revision that was acknowledged, and the keys that were retired."""
        return HighWater(self.path / _HIGH_WATER)

    @property
    def address_file(self) -> Path:
        """Where ``serve`` writes its address for the other commands."""
        return self.path / _ADDRESS

    @property
    def first_password_file(self) -> Path:
        """Where ``init`` writes the first user's password."""
        return self.path / _FIRST_PASSWORD

    @property
    def outcomes(self) -> Path:
        """The directory in which workers keep how their verifications ended."""
        return self.path / _OUTCOMES

    @property
    def replays(self) -> Path:
        """The table of the replay guard, where it is on."""
        return self.path / _REPLAYS

    @property
    def metrics(self) -> Path:
        """The directory in which workers count."""
        return self.path / _METRICS

    @property
    def audit(self) -> AuditFile:
        """The audit log."""
        return AuditFile(self.path / _AUDIT)

    def hashing_turns(self, count: int) -> list[Path]:
        """Name so many files, and make them, by which the workers take turns at hashing. Raises StoreUnavailable."""
        turns = [self.path / _TURNS / str(number) for number in range(count)]
        try:
            turns[0].parent.mkdir(mode=0o700, exist_ok=True)
            for each in turns:
                each.touch(mode=0o600)
        except OSError as wrong:
            raise StoreUnavailable(f"the home {self.path} cannot be written: {wrong.strerror}") from None
        return turns

    @property
    def exists(self) -> bool:
        """Whether this home was initialised."""
        return self.shares.path.exists() if self.settings.store else self.database.exists()

    def create(self, now: str) -> Store:
        """Make an empty home with one key that signs. Raises SettingsError where there is one already."""
        if self.exists or self.shares.path.exists():
            raise SettingsError(f"there is a home at {self.path} already: nothing was changed")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as wrong:
            raise SettingsError(f"a home cannot be made at {self.path}: {wrong.strerror}") from None
        engine = self._new_engine()
        self.high_water.create()
        store = AcknowledgingStore(engine, self.high_water, Mark())
        key_id = keyring.add(store, self.shares, now)
        keyring.promote(store, key_id, now)
        return store

    def demand(self) -> None:
        """Raise SettingsError unless this home was initialised, and nobody else can change what is in it."""
        if not self.exists:
            raise SettingsError(f"there is no home at {self.path}: run `capsvc init`, or set CAPSVC_HOME")
        if self.path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SettingsError(f"others can write into the home {self.path}: chmod 700 it, and see what they changed")

    def open_store(self) -> Store:
        """Open the store. Raises StoreUnavailable where it does not open.

        Raises SettingsError where there is none, or where it is not what was acknowledged: it went back.
        """
        self.demand()
        recorded = self._recorded()
        engine = self.open_engine()
        try:
            return AcknowledgingStore(engine, self.high_water, recorded)
        except BaseException:
            engine.close()
            raise

    def open_engine(self) -> Store:
        """Open the store without holding it to the high water. Raises SettingsError, StoreUnavailable."""
        if not self.settings.store:
            return SQLiteStore(self.database)
        from capsvc.stores.postgresql import PostgreSQLStore

        return PostgreSQLStore(self.settings.store)

    def demand_file(self, instead: str) -> None:
        """Raise SettingsError where the store is no file in this home; ``instead`` says what to do then."""
        if self.settings.store:
            raise SettingsError(f"the store is a PostgreSQL database, and no file in {self.path}: {instead}")

    def _new_engine(self) -> Store:
        if not self.settings.store:
            return SQLiteStore.create(self.database)
        engine = self.open_engine()
        if engine.keys()[1]:
            engine.close()
            raise SettingsError(
                "the database holds an installation already:"
                f" copy {_SHARES} and {_HIGH_WATER} from a home of it to {self.path}"
            )
        return engine

    def make_high_water(self, revision: int, retired: Collection[str] = ()) -> None:
        """Make the high water, or make it anew where it is damaged. Raises SettingsError, OSError."""
        self.high_water.create(revision, retired)
        self.shares.write(self.shares.read())  # which from then on expects it

    def _recorded(self) -> Mark:
        """Read the high water. Raises SettingsError, StoreUnavailable.

        Made by an earlier version, a home has none, and its key file expects none: it gets both. Where the key
        file does expect one, somebody deleted it, or did not bring it here from another home.
        """
        if not self.high_water.exists:
            try:
                with self.shares.locked():
                    if not self.high_water.exists and not self.shares.expects_high_water:
                        self.make_high_water(0)
            except OSError as wrong:
                raise StoreUnavailable(f"the high water cannot be made: {wrong.strerror}") from None
        return self.read_high_water()

    def read_high_water(self) -> Mark:
        """Read the high water. Raises SettingsError, which says what to do where there is none."""
        if self.settings.store and not self.high_water.exists:
            raise SettingsError(
                f"{self.high_water.path} is missing, so that nobody knows whether the database went back:"
                " copy it from another home of this installation, or run `capsvc recover`"
            )
        return self.high_water.read()

    def open_replays(self) -> Replays:
        """Open the table of the replay guard, or make it. Raises SettingsError, StoreUnavailable."""
        self.demand()
        return Replays(self.replays)
