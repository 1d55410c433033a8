"""Verification: bytes, macaroon, proven chain, predicates, capability; in this order, one way only.

The answer is a :class:`Capability` or a raised error, never a boolean. Nothing here reads a clock, a
file or a socket (law 7): the request carries the time, and keys and salts come in from the caller.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from caveats.attribute import time_text
from caveats.authority import KeyName
from caveats.capability import Capability
from caveats.errors import CaveatUnmet, Expired, InvalidMacaroon, Revoked
from caveats.interchange import AnyMacaroon, decode
from caveats.memo import NOTHING, WHOLE, Memo, Tally
from caveats.proof import prove
from caveats.proven import AT_LEAST, BELOW, Proven, SaltLookup, not_yet, read_proof
from caveats.request import Request
from caveats.root import KeyLookup, Roots, Texts
from caveats.vocabulary import Vocabulary
from caveats.wire import DEFAULT_LIMITS, Limits

_FAR = timedelta(days=366)
_INSTANTS = 16


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies macaroons for one audience, or for none, and refuses every other.

    ``keys`` finds root keys; ``longest`` is the largest lifetime that the service ever minted, clock
    skew included: an expiry further away is refused. ``remembered`` bounds the memory of proven chains, 0
    for none; it never changes a verdict. ``proofs`` counts what of the chains that were proven was remembered.
    """

    keys: KeyLookup = field(repr=False)
    audience: str | None = None
    longest: timedelta = _FAR
    limits: Limits = DEFAULT_LIMITS
    remembered: int = 1024
    proofs: Tally = field(default_factory=lambda: [0, 0, 0], repr=False, compare=False)
    _roots: Roots = field(init=False, repr=False, compare=False)
    _texts: Texts = field(init=False, repr=False, compare=False)
    _instants: Memo[str, tuple[bytes, bytes, bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        roots = Roots(self.keys, self.audience, self.limits, self.remembered, self.proofs)
        object.__setattr__(self, "_roots", roots)
        object.__setattr__(self, "_texts", roots.texts)
        object.__setattr__(self, "_instants", Memo(_INSTANTS))

    def verify(
        self, token: AnyMacaroon, request: Request, salts: SaltLookup, discharges: Collection[AnyMacaroon] = ()
    ) -> Capability:
        """Verify a macaroon, with its bound discharges, for a request.

        The request carries the time and the facts, in the vocabulary to read predicates with; user,
        audience, salts and nonce come from authority and this verifier, and are refused in it with
        ValueError. Raises DecodeError, InvalidMacaroon or DischargeError before the chain is proven;
        after it Expired, Revoked, or CaveatUnmet with everything that is not met. Design section 5.
        """
        now = request.now
        at_least, below, latest = self._instants.get(now) or self._instant(now)
        vocabulary = request.vocabulary
        proven = None
        if type(token) is str and not discharges:
            known = self._texts.get(token)
            if known is not None and known[1] is vocabulary and self.keys(known[2]) == known[3]:
                proven = known[0]
                self.proofs[WHOLE] += 1
            else:
                proven = self._roots.prove(token, vocabulary)
        (
            _, _, _, _, begins, ends, minted_until, user, look_up, salt_name, salt, nonce_name, narrowing, capability,
        ) = proven or self._prove(token, discharges, vocabulary)  # fmt: skip
        if minted_until > latest:  # later than any expiry that a service can have minted by now
            raise InvalidMacaroon()
        if below >= ends:
            raise Expired(f"the macaroon expired at {capability.expires}")
        if at_least < begins:
            raise CaveatUnmet(not_yet(capability, at_least))
        column = salts(user, look_up)
        if column.digest is not None:
            column = column.of(((salt_name, salt), *(narrowing.salts if narrowing is not None else ())))
        rows = column.rows
        if nonce_name in rows or (rows.get(salt_name) != salt and not column.is_unchanged(salt_name, minted_until)):
            raise Revoked()
        if column.panic and capability.minted[3] < AT_LEAST + column.panic.encode():
            raise Revoked()
        if narrowing is not None:
            if narrowing.salts and narrowing.disagrees(salt_name, salt, rows):
                raise Revoked()
            unmet = narrowing.unmet(request.facts)
            if unmet:
                raise CaveatUnmet(unmet)
        return capability

    def _prove(self, token: AnyMacaroon, discharges: Collection[AnyMacaroon], vocabulary: Vocabulary) -> Proven:
        """Prove any chain, with its discharges, and read it."""
        macaroon = decode(token, self.limits)
        key_name = KeyName.unverified(macaroon.unverified_identifier)
        root_key = self.keys(key_name) if key_name.audience == self.audience else None
        if root_key is None:
            raise InvalidMacaroon()
        proven = read_proof(prove(macaroon, root_key, discharges, self.limits), vocabulary)
        self.proofs[NOTHING] += 1
        return proven

    def _instant(self, now: str) -> tuple[bytes, bytes, bytes]:
        """Now, as the bytes that caveats on time are compared with, and the latest expiry that can be minted."""
        if not now:
            raise ValueError("a request to verify says the time, and not user, audience, salt or nonce")
        try:
            latest = time_text(datetime.fromisoformat(now) + self.longest)
        except OverflowError:
            latest = "9999-12-31T23:59:59Z"
        instant = AT_LEAST + now.encode(), BELOW + now.encode(), BELOW + latest.encode()
        self._instants.remember(now, instant)
        return instant
