"""Machines of their own on one machine: network namespaces, joined by links that can be cut.

All of it lives in the namespaces of one process (``unshare``), and is gone with it, whatever happens. Who looks on has
an address on each link as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

NODES, DATABASES, REPLICATION = "nodes", "data", "repl"
"""Clients reach nodes; nodes reach databases; databases reach each other."""

_SUBNETS = {NODES: 1, DATABASES: 2, REPLICATION: 3}
_ONLOOKER = 254


def lay_links() -> None:
    """Lay the links. Only in a network namespace that nobody else uses."""
    _ip("link", "set", "lo", "up")
    for link in _SUBNETS:
        _ip("link", "add", link, "type", "bridge")
        _ip("link", "set", link, "up")
        _ip("addr", "add", f"{address(link, _ONLOOKER)}/24", "dev", link)


def address(link: str, number: int) -> str:
    """The address of a machine on a link."""
    return f"10.{_SUBNETS[link]}.0.{number}"


class Machine:
    """A machine with its processes, which is killed, stopped and cut off as one."""

    def __init__(self, name: str, number: int, *links: str) -> None:
        self.name = name
        self._number = number
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = Path("/proc/self/ns/net").readlink()
        while (inside := Path(f"/proc/{self._holder.pid}/ns/net").readlink()) == own:
            time.sleep(0.01)
        self._inside = inside
        for link in links:
            _ip("link", "add", self._end(link), "type", "veth", "peer", "name", "end", "netns", str(self._holder.pid))
            _ip("link", "set", self._end(link), "master", link, "up")
            for words in (
                ("link", "set", "end", "name", link),
                ("addr", "add", f"{address(link, number)}/24", "dev", link),
                ("link", "set", link, "up"),
            ):
                subprocess.run([*self._enter(), "ip", *words], check=True)
        subprocess.run([*self._enter(), "ip", "link", "set", "lo", "up"], check=True)

    def address(self, link: str) -> str:
        """Where it is on a link."""
        return address(link, self._number)

    def start(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str], user: int = 0
    ) -> subprocess.Popen[bytes]:
        """Start a process there, which writes to a log."""
        with log.open("ab") as file:
            return subprocess.Popen(
                [*self._enter(user), *command], env=environment, cwd=log.parent,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip

    def kill(self) -> None:
        """End every process there at once, as a power cut would."""
        while pids := self._processes():
            self._signal(pids, signal.SIGKILL)
            time.sleep(0.01)

    def pause(self) -> None:
        """Stop every process there, as a hypervisor does."""
        self._signal(self._processes(), signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(self._processes(), signal.SIGCONT)

    def cut(self, link: str) -> None:
        """Cut a link: what is sent there is lost, and nobody is told."""
        _ip("link", "set", self._end(link), "down")

    def join(self, link: str) -> None:
        """Mend a link."""
        _ip("link", "set", self._end(link), "up")

    def _end(self, link: str) -> str:
        return f"{self.name}-{link}"

    def _enter(self, user: int = 0) -> list[str]:
        inside = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]
        return [*inside, f"--setuid={user}", f"--setgid={user}"] if user else inside

    def _processes(self) -> list[int]:
        found = []
        for path in Path("/proc").iterdir():
            if path.name.isdigit() and int(path.name) != self._holder.pid:
                try:
                    if (path / "ns/net").readlink() == self._inside:
                        found.append(int(path.name))
                except OSError:  # ended, or on its way to
                    continue
        return found

    def _signal(self, pids: Sequence[int], number: int) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
