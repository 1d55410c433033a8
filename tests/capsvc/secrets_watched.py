"""A watch over one run of a service: every secret that is used in it, and everything that anybody gets to read."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from click.testing import Result

from capsvc.keyring import KeyRing
from capsvc.ticket_keys import PUBLIC, SHARED
from caveats import KeyName, Macaroon, MacaroonError, chain, decode
from caveats.encoding import encode_base64
from tests.capsvc.http.serving import ADMIN, VERIFY, Serving

SECRET_MEMBERS = {"token", "password", "current", "new", "again", "macaroon", "discharge", "sealed", "form_token"}
GIVEN_MEMBERS = ("macaroon", "discharge", "sealed")
"""What an answer is there to give: left out of what is searched, and searched for everywhere else."""

_GIVEN_IN_PAGES = re.compile(r'(?<=name="form_token" value=")[^"]+|(?<=<textarea id="token")[^<]+')
_SHORTEST, _CHUNK = 12, 32


@dataclass
class Watch:
    """Secrets by what they are, and texts by where they were read."""

    secrets: dict[str, str] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def read(self, where: str, text: str) -> None:
        """Keep a text that somebody gets to read."""
        self.texts.append((where, text))

    def hide(self, what: str, secret: str | bytes) -> None:
        """Keep a secret; of bytes every way in which they get into a text."""
        if isinstance(secret, str):
            spelled = [secret]
        else:
            spelled = [secret.hex(), encode_base64(secret), b64encode(secret).decode(), repr(secret)[2:-1]]
            spelled += [secret.decode("latin-1"), str(list(secret))]
        for each in spelled:
            if len(each) >= _SHORTEST:
                self.secrets.setdefault(each, what)

    def hide_token(self, what: str, text: str) -> None:
        """Keep a token: whole, in pieces from its location on, its signature and the salts in it."""
        try:
            macaroon = decode(text)
        except MacaroonError:
            self.hide(what, text)
            return
        location = len(macaroon.unverified_location) + 8
        for start in range(location * 4 // 3, len(text) - _CHUNK + 1, _CHUNK):
            self.hide(f"a piece of {what}", text[start : start + _CHUNK])
        self.hide(what, text)
        self.hide(f"the end of {what}", text[-40:])
        self.hide_macaroon(what, macaroon)

    def hide_macaroon(self, what: str, macaroon: Macaroon) -> None:
        """Keep the signature of a macaroon, and its salts."""
        self.hide(f"the signature of {what}", macaroon.signature)
        for caveat in macaroon.unverified_caveats:
            self.hide("what a third-party caveat seals", caveat.verification_id)
            if caveat.identifier.startswith(b"salt = "):
                self.hide(f"a salt of {what}", caveat.identifier.decode().rpartition("/")[2])

    def hide_home(self, service: Serving) -> None:
        """Keep the shares, secrets and derived keys of a home, and the hashes of passwords."""
        with closing(service.home.open_store()) as store:
            ring = KeyRing.load(store, service.home.shares)
            for stored in store.keys()[1]:
                self.hide(f"the stored share of {stored.key_id}", stored.share)
            for user in store.users(limit=1000):
                hash = store.password(user.name)
                if hash is not None:
                    self.hide(f"the hash of {user.name}", hash.rpartition("$")[2])
                for name, salt in store.read(user.name, ()).salts.rows.items():
                    self.hide(f"the salt {name} of {user.name}", salt or b"")
        for key_id, share in service.home.shares.read().items():
            self.hide(f"the file share of {key_id}", share)
        for key_id, key in ring.keys.items():
            self.hide(f"the secret of {key_id}", key.secret)
            self.hide(f"the console key of {key_id}", ring.console_key(key_id) or b"")
            for kind in (SHARED, PUBLIC):
                ticket_key = ring.ticket_key(kind, key_id)
                assert ticket_key is not None
                self.hide(f"a ticket key of {key_id}", ticket_key.secret)
            for audience in (None, ADMIN, VERIFY, "billing"):
                root_key = ring.root_key(KeyName(key_id, audience)) or b""
                self.hide(f"the root key of {key_id} for {audience}", root_key)
                self.hide(f"what is derived of the root key of {key_id} for {audience}", chain.derive_key(root_key))

    def answer(self, answer: Any) -> None:
        """Keep what stands in an answer, and the secrets in it and in its request; for an event hook of a client."""
        answer.read()
        where = f"{answer.request.method} {answer.request.url.path}: {answer.status_code}"
        self._sent(where, answer.request)
        headers = dict(answer.headers)
        for cookie in answer.headers.get_list("set-cookie"):
            value = cookie.partition(";")[0].partition("=")[2]
            self._cookie(where, value)
        if answer.status_code in (200, 303):
            headers.pop("set-cookie", None)
        text = answer.text
        if answer.headers.get("content-type") == "application/json" and answer.status_code in (200, 201):
            told = answer.json()
            for name in GIVEN_MEMBERS:
                if isinstance(told, dict) and name in told:
                    self.hide_token(f"the {name} of {where}", told.pop(name))
            text = json.dumps(told, ensure_ascii=False)
        elif answer.status_code == 200 or "<form" in text:
            for given in _GIVEN_IN_PAGES.findall(text):
                self.hide_token(f"what the page of {where} gives", given.rpartition(">")[2])
            text = _GIVEN_IN_PAGES.sub("", text)
        self.read(where, f"{answer.request.url}\n{headers}\n{text}")

    def command(self, name: str, done: Result, gives: bool = False) -> str:
        """Keep what a command prints, and return it; where it is there to print a token, that is a secret."""
        where, printed = f"capsvc {name}", done.stdout.strip()
        if gives:
            assert done.exit_code == 0, done.exception
            self.hide_token(f"what `{where}` prints", printed)
        self.read(where, f"{'' if gives else printed}\n{done.stderr}\n{done.exception}")
        return printed

    def found(self) -> list[str]:
        """Name every secret that was read, and where; each place once."""
        return sorted(
            {f"{what} in {where}" for where, text in self.texts for each, what in self.secrets.items() if each in text}
        )

    def _sent(self, where: str, request: Any) -> None:
        for token in re.split("[ ,]", request.headers.get("authorization", ""))[1:]:
            self.hide_token(f"the token sent to {where}", token)
        for each in request.headers.get("cookie", "").split("; "):
            self._cookie(where, each.partition("=")[2])
        raw = request.content.decode("utf-8", "replace")
        try:
            members = json.loads(raw)
        except ValueError:
            members = dict(parse_qsl(raw))
        for name, value in members.items() if isinstance(members, dict) else ():
            if name in SECRET_MEMBERS and isinstance(value, str):
                self.hide_token(f"the {name} sent to {where}", value)

    def _cookie(self, where: str, value: str) -> None:
        self.hide(f"a cookie of {where}", value)
        for part in value.split(".")[1:]:
            self.hide_token(f"a part of a cookie of {where}", part)
