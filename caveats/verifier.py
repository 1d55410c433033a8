"""Verification: bytes, macaroon, proven chain, predicates, capability; in this order, one way only.

The answer is a :class:`Capability` or a raised error, never a boolean. Nothing here reads a clock, a
file or a socket (law 7): the request carries the time, and keys and salts come in from the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from caveats import chain
from caveats.attribute import time_text
from caveats.authority import AUTHORITY_CAVEATS, Authority, KeyName
from caveats.capability import Capability
from caveats.chain import demand_equal
from caveats.encoding import decode_base64
from caveats.errors import InvalidMacaroon
from caveats.interchange import AnyMacaroon, decode
from caveats.memo import Memo, ProvenRoot, Start
from caveats.proof import prove
from caveats.proven import Proven, SaltLookup
from caveats.request import Request
from caveats.root import Root, read_authority, sign, split_appended, split_root
from caveats.wire import DEFAULT_LIMITS, Limits

KeyLookup = Callable[[KeyName], bytes | None]
"""Finds the root key of a name, or None when there is none or it is retired."""

_FAR = timedelta(days=366)
_STARTS, _HORIZONS = 64, 16
_ONCE = b"request = "
"""How the last caveat of a copy begins that is bound to one request: it will not be seen again."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies macaroons for one audience, or for none, and refuses every other.

    ``keys`` finds root keys; ``longest`` is the largest lifetime that the service ever minted, clock
    skew included: an expiry further away is refused. ``remembered`` bounds the memory of proven chains, 0
    for none; it never changes a verdict.
    """

    keys: KeyLookup = field(repr=False)
    audience: str | None = None
    longest: timedelta = _FAR
    limits: Limits = DEFAULT_LIMITS
    remembered: int = 1024
    _tokens: Memo[str, Proven] = field(init=False, repr=False, compare=False)
    _roots: Memo[bytes, ProvenRoot] = field(init=False, repr=False, compare=False)
    _horizons: Memo[str, str] = field(init=False, repr=False, compare=False)
    _starts: Memo[bytes, Start] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tokens", Memo(self.remembered))
        object.__setattr__(self, "_roots", Memo(self.remembered))
        object.__setattr__(self, "_horizons", Memo(_HORIZONS))
        object.__setattr__(self, "_starts", Memo(min(self.remembered, _STARTS)))

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
        if not now:
            raise ValueError("a request to verify says the time, and not user, audience, salt or nonce")
        proven = None if discharges or type(token) is not str else self._tokens.get(token)
        if (
            proven is None
            or proven.root_key != self.keys(proven.key_name)
            or proven.vocabulary is not request.vocabulary
            or now < proven.proven_at
        ):
            proven = self._prove(token, discharges, request)
        return proven.demand(request, salts)

    def _prove(self, token: AnyMacaroon, discharges: Collection[AnyMacaroon], request: Request) -> Proven:
        """Prove the whole chain and read it: by one pattern what services mint, generally all else."""
        if type(token) is str and not discharges and len(token) <= self.limits.characters and token[:2] == "Ag":
            raw = decode_base64(token)
            root = split_root(raw)
            appended = None if root is None else split_appended(raw, root[0])
            if (
                root is not None
                and appended is not None
                and len(appended[0]) <= self.limits.caveats - AUTHORITY_CAVEATS
            ):
                authority, root_key = self._prove_split(root, *appended)
                self._demand_plausible(authority, request.now)
                identifiers = appended[0]
                proven = Proven.of(authority, identifiers, request.vocabulary, root_key, request.now)
                if not identifiers or not identifiers[-1].startswith(_ONCE):
                    self._tokens.remember(token, proven)
                return proven
        macaroon = decode(token, self.limits)
        key_name = KeyName.unverified(macaroon.unverified_identifier)
        root_key = self._root_key(key_name)
        proof = prove(macaroon, root_key, discharges, self.limits)
        authority = Authority.of(proof)
        self._demand_plausible(authority, request.now)
        return Proven.of_proof(authority, proof, request.vocabulary, root_key, request.now)

    def _prove_split(self, root: Root, appended: list[bytes], signature: bytes) -> tuple[Authority, bytes]:
        """Prove a chain of first-party caveats, from its root if that was proven before."""
        _, identifier, caveats = root
        key_name, root_key, first = self._starts.get(identifier) or self._start(identifier)
        if self.keys(key_name) != root_key:
            key_name, root_key, first = self._start(identifier)
        known = self._roots.get(caveats[0])  # by its nonce: shorter to look for than all of its bytes
        if known is not None and known[:3] == (root_key, identifier, caveats):
            demand_equal(sign(known[3], appended), signature)
            return known[4], root_key
        computed = sign(first, caveats)
        demand_equal(sign(computed, appended) if appended else computed, signature)
        authority = read_authority(key_name, caveats)
        self._roots.remember(caveats[0], (root_key, identifier, caveats, computed, authority))
        return authority, root_key

    def _start(self, identifier: bytes) -> Start:
        """The signature before the first caveat: the same for all macaroons of a key and audience."""
        key_name = KeyName.unverified(identifier)
        root_key = self._root_key(key_name)
        start = Start(key_name, root_key, chain.start(chain.derive_key(root_key), identifier))
        self._starts.remember(identifier, start)
        return start

    def _demand_plausible(self, authority: Authority, now: str) -> None:
        """Raise InvalidMacaroon for an expiry later than any that the service can have minted by now."""
        if authority.not_after > (self._horizons.get(now) or self._horizon(now)):
            raise InvalidMacaroon()

    def _horizon(self, now: str) -> str:
        """The latest expiry that a service can have minted by now; computed once a second."""
        try:
            latest = time_text(datetime.fromisoformat(now) + self.longest)
        except OverflowError:
            latest = "9999-12-31T23:59:59Z"
        self._horizons.remember(now, latest)
        return latest

    def _root_key(self, key_name: KeyName) -> bytes:
        root_key = self.keys(key_name) if key_name.audience == self.audience else None
        if root_key is None:
            raise InvalidMacaroon()
        return root_key
