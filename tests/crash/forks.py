"""Commands of the command line, each forked from one process that has everything imported.

A thousand starts of the service would spend most of their time importing; what is tested begins behind that. The
forked process is a real one: its own process group, the console script's ``main``, and ``kill -9`` ends it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from capsvc.cli import main

_REPOSITORY = Path(__file__).parents[2]
_PATIENCE_SECONDS = 60.0
_ENDED = "exit code"
_SIGNAL_AT_PARENTS_DEATH = 1


class Command:
    """One running command. ``output`` is the file of what it printed, behind which stands its exit code."""

    def __init__(self, pid: int, output: Path) -> None:
        self.pid = pid
        self._output = output
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended by now, and its number may be another's
            self._descriptor = -1
        self._others: list[int] = []

    def children(self) -> list[int]:
        """The processes that it has begun and that are still there."""
        try:
            return [int(each) for each in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def kill(self) -> None:
        """Kill it with all its processes, at this instant."""
        if self._descriptor < 0 or _is_dead(self._descriptor):
            return
        for pid in self.children():
            with suppress(ProcessLookupError):
                self._others.append(os.pidfd_open(pid))
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it is dead, and whatever was killed with it."""
        for descriptor in (self._descriptor, *self._others):
            if descriptor >= 0:
                wait_for(descriptor)
        self._descriptor, self._others = -1, []

    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return _ENDED in self.said()

    def said(self) -> str:
        """All that it has printed so far."""
        return self._output.read_text("utf-8", "replace")

    def answer(self) -> dict[str, object] | None:
        """What a command with ``--json`` answered; None if nothing was acknowledged."""
        try:
            answer: dict[str, object] = json.loads(self.said().partition(_ENDED)[0])
        except ValueError:
            return None
        return answer


def wait_for(descriptor: int) -> None:
    """Wait until the process of a descriptor is dead, and close the descriptor."""
    assert _is_dead(descriptor, _PATIENCE_SECONDS), "a process does not end"
    os.close(descriptor)


def _is_dead(descriptor: int, patience_seconds: float = 0.0) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(patience_seconds * 1000))


class Forks:
    """The process that forks. Its environment is what all commands get; it ends with the context."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self._number = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], env=self._environment, text=True, bufsize=1, cwd=_REPOSITORY,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=_PATIENCE_SECONDS)

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Command:
        """Begin a command, with more in its environment than all have."""
        assert self._process.stdin
        assert self._process.stdout
        self._number += 1
        output = self._directory / f"said-{self._number}"
        order = {"arguments": arguments, "output": str(output), "environment": dict(environment or {})}
        self._process.stdin.write(json.dumps(order) + "\n")
        return Command(int(self._process.stdout.readline()), output)

    def run_to_its_end(self, *arguments: str) -> dict[str, object]:
        """Run a command with ``--json`` and return its answer."""
        command = self.run(*arguments, "--json")
        command.wait()
        answer = command.answer()
        assert answer is not None, command.said()
        return answer


def _fork(arguments: Sequence[str], output: str, environment: Mapping[str, str]) -> int:
    ready, forked = os.pipe()
    pid = os.fork()
    if pid:
        os.close(forked)
        os.read(ready, 1)  # from here on the process has its group, and can be killed with it
        os.close(ready)
        return pid
    os.setsid()
    ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGKILL)  # a test that is broken off leaves no service
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(environment)
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, copy in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(descriptor, copy)
    os.close(forked)
    os.close(ready)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as a command finds it: nothing of it is read yet
    code: object = 1
    try:
        sys.argv[1:] = arguments
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, f"{_ENDED} {code}\n".encode())
        os._exit(0)


def serve_forks() -> None:
    """Fork a command for each line of standard input, and say its process id."""
    import uvicorn.lifespan.on
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.auto  # noqa: F401 - imported once here, and by no fork

    import capsvc.http.app  # noqa: F401

    home = os.environ["CAPSVC_HOME"]
    os.environ["CAPSVC_HOME"] = os.devnull
    for command in ("serve", "user import -", "keys rotate"):  # which find no home, and have imported all by then
        with suppress(SystemExit):
            sys.argv[1:] = command.split()
            main()
    os.environ["CAPSVC_HOME"] = home
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is dead is gone at once
    for line in sys.stdin:
        order = json.loads(line)
        print(_fork(order["arguments"], order["output"], order["environment"]), flush=True)


if __name__ == "__main__":
    serve_forks()
