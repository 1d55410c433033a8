"""What every macaroon library can do, over text of a format that it knows: ours and pymacaroons first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import pymacaroons
from nacl.exceptions import CryptoError
from pymacaroons.exceptions import MacaroonException
from pymacaroons.serializers import JsonSerializer

from caveats import Format, Macaroon, MacaroonError, decode, encode, prove
from caveats.wire import format_of

NAMES = ("caveats", "pymacaroons", "libmacaroons", "Go", "JavaScript")
CELL = "interop cell"
"""Under this name a test reports who minted, narrowed and verified, and how many macaroons."""


class Refused(Exception):
    """A foreign library would not do what it was asked."""


class Actor(ABC):
    """One macaroon library. Every macaroon that goes in or comes out is text."""

    name: ClassVar[str]
    reads: ClassVar[tuple[Format, ...]]
    """The formats that it takes."""
    mints: ClassVar[tuple[Format, ...]]
    """The formats that it mints. Afterwards it keeps to the format of what it was given, where it can write it."""
    takes_any_bytes: ClassVar[tuple[Format, ...]] = ()
    """The formats in which it reads, narrows and verifies identifiers that are not UTF-8."""
    takes_any_names: ClassVar[bool] = True
    """Whether a macaroon's own identifier, and locations, may be other than ASCII."""

    @abstractmethod
    def mint(self, key: bytes, identifier: bytes, location: str, format: Format) -> str:
        """Mint a macaroon without caveats."""

    @abstractmethod
    def narrow(self, token: str, predicates: Sequence[bytes]) -> str:
        """Append first-party caveats."""

    @abstractmethod
    def entrust(self, token: str, location: str, key: bytes, identifier: bytes) -> str:
        """Append a third-party caveat."""

    @abstractmethod
    def bind(self, token: str, discharge: str) -> str:
        """Bind a discharge to its root."""

    @abstractmethod
    def verify(self, token: str, key: bytes, met: Collection[bytes], discharges: Sequence[str]) -> bool:
        """Tell whether the chain holds and every predicate is one of those that are met."""

    def close(self) -> None:  # noqa: B027
        """End what was started."""


class Ours(Actor):
    """caveats, which is what all others are compared with."""

    name = "caveats"
    reads = mints = takes_any_bytes = (Format.V1, Format.V2, Format.JSON)

    def mint(self, key: bytes, identifier: bytes, location: str, format: Format) -> str:
        return encode(Macaroon.mint(key, identifier, location), format)

    def narrow(self, token: str, predicates: Sequence[bytes]) -> str:
        return encode(decode(token).append(*predicates), format_of(token))

    def entrust(self, token: str, location: str, key: bytes, identifier: bytes) -> str:
        return encode(decode(token).entrust(location, key, identifier), format_of(token))

    def bind(self, token: str, discharge: str) -> str:
        return encode(decode(token).bind(decode(discharge)), format_of(discharge))

    def verify(self, token: str, key: bytes, met: Collection[bytes], discharges: Sequence[str]) -> bool:
        try:
            proof = prove(token, key, discharges)
        except MacaroonError:
            return False
        chains = (proof, *proof.discharges)
        return all(each.identifier in met for chain in chains for each in chain.caveats if not each.is_third_party)


class Pymacaroons(Actor):
    """pymacaroons 0.13.0, as its README says to use it."""

    name = "pymacaroons"
    reads = mints = (Format.V1, Format.V2, Format.JSON)
    takes_any_names = False

    def mint(self, key: bytes, identifier: bytes, location: str, format: Format) -> str:
        version = pymacaroons.MACAROON_V1 if format is Format.V1 else pymacaroons.MACAROON_V2
        made = pymacaroons.Macaroon(location=location, identifier=identifier.decode(), key=key, version=version)
        return self._write(made, format)

    def narrow(self, token: str, predicates: Sequence[bytes]) -> str:
        macaroon = self._read(token)
        for each in predicates:
            macaroon.add_first_party_caveat(each.decode())
        return self._write(macaroon, format_of(token))

    def entrust(self, token: str, location: str, key: bytes, identifier: bytes) -> str:
        macaroon = self._read(token).add_third_party_caveat(location, key, identifier.decode())
        return self._write(macaroon, format_of(token))

    def bind(self, token: str, discharge: str) -> str:
        bound = self._read(token).prepare_for_request(self._read(discharge))
        return self._write(bound, format_of(discharge))

    def verify(self, token: str, key: bytes, met: Collection[bytes], discharges: Sequence[str]) -> bool:
        verifier = pymacaroons.Verifier()
        for each in met:
            verifier.satisfy_exact(each.decode())
        try:
            return bool(verifier.verify(self._read(token), key, [self._read(each) for each in discharges]))
        except (MacaroonException, CryptoError):
            return False

    @staticmethod
    def _read(token: str) -> Any:
        serializer = JsonSerializer() if token.startswith("{") else None
        return pymacaroons.Macaroon.deserialize(token, serializer)

    @staticmethod
    def _write(macaroon: Any, format: Format) -> str:
        return str(macaroon.serialize(JsonSerializer()) if format is Format.JSON else macaroon.serialize())
