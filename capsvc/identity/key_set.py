"""Key sets: the public keys that a provider publishes (RFC 7517), and whether one of them signed an ID token.

joserfc reads the keys and proves signatures. Which algorithms there are, and which key goes with which, is said here:
asymmetric ones alone, so that no public key is ever taken for a shared secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from capsvc.identity.id_token import IdToken
from caveats import DecodeError
from caveats.encoding import decode_base64

_Key = RSAKey | ECKey | OKPKey
_KEYS: Mapping[str, type[_Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    **{f"{family}{bits}": ("RSA", None) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519"),
}  # fmt: skip
"""The type of key, and its curve, by algorithm."""
_LEAST_BITS, _MOST_BITS = 2048, 8192
_MOST_KEYS = 100


class _Registry(jws.JWSRegistry):
    """joserfc's algorithms without its advice: EdDSA is what providers still call Ed25519."""

    max_header_length, max_payload_length, max_signature_length = 2048, 16_384, 2048

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=list(_ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True, repr=False)
class PublicKey:
    """A key for signatures. ``algorithm`` is the one that its provider says it is for; empty where none is said."""

    key: _Key
    kind: str
    curve: str | None
    algorithm: str

    def has_signed(self, token: IdToken) -> bool:
        """Tell whether this key signed a token, by an algorithm that is its own."""
        algorithm = token.unverified_algorithm
        kind, curve = _ALGORITHMS.get(algorithm, ("", None))  # joserfc holds a key to both as well
        if kind != self.kind or (curve and curve != self.curve) or self.algorithm not in ("", algorithm):
            return False
        try:
            jws.deserialize_compact(token.text, self.key, algorithms=[algorithm], registry=_REGISTRY)
        except (JoseError, ValueError, TypeError, KeyError):
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class KeySet:
    """The keys of one provider by their ids, those without one among them under none."""

    keys: Mapping[str | None, PublicKey]

    @classmethod
    def of(cls, document: Any) -> KeySet:
        """Read a JWK set. Keys that cannot sign here, and two of one id, are left out. Raises ValueError."""
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
            raise ValueError(f"a key set has keys, a list of at most {_MOST_KEYS}")
        found: dict[str | None, PublicKey | None] = {}
        for each in listed:
            key = _public_key(each)
            if key is not None:
                found[each.get("kid")] = None if each.get("kid") in found else key
        return cls({key_id: key for key_id, key in found.items() if key is not None})

    def find(self, key_id: str | None) -> PublicKey | None:
        """Find the key that a token names; a token that names none is for the only key of a set that has one."""
        if key_id is not None:
            return self.keys.get(key_id)
        return next(iter(self.keys.values())) if len(self.keys) == 1 else None


def _public_key(described: Any) -> PublicKey | None:
    """Read one key that verifies signatures; None for any other."""
    if not isinstance(described, dict) or described.get("use", "sig") != "sig":
        return None
    kind, key_id, algorithm = described.get("kty"), described.get("kid"), described.get("alg", "")
    operations = described.get("key_ops", ["verify"])
    if not isinstance(kind, str) or kind not in _KEYS or not isinstance(operations, list) or "verify" not in operations:
        return None
    if not (key_id is None or isinstance(key_id, str)) or not isinstance(algorithm, str):
        return None
    try:
        if kind == "RSA" and not _LEAST_BITS <= _bits(described.get("n")) <= _MOST_BITS:
            return None
        public = {name: described[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in described}
        key = _KEYS[kind].import_key(public)
    except (JoseError, DecodeError, ValueError, TypeError, KeyError):
        return None
    return PublicKey(key, kind, getattr(key, "curve_name", None), algorithm)


def _bits(modulus: Any) -> int:
    return int.from_bytes(decode_base64(modulus)).bit_length() if isinstance(modulus, str) else 0
