"""Macaroons and the language of their caveats: pure, typed, no I/O.

A macaroon is minted from a root key, narrowed offline by whoever holds it, and verified by whoever
holds the root key again. Everything here that takes a macaroon takes a :class:`Macaroon`, its text, or
an object of pymacaroons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caveats.attenuation import attenuate
from caveats.attribute import AttributeType, Host, Text, Time, TokenSet, time_text
from caveats.authority import Authority, KeyName, check_audience
from caveats.capability import Capability
from caveats.errors import (
    CaveatUnmet,
    DecodeError,
    DischargeError,
    Expired,
    InvalidMacaroon,
    MacaroonError,
    PredicateError,
    Revoked,
    Unmet,
    VerificationError,
)
from caveats.explanation import Explained, Explanation, explain
from caveats.interchange import AnyMacaroon, decode, encode, from_pymacaroons, to_pymacaroons
from caveats.macaroon import Caveat, Macaroon
from caveats.mint import Mint
from caveats.network import Network
from caveats.number import Number
from caveats.opaque import Digest, Salt, Unique, check_salt_name
from caveats.path import PathType
from caveats.predicate import Predicate
from caveats.proof import Prefix, Proof, prove
from caveats.proven import Salts
from caveats.request import Request
from caveats.scope import Contradiction, Scope, ThirdParty, scope
from caveats.suggestion import Suggestion, suggest
from caveats.verifier import Verifier
from caveats.vocabulary import BUILTIN, DECLARABLE, Vocabulary
from caveats.wire import Format, Limits

if TYPE_CHECKING:
    from caveats.display import Shown, show

__all__ = [
    "BUILTIN",
    "DECLARABLE",
    "AnyMacaroon",
    "AttributeType",
    "Authority",
    "Capability",
    "Caveat",
    "CaveatUnmet",
    "Contradiction",
    "DecodeError",
    "Digest",
    "DischargeError",
    "Expired",
    "Explained",
    "Explanation",
    "Format",
    "Host",
    "InvalidMacaroon",
    "KeyName",
    "Limits",
    "Macaroon",
    "MacaroonError",
    "Mint",
    "Network",
    "Number",
    "PathType",
    "Predicate",
    "PredicateError",
    "Prefix",
    "Proof",
    "Request",
    "Revoked",
    "Salt",
    "Salts",
    "Scope",
    "Shown",
    "Suggestion",
    "Text",
    "ThirdParty",
    "Time",
    "TokenSet",
    "Unique",
    "Unmet",
    "VerificationError",
    "Verifier",
    "Vocabulary",
    "attenuate",
    "check_audience",
    "check_salt_name",
    "decode",
    "encode",
    "explain",
    "from_pymacaroons",
    "prove",
    "scope",
    "show",
    "suggest",
    "time_text",
    "to_pymacaroons",
]


# A notebook asks a value that ends a cell for its `_repr_html_`. The modules of these four come before `display`
# and never import it, so the package gives them the method here. `display` is loaded when somebody first looks:
# a service never does.
_HOOK = "_repr_html_"


def _shown(self: Macaroon | Scope | Explanation | Capability) -> str:
    """Show this value, as :func:`caveats.show` does, in a notebook."""
    from caveats.display import show

    return show(self).html


for _type in (Macaroon, Scope, Explanation, Capability):
    setattr(_type, _HOOK, _shown)

if not TYPE_CHECKING:  # a type checker would take this for any name whatever

    def __getattr__(name: str) -> Any:
        """Load ``show`` and ``Shown`` when they are first asked for."""
        if name not in ("Shown", "show"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from caveats import display

        return getattr(display, name)
