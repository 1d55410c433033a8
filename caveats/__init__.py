"""Macaroons and the language of their caveats: pure, typed, no I/O.

A macaroon is minted from a root key, narrowed offline by whoever holds it, and verified by whoever
holds the root key again. Everything here that takes a macaroon takes a :class:`Macaroon`, its text, or
an object of pymacaroons.
"""

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
    "suggest",
    "time_text",
    "to_pymacaroons",
]
