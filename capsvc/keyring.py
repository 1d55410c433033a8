"""The key ring: which secrets sign, which still verify, and the keys that are derived from them.

A ring secret is only ever input to HKDF, whose info names the purpose, the key and the audience, so no
two uses share a key. Each secret is the XOR of two random-looking shares: one in a file beside the
service, one in the store. Either alone says nothing about it; a check value refuses a wrong pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from secrets import token_bytes
from types import MappingProxyType
from typing import Self

from capsvc.errors import Refused, SettingsError
from capsvc.exported import ExportedKey
from capsvc.hkdf import hkdf_sha256
from capsvc.shares import ShareFile
from capsvc.stores import PENDING as PENDING
from capsvc.stores import RETIRED as RETIRED
from capsvc.stores import SIGNING as SIGNING
from capsvc.stores import VERIFYING as VERIFYING
from capsvc.stores import Column, Store, StoredKey
from capsvc.ticket_keys import PUBLIC, SHARED, OpeningKey, PrivateKey, SharedKey
from caveats import KeyName

SECRET_BYTES = 32
_DERIVED = 1024
_SIGNING_PURPOSE = "capsvc macaroon root key 1"
_CHECK_PURPOSE = "capsvc ring secret check 1"
_CONSOLE_PURPOSE = "capsvc console session 1"
_FEED_PURPOSES = "capsvc change feed signing key 1", "capsvc change feed digests 1"
_TICKET_PURPOSES = {SHARED: "capsvc discharge tickets shared key 1", PUBLIC: "capsvc discharge tickets private key 1"}


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key of the ring with its whole secret."""

    key_id: str
    state: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The ring as it stood at one count of changes. Retired keys are not in it."""

    count: int
    keys: Mapping[str, RingKey]
    _derived: dict[KeyName, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, store: Column, shares: ShareFile, *, patient: bool = True) -> Self:
        """Put the shares together.

        Raises SettingsError for a missing, wrong or unusable one, StoreBusy at once unless ``patient``.
        """
        count, stored = store.keys(patient=patient)
        halves = shares.read() if stored else {}
        keys = {}
        for key in stored:
            if key.state == RETIRED:
                continue
            half = halves.get(key.key_id)
            if half is None and key.state == PENDING:
                continue  # its share is on the way here; nothing is signed with it yet
            if half is None:
                raise SettingsError(
                    f"{shares.path} holds no share of key {key.key_id}: restore the file from its backup"
                )
            if not fits(key, half):
                raise SettingsError(
                    f"the share of key {key.key_id} in {shares.path} does not belong to this database:"
                    " restore the two from the same installation"
                )
            keys[key.key_id] = RingKey(key.key_id, key.state, _xor(half, key.share))
        return cls(count, MappingProxyType(keys))

    def signing(self) -> RingKey:
        """Return the key that signs. Raises SettingsError: without one nothing can be minted."""
        for key in self.keys.values():
            if key.state == SIGNING:
                return key
        raise SettingsError("no key signs: run `capsvc init`, or `capsvc keys add` and `capsvc keys promote`")

    def root_key(self, name: KeyName) -> bytes | None:
        """Derive the root key of a name; None for a key that is unknown or retired."""
        derived = self._derived.get(name)
        if derived is None:
            key = self.keys.get(name.key_id)
            if key is None:
                return None
            derived = hkdf_sha256(key.secret, _SIGNING_PURPOSE, key.key_id, name.audience or "")
            if len(self._derived) >= _DERIVED:  # strangers' tokens can name any audience
                self._derived.clear()
            self._derived[name] = derived
        return derived

    def ticket_key(self, kind: int, key_id: str) -> OpeningKey | None:
        """Derive the key that opens tickets of a kind; None for one that is unknown, retired or of no kind."""
        key, purpose = self.keys.get(key_id), _TICKET_PURPOSES.get(kind)
        if key is None or purpose is None:
            return None
        derived = hkdf_sha256(key.secret, purpose, key_id)
        return SharedKey(key_id, derived) if kind == SHARED else PrivateKey(key_id, derived)

    def console_key(self, key_id: str) -> bytes | None:
        """Derive the key of the console's sessions; None for one that is unknown or retired."""
        key = self.keys.get(key_id)
        return None if key is None else hkdf_sha256(key.secret, _CONSOLE_PURPOSE, key_id)

    def feed_keys(self, key_id: str, audience: str) -> tuple[bytes, bytes] | None:
        """Derive the seed that signs an audience's pages of changes, and the key of their digests.

        None for a key that is unknown or retired.
        """
        key = self.keys.get(key_id)
        if key is None:
            return None
        seed, digests = (hkdf_sha256(key.secret, purpose, key_id, audience) for purpose in _FEED_PURPOSES)
        return seed, digests

    def exported(self, audience: str) -> dict[str, ExportedKey]:
        """Derive what a resource server of an audience is given, by key id: with it nothing else can be made."""
        from nacl.signing import SigningKey

        exported = {}
        for key_id in self.keys:
            root_key, feed = self.root_key(KeyName(key_id, audience)), self.feed_keys(key_id, audience)
            if root_key is not None and feed is not None:
                exported[key_id] = ExportedKey(root_key, feed[1], bytes(SigningKey(feed[0]).verify_key))
        return exported


