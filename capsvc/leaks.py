"""Leaks: a token that somebody found is taken back, by the narrowest name in it, and nothing else with it.

Whoever finds a token can append to it before she reports it, so that what stands last in it may be hers. A report
therefore changes nothing that the service issued, and nothing at all where the token is of no use any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from capsvc.keyring import KeyRing
from capsvc.names import CONSOLE_SALT_NAME
from capsvc.node import Node
from capsvc.stores import DEFAULT_SALT_NAME, HOLDER_NAMES, Store
from caveats import (
    Authority,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    MacaroonError,
    Predicate,
    PredicateError,
    Prefix,
    Proof,
    chain,
)
from caveats.authority import AUTHORITY_CAVEATS
from caveats.proven import NONCE_PREFIX
from caveats.wire import decode_text

REPORTED_NAMES = HOLDER_NAMES * 9 // 10
"""Where a user has so many revoked names and nonces, reports add none: to add the last ones, which may change her
issued salts, is left to herself."""

_NEVER = (DEFAULT_SALT_NAME, CONSOLE_SALT_NAME)
"""Names that she logs in with, if only later: a name that was revoked as a holder's can never be."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a report took back of a user: a holder's name, or where that is None the nonce; durable with a revision."""

    user: str
    name: str | None
    nonce: str
    revision: int


class Leaks:
    """Takes back what is reported."""

    def __init__(self, node: Node[KeyRing], store: Store) -> None:
        self._node = node
        self._store = store

    def take_back(self, token: str) -> TakenBack | None:
        """Take a token back if it is alive; None where it is not, or was never one of this service.

        None too for an audience whose keys are exported: whoever has them can write any token for it.

        The chain is proven for whatever audience it names, without discharges: who has found a token may
        get them too. What it asks of a request is not evaluated. One that is bound to a single request, or
        expired, is left alone: it is of no use, and stands in many a log. Raises StoreUnavailable.
        """
        try:
            macaroon = decode_text(token, self._node.settings.limits)
            authority = self._prove(macaroon)
        except MacaroonError:
            return None
        holders = self._holders(macaroon)
        now = self._node.now()
        ends = (authority.not_after, *(str(each.operand) for each in holders if _is(each, "time", "<")))
        if min(ends) <= now or any(_is(each, "request", "=") for each in holders):
            return None
        salts = [each.operand for each in holders if _is(each, "salt", "=")]
        return self._revoke(authority, salts, now) if self._is_live(authority, salts) else None

    def _prove(self, macaroon: Macaroon) -> Authority:
        key_name = KeyName.unverified(macaroon.unverified_identifier)
        if key_name.audience in self._node.settings.exported_audiences:
            raise InvalidMacaroon()
        root_key = self._node.ring().root_key(key_name)
        if root_key is None or len(macaroon.unverified_caveats) > self._node.settings.limits.caveats:
            raise InvalidMacaroon()
        whole, _ = Prefix.of(chain.derive_key(root_key), macaroon.unverified_identifier).extend(
            macaroon.unverified_caveats
        )
        chain.demand_equal(whole.signature, macaroon.signature)
        return Authority.of(Proof(whole.identifier, whole.caveats))

    def _holders(self, proven: Macaroon) -> list[Predicate]:
        """Read what was appended. What is not understood here may be at another verifier."""
        found = []
        for caveat in proven.unverified_caveats[AUTHORITY_CAVEATS:]:
            if not caveat.verification_id:
                try:
                    found.append(self._node.vocabulary.parse(caveat.identifier))
                except PredicateError:
                    continue
        return found

    def _is_live(self, authority: Authority, salts: list[tuple[str, bytes]]) -> bool:
        """Tell what a verifier would: whether all salts agree with the column and with each other."""
        nonce_name = NONCE_PREFIX + authority.nonce
        column = self._store.read(authority.user, (authority.salt_name, *(name for name, _ in salts), nonce_name)).salts
        if column.rows.get(authority.salt_name) != authority.salt or nonce_name in column.rows:
            return False
        held = {authority.salt_name: authority.salt}
        return authority.not_before >= column.panic and all(
            held.setdefault(name, salt) == salt and column.rows.get(name, salt) == salt for name, salt in salts
        )

    def _revoke(self, authority: Authority, salts: list[tuple[str, bytes]], now: str) -> TakenBack | None:
        user, nonce = authority.user, authority.nonce
        known = self._store.salt_names(user)
        if sum(each.kind != "issued" for each in known) >= REPORTED_NAMES:
            return None
        # A login that makes a name an issued one between this look and the next line loses it, and logs in again.
        hers = {authority.salt_name, *_NEVER, *(each.name for each in known if each.kind == "issued")}
        name = next((name for name, _ in reversed(salts) if name not in hers), None)
        revision = (
            self._store.revoke_nonce(user, nonce, now) if name is None else self._store.revoke_name(user, name, now)
        )
        return TakenBack(user, name, nonce, revision)


def _is(predicate: Predicate, attribute: str, operator: str) -> bool:
    return (predicate.attribute, predicate.operator) == (attribute, operator)
