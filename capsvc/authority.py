"""Authority: mints, renews and revokes. What it writes into a macaroon, only it can write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import TypeVar

from capsvc.acts import API, Act, Presented
from capsvc.counters import ACCEPTED, REFUSED
from capsvc.errors import CredentialsRefused, IdTokenUsed, Refused, Replayed
from capsvc.keyring import KeyRing
from capsvc.node import Node
from capsvc.passwords import HashingSlots, Passwords
from capsvc.rates import Rates
from capsvc.sealing import is_bound_root, seal
from capsvc.settings import Settings
from capsvc.stores import DEFAULT_SALT_NAME, Assertion, IssuedSalt, Store
from caveats import Authority as Written
from caveats import (
    Capability,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    Mint,
    Revoked,
    chain,
    check_salt_name,
    decode,
    time_text,
)
from caveats.encoding import encode_base64
from caveats.proven import NONCE_PREFIX

T = TypeVar("T")

_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True, repr=False)
class Minted:
    """A root macaroon as text of format 2, and what is written in it."""

    token: str
    written: Written

    def act(
        self,
        act: str,
        via: str = API,
        *,
        narrowed: list[str] | None = None,
        presented: Presented | None = None,
        subject: str | None = None,
    ) -> Act:
        """Describe how it came to be, without its salt."""
        written = self.written
        return Act(
            act=act, who=written.user, via=via, audience=written.key_name.audience, name=written.salt_name,
            nonce=written.nonce, narrowed=narrowed or None, begins=written.not_before, ends=written.not_after,
            presented=presented, subject=subject,
        )  # fmt: skip

    @property
    def macaroon(self) -> Macaroon:
        """The macaroon that the text is of."""
        return decode(self.token)


class Authority:
    """Puts authority into macaroons, and takes it back."""

    def __init__(
        self,
        node: Node[KeyRing],
        store: Store,
        passwords: Passwords,
        slots: HashingSlots,
        location: str,
        rates: Rates | None = None,
    ) -> None:
        self._node = node
        self._store = store
        self._passwords = passwords
        self._slots = slots
        self._location = location
        self._settings: Settings = node.settings
        self._rates = rates or Rates(node.settings)

    async def log_in(
        self,
        user: str,
        password: str,
        audience: str | None,
        salt_name: str = DEFAULT_SALT_NAME,
        lifetime: int = 0,
        *,
        address: str | None = None,
        then: Callable[[Minted], T],
    ) -> T:
        """Check a password, mint a root macaroon, and return what ``then`` makes of it.

        All on the slot's thread, for each change of threads costs the event loop, and who waits for it, as much as
        a verification. ``lifetime`` is in seconds, 0 for the usual one; ``address`` is where the password comes from,
        all that say none counting as one. Raises CredentialsRefused; Refused for an audience that the user may
        not have, a holder's salt name, or a lifetime that is too long; ValueError for a salt's name that
        is none; TooMany before, and TooBusy instead of, the slow hash.
        """
        check_salt_name(salt_name)
        span = self._span(lifetime)
        logins = self._node.counters.logins
        with self._rates.password_try(user, address):
            try:
                made = await self._slots.run(lambda: then(self._log_in(user, password, audience, salt_name, span)))
            except CredentialsRefused:
                logins[REFUSED] += 1
                raise
        logins[ACCEPTED] += 1
        return made

    def admit(self, assertion: Assertion, audience: str | None, salt_name: str, lifetime: int) -> Minted:
        """Use a proven ID token up and mint a root macaroon for its user.

        ``lifetime`` is in seconds. Raises IdTokenUsed; Refused for a disabled user, for an audience that was taken from
        her, and as :meth:`log_in` does.
        """
        span, now = self._span(lifetime), self._node.now()
        try:
            user = self._store.redeem(assertion, now)
        except Replayed as used:
            raise IdTokenUsed(f"{used}: get another from the provider") from None
        try:
            issued = self._store.issue_salt(user, salt_name, None, now)
        except CredentialsRefused:
            raise Refused(f"{user} is disabled here: ask an administrator") from None
        return self._mint(user, audience, salt_name, issued, now, span)

    def _log_in(self, user: str, password: str, audience: str | None, salt_name: str, span: timedelta) -> Minted:
        issued, now = self._issue(user, password, salt_name)
        return self._mint(user, audience, salt_name, issued, now, span)

    def _mint(
        self, user: str, audience: str | None, salt_name: str, issued: IssuedSalt, now: str, span: timedelta
    ) -> Minted:
        if audience is not None and audience not in issued.audiences:
            raise Refused(f"{user} may not have macaroons for the audience {audience}")
        begins = max(time_text(_moment(now) - self._settings.skew), self._store.read("", ()).salts.panic)
        return self._write(user, audience, salt_name, issued.salt, begins, time_text(_moment(now) + span))

    def _issue(self, user: str, password: str, salt_name: str) -> tuple[IssuedSalt, str]:
        """Verify a password, then read the salt in one look that says the password is still the same.

        Returns the salt, and an instant at which it had not been replaced yet: counted from a later one, a
        macaroon could outlive what others remember of a change that came between.
        """
        hash = self._verified_hash(user, password)
        now = self._node.now()
        try:
            issued = self._store.issue_salt(user, salt_name, hash, now)
        except CredentialsRefused:  # another hash by now: of the same password, strengthened, or of another
            hash = self._verified_hash(user, password)
            now = self._node.now()
            issued = self._store.issue_salt(user, salt_name, hash, now)
        if self._passwords.is_outdated(hash):
            self._store.replace_hash(user, hash, self._passwords.strengthen(password))
        return issued, now

    def _verified_hash(self, user: str, password: str) -> str:
        hash = self._store.password(user)
        self._passwords.verify(hash, password)
        if hash is None:
            raise CredentialsRefused("user and password do not belong together")
        return hash

    def renew(self, capability: Capability, lifetime: int = 0) -> Minted:
        """Mint a macaroon that says what a live root says, with a fresh nonce and a later expiry.

        Raises Refused for a macaroon to which anything was appended but a binding to this request (it
        would outlive what it was cut from) and past the longest age of a login; Revoked when the salt has
        changed meanwhile. What is renewed for a bound copy goes out sealed alone: :meth:`seal_for`.
        """
        if capability.narrowings and not is_bound_root(capability):
            raise Refused("a narrowed macaroon is not renewed: renew the one that it was cut from")
        name, salt = capability.authority.salt_name, capability.authority.salt
        now = _moment(self._node.now())
        issued = self._issued_still(capability, name)
        nonce = NONCE_PREFIX + capability.nonce
        column = self._store.read(capability.user, (name, nonce)).salts
        if column.rows.get(name) != salt or nonce in column.rows or capability.not_before < column.panic:
            raise Revoked()
        if capability.audience is not None and capability.audience not in issued.audiences:
            raise Revoked()
        oldest = _moment(capability.not_before) + self._settings.skew + timedelta(seconds=self._settings.max_login_age)
        ends = min(now + self._span(lifetime), oldest)
        if ends <= now:
            raise Refused("this login has reached its longest age: log in again")
        return self._write(capability.user, capability.audience, name, salt, capability.not_before, time_text(ends))

    def seal_for(self, capability: Capability, answer: bytes) -> bytes:
        """Seal an answer to a bound copy so that only who holds the root that it was cut from opens it."""
        root_key = self._node.ring().root_key(capability.key_name)
        if root_key is None:
            raise InvalidMacaroon()
        first = chain.start(chain.derive_key(root_key), str(capability.key_name).encode("ascii"))
        (request,) = (each for each in capability.holders[-1:] if each is not None)
        return seal(chain.sign(first, capability.minted), request, answer)

    def _issued_still(self, capability: Capability, name: str) -> IssuedSalt:
        try:
            return self._store.issue_salt(capability.user, name, None, self._node.now())
        except CredentialsRefused:
            raise Revoked() from None

    def panic(self, before: str) -> int:
        """Refuse every macaroon whose window began before an instant; return the revision.

        Raises Refused for an instant in the future, ValueError for text that is none.
        """
        if time_text(before) > self._node.now():
            raise Refused("the instant lies in the future: choose now or earlier")
        return self._store.panic(before)

    async def change_password(self, user: str, current: str, new: str, *, address: str | None = None) -> int:
        """Change a password and all of the user's salts; return the revision.

        ``address`` is where the current password comes from. Raises CredentialsRefused, TooMany, TooBusy.
        """
        with self._rates.password_try(user, address):
            return await self._slots.run(self._change_password, user, current, new)

    def _change_password(self, user: str, current: str, new: str) -> int:
        known = self._verified_hash(user, current)
        return self._store.set_password(user, self._passwords.hash(new), self._node.now(), known)

    def _span(self, lifetime: int) -> timedelta:
        if not 0 <= lifetime <= self._settings.max_lifetime:
            raise Refused(f"a lifetime is 1 to {self._settings.max_lifetime} seconds")
        return timedelta(seconds=lifetime or self._settings.lifetime)

    def _write(self, user: str, audience: str | None, salt_name: str, salt: bytes, begins: str, ends: str) -> Minted:
        ring = self._node.ring()
        key_name = KeyName(ring.signing().key_id, audience)
        root_key = ring.root_key(key_name)
        assert root_key is not None  # noqa: S101 - the key that signs is in the ring
        nonce = encode_base64(token_bytes(_NONCE_BYTES))
        written = Written(key_name, nonce, user, salt_name, salt, begins, ends)
        return Minted(Mint(key_name, root_key, self._location).mint(written), written)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
