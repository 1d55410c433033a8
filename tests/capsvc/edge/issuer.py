"""An issuer as a resource server sees it: a key ring, what was changed, and pages of it that it signs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from secrets import token_bytes
from types import MappingProxyType

from capsvc.changes import Digests, Page, Row
from capsvc.exported import ExportedKeys
from capsvc.keyring import RETIRED, SIGNING, VERIFYING, KeyRing, RingKey
from caveats import Authority, KeyName, encode, time_text
from caveats.encoding import encode_base64
from caveats.proven import NONCE_PREFIX

DAY = 24 * 3600
LONGEST = 30 * DAY + 30
AUDIENCE = "billing"
URL = "https://caps.example"


class Issuer:
    """Mints for one audience, takes back, and tells in pages what changed. ``clock`` is its own."""

    def __init__(self, clock: Callable[[], float] = time.time, audience: str = AUDIENCE) -> None:
        self.clock = clock
        self.audience = audience
        self.changes: list[tuple[int, str, str, bytes | None, int]] = []
        self.revision = 0
        self.longest = LONGEST
        self.panic = ""
        self.most = 1000
        self.signs = ""
        """The key that signs pages; the one that signs macaroons where this is empty."""
        self.count = 0
        self._secrets: dict[str, tuple[str, bytes]] = {}
        self._salts: dict[tuple[str, str], bytes] = {}
        self._nonces = count(1)
        self.changed = threading.Condition()
        self.add_key()

    # The ring

    def add_key(self) -> str:
        """Add a key, and let it sign."""
        key_id = f"k{len(self._secrets) + 1}"
        self._secrets = {each: (VERIFYING, secret) for each, (_, secret) in self._secrets.items()}
        self._secrets[key_id] = SIGNING, token_bytes(32)
        self.count += 1
        return key_id

    def retire(self, key_id: str) -> None:
        self._secrets[key_id] = RETIRED, self._secrets[key_id][1]
        self.count += 1

    @property
    def ring(self) -> KeyRing:
        keys = {name: RingKey(name, state, secret) for name, (state, secret) in self._secrets.items()}
        return KeyRing(self.count, MappingProxyType({name: key for name, key in keys.items() if key.state != RETIRED}))

    def exported(self) -> ExportedKeys:
        return ExportedKeys(URL, self.audience, self.longest, self.ring.exported(self.audience))

    # Users

    def log_in(self, user: str = "alice", audience: str | None = "", lifetime: int = DAY) -> str:
        """Mint a root macaroon, beginning with the name ``default`` where the user is new."""
        if (user, "default") not in self._salts:
            self._change(user, "default", token_bytes(16))
        now = int(self.clock())
        key_name = KeyName(self.ring.signing().key_id, self.audience if audience == "" else audience)
        nonce = encode_base64(next(self._nonces).to_bytes(16, "big"))
        window = time_text(now - 30), time_text(now + lifetime)
        root_key = self.ring.root_key(key_name)
        assert root_key is not None
        return encode(
            Authority(key_name, nonce, user, "default", self._salts[user, "default"], *window).mint(root_key, URL)
        )

    def revoke(self, user: str = "alice") -> int:
        """Take back whatever was minted for a user."""
        return self._change(user, "default", token_bytes(16))

    def revoke_holders(self, user: str, name: str) -> int:
        return self._change(user, name, None)

    def revoke_nonce(self, user: str, nonce: str) -> int:
        return self._change(user, NONCE_PREFIX + nonce, None)

    def revoke_many(self, users: list[str]) -> int:
        """Take back what was minted for several users, in one revision."""
        with self.changed:
            self.revision += 1
            for user in users:
                self._salts[user, "default"] = token_bytes(16)
                row = self.revision, user, "default", self._salts[user, "default"], int(self.clock() // 3600)
                self.changes.append(row)
            self.changed.notify_all()
        return self.revision

    def raise_panic(self) -> int:
        with self.changed:
            self.panic = time_text(int(self.clock()))
            self.revision += 1
            self.changed.notify_all()
        return self.revision

    def _change(self, user: str, name: str, salt: bytes | None) -> int:
        with self.changed:
            if salt is not None:
                self._salts[user, name] = salt
            self.revision += 1
            self.changes.append((self.revision, user, name, salt, int(self.clock() // 3600)))
            self.changed.notify_all()
        return self.revision

    # Pages

    def page(self, since: int, skip: int = 0, key_id: str | None = None) -> Page:
        """Tell what changed after a revision, at most so many rows, cut where a revision ends if that can be."""
        key_id = key_id or self.signs or self.ring.signing().key_id
        found = [each for each in self.changes if each[0] > since][skip:]
        to = self.revision
        if len(found) > self.most:
            last = found[self.most][0]
            whole = [each for each in found[: self.most] if each[0] < last]
            found, to = (whole, whole[-1][0]) if whole else (found[: self.most], since)
        return Page(
            key_id=key_id, issuer=URL, audience=self.audience, since=since, to=to, head=self.revision,
            stamp=int(self.clock() * 1000), begins=int(self.clock()) - self.longest - DAY, longest=self.longest,
            panic=self.panic, ring=self.count, keys=tuple(self.ring.keys),
            rows=tuple(self._row(key_id, *each[1:]) for each in found), skip=skip,
        )  # fmt: skip

    def _row(self, key_id: str, user: str, name: str, salt: bytes | None, hour: int) -> Row:
        feed = KeyRing(0, {key_id: RingKey(key_id, "", self._secrets[key_id][1])}).feed_keys(key_id, self.audience)
        assert feed is not None
        digests = Digests(feed[1])
        return Row(digests.name(user, name), None if salt is None else digests.salt(user, name, salt), hour)

    def sign(self, page: Page) -> str:
        """Sign a page, with a key that may be retired too."""
        secret = self._secrets[page.key_id][1]
        feed = KeyRing(0, {page.key_id: RingKey(page.key_id, "", secret)}).feed_keys(page.key_id, self.audience)
        assert feed is not None
        return page.sign(feed[0])

    def tell(self, since: int, skip: int = 0, wait: float = 0) -> str:
        """Answer as ``GET /v1/changes`` does: what changed, or once something did, or once the wait is over."""
        with self.changed:
            self.changed.wait_for(lambda: self.revision > since, 0 if skip else wait)
            return self.sign(self.page(since, skip))
