"""A PostgreSQL cluster of the tests' own: made, started and stopped by them, in a directory in memory."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.capsvc.installation import quick_directory

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/no-version/bin"))
_NUMBERS = count(1)


def account() -> str | None:
    """Who runs the server: it refuses to be root."""
    if os.geteuid():
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def run(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as the account that may."""
    name = account()
    return subprocess.run(
        [str(BINARIES / arguments[0]), *map(str, arguments[1:])], user=name, group=name and _group(name),
        extra_groups=[] if name else None, cwd="/", capture_output=True, text=True, check=check, timeout=60,
    )  # fmt: skip


def _group(name: str) -> int:
    return pwd.getpwnam(name).pw_gid


class Cluster:
    """One server: ``data`` is its directory, ``sockets`` where it listens. ``port`` only tells sockets apart."""

    def __init__(self, path: Path, port: int = 5432) -> None:
        self.path = path
        self.data = path / "data"
        self.port = port

    def make(self) -> None:
        """Make an empty cluster."""
        run("initdb", "-D", self.data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.configure(
            listen_addresses="", unix_socket_directories=self.path, port=self.port, max_connections=60,
            shared_buffers="16MB", autovacuum="off", logging_collector="off",
        )  # fmt: skip

    def configure(self, **settings: object) -> None:
        """Add settings; the last one of a name counts."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        """Start the server and wait until it answers."""
        run("pg_ctl", "-D", self.data, "-w", "-t", "30", "-l", self.path / f"log-{self.port}", "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop the server; by default as a crash would."""
        run("pg_ctl", "-D", self.data, "-w", "-t", "30", "-m", how, "stop", check=False)

    def reload(self) -> None:
        """Have the server read its settings again."""
        run("pg_ctl", "-D", self.data, "reload")

    def promote(self) -> None:
        """Make a standby the primary."""
        run("pg_ctl", "-D", self.data, "-w", "-t", "30", "promote")

    @contextmanager
    def waiting_for_nobody(self) -> Iterator[None]:
        """Have commits wait for a standby that is not there."""
        try:
            self._wait_for("nobody")
            yield
        finally:  # else a test that fails hangs
            self._wait_for("")

    def _wait_for(self, standby: str) -> None:
        self.configure(synchronous_standby_names=standby)
        self.reload()
        wait_until(lambda: self.ask("SHOW synchronous_standby_names") == [(standby,)])

    @property
    def url(self) -> str:
        """The address of its one database."""
        return f"postgresql://tester@/postgres?host={self.path}&port={self.port}"

    @property
    def process(self) -> int:
        """The id of the server's first process."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def execute(self, statement: str) -> None:
        """Run one statement on a connection of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own, and return what it finds."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    @contextmanager
    def schema(self) -> Iterator[str]:
        """Give the address of an empty schema, which stands for a database."""
        name = f"t{next(_NUMBERS)}"
        self.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{self.url}&options=-csearch_path%3D{name}"
        finally:
            self.execute(f"DROP SCHEMA {name} CASCADE")


@contextmanager
def directory() -> Iterator[Path]:
    """Give a directory that PostgreSQL's account owns."""
    with quick_directory() as path:
        name = account()
        if name:
            shutil.chown(path, name)
        yield path


@contextmanager
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """Start a primary and its synchronous standby, in a directory each; ``standby`` is the name of the second."""
    with directory() as here, directory() as there:
        primary, standby = Cluster(here, 5432), Cluster(there, 5433)
        primary.make()
        primary.start()
        try:
            run("pg_basebackup", "-d", primary.url, "-D", standby.data, "-X", "stream", "-c", "fast", "--no-sync")
            standby.configure(
                port=standby.port, unix_socket_directories=there, cluster_name="standby",
                primary_conninfo=f"host={here} port={primary.port} user=tester application_name=standby",
            )  # fmt: skip
            (standby.data / "standby.signal").touch()
            standby.start()
            primary.configure(synchronous_standby_names="standby")
            primary.reload()
            wait_until(lambda: primary.ask("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
            yield primary, standby
        finally:
            standby.stop()
            primary.stop()


@contextmanager
def started() -> Iterator[Cluster]:
    """Make and start a cluster, and stop it."""
    with directory() as path:
        cluster = Cluster(path)
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def wait_until(is_so: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so, for a generous while."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
