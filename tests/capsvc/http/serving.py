"""A real service for the tests: ``capsvc serve`` in another process, and what a test says to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx2

from capsvc.home import Home
from capsvc.keyring import KeyRing
from capsvc.passwords import Passwords
from capsvc.stores import NewUser
from capsvc.ticket_keys import PublicKey
from caveats import BUILTIN, Authority, KeyName, Macaroon, decode, time_text
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.forks import Fork

COMMAND = (sys.executable, "-c", "from capsvc.cli import main; main()")
PASSWORD = "correct horse battery staple"
ADMIN, VERIFY = "capsvc.admin", "capsvc.verify"
PROBLEM = "application/problem+json"
_PATIENCE_SECONDS = 60.0
_numbers = count(1)


@cache
def hashed(password: str = PASSWORD) -> str:
    """An Argon2id hash of a password, made once a test process."""
    return Passwords(Home.of({"CAPSVC_HOME": "/nonexistent"}).settings).hash(password)


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service: nothing of capsvc's but its home and what is given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CAPSVC_")}
    return {**clean, "CAPSVC_HOME": str(home), **more}


def make_home(path: Path, settings: str = "") -> Home:
    """Make a home with one signing key and no users."""
    home = Home.of({"CAPSVC_HOME": str(path)})
    home.create(now()).close()
    (path / "capsvc.toml").write_text(settings, "utf-8")
    return Home.of({"CAPSVC_HOME": str(path)})


def now(later: float = 0) -> str:
    """The time as caveats write it, or so many seconds later."""
    return time_text(time.time() + later)


@dataclass(frozen=True)
class Serving:
    """One running service. ``log`` is the file that all its output goes to."""

    process: Fork
    url: str
    home: Home
    log: Path
    client: httpx2.Client = field(repr=False)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return self.log.read_text("utf-8", "replace")

    def new_user(self, *audiences: str) -> str:
        """Add a user of a name that nobody had before, with ``PASSWORD``, straight into the store."""
        name = f"user{next(_numbers)}-{token_bytes(4).hex()}"
        with closing(self.home.open_store()) as store:
            assert store.add_users([NewUser(name, hashed(), tuple(sorted(audiences)))], now()) == []
        return name

    def log_in(self, user: str, audience: str | None = None, **more: Any) -> str:
        """Log in over HTTP; return the macaroon. Where the machine is too busy, wait as told and ask again."""
        body = {"user": user, "password": PASSWORD, "audience": audience, **more}
        while (answer := self.client.post("/v1/tokens", json=body)).status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["macaroon"])

    def token(self, *audiences: str) -> str:
        """The macaroon of a fresh user, for the first of her audiences, or for none: what a login gives."""
        return encode_text(self.mint(self.new_user(*audiences), audiences[0] if audiences else None, begins=now()))

    def mint(
        self,
        user: str,
        audience: str | None = None,
        salt: bytes | None = None,
        begins: str = "",
        ends: str = "",
        key_id: str | None = None,
    ) -> Macaroon:
        """Mint a macaroon with the home's own key, whatever it says; for what no login would give."""
        with closing(self.home.open_store()) as store:
            held = salt if salt is not None else store.issue_salt(user, "default", None, now()).salt
            ring = KeyRing.load(store, self.home.shares)
        name = KeyName(ring.signing().key_id, audience)
        root_key = ring.root_key(name)
        assert root_key is not None
        named = KeyName(key_id or name.key_id, audience)
        nonce = encode_base64(token_bytes(16))
        return Authority(named, nonce, user, "default", held, begins or now(-20), ends or now(600)).mint(
            root_key, self.url
        )

    def expired(self, audience: str | None = None) -> str:
        """A macaroon of a fresh user whose end lies in the past."""
        user = self.new_user(*([audience] if audience else []))
        return encode_text(self.mint(user, audience, begins=now(-600), ends=now(-60)))

    def revoked(self, audience: str | None = None) -> str:
        """A macaroon of a fresh user whose salt was changed."""
        user = self.new_user(*([audience] if audience else []))
        token = self.mint(user, audience)
        with closing(self.home.open_store()) as store:
            store.revoke_all(user, now())
        return encode_text(token)


