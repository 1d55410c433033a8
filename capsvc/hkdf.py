"""HKDF with SHA-256 (RFC 5869), for output of one block: 32 bytes."""

from __future__ import annotations

from collections.abc import Iterable

from caveats.chain import hmac_sha256


def hkdf_sha256(secret: bytes, *info: str | bytes) -> bytes:
    """Derive a 32-byte key from a uniformly random secret, without salt.

    Each part of ``info`` goes in as :func:`pack` writes it.
    """
    return expand(extract(b"", secret), pack(info))


def pack(info: Iterable[str | bytes]) -> bytes:
    """Write parts each behind its length in two bytes, so that no two lists of parts are ever the same bytes."""
    parts = (part.encode("utf-8") if isinstance(part, str) else part for part in info)
    return b"".join([len(part).to_bytes(2, "big") + part for part in parts])


def extract(salt: bytes, material: bytes) -> bytes:
    """HKDF-Extract: concentrate key material into 32 bytes."""
    return hmac_sha256(salt or bytes(32), material)


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand for its first block: 32 bytes."""
    return hmac_sha256(key, info + b"\x01")
