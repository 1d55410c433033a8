"""HKDF with SHA-256 (RFC 5869), for output of one block: 32 bytes."""

from __future__ import annotations

from caveats.chain import hmac_sha256


def hkdf_sha256(secret: bytes, *info: str | bytes) -> bytes:
    """Derive a 32-byte key from a uniformly random secret, without salt.

    Each part of ``info`` goes in behind its length in two bytes, so that no two lists of parts are ever
    the same bytes.
    """
    parts = (part.encode("utf-8") if isinstance(part, str) else part for part in info)
    packed = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return expand(extract(b"", secret), packed)


def extract(salt: bytes, material: bytes) -> bytes:
    """HKDF-Extract: concentrate key material into 32 bytes."""
    return hmac_sha256(salt or bytes(32), material)


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand for its first block: 32 bytes."""
    return hmac_sha256(key, info + b"\x01")
