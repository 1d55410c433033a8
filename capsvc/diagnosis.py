"""The diagnosis of a home: what is wrong with it and what to do, one line each. Nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from capsvc import keyring
from capsvc.errors import CapsvcError, SettingsError
from capsvc.high_water import Mark
from capsvc.home import Home
from capsvc.stores import PENDING, RETIRED, SIGNING, VERIFYING, StoredKey
from capsvc.stores.examination import Examined, damage, examine
from caveats import time_text

FREE_BYTES = 64 * 1024 * 1024
"""Beside twice the database: a restore needs its size for a copy and once more for the journal."""

_CONNECT_SECONDS = 2.0


def diagnose(home: Home) -> list[str]:
    """Say what is wrong with a home, and what to do; nothing, if all is well."""
    if not home.exists and not home.shares.path.exists():
        return [f"there is no home at {home.path}: run `capsvc init`, or set CAPSVC_HOME"]
    home.demand_file()
    recorded = _recorded(home)  # before the database, which only goes onward
    examined = Examined((f"{home.database} is missing: `capsvc restore` a backup",))
    if home.database.is_file():
        examined = examine(home.database)
    found = list(examined.wrong)
    checks: tuple[Callable[[], Iterator[str]], ...] = (
        lambda: _modes(home),
        lambda: _disk(home),
        lambda: _keys(home, examined),
        lambda: _high_water(home, recorded, examined),
        lambda: _clock(home, examined),
        lambda: _leftovers(home),
        lambda: _outcomes(home),
        lambda: _replays(home),
        lambda: _address(home),
    )
    for check in checks:
        try:
            found += check()
        except CapsvcError as wrong:
            found.append(str(wrong))
        except OSError as wrong:
            found.append(f"{wrong.filename or home.path} cannot be looked at: {wrong.strerror}")
    return found


def _modes(home: Home) -> Iterator[str]:
    owner = home.path.stat().st_uid
    for path in (home.path, *sorted(home.path.iterdir())):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            continue
        if found.st_mode & 0o077 and path.name != "capsvc.toml" and path != home.shares.path:  # that one says more
            yield f"{path} can be opened by others: chmod {'700' if path.is_dir() else '600'} it"
        if found.st_uid != owner:
            yield f"{path} belongs to another user than the home: chown it to {owner}"
    if os.geteuid() not in (0, owner):
        yield f"the home belongs to user {owner}: run this as that user"


def _disk(home: Home) -> Iterator[str]:
    if os.statvfs(home.path).f_flag & os.ST_RDONLY:
        yield f"the disk of {home.path} is read-only: mount it again for writing"
    size = home.database.stat().st_size if home.database.exists() else 0
    free = shutil.disk_usage(home.path).free
    if free < FREE_BYTES + 2 * size:
        wanted = (FREE_BYTES + 2 * size) // 1024**2
        yield f"the disk of {home.path} has {free // 1024**2} MB left: make room for {wanted} MB"


def _keys(home: Home, examined: Examined) -> Iterator[str]:
    halves = home.shares.read()
    if not examined.keys:
        return
    longest = timedelta(seconds=max(examined.longest, home.settings.max_lifetime)) + home.settings.skew
    earliest = time_text(datetime.now(UTC) - longest)
    for key in examined.keys:
        if key.state != RETIRED:
            yield from _key(home, key, halves.get(key.key_id), earliest)
    if all(key.state != SIGNING for key in examined.keys):
        yield "no key signs: run `capsvc keys add` and `capsvc keys promote`"


def _key(home: Home, key: StoredKey, half: bytes | None, earliest: str) -> Iterator[str]:
    if half is None and key.state == PENDING:
        yield f"{home.shares.path} holds no share of {key.key_id}, which is pending: copy it from where that was added"
    elif half is None:
        yield f"{home.shares.path} holds no share of {key.key_id}: restore the file from its backup"
    elif not keyring.fits(key, half):
        yield f"the share of {key.key_id} in {home.shares.path} is not of this database: restore the two from one home"
    if key.state == VERIFYING and key.changed <= earliest:
        yield f"nothing that {key.key_id} signed is alive: run `capsvc keys retire {key.key_id}`"


def _recorded(home: Home) -> Mark | None:
    try:
        return home.high_water.read()
    except SettingsError:  # said below
        return None


def _high_water(home: Home, mark: Mark | None, examined: Examined) -> Iterator[str]:
    if mark is None:
        if not home.high_water.exists and not home.shares.expects_high_water:
            yield f"{home.high_water.path} is missing: the next command that opens the store makes it"
        else:
            home.high_water.read()  # says what is wrong
        return
    if examined.revision is not None and examined.revision < mark.revision:
        yield f"the database went back from revision {mark.revision} to {examined.revision}: run `capsvc recover`"
    for key in examined.keys:
        if key.key_id in mark.retired and key.state != RETIRED:
            yield f"the database went back: {key.key_id} was retired and is {key.state}; run `capsvc recover`"


def _clock(home: Home, examined: Examined) -> Iterator[str]:
    latest = time_text(time.time() + home.settings.clock_skew)
    if examined.newest > latest:
        yield f"the newest change was made at {examined.newest}, which is yet to come: set the clock"


def _leftovers(home: Home) -> Iterator[str]:
    if home.first_password_file.exists():
        yield f"{home.first_password_file} holds a password: change it by `capsvc user passwd`, then delete the file"
    for path in sorted(home.path.glob(".restore-*")):
        yield f"{path} is left of a restore that was interrupted: delete it"


def _outcomes(home: Home) -> Iterator[str]:
    for path in sorted(home.outcomes.glob("*.json")):
        try:
            dict(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError):
            yield f"{path} is damaged, and left out where outcomes are shown: delete it"


def _replays(home: Home) -> Iterator[str]:
    if home.replays.exists() and (said := damage(home.replays)):
        yield f"{home.replays} is damaged ({said}): delete it while nothing runs, and start again in a minute"


def _address(home: Home) -> Iterator[str]:
    if not home.address_file.exists():
        return
    address = home.address_file.read_text("utf-8", "replace").strip()
    try:
        url = urlsplit(address)
        socket.create_connection((url.hostname or "", url.port or 80), _CONNECT_SECONDS).close()
    except (OSError, ValueError):
        yield f"nothing answers at {address!r}, as {home.address_file} says: start `capsvc serve`, or delete the file"
