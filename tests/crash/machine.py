"""A machine that crashes: a home, the service and commands on it, which all are killed at one instant.

Where it is forgetful, its disk loses by chance what was not synced (``disk.py``).
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from tests.capsvc.http.serving import environment
from tests.crash.disk import Chance, Disk, compiled, notes, preloading
from tests.crash.forks import Command, Forks, wait_for

_PATIENCE_SECONDS = 30.0
_SURVIVAL = (0.0, 0.2, 0.5, 0.8, 1.0)


class CutOff(Exception):
    """The connection broke before there was an answer: nothing is known."""


class Gone(CutOff):
    """Nobody listens any more: nothing was asked."""


class Client:
    """One connection to the service, kept until it breaks."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, dict[str, Any]]:
        """Ask, and return status and JSON. Raises CutOff or Gone; the next question connects anew."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except ConnectionRefusedError:
            raise Gone("nobody listens") from None
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            raise CutOff(f"{method} {path} was not answered") from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Machine:
    """A home in a directory, made anew, and what runs on it. ``boot`` begins a round, ``crash`` ends it."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.home = directory / "home"
        self.port = 0
        self.workers = 1
        self._directory = directory
        self._random = Random(seed)
        self._running: list[Command] = []
        self._disk: Disk | None = None
        self._rounds = 0

    def __enter__(self) -> Self:
        self._library = compiled(self._directory)
        # Every command could note what it writes; where it does not say where, nothing is noted.
        preloaded = environment(self.home, {"LD_PRELOAD": str(self._library)})
        with ExitStack() as stack:
            self._forks = stack.enter_context(Forks(self._directory, preloaded))
            self.run_to_its_end = self._forks.run_to_its_end
            self.run_to_its_end("init")
            self._leave = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for command in self._running:
            command.kill()
        self._leave.close()

    @property
    def log(self) -> Path:
        """Where this round's processes note what they write."""
        return self._directory / f"log-{self._rounds}"

    def boot(self, *, forgetful: bool, workers: int = 1) -> None:
        """Begin to serve the home. It is not ready yet."""
        self._rounds += 1
        self.home.joinpath("address").unlink(missing_ok=True)
        self._disk = None
        if forgetful:
            self.log.mkdir()
            self._disk = Disk(self.home)
        self._service = self.run("serve", "--port", "0", "--workers", str(workers))
        self.workers = workers

    def run(self, *arguments: str) -> Command:
        """Begin a command, which a crash kills."""
        noting = preloading(self._library, self.home, self.log) if self._disk else {}
        command = self._forks.run(*arguments, environment=noting)
        self._running.append(command)
        return command

    def wait_until_it_serves(self) -> None:
        """Wait until the service answers. AssertionError where it ended instead: it needs a repair."""
        address, deadline = self.home / "address", time.monotonic() + _PATIENCE_SECONDS
        while not (address.exists() and address.read_text().endswith("\n")):
            assert not self._service.has_ended(), f"the service does not start: {self._service.said()}"
            assert time.monotonic() < deadline, f"the service does not start: {self._service.said()}"
            time.sleep(0.002)
        self.port = int(address.read_text().rpartition(":")[2])
        while self.workers > 1 and len(self._serving_workers()) < self.workers:
            assert time.monotonic() < deadline, f"a worker is not replaced: {self._service.said()}"
            time.sleep(0.02)

    def _serving_workers(self) -> list[int]:
        """The processes of workers that have the database open."""
        return [pid for pid in self._service.children() if "capsvc.db" in _open_files(pid)]

    def kill_a_worker(self) -> None:
        """Kill one of several workers, and wait until it is dead."""
        pid = self._random.choice(self._serving_workers())
        descriptor = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(descriptor)

    def crash(self) -> None:
        """Kill everything at this instant; on a forgetful machine lose what was not synced."""
        for command in self._running:
            command.kill()
        for command in self._running:
            command.wait()
        self._running.clear()
        if self._disk:
            for note in notes(self.log):
                self._disk.apply(note)
            self._disk.write(self.home, Chance(self._random, self._random.choice(_SURVIVAL)))
            for path in self.log.iterdir():
                path.unlink()
            self.log.rmdir()


def _open_files(pid: int) -> set[str]:
    """The names of the files that a process has open; none for one that is gone."""
    names = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                names.add(descriptor.readlink().name)
    return names
