"""Sealed answers: to whoever presents a bound copy, what only the holder of the original can open.

The key comes from the original's signature, which the service computes again from its root key and which
never travelled, and from the copy's ``request``, so that no answer fits another request.
"""

from __future__ import annotations

from capsvc.client.binding import BOUND
from capsvc.hkdf import hkdf_sha256
from caveats import Capability, DecodeError, decode
from caveats.encoding import decode_base64

_PURPOSE = "capsvc sealed answer 1"


def is_bound_root(capability: Capability) -> bool:
    """Tell whether a capability is a root with a whole binding to one request, and nothing else."""
    if None in capability.holders or capability.discharged or len(capability.holders) != len(BOUND):
        return False
    written = tuple((each.attribute, each.operator) for each in capability.holder_predicates)
    return written == tuple((name, "<" if name == "time" else "=") for name in BOUND)


def seal(signature: bytes, request: bytes, answer: bytes) -> bytes:
    """Seal an answer under the original's signature and the copy's last caveat, ``request = …``."""
    from nacl.secret import SecretBox

    return bytes(SecretBox(hkdf_sha256(signature, _PURPOSE, request)).encrypt(answer))


def unseal(token: str, presented: str, sealed: str) -> bytes:
    """Open the answer to a bound copy with the token that it was cut from.

    ``presented`` is the copy that was sent, or the Authorization header that it was sent in. Raises
    DecodeError where the three do not belong together.
    """
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    sent = decode(presented.removeprefix("Bearer ")).unverified_caveats
    if not sent or not sent[-1].identifier.startswith(b"request = "):
        raise DecodeError("what was presented is no copy that is bound to a request")
    try:
        key = hkdf_sha256(decode(token).signature, _PURPOSE, sent[-1].identifier)
        return SecretBox(key).decrypt(decode_base64(sealed))
    except (CryptoError, ValueError):
        raise DecodeError("this answer is not sealed for this token and this request") from None
