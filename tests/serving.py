"""A real service in another process, for the tests that need one; and commands in processes from their start."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests.forks import COMMAND, Fork, environment_for
from tests.forks import run as run_forked

_START_SECONDS = 60.0


def run(
    home: Path,
    *arguments: str,
    stdin: str = "",
    environment: dict[str, str] | None = None,
    command: Path = COMMAND,
) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end, with a home."""
    return subprocess.run(
        [command, *arguments],
        input=stdin,
        env=environment_for(home) | (environment or {}),
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Server:
    """``capsvc serve`` on a free port; made with its home unless that is there. Ends with the context.

    ``log`` is the file that its standard error goes to. With a ``command`` it is started by that, from nothing.
    """

    def __init__(
        self, home: Path, *arguments: str, environment: dict[str, str] | None = None, command: Path | None = None
    ) -> None:
        self.home = home
        self.log = home.parent / f"serve-{time.monotonic_ns()}.log"
        self._command = command
        self._arguments = ("serve", "--port", "0", *arguments)
        self._environment = environment_for(home) | (environment or {})
        self._process: subprocess.Popen[bytes] | Fork | None = None
        self.url = ""

    def __enter__(self) -> Self:
        if not (self.home / "keys.json").exists():
            made = self._initialised()
            assert made.returncode == 0, made.stderr
        (self.home / "address").unlink(missing_ok=True)
        self._process = self._started()
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=60) == 0, self.log.read_text()
        if kind is None:
            assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def _initialised(self) -> subprocess.CompletedProcess[str]:
        if self._command:
            return run(self.home, "init", environment=self._environment, command=self._command)
        return run_forked(self.home, "init", environment=self._environment)

    def _started(self) -> subprocess.Popen[bytes] | Fork:
        with self.log.open("wb") as log, Path(os.devnull).open("rb") as nothing:
            if self._command:
                return subprocess.Popen(
                    [self._command, *self._arguments], env=self._environment, cwd=self.home.parent,
                    stdin=nothing, stdout=log, stderr=log,
                )  # fmt: skip
            streams = nothing.fileno(), log.fileno(), log.fileno()
            return Fork(self._arguments, self._environment, self.home.parent, streams)

    def _is_ready(self) -> bool:
        try:
            self.url = (self.home / "address").read_text().strip()
            return httpx2.get(f"{self.url}/readyz", timeout=30).status_code == 200
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL, ValueError):
            return False

    @property
    def password(self) -> str:
        """The first user's password."""
        return (self.home / "first-password").read_text().strip()

    def log_in(self, user: str = "admin", password: str | None = None, **more: object) -> str:
        """Log in over HTTP and return the token. Where the machine is too busy, wait as told and ask again."""
        wanted = {"user": user, "password": password or self.password, **more}
        while (answer := httpx2.post(f"{self.url}/v1/tokens", json=wanted, timeout=30)).status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["macaroon"])
