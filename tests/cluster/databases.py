"""Two PostgreSQL servers, each on a machine of its own: a primary, and its synchronous standby, which may take over."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.capsvc.postgresql.cluster import BINARIES, account, run, wait_until
from tests.cluster.network import DATABASES, REPLICATION, Machine

_PORT = 5432
_SETTINGS = f"""
listen_addresses = '*'
unix_socket_directories = ''
port = {_PORT}
max_connections = 80
shared_buffers = 16MB
max_wal_size = 96MB
min_wal_size = 32MB
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 500ms
synchronous_commit = on
"""
_STANDBY = "standby"


class Database:
    """One server, primary or standby."""

    def __init__(self, machine: Machine, path: Path) -> None:
        self.machine = machine
        self.data = path / "data"
        self.log = path / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Its address for those who use it."""
        return self.machine.address(DATABASES)

    def make(self) -> None:
        """Make an empty cluster, and start it."""
        run("initdb", "-D", self.data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.0.0.0/8 trust\nhost replication all 10.0.0.0/8 trust\n")
        self._configure(_SETTINGS)
        self.start()

    def start(self) -> None:
        """Start it after its machine was killed."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        user = pwd.getpwnam(account() or "").pw_uid
        command = [BINARIES / "postgres", "-D", self.data]
        self._process = self.machine.start(command, self.log, dict(os.environ), user)

    def await_ready(self) -> None:
        """Wait until it answers."""
        wait_until(lambda: self.ask("SELECT 1"), 30)

    def wait_for_standby(self, wanted: bool) -> None:
        """Have commits wait for a standby from now on, or for nobody. A standby has to be there by then."""
        self._configure(f"synchronous_standby_names = '{_STANDBY if wanted else ''}'\n")
        self.ask("SELECT pg_reload_conf()")
        if wanted:
            wait_until(lambda: self.ask("SELECT sync_state FROM pg_stat_replication") == [("sync",)], 30)

    def promote(self) -> None:
        """Make it the primary, which commits alone."""
        self._configure("synchronous_standby_names = ''\n")
        run("pg_ctl", "-D", self.data, "-w", "-t", "30", "promote")

    def become_standby(self, primary: Database) -> None:
        """Copy a primary anew, and follow it by a slot. Nothing of this one may run."""
        shutil.rmtree(self.data, ignore_errors=True)
        primary.ask("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        source = f"host={primary.host} port={_PORT} user=tester"
        run("pg_basebackup", "-d", source, "-D", self.data, "-X", "stream", "-c", "fast", "-C", "-S", _STANDBY,
            "--no-sync")  # fmt: skip
        link = f"host={primary.machine.address(REPLICATION)} port={_PORT} user=tester application_name={_STANDBY}"
        own = f"synchronous_standby_names = ''\nprimary_conninfo = '{link}'\nprimary_slot_name = '{_STANDBY}'\n"
        self._configure(own)
        (self.data / "standby.signal").touch()
        self.start()
        self.await_ready()
        primary.wait_for_standby(True)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement; nothing is found where it does not answer."""
        try:
            with psycopg.connect(
                host=self.host, port=_PORT, user="tester", dbname="postgres", autocommit=True, connect_timeout=2
            ) as connection:
                found = connection.execute(statement.encode())
                return found.fetchall() if found.description else []
        except psycopg.Error:
            time.sleep(0.1)
            return []

    def _configure(self, text: str) -> None:
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(text)


def store_of(*databases: Database) -> str:
    """The address of the store, for whoever wants the primary of these."""
    hosts = ",".join(f"{each.host}:{_PORT}" for each in databases)
    return f"postgresql://tester@{hosts}/postgres"
