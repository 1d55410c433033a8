"""The capability: the one answer that says yes, and that nobody can mistake for a boolean."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from caveats.authority import Authority, KeyName
from caveats.predicate import Predicate
from caveats.vocabulary import Vocabulary


class Capability(NamedTuple):
    """What a verified macaroon permits: this request, by this user. Only a verifier makes one.

    It holds proven bytes, and reads them when it is asked: most who verify ask for the user alone.
    ``minted`` are authority's five caveats; ``ends`` is the ``time <`` that ends first, whoever wrote
    it; ``looked_up`` what the salt column was asked for; ``holders`` are the caveats after authority's,
    None where a third party's stands; ``discharged`` those of discharges, with where each stands.
    """

    key_name: KeyName
    user: str
    minted: tuple[bytes, ...]
    ends: bytes
    looked_up: tuple[str, ...]
    vocabulary: Vocabulary
    holders: tuple[bytes | None, ...] = ()
    discharged: tuple[tuple[int, int, bytes], ...] = ()

    @property
    def authority(self) -> Authority:
        """What the service wrote."""
        return Authority.read(self.key_name, self.minted)

    @property
    def expires(self) -> str:
        """The earliest end that anybody wrote, as text in UTC."""
        return self.ends[len("time < ") :].decode("ascii")

    @property
    def salt_names(self) -> tuple[str, ...]:
        """Which names of the salt column it can be revoked by, authority's own first."""
        return self.looked_up[:-1]

    @property
    def audience(self) -> str | None:
        """The verifier that the macaroon is for; None for none."""
        return self.key_name.audience

    @property
    def nonce(self) -> str:
        """What the macaroon and all that was cut from it can be revoked by."""
        return self.minted[0][len("nonce = ") :].decode("ascii")

    @property
    def not_before(self) -> str:
        """When authority's window begins, which is when the user logged in."""
        return self.minted[3][len("time >= ") :].decode("ascii")

    @property
    def not_after(self) -> str:
        """When authority's window ends."""
        return self.minted[4][len("time < ") :].decode("ascii")

    @property
    def narrowings(self) -> int:
        """How many caveats holders appended, third parties' too."""
        return len(self.holders)

    @property
    def holder_predicates(self) -> tuple[Predicate, ...]:
        """What holders appended to the root."""
        return tuple(self.vocabulary.parse(each) for each in self.holders if each is not None)

    @property
    def discharge_predicates(self) -> tuple[Predicate, ...]:
        """What third parties wrote into discharges."""
        return tuple(self.vocabulary.parse(identifier) for _, _, identifier in self.discharged)

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """All predicates of the root: authority's, then the holders'."""
        return (*self.authority.predicates, *self.holder_predicates)

    def __bool__(self) -> NoReturn:
        raise TypeError("a capability is not a boolean: verify answers one or raises")

    def __repr__(self) -> str:
        return f"<Capability of {self.user!r} until {self.expires}>"
