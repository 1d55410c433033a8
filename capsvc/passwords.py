"""Passwords: the one slow hash, Argon2id, run off the event loop, on the cores that no event loop needs.

Parameters follow the OWASP Password Storage Cheat Sheet's minimum for Argon2id (19 MiB, two passes, one
lane), which the settings can raise and not lower.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from secrets import token_hex
from time import perf_counter_ns
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from capsvc import process
from capsvc.counters import HASHING_NS, RUNNING, WAITING, Counters, count_span
from capsvc.errors import CredentialsRefused, TooBusy
from capsvc.hasher import DistantHasher
from capsvc.settings import Settings
from caveats.encoding import HALF_CHARACTER

T = TypeVar("T")

MIN_CHARACTERS, MAX_CHARACTERS = 8, 1024
QUEUE_SECONDS = 1.0
_WAITING_PER_SLOT = 100
_MEMORY_KIB, _PASSES, _LANES = 1024 * 1024, 64, 64
_PHC = re.compile(
    r"\$argon2id\$(?:v=([0-9]{1,9})\$)?m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,3}),p=([1-9][0-9]{0,3})"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,128}"
)


class Passwords:
    """Hashes and verifies passwords. An unknown user costs what a known one does.

    A ``hasher`` that hashes elsewhere is given by a service; a command hashes where it is.
    """

    def __init__(self, settings: Settings, hasher: Callable[..., PasswordHasher] = PasswordHasher) -> None:
        parameters: dict[str, Any] = {
            "time_cost": settings.argon2_time,
            "memory_cost": settings.argon2_memory_kib,
            "parallelism": settings.argon2_parallelism,
            "hash_len": 32,
            "salt_len": 16,
        }
        self._hasher = hasher(**parameters)
        self._decoy = PasswordHasher(**parameters).hash(token_hex())

    def hash(self, password: str) -> str:
        """Hash a new password. Raises ValueError for one of a length that is not accepted."""
        if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
            raise ValueError(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
        if HALF_CHARACTER.search(password):
            raise ValueError("a password is Unicode, which has no half characters")
        return self._hasher.hash(password)

    def verify(self, hash: str | None, password: str) -> None:
        """Raise CredentialsRefused unless the password is the hash's; None stands for no such user."""
        try:
            self._hasher.verify(hash or self._decoy, password[: MAX_CHARACTERS + 1].encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            hash = None
        if hash is None:
            raise CredentialsRefused("user and password do not belong together")

    def strengthen(self, password: str) -> str:
        """Hash a password that was verified anew, whatever its length."""
        return self._hasher.hash(password)

    def close(self) -> None:
        """Let go of what hashes."""
        if isinstance(self._hasher, DistantHasher):
            self._hasher.close()

    def is_outdated(self, hash: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hash)


def check_phc(text: str) -> str:
    """Return a ready Argon2id hash in PHC form if it is one, else raise ValueError, naming its scheme."""
    scheme = text.split("$", 2)[1] if text.startswith("$") and text.count("$") > 1 else ""
    if scheme != "argon2id":
        named = f"of scheme {scheme[:32]!r}" if scheme.isascii() and scheme else "of no scheme that has a name"
        raise ValueError(f"a password hash {named}: only argon2id is taken")
    found = _PHC.fullmatch(text)
    if found is None:
        raise ValueError("a password hash that is not well-formed argon2id")
    memory, passes, lanes = map(int, found.groups()[1:])
    if found[1] != "19" or not 8 * lanes <= memory <= _MEMORY_KIB or passes > _PASSES or lanes > _LANES:
        raise ValueError("a password hash of parameters that would cost too much to check, or of an old version")
    return text


def spare_cores(workers: int) -> int:
    """Say how many cores the event loops of so many workers leave, and at least one.

    Where hashing has every core, it is in the way at each of them: Linux gives one that waits, if of the lowest
    priority, still now and then some milliseconds before another goes on.
    """
    return max(1, len(os.sched_getaffinity(0)) - workers)


class HashingSlots:
    """Runs slow hashes on threads: one slot a spare core, shared among workers; nobody waits over a second."""

    def __init__(self, workers: int = 1, counters: Counters | None = None) -> None:
        self.count = max(1, spare_cores(workers) // workers)
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="hashing", initializer=process.give_way)
        self._most_waiting = _WAITING_PER_SLOT * self.count
        counters = counters or Counters()
        self._queue, self._turned_away, self._took = counters.queue, counters.turned_away, counters.hashing

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function on a slot and return what it returns. Raises TooBusy when none gets free in time.

        Who waits, waits in the line of the threads, so that from one hash to the next the event loop does nothing.
        """
        self.demand_room()
        self._queue[WAITING] += 1
        call = partial(copy_context().run, self._call, function, *arguments)  # what is logged there is of this request
        asked: Future[T] = self._threads.submit(call)
        impatient = asyncio.get_running_loop().call_later(QUEUE_SECONDS, asked.cancel)  # in vain where it has begun
        try:
            return await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            if asked.cancel():
                self._queue[WAITING] -= 1
            task = asyncio.current_task()
            if task is None or task.cancelling():  # who asked has left; a slot that has begun is free once it is done
                raise
            self._turned_away[0] += 1
            raise TooBusy(1) from None
        finally:
            impatient.cancel()
            del asked, call  # an error that comes from there refers to this frame: nobody would let go of either

    def demand_room(self) -> None:
        """Raise TooBusy where more wait already than can have a turn in time, going by how long the last hash took.

        A flood is turned away here, before anything is read of it: to wait for nothing would cost each a timer.
        """
        if self._queue[WAITING] >= self._most_waiting:
            self._turned_away[0] += 1
            raise TooBusy(1)

    def _call(self, function: Callable[..., T], *arguments: object) -> T:
        """Do on the thread what was asked, and count it."""
        self._queue[WAITING] -= 1
        self._queue[RUNNING] += 1
        began = perf_counter_ns()
        try:
            return function(*arguments)
        finally:
            spent = perf_counter_ns() - began
            self._queue[RUNNING] -= 1
            self._most_waiting = self.count * min(_WAITING_PER_SLOT, 1 + int(QUEUE_SECONDS * 1e9 / spent))
            count_span(self._took, HASHING_NS, spent)

    def close(self) -> None:
        """Stop the threads once they are done with what they have begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
