"""Load on one HTTP server at a time: wrk on one core, the server in a process of its own on the other."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_CONNECTIONS = 64
_PATIENCE_SECONDS = 30.0
_SCRIPT = """
local requests, at = {}, 0
function init(args)
  local body = %s
  for token in io.lines(args[1]) do
    local headers = {["Authorization"] = "Bearer " .. token, ["Accept"] = "*/*"}
    if body then headers["Content-Type"] = "application/json" end
    requests[#requests + 1] = wrk.format("%s", "%s", headers, body and body:gsub("TOKEN", token))
  end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
"""


@dataclass(slots=True)
class Target:
    """A path of a server, with the requests that it gets: one a token, in rotation.

    Where ``body`` stands, it is sent by POST with ``TOKEN`` replaced; ``caller`` is then who asks.
    """

    name: str
    port: int
    path: str
    tokens: list[str]
    body: str | None = None
    caller: str | None = None
    rates: list[float] = field(default_factory=list)

    @property
    def method(self) -> str:
        """How it is asked."""
        return "GET" if self.body is None else "POST"

    def ask(self, token: str) -> int:
        """Ask once, without wrk; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)
        headers = {"Authorization": f"Bearer {self.caller or token}"}
        body = None
        if self.body is not None:
            headers["Content-Type"] = "application/json"
            body = self.body.replace("TOKEN", token)
        try:
            connection.request(self.method, self.path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def load(self, folder: Path, seconds: int) -> None:
        """Let wrk ask for so long; keep the requests a second. Raises RuntimeError where one was refused."""
        tokens, script = folder / f"{self.name}.tokens", folder / f"{self.name}.lua"
        if not script.exists():
            tokens.write_text("\n".join(self.tokens) + "\n")
            script.write_text(self._script())
        command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(script),
                   f"http://127.0.0.1:{self.port}", "--", str(tokens)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=_pin_last)
        rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
        if rate is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise RuntimeError(f"{self.name}: wrk says\n{done.stdout}")
        self.rates.append(float(rate[1]))

    def _script(self) -> str:
        if self.body is None:
            return _SCRIPT % ("nil", "GET", self.path)
        script = _SCRIPT % (json.dumps(self.body), "POST", self.path)
        return script.replace('"Bearer " .. token', f'"Bearer {self.caller}"') if self.caller else script


@dataclass(frozen=True, slots=True)
class Server:
    """One contender in a process of its own, pinned to the first core."""

    process: subprocess.Popen[str]
    port: int

    @classmethod
    def start(cls, contender: str, home: Path) -> Server:
        """Start a contender and wait until it listens."""
        settings = {name: value for name, value in os.environ.items() if not name.startswith("CAPSVC_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.http_contenders", contender], stdout=subprocess.PIPE, text=True,
            env={**settings, "CAPSVC_HOME": str(home)}, cwd=Path(__file__).parents[1], preexec_fn=_pin_first,
        )  # fmt: skip
        if process.stdout is None:
            raise ValueError("a process that tells its port needs a pipe")
        return cls(process, int(process.stdout.readline()))

    def end(self) -> None:
        """End the process, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(_PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


def has_wrk() -> bool:
    """Whether the load generator is on this machine."""
    return shutil.which("wrk") is not None


def _pin_first() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _pin_last() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
