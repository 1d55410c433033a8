"""The capability: the one answer that says yes, and that nobody can mistake for a boolean."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from caveats.authority import Authority
from caveats.predicate import Predicate


class Capability(NamedTuple):
    """What a verified macaroon permits: this request, by this user. Only a verifier makes one.

    ``authority`` is what the service wrote; ``expires`` the earliest end that anybody wrote, as text in
    UTC; ``salt_names`` begins with authority's own; ``holder_predicates`` are those that holders
    appended to the root, ``discharge_predicates`` those of third parties; ``narrowings`` counts all
    caveats that holders appended, third parties' too.
    """

    authority: Authority
    expires: str
    salt_names: tuple[str, ...]
    holder_predicates: tuple[Predicate, ...]
    discharge_predicates: tuple[Predicate, ...]
    narrowings: int

    @property
    def user(self) -> str:
        """Who logged in."""
        return self.authority.user

    @property
    def audience(self) -> str | None:
        """The verifier that the macaroon is for; None for none."""
        return self.authority.key_name.audience

    @property
    def nonce(self) -> str:
        """What the macaroon and all that was cut from it can be revoked by."""
        return self.authority.nonce

    @property
    def not_before(self) -> str:
        """When authority's window begins, which is when the user logged in."""
        return self.authority.not_before

    @property
    def not_after(self) -> str:
        """When authority's window ends."""
        return self.authority.not_after

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """All predicates of the root: authority's, then the holders'."""
        return (*self.authority.predicates, *self.holder_predicates)

    def __bool__(self) -> NoReturn:
        raise TypeError("a capability is not a boolean: verify answers one or raises")

    def __repr__(self) -> str:
        return f"<Capability of {self.user!r} until {self.expires}>"
