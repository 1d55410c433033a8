"""The macaroon: an identifier, caveats, and the signature at the end of their chain.

Nothing in a macaroon may be believed before its chain is proven, so what is read from one carries the
prefix ``unverified_``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from caveats import chain
from caveats.encoding import encode_base64
from caveats.predicate import Predicate, shown
from caveats.vocabulary import BUILTIN, Vocabulary


class Caveat(NamedTuple):
    """One caveat: a predicate's bytes, or what a third party understands.

    ``verification_id`` is empty for a first-party caveat and never empty for a third-party one;
    ``location`` says where a third party is, and belongs to none but third-party caveats: one that stands
    elsewhere is not encoded.
    """

    identifier: bytes
    verification_id: bytes = b""
    location: str = ""

    @property
    def is_third_party(self) -> bool:
        """Whether a discharge has to answer for this caveat."""
        return bool(self.verification_id)

    def __repr__(self) -> str:
        return f"<Caveat {shown(self.identifier)!r}{' of a third party' * self.is_third_party}>"


@dataclass(frozen=True, slots=True, repr=False)
class Macaroon:
    """An immutable macaroon. Adding a caveat gives another one.

    ``unverified_location`` is a hint that nothing trusts, ``unverified_identifier`` names the root key,
    ``signature`` is 32 bytes and whoever holds it holds the macaroon.
    """

    unverified_location: str
    unverified_identifier: bytes
    unverified_caveats: tuple[Caveat, ...]
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.signature) != chain.SIGNATURE_BYTES:
            raise ValueError("a signature has 32 bytes")

    @classmethod
    def mint(cls, root_key: bytes, identifier: str | bytes, location: str = "") -> Self:
        """Make a macaroon without caveats from a root key of any length, 32 random bytes at best."""
        if not root_key:
            raise ValueError("a root key is not empty")
        named = identifier.encode("utf-8") if isinstance(identifier, str) else identifier
        return cls(location, named, (), chain.start(chain.derive_key(root_key), named))

    def attenuate(self, *predicates: str | Predicate, vocabulary: Vocabulary = BUILTIN) -> Self:
        """Append first-party caveats, each checked to be a predicate of the vocabulary.

        Raises PredicateError, and then nothing was appended: a caveat that no verifier understands
        would forbid everything.
        """
        return self.append(*map(vocabulary.spell, predicates))

    def append(self, *identifiers: bytes) -> Self:
        """Append first-party caveats as they are, for verifiers that speak another language."""
        signature = self.signature
        for identifier in identifiers:
            signature = chain.extend(signature, identifier)
        caveats = (*self.unverified_caveats, *map(Caveat, identifiers))
        return type(self)(self.unverified_location, self.unverified_identifier, caveats, signature)

    def entrust(self, location: str, caveat_key: bytes, identifier: bytes, nonce: bytes | None = None) -> Self:
        """Append a third-party caveat: this macaroon is then worth nothing without a discharge.

        ``caveat_key`` becomes the root key of the discharge; ``identifier`` tells the third party what
        to check and, under a secret that it shares with the caller, that key. ``nonce`` (24 bytes) is
        for published vectors only. Birgisson et al. 2014, section V.B.
        """
        if not caveat_key:
            raise ValueError("a caveat's key is not empty")
        verification_id = chain.seal(self.signature, caveat_key, nonce)
        return replace(
            self,
            unverified_caveats=(*self.unverified_caveats, Caveat(identifier, verification_id, location)),
            signature=chain.extend(self.signature, identifier, verification_id),
        )

    def bind(self, discharge: Macaroon) -> Macaroon:
        """Bind a discharge to this macaroon, as it has to be sent; do it after the last attenuation."""
        return replace(discharge, signature=chain.bind(self.signature, discharge.signature))

    def inspect(self) -> str:
        """Print the fields for a person, decoded and not verified, without signature and salts.

        One field a line: ``location``, ``identifier``, then for each caveat ``cid`` and, for a third
        party's, ``vid`` and ``cl``. What does not print stands escaped.
        """
        lines = [f"location {shown(self.unverified_location)}", f"identifier {shown(self.unverified_identifier)}"]
        for caveat in self.unverified_caveats:
            lines.append(f"cid {shown(caveat.identifier)}")
            if caveat.is_third_party:
                lines += [f"vid {encode_base64(caveat.verification_id)}", f"cl {shown(caveat.location)}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"<Macaroon {shown(self.unverified_identifier)!r} with {len(self.unverified_caveats)} caveats, unverified>"
        )
