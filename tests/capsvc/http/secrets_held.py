"""The secrets that a running service holds, in every form in which one could slip out."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Self

from capsvc.keyring import KeyRing
from caveats import decode
from caveats.encoding import encode_base64
from tests.capsvc.http.serving import ADMIN, PASSWORD, VERIFY, Serving


@dataclass(frozen=True)
class SecretsHeld:
    """A user with her tokens for each audience, and what of hers and of the service no text may hold."""

    user: str
    tokens: dict[str | None, str]
    salts: list[str]
    secrets: dict[str, str]

    @classmethod
    def of(cls, service: Serving) -> Self:
        """Log a fresh user in and gather what is secret about her and about the home."""
        user = service.new_user(ADMIN, VERIFY)
        tokens = {audience: service.log_in(user, audience) for audience in (None, ADMIN, VERIFY)}
        salts = [decode(each).unverified_caveats[2].identifier.decode().partition("/")[2] for each in tokens.values()]
        raw = {f"signature {name}": decode(each).signature for name, each in tokens.items()}
        with closing(service.home.open_store()) as store:
            raw |= {f"stored share of {key.key_id}": key.share for key in store.keys()[1]}
            raw |= {
                f"secret of {key.key_id}": key.secret for key in KeyRing.load(store, service.home.shares).keys.values()
            }
            hash = store.password(user)
        raw |= {f"file share of {key_id}": share for key_id, share in service.home.shares.read().items()}
        assert hash is not None
        secrets = {"password": PASSWORD, "hash": hash.rpartition("$")[2]}
        secrets |= {f"token {name}": each for name, each in tokens.items()}
        secrets |= {f"salt {number}": each for number, each in enumerate(salts)}
        secrets |= {f"end of token {name}": each[-40:] for name, each in tokens.items()}
        for name, each in raw.items():
            secrets |= {f"{name} in base64": encode_base64(each), f"{name} in hex": each.hex()}
        found = cls(user, tokens, salts, secrets)
        assert found.found_in(json.dumps(secrets)) == list(secrets), "what is planted is found"
        return found

    def found_in(self, text: str) -> list[str]:
        """Name the secrets that a text holds."""
        return [name for name, secret in self.secrets.items() if secret in text]