def add(store: Store, shares: ShareFile, now: str) -> str:
    """Add a random pending key and return its id: its file share first, so that no stored key lacks one."""
    with shares.locked():
        return _add(store, shares, now)


def rotate(store: Store, shares: ShareFile, now: str) -> str:
    """Add a key and let it sign at once; return its id. For services that read this one file of shares.

    Whoever is killed in between leaves a share, or a pending key, that signs nothing; the next rotation
    makes another, since what lay there may have been seen.
    """
    with shares.locked():
        key_id = _add(store, shares, now)
        promote(store, key_id, now)
    return key_id


def _add(store: Store, shares: ShareFile, now: str) -> str:
    _, stored = store.keys()
    halves = shares.read() if shares.path.exists() or stored else {}
    used = [int(key_id[1:]) for key_id in (*halves, *(key.key_id for key in stored))]
    key_id = f"k{max(used, default=0) + 1}"
    secret, half = token_bytes(SECRET_BYTES), token_bytes(SECRET_BYTES)
    shares.write({**halves, key_id: half})
    store.add_key(StoredKey(key_id, PENDING, _xor(secret, half), _check(secret, key_id), now))
    return key_id


def fits(key: StoredKey, half: bytes) -> bool:
    """Whether a share belongs to the store's share of a key."""
    return compare_digest(_check(_xor(half, key.share), key.key_id), key.check)


def demand_fit(stored: Sequence[StoredKey], shares: ShareFile) -> None:
    """Raise SettingsError unless the file's shares belong to a store's keys, the retired ones among them."""
    halves = shares.read()
    held = [fits(key, halves[key.key_id]) for key in stored if key.key_id in halves]
    if not held or not all(held):
        raise SettingsError(
            f"the shares in {shares.path} do not belong to this database: it is of another installation"
        )


def demand_share(store: Store, shares: ShareFile, key_id: str) -> None:
    """Raise SettingsError where a key cannot be put together here, so that it must not sign."""
    if _states(store).get(key_id) == PENDING and key_id not in KeyRing.load(store, shares).keys:
        raise SettingsError(f"{shares.path} holds no share of key {key_id}: copy the file here first")


def promote(store: Store, key_id: str, now: str) -> None:
    """Let a pending key sign; the one that signed until now verifies from then on. Raises Refused."""
    states = _states(store)
    if states.get(key_id) != PENDING:
        raise Refused(f"{key_id} is {states.get(key_id, 'not in the ring')}: only a pending key can be promoted")
    changes = {other: VERIFYING for other, state in states.items() if state == SIGNING}
    store.set_key_states({**changes, key_id: SIGNING}, now)


def retire(store: Store, key_id: str, now: str, earliest: str, leaked: bool) -> None:
    """Retire a verifying key once nothing signed by it can be alive, or at once when it leaked.

    ``earliest`` is the instant before which it must have stopped signing. Raises Refused.
    """
    states = _states(store)
    state = states.get(key_id)
    if state is None or state == RETIRED:
        raise Refused(f"{key_id} is {state or 'not in the ring'}: there is nothing to retire")
    if state == SIGNING:
        raise Refused(f"{key_id} signs: add another key, promote it, then retire this one")
    changed = next(key.changed for key in store.keys()[1] if key.key_id == key_id)
    if state == VERIFYING and changed > earliest and not leaked:
        raise Refused(
            f"{key_id} signed until {changed}, so macaroons of it may be alive; wait, or say --leaked"
            " to refuse them all at once"
        )
    store.set_key_states({key_id: RETIRED}, now)


def _states(store: Store) -> dict[str, str]:
    return {key.key_id: key.state for key in store.keys()[1]}


def _check(secret: bytes, key_id: str) -> bytes:
    return hkdf_sha256(secret, _CHECK_PURPOSE, key_id)[:16]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
