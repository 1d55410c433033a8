"""Restoration: a database that went back, or is put back from a backup, and after which nothing old is accepted.

What was revoked since a backup was made is not in it. So every salt is changed before anything is served
from it, the revision is raised above all that was acknowledged, and keys that were retired are retired
again. Users, passwords, audiences and who is disabled are those of the backup.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from capsvc import keyring
from capsvc.errors import CapsvcError, SettingsError, StoreBusy, StoreUnavailable
from capsvc.high_water import Mark
from capsvc.home import Home
from capsvc.stores import RETIRED, SIGNING, Recovery, Store
from capsvc.stores.backup import demand_whole, make_servable, put_in_place, take, write_over
from capsvc.stores.sqlite import SQLiteStore


@dataclass(frozen=True, slots=True)
class Restoration:
    """What was done. ``signs`` is the key that was added because none signed; ``online``: running services go on."""

    recovery: Recovery
    signs: str | None
    online: bool


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """What is known of the time that a database does not know of."""

    revision: int = 0
    retired: frozenset[str] = frozenset()
    panic: str = ""
    longest: int = 0
    onward: bool = False
    """Whether the database in place did not go back, so that running services can go on with it."""


def recover(home: Home, now: str) -> Restoration:
    """Let nothing be accepted that was issued before, in the home's database as it is; services may run.

    Raises SettingsError where the database is damaged or not of this home; StoreUnavailable. After an error
    it is as it was.
    """
    home.demand()
    if home.settings.store:
        return _recover_in_place(home, now)
    with _empty_copy(home) as copy:
        take(home.database, copy)
        return _put_back(home, copy, now)


def restore(home: Home, backup: Path, now: str) -> Restoration:
    """Put a backup in the place of the home's database, recovered; services may run.

    Raises CapsvcError where the file cannot be read; SettingsError where it is damaged, of a later version or
    of another home; StoreUnavailable. After an error the database is as it was.
    """
    home.demand_file()
    with _empty_copy(home) as copy:
        try:
            shutil.copyfile(backup, copy)
        except OSError as wrong:
            raise CapsvcError(f"{backup} cannot be copied into the home: {wrong.strerror}") from None
        return _put_back(home, copy, now)


@contextmanager
def _empty_copy(home: Home) -> Iterator[Path]:
    """Give an empty file in the home, where nobody else looks, until the end of the block."""
    try:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=home.path) as directory:
            copy = Path(directory) / home.database.name
            copy.touch(mode=0o600)
            yield copy
    except OSError as wrong:
        raise StoreUnavailable(f"a copy cannot be made in {home.path}: {wrong.strerror}") from None


def _put_back(home: Home, copy: Path, now: str) -> Restoration:
    """Recover a copy where nobody sees it, and only then put it in the place of the database."""
    demand_whole(copy)
    make_servable(copy)
    acknowledged = _acknowledged(home)
    with closing(SQLiteStore(copy)) as store:
        keyring.demand_fit(store.keys()[1], home.shares)
        store.longest(acknowledged.longest)
        store.panic(acknowledged.panic)
        recovery, signs = _recover(store, home, acknowledged, now)
        retired = _retired(store) | acknowledged.retired
    # The commit, then the high water: a crash in between must not take the copy for one that went back.
    (write_over if acknowledged.onward else put_in_place)(copy, home.database)
    _record(home, recovery.revision, retired)
    return Restoration(recovery, signs, acknowledged.onward)


def _recover_in_place(home: Home, now: str) -> Restoration:
    """Recover a database that others serve from too: they notice by its revision, and load everything anew."""
    mark = _mark(home)
    with closing(home.open_engine()) as store:
        keyring.demand_fit(store.keys()[1], home.shares)
        recovery, signs = _recover(store, home, _Acknowledged(mark.revision, mark.retired), now)
        retired = _retired(store) | mark.retired
    _record(home, recovery.revision, retired)
    return Restoration(recovery, signs, online=True)


def _recover(store: Store, home: Home, acknowledged: _Acknowledged, now: str) -> tuple[Recovery, str | None]:
    recovery = store.recover(acknowledged.revision, acknowledged.retired, now)
    signs = None
    if all(key.state != SIGNING for key in store.keys()[1]):
        signs = keyring.add(store, home.shares, now)
        keyring.promote(store, signs, now)
    keyring.KeyRing.load(store, home.shares)
    return recovery, signs


def _acknowledged(home: Home) -> _Acknowledged:
    """Read what the high water and the database in place know, as far as they can be read."""
    mark = _mark(home)
    try:
        with closing(home.open_store()) as store:
            reading = store.read("", ())
            retired = mark.retired | _retired(store)
            return _Acknowledged(reading.revision, retired, reading.salts.panic, store.longest(0), onward=True)
    except StoreBusy:
        raise
    except CapsvcError:  # missing, damaged, or it went back: that may be why it is restored
        return _Acknowledged(mark.revision, mark.retired)


def _mark(home: Home) -> Mark:
    """Read the high water; an empty mark where it is missing or damaged, since that may be what went wrong."""
    try:
        return home.high_water.read()
    except SettingsError:
        return Mark()


def _retired(store: Store) -> frozenset[str]:
    return frozenset(key.key_id for key in store.keys()[1] if key.state == RETIRED)


def _record(home: Home, revision: int, retired: Collection[str]) -> None:
    try:
        home.high_water.record(revision, retired)
    except SettingsError:  # missing or damaged
        with home.shares.locked():
            home.make_high_water(revision, retired)
