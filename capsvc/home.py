"""The home of one installation: a directory, mode 0700, with everything that it keeps.

``capsvc.toml`` (settings, optional), ``capsvc.db`` (the store, unless the settings name another), ``keys.json`` (the
file shares of the key ring), ``address`` (where ``serve`` listens), ``first-password`` (of the first user, once),
``replays.db`` (what the replay guard let in within the last minute, where it is on), ``outcomes/`` (how verifications
ended, by minute).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from capsvc import keyring
from capsvc.errors import SettingsError
from capsvc.settings import DEFAULT_HOME, Settings, load
from capsvc.shares import ShareFile
from capsvc.stores import Store
from capsvc.stores.replays import Replays
from capsvc.stores.sqlite import SQLiteStore

_DATABASE, _SHARES, _ADDRESS, _FIRST_PASSWORD = "capsvc.db", "keys.json", "address", "first-password"
_REPLAYS, _OUTCOMES = "replays.db", "outcomes"


@dataclass(frozen=True, slots=True)
class Home:
    """A home and its settings."""

    path: Path
    settings: Settings

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Home:
        """Find the home (``CAPSVC_HOME``, else ``./var``) and read its settings. Raises SettingsError."""
        path = Path(environment.get("CAPSVC_HOME") or DEFAULT_HOME).absolute()
        return cls(path, load(path, environment))

    @property
    def shares(self) -> ShareFile:
        """The file of key shares."""
        return ShareFile(self.path / _SHARES)

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
    def exists(self) -> bool:
        """Whether this home was initialised."""
        return self.shares.path.exists() if self.settings.store else (self.path / _DATABASE).exists()

    def create(self, now: str) -> Store:
        """Make an empty home with one key that signs. Raises SettingsError where there is one already."""
        if self.exists or self.shares.path.exists():
            raise SettingsError(f"there is a home at {self.path} already: nothing was changed")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as wrong:
            raise SettingsError(f"a home cannot be made at {self.path}: {wrong.strerror}") from None
        store: Store = self._database() if self.settings.store else SQLiteStore.create(self.path / _DATABASE)
        if store.keys()[1]:
            store.close()
            raise SettingsError(
                f"the database holds an installation already: copy {_SHARES} from a home of it to {self.path}"
            )
        key_id = keyring.add(store, self.shares, now)
        keyring.promote(store, key_id, now)
        return store

    def demand(self) -> None:
        """Raise SettingsError unless this home was initialised."""
        if not self.exists:
            raise SettingsError(f"there is no home at {self.path}: run `capsvc init`, or set CAPSVC_HOME")

    def open_store(self) -> Store:
        """Open the store. Raises SettingsError where there is none, StoreUnavailable where it does not open."""
        self.demand()
        return self._database() if self.settings.store else SQLiteStore(self.path / _DATABASE)

    def _database(self) -> Store:
        from capsvc.stores.postgresql import PostgreSQLStore

        return PostgreSQLStore(self.settings.store)

    def open_replays(self) -> Replays:
        """Open the table of the replay guard, or make it. Raises SettingsError, StoreUnavailable."""
        self.demand()
        return Replays(self.path / _REPLAYS)

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only its owner can read."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