def bearer(token: str) -> dict[str, str]:
    """The header that presents a token."""
    return {"Authorization": f"Bearer {token}"}


def service_key(service: Serving) -> PublicKey:
    """The key that tickets for a service are sealed with, as it publishes it."""
    published = service.client.get("/.well-known/capsvc").json()["tickets"]
    return PublicKey.read(published["key"], published["public_key"])


def narrow(token: str, *predicates: str) -> str:
    """Append predicates to a token, as its holder can."""
    return encode_text(decode(token).attenuate(*predicates, vocabulary=BUILTIN))


def append(token: str, *identifiers: bytes) -> str:
    """Append caveats to a token as they are."""
    return encode_text(decode(token).append(*identifiers))


@contextmanager
def serving(home: Home, *arguments: str, **settings: str) -> Iterator[Serving]:
    """Run ``capsvc serve`` on a home until the end of the block, and hold it to a clean end."""
    home.address_file.unlink(missing_ok=True)
    log = home.path.parent / f"{home.path.name}-{next(_numbers)}.log"
    with log.open("wb") as stderr, Path(os.devnull).open("r+b") as nothing:
        streams = nothing.fileno(), stderr.fileno(), stderr.fileno()
        arguments = ("serve", "--port", "0", *arguments)
        process = Fork(arguments, environment(home.path, settings), Path.cwd(), streams)
    try:
        url = _address(home, process, log)
        with httpx2.Client(base_url=url, timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            _wait_until_ready(client)
            yield Serving(process, url, home, log, client)
        assert end(process) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(_PATIENCE_SECONDS)


_LOCK = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
store.execute("PRAGMA user_version = 1")  # what nobody has committed to, memory may answer
store.execute("BEGIN " + sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
store.execute("ROLLBACK")
"""


@contextmanager
def locked(home: Home, how: str) -> Iterator[None]:
    """Let another process hold the database until the end of the block.

    ``IMMEDIATE`` keeps writers out, ``EXCLUSIVE`` readers too.
    """
    command = [sys.executable, "-c", _LOCK, str(home.path / "capsvc.db"), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.communicate()
    assert holder.returncode == 0


def demand_life(serving: Serving, seconds: float) -> None:
    """Ask for /livez for so long, in small steps: where the event loop is blocked, whoever blocks it is done first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert serving.client.get("/livez").status_code == 200
        time.sleep(0.02)


def end(process: Fork) -> int:
    """End a service as a supervisor does; return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(_PATIENCE_SECONDS)


def begin_end(serving: Serving) -> None:
    """Ask a service to end, and wait until it takes no new connections: by then it only finishes what it began."""
    serving.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with suppress(ConnectionRefusedError):
        while True:
            assert time.monotonic() < deadline, "it goes on"
            socket.create_connection(("127.0.0.1", serving.port), timeout=_PATIENCE_SECONDS).close()
            time.sleep(0.02)


def _address(home: Home, process: Fork, log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if home.address_file.exists() and (text := home.address_file.read_text()).endswith("\n"):
            return text.strip()
        time.sleep(0.02)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")


def _wait_until_ready(client: httpx2.Client) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError("the service did not get ready")


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def raw(serving: Serving, *lines: str | bytes, body: bytes = b"") -> RawAnswer:
    """Send exactly these header lines over a fresh connection; read the answer to its end."""
    head = b"".join((line.encode("latin-1") if isinstance(line, str) else line) + b"\r\n" for line in lines)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(head + b"Connection: close\r\n\r\n" + body)
        answer = bytearray()
        while chunk := connection.recv(65536):
            answer += chunk
    top, _, rest = bytes(answer).partition(b"\r\n\r\n")
    first, *others = top.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in others)
    return RawAnswer(int(first.split(" ")[1]), headers, rest)
