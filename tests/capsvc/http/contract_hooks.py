"""What schemathesis asks of the tests: for each request, a capability that opens its operation.

``make contract`` and tests/capsvc/http/test_contract_fuzzed.py name this file in SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from secrets import token_bytes
from typing import Any

import schemathesis
from hypothesis import strategies as st

from capsvc.home import Home
from capsvc.keyring import KeyRing
from capsvc.names import ADMIN, VERIFY
from capsvc.stores import NewUser
from caveats import Authority, KeyName, time_text
from caveats.encoding import encode_base64
from caveats.wire import encode_text

_PREDICATES = ["method = GET", "path ^= /docs /pub", "time < 2030-01-01T00:00:00Z", "user = alice"]

for _format, _values in {
    "user-name": st.from_regex("[a-z\u00e9][a-z0-9\u00e9.@-]{0,60}", fullmatch=True),
    "text": st.from_regex("[a-z\u00e9 /%]{1,20}", fullmatch=True),
    "utc-second": st.datetimes().map(lambda at: f"{at.replace(microsecond=0).isoformat()}Z"),
    "predicate": st.sampled_from(_PREDICATES),
    "id-token": st.from_regex("[A-Za-z0-9_-]{1,20}[.][A-Za-z0-9_-]{1,20}[.][A-Za-z0-9_-]{1,20}", fullmatch=True),
    "ticket": st.sampled_from(os.environ["CONTRACT_TICKETS"].split()),
}.items():
    schemathesis.openapi.format(_format, _values)

_AUDIENCES = {"/v1/users": ADMIN, "/v1/users/{user}": ADMIN, "/v1/verify": VERIFY, "/v1/introspect": VERIFY}
_WINDOW_SECONDS = 600
_HOME, _HASH = os.environ["CONTRACT_HOME"], os.environ["CONTRACT_HASH"]


_TAKES_BACK = {"/v1/revocations", "/v1/password"}
_held: dict[str | None, str] = {}


@schemathesis.auth(refresh_interval=None)
class Capabilities:
    """Gives each request the capability of a user whom nobody else knows."""

    def get(self, case: Any, context: Any) -> str:
        """Mint what the operation asks for, for another user each time where it may take back what it gets."""
        audience = _AUDIENCES.get(case.operation.path)
        if case.operation.path in _TAKES_BACK:
            return self._mint(audience)
        if audience not in _held:
            _held[audience] = self._mint(audience)
        return _held[audience]

    def _mint(self, audience: str | None) -> str:
        now, name = time.time(), f"user-{token_bytes(8).hex()}"
        home = Home.of({"CAPSVC_HOME": _HOME})
        with closing(home.open_store()) as store:
            store.add_users([NewUser(name, _HASH, (audience,) if audience else ())], time_text(now))
            salt = store.issue_salt(name, "default", None, time_text(now)).salt
            ring = KeyRing.load(store, home.shares)
        key_name = KeyName(ring.signing().key_id, audience)
        root_key = ring.root_key(key_name)
        assert root_key is not None
        nonce = encode_base64(token_bytes(16))
        begins, ends = time_text(now - 20), time_text(now + _WINDOW_SECONDS)
        return encode_text(Authority(key_name, nonce, name, "default", salt, begins, ends).mint(root_key, ""))

    def set(self, case: Any, token: str, context: Any) -> None:
        """Present it."""
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Write whole numbers as whole numbers: JSON Schema takes 60.0 for an integer, and the service does not."""
    return _whole(body)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value
