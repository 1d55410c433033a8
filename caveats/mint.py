"""The mint: makes root macaroons of one key, audience and location, and of one shape.

What all of them share is computed once; the rest is written in one go and checked by the pattern that
verifiers read it with. What that does not take, :meth:`caveats.Authority.mint` writes, or refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from caveats import chain
from caveats.authority import Authority, KeyName
from caveats.encoding import encode_base64
from caveats.macaroon import Macaroon
from caveats.root import ROOT
from caveats.wire import encode_binary, encode_text

_END = b"\x00\x06\x20"


@dataclass(frozen=True, slots=True, repr=False)
class Mint:
    """Makes the root macaroons of a root key. ``location`` is a hint that nothing trusts."""

    key_name: KeyName
    root_key: bytes
    location: str = ""
    _header: bytes = field(init=False)
    _first: bytes = field(init=False)

    def __post_init__(self) -> None:
        bare = Macaroon.mint(self.root_key, str(self.key_name), self.location)
        object.__setattr__(self, "_header", encode_binary(bare)[: -len(_END) - chain.SIGNATURE_BYTES])
        object.__setattr__(self, "_first", bare.signature)

    def mint(self, authority: Authority) -> str:
        """Make the root macaroon that says this and nothing more, as text of format 2.

        Raises PredicateError for a value that is not one, ValueError for another key's authority.
        """
        key_name, nonce, user, salt_name, salt, begins, ends = authority
        if key_name != self.key_name:
            raise ValueError(f"this mint is that of {self.key_name}, not of {key_name}")
        salt_text = f"salt = {salt_name}/{encode_base64(salt)}"
        written = (
            f"\x02\x1enonce = {nonce}\0\x02{chr(7 + len(user))}user = {user}\0\x02{chr(len(salt_text))}{salt_text}\0"
            f"\x02\x1ctime >= {begins}\0\x02\x1btime < {ends}\0"
        )
        # ASCII alone, or its bytes would not be as many as its characters.
        found = ROOT.fullmatch(written.encode("ascii")) if written.isascii() else None
        if found is None:
            return encode_text(authority.mint(self.root_key, self.location))
        signature = chain.sign(self._first, found.group(1, 3, 5, 6, 7))
        return encode_base64(self._header + found[0] + _END + signature)

    def __repr__(self) -> str:
        return f"<Mint of {self.key_name}>"
