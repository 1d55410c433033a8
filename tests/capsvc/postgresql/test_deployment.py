"""The files of deploy/cluster, word for word but for addresses and folders: two servers, three nodes, nginx."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.capsvc.postgresql.cluster import Cluster, account, directory, run, wait_until
from tests.forks import run as command
from tests.serving import Server

FILES = Path(__file__).parents[3] / "deploy" / "cluster"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
FRESHNESS = 5

pytestmark = pytest.mark.skipif(
    NGINX is None and not os.environ.get("CI"), reason="nginx is not here: apt-get install nginx-light"
)


@dataclass(frozen=True)
class Deployment:
    """What stands: the two servers, the nodes, and the address of nginx."""

    primary: Cluster
    standby: Cluster
    nodes: list[Server]
    url: str

    def may(self, url: str, token: str) -> int:
        """Ask one address whether a token is good for its own user's salts; return the status."""
        try:
            return httpx2.get(f"{url}/v1/salts", headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code
        except httpx2.HTTPError:
            return 0

    def everywhere(self, token: str) -> set[int]:
        """Ask every node, and nginx."""
        return {self.may(url, token) for url in (self.url, *(node.url for node in self.nodes))}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _placed(name: str, places: dict[str, str]) -> str:
    text = (FILES / name).read_text("utf-8")
    for written, here in places.items():
        text = text.replace(written, here)
    assert "10.0.0." not in text, "an address that the test does not know"
    return text


def _configure(cluster: Cluster, name: str, places: dict[str, str]) -> None:
    own = f"unix_socket_directories = '{cluster.path}'\nshared_buffers = 16MB\n"
    (cluster.data / "postgresql.auto.conf").write_text(_placed(name, places) + own)
    (cluster.data / "pg_hba.conf").write_text(_placed("pg_hba.conf", places).replace("peer", "trust"))


@contextmanager
def _databases() -> Iterator[tuple[Cluster, Cluster, dict[str, str]]]:
    with directory() as here, directory() as there:
        primary, standby = Cluster(here, _free_port()), Cluster(there, _free_port())
        secret = there / "replication.pass"
        secret.write_text("*:*:*:replication:password-of-replication\n")
        secret.chmod(0o600)
        if account():
            shutil.chown(secret, account())
        places = {
            "host=10.0.0.1 port=5432": f"host=127.0.0.1 port={primary.port}",
            "/var/lib/postgresql/replication.pass": str(secret),
            "10.0.0.0/24": "127.0.0.0/8",
            "10.0.0.1:5432": f"127.0.0.1:{primary.port}",
            "10.0.0.2:5432": f"127.0.0.1:{standby.port}",
            "10.0.0.10\n": "127.0.0.1\n",
        }
        ports = ({"10.0.0.1'": "127.0.0.1'", "= 5432": f"= {primary.port}"}, {"10.0.0.2'": "127.0.0.1'"})
        primary.make()
        _configure(primary, "primary.conf", places | ports[0])
        primary.start()
        try:
            with psycopg.connect(primary.url, autocommit=True) as connection:
                connection.execute("SET synchronous_commit = local")  # there is no standby yet
                for statement in (FILES / "roles.sql").read_text().split(";"):
                    if statement.strip():
                        connection.execute(statement.encode())
            address = f"host=127.0.0.1 port={primary.port} user=replication passfile={secret}"
            run("pg_basebackup", "-d", address, "-D", standby.data, "-X", "stream", "-c", "fast", "--no-sync")
            _configure(standby, "standby.conf", places | ports[1] | {"port = 5432\nhot": f"port = {standby.port}\nhot"})
            (standby.data / "standby.signal").touch()
            standby.start()
            wait_until(lambda: primary.ask("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
            yield primary, standby, places
        finally:
            standby.stop()
            primary.stop()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    assert NGINX is not None, "nginx is not here: apt-get install nginx-light"
    with ExitStack() as opened:
        primary, standby, places = opened.enter_context(_databases())
        settings = _placed("node.env", places).replace("CAPSVC_HOST=0.0.0.0", "CAPSVC_HOST=127.0.0.1")
        lines = [line.partition("=") for line in settings.splitlines() if line and not line.startswith("#")]
        environment = {name: value for name, _, value in lines if name != "CAPSVC_PORT"}
        assert int(environment["CAPSVC_FRESHNESS"]) == FRESHNESS
        homes = [tmp_path / name / "home" for name in ("one", "two", "three")]
        nodes = []
        for home in homes:
            home.parent.mkdir()
            if home != homes[0]:
                refused = command(home, "init", environment=environment)
                assert "copy keys.json and high-water from a home of it" in refused.stderr
                for name in ("keys.json", "high-water"):
                    shutil.copy2(homes[0] / name, home / name)
            nodes.append(opened.enter_context(Server(home, environment=environment)))
        port = _free_port()
        text = _placed(
            "nginx.conf",
            {"10.0.0.10:80": f"127.0.0.1:{port}"}
            | {f"10.0.0.2{n}:8000": node.url.removeprefix("http://") for n, node in enumerate(nodes, 1)},
        )
        temporary = "".join(f"{each}_temp_path {tmp_path}/{each};\n" for each in TEMPORARY)
        (tmp_path / "nginx.conf").write_text(text.replace("http {\n", f"http {{\naccess_log off;\n{temporary}"))
        nginx = subprocess.Popen(
            [NGINX, "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", tmp_path / "nginx.log", "-g",
             f"daemon off; pid {tmp_path}/nginx.pid;"]
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _is_ready(url))
            yield Deployment(primary, standby, nodes, url)
        finally:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait(60)


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=30).status_code == 200
    except httpx2.HTTPError:
        return False


def _revoke(url: str, token: str, **what: object) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return httpx2.post(f"{url}/v1/revocations", json=what, headers=headers, timeout=60).status_code
    except httpx2.HTTPError:
        return 0


def test_what_is_revoked_at_one_node_is_refused_at_all_and_stays_so_when_the_primary_is_lost(
    deployment: Deployment,
) -> None:
    first = deployment.nodes[0]
    kept, lost = first.log_in(salt="kept"), first.log_in(salt="lost")
    wait_until(lambda: deployment.everywhere(kept) == deployment.everywhere(lost) == {200})

    assert _revoke(deployment.url, lost, name="lost") == 200
    asked = acknowledged = time.monotonic()
    while 200 in deployment.everywhere(lost):
        assert asked < acknowledged + FRESHNESS
        asked = time.monotonic()
    assert deployment.everywhere(kept) == {200}

    deployment.primary.stop()
    assert _revoke(deployment.url, kept, name="lost") in (0, 503), "there is nobody to acknowledge it"
    deployment.standby.promote()
    wait_until(lambda: deployment.everywhere(kept) == {200})
    assert deployment.everywhere(lost) == {401}
    assert _revoke(deployment.url, kept, name="kept") == 200
    wait_until(lambda: deployment.everywhere(kept) == {401})
