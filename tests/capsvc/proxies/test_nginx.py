"""Real nginx, with the very configuration of docs/nginx.md, in front of an unmodified static site."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.capsvc.http.serving import Serving, make_home, narrow, serving

PAGE = Path(__file__).parents[3] / "docs" / "nginx.md"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
NOTHING = "body = sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

pytestmark = pytest.mark.skipif(
    NGINX is None and not os.environ.get("CI"), reason="nginx is not here: apt-get install nginx-light"
)


@dataclass(frozen=True)
class Site:
    """A static site behind nginx, and the service that protects it."""

    service: Serving
    port: int

    def ask(self, token: str | None, target: str = "/docs/7.txt", *lines: str, method: str = "GET") -> tuple[int, str]:
        """Send one request exactly as it is written; return the status, and the whole answer."""
        head = [f"{method} {target} HTTP/1.1", "Host: site.example", "Connection: close", *lines]
        head += [f"Authorization: Bearer {token}"] if token else []
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall("".join(f"{line}\r\n" for line in head).encode("latin-1") + b"\r\n")
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return int(answer.split(b" ", 2)[1]), answer.decode("latin-1")

    def status(self, token: str | None, target: str = "/docs/7.txt", *lines: str, method: str = "GET") -> int:
        """Send one request; return the status."""
        return self.ask(token, target, *lines, method=method)[0]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _configuration(prefix: Path, service: Serving, port: int) -> str:
    found = re.search(r"^```nginx\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    text = found[1]
    temporary = "".join(f"{each}_temp_path {prefix}/{each};\n" for each in TEMPORARY)
    for written, here in (
        ("http {\n", f"http {{\naccess_log off;\n{temporary}"),
        ("127.0.0.1:8000", f"127.0.0.1:{service.port}"),
        ("127.0.0.1:8080", f"127.0.0.1:{port}"),
        ("/srv/site", str(prefix / "site")),
    ):
        assert text.count(written) == 1, written
        text = text.replace(written, here)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of the page, on a free port of loopback."""
    assert NGINX is not None, "nginx is not here: apt-get install nginx-light"
    prefix = tmp_path_factory.mktemp("nginx")
    for name in ("docs", "secret"):
        (prefix / "site" / name).mkdir(parents=True)
        (prefix / "site" / name / "7.txt").write_text(f"the file in {name}")
    with serving(make_home(prefix / "home")) as service:
        port = _free_port()
        (prefix / "nginx.conf").write_text(_configuration(prefix, service, port), "utf-8")
        log = prefix / "error.log"
        options = ["-p", str(prefix), "-c", "nginx.conf", "-e", str(log)]
        user = "user root; " if os.geteuid() == 0 else ""  # workers of another user cannot read pytest's folders
        process = subprocess.Popen(
            [NGINX, *options, "-g", f"{user}daemon off; pid {prefix}/nginx.pid; error_log {log};"]
        )
        try:
            _wait(process, port, log)
            yield Site(service, port)
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nginx did not start: {log.read_text() if log.exists() else ''}")


def test_a_capability_opens_the_site_and_nothing_else_does(site: Site) -> None:
    user = site.service.new_user()
    status, answer = site.ask(site.service.log_in(user))
    assert status == 200
    assert answer.endswith("the file in docs")
    assert f"X-Capsvc-User: {user}" in answer
    for token in (None, "garbage", site.service.expired(), site.service.revoked()):
        status, answer = site.ask(token)
        assert status == 401
        assert 'www-authenticate: bearer realm="capsvc"' in answer.lower()
        assert "the file" not in answer
    assert site.status(site.service.token(), "/_capsvc") == 404


def test_a_narrowed_copy_opens_what_it_is_narrowed_to(site: Site) -> None:
    token = narrow(site.service.token(), "path ^= /docs", "method in GET HEAD", "host = site.example")
    token = narrow(token, "ip in 127.0.0.0/8")
    assert site.status(token) == 200
    assert site.status(token, "/docs/7.txt?x=1") == 200
    assert site.status(token, "/secret/7.txt") == 403
    assert site.status(token, method="DELETE") == 403
    assert site.status(narrow(token, "host = other.example")) == 403


@pytest.mark.parametrize(
    "target",
    ["/docs/../secret/7.txt", "/docs/%2e%2e/secret/7.txt", "/docs/..%2fsecret/7.txt", "/docs%2F..%2Fsecret%2F7.txt",
     "/docs%2F7.txt", "//docs/7.txt", "/docs//7.txt", "/docs/./7.txt", "//docs/../secret/7.txt",
     "/docs/%5c../secret/7.txt"],
)  # fmt: skip
def test_a_path_that_can_be_read_in_two_ways_is_refused(site: Site, target: str) -> None:
    assert site.status(narrow(site.service.token(), "path ^= /docs"), target) == 403


def test_a_path_that_is_encoded_without_need_is_the_same_path_to_both(site: Site) -> None:
    token = narrow(site.service.token(), "path = /docs/7.txt")
    assert [site.status(token, target) for target in ("/docs/%37.txt", "/d%6Fcs/7.txt")] == [200, 200]
    assert site.status(token, "http://site.example/docs/7.txt") == 200
    assert site.status(token, "http://site.example/secret/7.txt") == 403


def test_what_a_client_forwards_is_overwritten(site: Site) -> None:
    token = narrow(site.service.token(), "path ^= /docs", "method = GET", "host = site.example")
    token = narrow(token, "ip in 127.0.0.0/8")
    spoofed = ["Method: GET", "Uri: /docs/7.txt", "Host: site.example", "Proto: https", "For: 203.0.113.9"]
    for prefix in ("X-Forwarded", "X-Original"):
        lines = [f"{prefix}-{each}" for each in spoofed]
        assert site.status(token, "/docs/7.txt", *lines) == 200
        assert site.status(token, "/secret/7.txt", *lines) == 403
        assert site.status(token, "/docs/7.txt", *lines, method="DELETE") == 403
        assert site.status(narrow(token, "ip in 203.0.113.0/24"), "/docs/7.txt", *lines) == 403


def test_a_body_is_not_forwarded_and_is_no_fact(site: Site) -> None:
    token = site.service.token()
    body = ["Content-Length: 5", "Content-Type: text/plain"]
    assert site.status(narrow(token, NOTHING), "/docs/7.txt") == 403
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        for caveated, wanted in ((narrow(token, NOTHING), b"403"), (token, b"405"), (token, b"405")):
            head = ["POST /docs/7.txt HTTP/1.1", "Host: site.example", f"Authorization: Bearer {caveated}", *body]
            connection.sendall("".join(f"{line}\r\n" for line in head).encode() + b"\r\nhello")
            assert connection.recv(65536).split(b" ", 2)[1] == wanted, "keep-alive lost its place"


def test_many_requests_share_connections(site: Site) -> None:
    token, other = site.service.token(), narrow(site.service.token(), "path = /none")
    assert [site.status(each) for each in (token, other) * 10] == [200, 403] * 10
