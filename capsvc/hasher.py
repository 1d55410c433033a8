"""The hasher: Argon2id in processes of their own, which step back for everything else that wants the processor.

Threads would not do. All threads of Python wait for one lock: a thread of low priority that holds it while others have
the processor keeps the event loop waiting. And at the usual priority, hashing keeps it waiting for the processor.

But not for ever: beside work that never rests, who steps back for everything waits for many seconds. After a moment of
that a process hashes what it was asked once more, and takes a share of the processor.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from capsvc import process
from capsvc.errors import CapsvcError

_NICER = 5
"""A process with this niceness gets a quarter of a core that somebody else wants all of."""

_PATIENCE_SECONDS, _LOOK_SECONDS = 0.3, 0.05


class DistantHasher(PasswordHasher):
    """A password hasher that has other processes hash: started when first needed, used by one thread at a time."""

    def __init__(self, turns: Sequence[Path] = (), **parameters: Any) -> None:
        """Of all processes that are given the same files as ``turns``, no more hash at once than there are files."""
        super().__init__(**parameters)
        given = json.dumps({"turns": [str(each) for each in turns], "parameters": parameters})
        self._command = (sys.executable, "-P", "-m", "capsvc.hasher", given)
        self._idle: SimpleQueue[_Process] = SimpleQueue()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        """Hash a password with a salt of its own. Raises CapsvcError where no process hashes."""
        if salt is not None:
            raise ValueError("each hash has a salt of its own")
        return str(self._ask({"password": _bytes(password).hex()}))

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        """Do what argon2 does: raise VerifyMismatchError unless the password is the hash's."""
        if self._ask({"password": _bytes(password).hex(), "hash": _bytes(hash).hex()}) != "match":
            raise VerifyMismatchError
        return True

    def close(self) -> None:
        """End the processes that are idle. One that hashes ends with this process, since its input does."""
        while True:
            try:
                self._idle.get_nowait().end()
            except Empty:
                return

    def _ask(self, question: dict[str, str]) -> Any:
        while True:
            try:
                asked, is_new = self._idle.get_nowait(), False
            except Empty:
                asked, is_new = _Process(self._command), True
            try:
                answer = asked.ask(question)
            except (OSError, ValueError):  # somebody killed it: that is no reason to refuse anybody
                asked.end()
                if is_new:
                    raise CapsvcError("the process that hashes passwords has ended") from None
                continue
            self._idle.put(asked)
            return answer


class _Process:
    """One process: a line of JSON goes in, one comes out."""

    def __init__(self, command: tuple[str, ...]) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603 - of our own

    def ask(self, question: dict[str, str]) -> Any:
        """Raises OSError or ValueError where it has ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("a process that is asked needs pipes")
        self._process.stdin.write(json.dumps(question).encode("ascii") + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        try:
            self._process.communicate()
        except (OSError, ValueError):  # what could not be written is lost with it
            self._process.wait()


def main() -> None:
    """Answer questions until there are no more.

    What asks to end goes to the service: who is told to end with it would lose the logins that it waits for.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    process.harden()
    process.give_way()
    with suppress(OSError):  # where a sandbox forbids it, whoever gets no spare time takes as much as others
        os.nice(_NICER)
    given = json.loads(sys.argv[1])
    hasher, turns = PasswordHasher(**given["parameters"]), [os.open(each, os.O_RDWR) for each in given["turns"]]
    spare_time = SpareTime()
    for line in sys.stdin.buffer:
        with _turn(turns):
            answer = spare_time.spend(partial(_answer, hasher, json.loads(line)))
        try:
            print(json.dumps(answer), flush=True)
        except BrokenPipeError:  # who asked was killed
            break
    os._exit(0)  # though the thread may still wait for the processor


class SpareTime:
    """What nobody else wants of the processor: a thread works in it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, initializer=process.step_back)
        self._asked: Future[str] | None = None

    def spend(self, work: Callable[[], str]) -> str:
        """Have some work done in it, and where there is too little do it here: then it may be done twice."""
        if self._asked is not None and not self._asked.done():
            return work()
        begun, self._asked = _waited(), self._thread.submit(work)
        while _waited() - begun < _PATIENCE_SECONDS:
            with suppress(TimeoutError):
                return self._asked.result(_LOOK_SECONDS)
        return work()


def _waited() -> float:
    """For how many seconds this process had no processor, from some moment on: whoever hashes never rests."""
    return time.monotonic() - time.process_time()


@contextmanager
def _turn(turns: Sequence[int]) -> Iterator[None]:
    """Wait until one of some files is nobody else's, if there are any. The kernel takes it back from who ends."""
    if not turns:
        yield
        return
    taken = _taken(turns)
    try:
        yield
    finally:
        fcntl.flock(taken, fcntl.LOCK_UN)


def _taken(turns: Sequence[int]) -> int:
    for each in turns:
        with suppress(BlockingIOError):
            fcntl.flock(each, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return each
    waited_for = turns[os.getpid() % len(turns)]
    fcntl.flock(waited_for, fcntl.LOCK_EX)
    return waited_for


def _answer(hasher: PasswordHasher, question: dict[str, str]) -> str:
    password = bytes.fromhex(question["password"])
    if "hash" not in question:
        return hasher.hash(password)
    try:
        hasher.verify(bytes.fromhex(question["hash"]), password)
    except (VerificationError, InvalidHashError):
        return "no match"
    return "match"


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else text


if __name__ == "__main__":
    main()
