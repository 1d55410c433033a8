"""Nodes: ``capsvc serve`` on machines of their own, started again whenever they end, under clocks that can be set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.cluster.network import NODES, Machine
from tests.forks import COMMAND

_PORT = 8000
_AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 2.0
UNKNOWN = 0
"""The status where no answer came."""

Answer = tuple[int, dict[str, Any]]


class Node:
    """One node and its home."""

    def __init__(self, machine: Machine, home: Path, clock: Path, environment: Mapping[str, str]) -> None:
        """``clock`` is what :func:`compiled_clock` gave."""
        self.name = machine.name
        self.machine = machine
        self.log = home.parent / "log"
        self._clock = home.parent / "clock"
        self._environment = {
            **os.environ, **environment, "CAPSVC_HOME": str(home), "CAPSVC_HOST": "0.0.0.0",  # noqa: S104 - its own
            "CAPSVC_PORT": str(_PORT), "LD_PRELOAD": str(clock), "CLUSTER_CLOCK": str(self._clock),
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._clock.write_bytes(bytes(8))
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """Start it, and from then on again whenever it has ended: a database may be away while it starts."""
        self._keeper.start()

    def end(self) -> None:
        """Have it not started any more."""
        self._over.set()
        self._keeper.join()

    def step_clock(self, seconds: int) -> None:
        """Set the clock of its processes so far off the right time."""
        with self._clock.open("r+b") as file:  # in place: the processes have it mapped
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    def ask(
        self, method: str, path: str, token: str = "", body: object = None, patience: float = PATIENCE_SECONDS
    ) -> Answer:
        """Ask it something. Status UNKNOWN where no answer came in so many seconds."""
        connection = HTTPConnection(self.machine.address(NODES), _PORT, timeout=patience)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except (OSError, HTTPException, ValueError):
            return UNKNOWN, {}
        finally:
            connection.close()

    def accepts(self, token: str) -> bool:
        """Whether it accepts a token now."""
        return self.ask("GET", "/v1/capability", token)[0] == 200

    def _keep(self) -> None:
        while not self._over.is_set():
            if self._process is None or self._process.poll() is not None:
                self._process = self.machine.start([COMMAND, "serve"], self.log, self._environment)
            self._over.wait(_AGAIN_SECONDS)


def compiled_clock(directory: Path) -> Path:
    """Compile the clock that can be set, and return the library."""
    library = directory / "clock.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("clock.c"), "-ldl"]
    subprocess.run(command, check=True)
    return library


def await_alive(nodes: list[Node]) -> float:
    """Wait until all of them run; return when that was so."""
    deadline = time.monotonic() + 60
    for node in nodes:
        while node.ask("GET", "/livez")[0] != 200:
            assert time.monotonic() < deadline, f"{node.name} does not start:\n{node.log.read_text()[-2000:]}"
            time.sleep(0.05)
    return time.monotonic()
