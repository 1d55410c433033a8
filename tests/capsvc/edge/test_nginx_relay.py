"""The real service, the nginx of docs/edge.md as a relay, and the resource server of that page behind it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from caveats import attenuate
from tests.capsvc.edge.issuer import Issuer
from tests.capsvc.edge.test_lying_relay import PAGE, Edge, start
from tests.capsvc.proxies.test_nginx import NGINX, TEMPORARY, _free_port, _wait
from tests.forks import run
from tests.serving import Server

FRESHNESS = 5.0

pytestmark = pytest.mark.skipif(
    NGINX is None and not os.environ.get("CI"), reason="nginx is not here: apt-get install nginx-light"
)


def _nginx(prefix: Path, service: str, opened: ExitStack) -> int:
    """Start the relay of the page; return its port."""
    assert NGINX is not None, "nginx is not here: apt-get install nginx-light"
    found = re.search(r"^```nginx\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    text, port, log = found[1], _free_port(), prefix / "error.log"
    temporary = "".join(f"{each}_temp_path {prefix}/{each};\n" for each in TEMPORARY)
    for written, here in (
        ("http {\n", f"http {{\naccess_log {prefix}/access.log;\n{temporary}"),
        ("http://127.0.0.1:8000", service),
        ("127.0.0.1:8081", f"127.0.0.1:{port}"),
        ("/var/cache/nginx/changes", str(prefix / "cache")),
    ):
        assert text.count(written) == 1, written
        text = text.replace(written, here)
    (prefix / "nginx.conf").write_text(text, "utf-8")
    user = "user root; " if os.geteuid() == 0 else ""
    options = ["-p", str(prefix), "-c", "nginx.conf", "-e", str(log)]
    process = subprocess.Popen([NGINX, *options, "-g", f"{user}daemon off; pid {prefix}/pid; error_log {log};"])
    opened.callback(process.wait, 20)
    opened.callback(process.terminate)
    _wait(process, port, log)
    return port


def test_behind_a_relay_that_caches_a_revocation_of_the_real_service_is_seen_within_the_freshness(
    tmp_path: Path,
) -> None:
    environment = {"CAPSVC_EXPORTED_AUDIENCES": "billing"}
    with Server(tmp_path / "var", environment=environment) as service, ExitStack() as opened:
        made = run(
            tmp_path / "var", "keys", "export", "--audience", "billing", "--to", str(tmp_path / "billing.key"),
            environment=environment,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        password = "correct horse battery"
        added = run(
            tmp_path / "var", "user", "add", "bob", "--audience", "billing", "--password-stdin", stdin=f"{password}\n"
        )
        assert added.returncode == 0, added.stderr
        feed = f"http://127.0.0.1:{_nginx(tmp_path, service.url, opened)}"
        port, log = start(tmp_path, Issuer(), feed, opened, freshness=FRESHNESS)
        edge = Edge(Issuer(), None, port, log)  # type: ignore[arg-type]
        token = service.log_in("bob", password, audience="billing")
        edge.await_status(token, 200)
        assert edge.ask(attenuate(token, "method = POST")) == 403
        assert edge.ask(service.log_in("bob", password)) == 401
        taken_back = run(tmp_path / "var", "revoke", "default", "--token", service.log_in("bob", password))
        assert taken_back.returncode == 0, taken_back.stderr
        edge.demand_refused(token, time.time(), 401, FRESHNESS)
        edge.await_status(service.log_in("bob", password, audience="billing"), 200)
    assert '"following interrupted"' not in log.read_text()
