"""The proof of a chain: that the holder of the root key, and nobody else, signed it from its first step.

Nothing here reads a predicate (law 2). Third-party caveats belong to the chain: each needs a discharge
that is proven with the key sealed in the caveat, bound to the root, and used exactly once (law 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from caveats import chain
from caveats.errors import DischargeError, InvalidMacaroon
from caveats.interchange import AnyMacaroon, decode
from caveats.macaroon import Caveat, Macaroon
from caveats.predicate import shown
from caveats.wire import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True, repr=False)
class Prefix:
    """A chain computed from its key up to some caveat.

    Computed, not presented: once the whole macaroon is proven, so is every prefix of it, and one that
    was remembered saves the steps up to there. ``signature`` is the key of the next step.
    """

    identifier: bytes
    caveats: tuple[Caveat, ...]
    signature: bytes

    @classmethod
    def of(cls, derived_key: bytes, identifier: bytes) -> Self:
        """Begin a chain with its identifier."""
        return cls(identifier, (), chain.start(derived_key, identifier))

    def extend(self, caveats: Sequence[Caveat]) -> tuple[Self, list[tuple[Caveat, bytes]]]:
        """Compute further steps; return them with each third-party caveat and the signature before it."""
        signature = self.signature
        thirds = []
        for caveat in caveats:
            if caveat.verification_id:
                thirds.append((caveat, signature))
            signature = chain.extend(signature, caveat.identifier, caveat.verification_id)
        return type(self)(self.identifier, (*self.caveats, *caveats), signature), thirds

    def __repr__(self) -> str:
        return f"<Prefix {shown(self.identifier)!r} of {len(self.caveats)} caveats>"


@dataclass(frozen=True, slots=True)
class Proof:
    """A macaroon whose whole chain is proven, with the discharges that it needed, in order of use."""

    identifier: bytes
    caveats: tuple[Caveat, ...]
    discharges: tuple[Proof, ...] = ()


def prove(
    token: AnyMacaroon, root_key: bytes, discharges: Iterable[AnyMacaroon] = (), limits: Limits = DEFAULT_LIMITS
) -> Proof:
    """Prove a macaroon's chain, and nothing else, with its root key and its bound discharges.

    ``root_key`` is what :meth:`Macaroon.mint` was given. Every discharge that is sent has to be used,
    exactly once. Raises DecodeError, InvalidMacaroon when the chain does not hold, and, only after the
    root's own chain holds, DischargeError. Birgisson et al. 2014, section V.B, ``M.Verify``.
    """
    macaroon = decode(token, limits)
    if len(macaroon.unverified_caveats) > limits.caveats:
        raise InvalidMacaroon()
    whole, thirds = Prefix.of(chain.derive_key(root_key), macaroon.unverified_identifier).extend(
        macaroon.unverified_caveats
    )
    chain.demand_equal(whole.signature, macaroon.signature)
    return Proof(whole.identifier, whole.caveats, _prove_discharges(whole.signature, thirds, discharges, limits))


def _prove_discharges(
    root_signature: bytes, thirds: list[tuple[Caveat, bytes]], sent: Iterable[AnyMacaroon], limits: Limits
) -> tuple[Proof, ...]:
    waiting = _by_identifier(sent, limits)
    used: list[Proof] = []
    open_caveats = [(caveat, signature, 1) for caveat, signature in reversed(thirds)]
    while open_caveats:
        caveat, signature, depth = open_caveats.pop()
        discharge = waiting.pop(caveat.identifier, None)
        if discharge is None:
            raise DischargeError(
                f"no unused discharge answers the caveat for {shown(caveat.location) or 'a third party'}"
            )
        if depth > limits.depth:
            raise DischargeError(f"discharges are nested deeper than {limits.depth}")
        caveat_key = chain.unseal(signature, caveat.verification_id)
        whole, further = Prefix.of(caveat_key, discharge.unverified_identifier).extend(discharge.unverified_caveats)
        try:
            chain.demand_equal(chain.bind(root_signature, whole.signature), discharge.signature)
        except InvalidMacaroon:
            raise DischargeError("a discharge does not hold, or is not bound to this macaroon as it stands") from None
        used.append(Proof(whole.identifier, whole.caveats))
        open_caveats += [(each, before, depth + 1) for each, before in reversed(further)]
    if waiting:
        raise DischargeError("a discharge was sent that no caveat asks for")
    return tuple(used)


def _by_identifier(sent: Iterable[AnyMacaroon], limits: Limits) -> dict[bytes, Macaroon]:
    if isinstance(sent, str):
        raise TypeError("discharges are a list of macaroons, not one")
    found: dict[bytes, Macaroon] = {}
    for token in sent:
        discharge = decode(token, limits)
        if len(found) >= limits.discharges:
            raise DischargeError(f"more than {limits.discharges} discharges")
        if discharge.unverified_identifier in found:
            raise DischargeError("two discharges with one identifier")
        if len(discharge.unverified_caveats) > limits.caveats:
            raise DischargeError(f"a discharge has more than {limits.caveats} caveats")
        found[discharge.unverified_identifier] = discharge
    return found
