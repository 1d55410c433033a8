"""A real OpenID Connect provider in another process: oidc-provider-mock, with its login page and its own code flow.

What it serves is kept behind one address, so that a line on standard input can exchange its keys while it runs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

_PROGRAM = """
import sys, threading
from werkzeug.serving import make_server
from oidc_provider_mock import app

current = [app()]
server = make_server("127.0.0.1", 0, lambda environ, start: current[0](environ, start), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    current[0] = app()
    print("rotated", flush=True)
"""
CLIENT_ID, _SECRET, _BACK = "capsvc", "the client's own secret", "http://127.0.0.1:1/back"


@dataclass(frozen=True)
class RealProvider:
    """A provider that runs. It knows whomever a test has it know."""

    url: str
    process: subprocess.Popen[str]

    def rotate(self) -> None:
        """Have it exchange its keys, and forget everybody."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "rotated\n"

    def id_token(self, subject: str, **claims: Any) -> str:
        """Log a user in as a browser and a client do, by the authorization code flow; return her ID token."""
        with httpx2.Client(trust_env=False, timeout=30) as client:
            assert client.put(f"{self.url}/users/{subject}", json=claims).status_code == 204
            found = client.get(f"{self.url}/.well-known/openid-configuration").json()
            asked = {"client_id": CLIENT_ID, "redirect_uri": _BACK, "response_type": "code", "scope": "openid email"}
            page = client.post(found["authorization_endpoint"], params=asked, data={"sub": subject})
            code = parse_qs(urlsplit(page.headers["location"]).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _BACK}
            answer = client.post(found["token_endpoint"], data=form, auth=(CLIENT_ID, _SECRET))
            return str(answer.json()["id_token"])


@contextmanager
def real_provider() -> Iterator[RealProvider]:
    """Run a provider until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield RealProvider(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.terminate()
