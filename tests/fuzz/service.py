"""A service in this process for the targets that need one: a home in a temporary directory, with alice in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

from capsvc.home import Home
from capsvc.http.service import Service
from capsvc.names import ADMIN, VERIFY
from capsvc.stores import NewUser
from caveats import Authority, KeyName, time_text
from caveats.encoding import encode_base64
from caveats.wire import encode_text

NOBODYS_PASSWORD = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b2dWRWJTmaaJObG2s2dbWJWx2g"
_SETTINGS = '[vocabulary]\namount = "number"\n'


@cache
def wired() -> Service:
    """The service, made once a process. Nobody knows a password of it."""
    directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, directory, True)
    home = Home.of({"CAPSVC_HOME": str(directory / "home")})
    with_alice = home.create(time_text(time.time()))
    with_alice.add_users([NewUser("alice", NOBODYS_PASSWORD, (ADMIN, VERIFY))], time_text(time.time()))
    with_alice.close()
    (directory / "home" / "capsvc.toml").write_text(_SETTINGS, "utf-8")
    return Service.of(Home.of({"CAPSVC_HOME": str(directory / "home")}))


@cache
def token_of(audience: str | None) -> str:
    """A capability of alice's for an audience."""
    service, now = wired(), time.time()
    salt = service.store.issue_salt("alice", "default", None, time_text(now)).salt
    ring = service.node.ring()
    name = KeyName(ring.signing().key_id, audience)
    key = ring.root_key(name)
    assert key is not None
    nonce = encode_base64(b"nonce of targets")
    authority = Authority(name, nonce, "alice", "default", salt, time_text(now - 60), time_text(now + 86400))
    return encode_text(authority.mint(key, service.location))
