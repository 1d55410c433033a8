"""What can go wrong with a macaroon, as one family of exceptions.

No message here holds a token, a signature, a key or a salt (law 8). A caller's own mistake is not in
this family: it stays TypeError or ValueError.
"""

from __future__ import annotations

from typing import NamedTuple


class MacaroonError(Exception):
    """The base of everything that this package raises about a macaroon."""


class DecodeError(MacaroonError):
    """The bytes are not a macaroon, or not in its one spelling (law 5)."""


class PredicateError(MacaroonError):
    """The text is not a predicate of the vocabulary (law 3: it forbids)."""


class VerificationError(MacaroonError):
    """The macaroon does not permit the request."""


class InvalidMacaroon(VerificationError):
    """The chain is not proven, or authority is not what a service mints. Says no more on purpose."""

    def __init__(self) -> None:
        super().__init__("the macaroon is not valid here")


class DischargeError(VerificationError):
    """A discharge is missing, repeated, left over, not bound to this root, or nested too deep."""


class Expired(VerificationError):
    """A proven ``time <`` is not met."""


class Revoked(VerificationError):
    """A proven salt, the nonce, or the start of the window does not agree with the salt column."""

    def __init__(self) -> None:
        super().__init__("the macaroon is revoked")


class Unmet(NamedTuple):
    """One proven caveat that the request does not meet.

    ``position`` counts caveats from 0 within their macaroon; ``discharge`` is None for the root, else
    the position of the discharge in order of use; ``predicate`` is printable and holds no salt;
    ``instead`` is what would have to differ.
    """

    position: int
    predicate: str
    reason: str
    discharge: int | None = None
    instead: str = ""


class CaveatUnmet(VerificationError):
    """Proven caveats that the request does not meet, each with its position, predicate and reason."""

    def __init__(self, unmet: tuple[Unmet, ...]) -> None:
        super().__init__("; ".join(f"{each.predicate}: {each.reason}" for each in unmet))
        self.unmet = unmet
