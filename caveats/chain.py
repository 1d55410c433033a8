"""The chain of HMACs: each signature is the key of the next step.

Birgisson et al., "Macaroons: Cookies with Contextual Caveats" (NDSS 2014), sections IV and V.B, with
the choices of libmacaroons that every library shares: HMAC-SHA256, a key derived from the root key
with a fixed label, verification ids sealed by NaCl's secretbox, a discharge bound under a key of zeros.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from caveats.errors import DischargeError, InvalidMacaroon

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nacl.secret import SecretBox

SIGNATURE_BYTES = 32
_BLOCK_BYTES = 64
_LABEL = b"macaroons-key-generator"
INNER = bytes(byte ^ 0x36 for byte in range(256))
OUTER = bytes(byte ^ 0x5C for byte in range(256))
_INNER_REST, _OUTER_REST = b"\x36" * 32, b"\x5c" * 32


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Compute HMAC-SHA256 (RFC 2104) of a message of any length; 32 bytes.

    Two one-shot hashes cost half of ``hmac.digest``, whose time under OpenSSL 3 is nearly all set-up.
    """
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return sha256(block.translate(OUTER) + sha256(block.translate(INNER) + message).digest()).digest()


def derive_key(root_key: bytes) -> bytes:
    """Derive the 32-byte key of the first step from a root key of any length."""
    return hmac_sha256(_LABEL, root_key)


def start(derived_key: bytes, identifier: bytes) -> bytes:
    """Sign an identifier; return the signature of a macaroon without caveats."""
    return hmac_sha256(derived_key, identifier)


def extend(signature: bytes, identifier: bytes, verification_id: bytes = b"") -> bytes:
    """Add one caveat to the chain; a third-party one when it has a verification id."""
    if not verification_id:
        return hmac_sha256(signature, identifier)
    both = hmac_sha256(signature, verification_id) + hmac_sha256(signature, identifier)
    return hmac_sha256(signature, both)


def sign(signature: bytes, identifiers: Iterable[bytes]) -> bytes:
    """Continue a chain with first-party caveats: :func:`extend`, written out.

    Two one-shot hashes a step: 0.57 of ``hmac.digest``. Without the call of a function each: 0.95 more.
    """
    for identifier in identifiers:
        inner = sha256(signature.translate(INNER) + _INNER_REST + identifier).digest()
        signature = sha256(signature.translate(OUTER) + _OUTER_REST + inner).digest()
    return signature


def bind(root_signature: bytes, discharge_signature: bytes) -> bytes:
    """Bind a discharge's signature to the signature of the root that it goes with."""
    zeros = bytes(SIGNATURE_BYTES)
    both = hmac_sha256(zeros, root_signature) + hmac_sha256(zeros, discharge_signature)
    return hmac_sha256(zeros, both)


def demand_equal(computed: bytes, presented: bytes) -> None:
    """Raise InvalidMacaroon unless both signatures are equal, in constant time."""
    if not compare_digest(computed, presented):
        raise InvalidMacaroon()


def _box(signature: bytes) -> SecretBox:
    from nacl.secret import SecretBox  # loaded when first used: most macaroons have no third party

    return SecretBox(signature)


def seal(signature: bytes, caveat_key: bytes, nonce: bytes | None = None) -> bytes:
    """Seal a third party's derived key under the signature before its caveat: the verification id.

    ``nonce`` is for published vectors only; without it 24 random bytes are drawn.
    """
    return bytes(_box(signature).encrypt(derive_key(caveat_key), nonce))


def unseal(signature: bytes, verification_id: bytes) -> bytes:
    """Open a verification id; return the derived key of its discharge. Raises DischargeError."""
    from nacl.exceptions import CryptoError

    try:
        key = bytes(_box(signature).decrypt(verification_id))
    except (CryptoError, ValueError):
        raise DischargeError("a verification id does not open") from None
    if len(key) != SIGNATURE_BYTES:
        raise DischargeError("a verification id does not hold a key")
    return key
