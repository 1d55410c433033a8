"""Processes of ``capsvc`` that are forked from one in which Python has loaded everything already.

To start Python and to load a service takes a second, a fork some milliseconds. The rest is that of a fresh process:
it has a directory, an environment, arguments and streams of its own, runs the same ``main``, and leaves nothing to
the next. Where the start or the end is what is tested, start ``capsvc`` itself. Warnings are errors in a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from select import select
from struct import Struct
from tempfile import TemporaryFile
from typing import IO

COMMAND = Path(sys.executable).parent / "capsvc"
_LOADED = (
    "anyio._backends._asyncio", "capsvc.client.httpx_auth", "capsvc.http.app", "capsvc.sealing", "encodings.idna",
    "httpcore2", "httpx2", "typer._adapters", "uvicorn.lifespan.on", "uvicorn.loops.uvloop", "uvicorn.supervisors",
    "uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.websockets.websockets_sansio_impl",
)  # fmt: skip
_NUMBER = Struct("i")
_SCRIPT = Path(__file__).with_name("forked.py")
_LONGEST = 128 * 1024


class Fork:
    """A process that runs ``capsvc`` with these arguments, in so far as ``subprocess.Popen`` is asked about one."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path, streams: tuple[int, int, int]
    ) -> None:
        changed = set(environment.items()) ^ set(os.environ.items())
        assert all(name.startswith("CAPSVC_") for name, _ in changed), "what Python reads at its start was read before"
        told = json.dumps([[str(COMMAND), *arguments], dict(environment), str(directory), None])
        self._status, theirs = os.pipe()
        socket.send_fds(_nursery(), [told.encode()], [*streams, theirs])
        os.close(theirs)
        self.returncode: int | None = None
        self.pid = self._number()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None and select([self._status], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code, once it has ended. Raises TimeoutExpired after so many seconds."""
        if self.returncode is None:
            if not select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("capsvc", timeout)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        self.returncode = self._number()
        os.close(self._status)

    def _number(self) -> int:
        number: int = _NUMBER.unpack(os.read(self._status, _NUMBER.size))[0]
        return number


def environment_for(home: Path) -> dict[str, str]:
    """The environment of a command: ours, with this home, profiles beside it, and no other setting."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CAPSVC_")}
    return ours | {"CAPSVC_HOME": str(home), "CAPSVC_PROFILES": str(home.parent / "profiles" / "profiles.json")}


def run(
    home: Path, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end, with a home, as ``tests.serving.run`` does in a fresh process."""
    with TemporaryFile() as said, TemporaryFile() as printed, TemporaryFile() as complained:
        said.write(stdin.encode())
        said.seek(0)
        streams = said.fileno(), printed.fileno(), complained.fileno()
        fork = Fork(arguments, environment_for(home) | {**(environment or {})}, home.parent, streams)
        try:
            code = fork.wait(timeout=60)
        finally:
            fork.kill()
        stdout, stderr = (_text(each) for each in (printed, complained))
    return subprocess.CompletedProcess([COMMAND, *arguments], code, stdout, stderr)


def commands(directory: Path) -> tuple[dict[str, str], int]:
    """Make a directory with the commands of this environment, of which ``capsvc`` is forked.

    Returns the environment that it needs and the descriptor that has to be open in whoever calls it.
    """
    directory.mkdir(parents=True)
    for each in COMMAND.parent.iterdir():
        (directory / each.name).symlink_to(each)
    command = directory / COMMAND.name
    command.unlink()
    command.write_text(f"#!{sys.executable} -IS\n{_SCRIPT.read_text('utf-8')}", "utf-8")
    command.chmod(0o755)
    descriptor = _nursery().fileno()
    return {"TESTS_NURSERY": str(descriptor)}, descriptor


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


@cache
def _nursery() -> socket.socket:
    """The connection to the process that all others are forked from, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A pipe, in which Python finds at its start that it cannot seek: what a fork prints to may be one.
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-m", "tests.forks", str(theirs.fileno())],
        pass_fds=[theirs.fileno()], cwd=Path(__file__).parents[1], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    theirs.close()

    def end() -> None:
        ours.close()
        process.communicate(timeout=60)

    atexit.register(end)
    return ours


def _fork_for(asking: socket.socket) -> None:
    """Fork for everybody who asks, and return in the new process as what was asked for."""
    signal.signal(signal.SIGCHLD, _bury)
    while True:
        told, received, *_ = socket.recv_fds(asking, _LONGEST, 4)
        if not told:
            os._exit(0)
        *streams, status = received
        if os.fork() == 0:
            break
        for each in (*streams, status):
            os.close(each)
    asking.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        _tell_end(pid, streams, status)
    os.close(status)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv, environment, directory, mask = json.loads(told)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    if mask is not None:
        os.umask(mask)


def _bury(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _tell_end(pid: int, streams: Sequence[int], status: int) -> None:
    for each in streams:
        os.close(each)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, _NUMBER.pack(pid))
        os.write(status, _NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    os._exit(0)


def _code_of(main: Callable[[], None]) -> int:
    """Run it, and find the exit code that its end has in an interpreter."""
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return 1 if isinstance(end.code, str) else end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _exit_quickly(code: int) -> None:
    """Exit without taking the interpreter to pieces, which would copy every page that it touches."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    from capsvc.cli import main

    for name in _LOADED:
        import_module(name)
    __package__ = ""  # typer names a program by it, and ``capsvc`` has none
    gc.freeze()
    _fork_for(socket.socket(fileno=int(sys.argv[1])))
    if sys.argv[1:2] == ["serve"]:
        sys.exit(main())
    _exit_quickly(_code_of(main))
