"""Attenuation, text to text: what a client does most, and it needs neither a key nor a macaroon's parts."""

from __future__ import annotations

from caveats import chain
from caveats.encoding import decode_base64, encode_base64
from caveats.errors import PredicateError
from caveats.interchange import decode, encode
from caveats.pieces import read_header, split_first_party, write_first_party
from caveats.predicate import Predicate
from caveats.vocabulary import BUILTIN, Vocabulary
from caveats.wire import DEFAULT_LIMITS, Limits, format_of


def attenuate(
    token: str, *predicates: str | Predicate, vocabulary: Vocabulary = BUILTIN, limits: Limits = DEFAULT_LIMITS
) -> str:
    """Append first-party caveats to a token, each checked to be a predicate of the vocabulary.

    The token is decoded strictly and stays in its format. Raises DecodeError or PredicateError, also where
    the copy would be more than ``limits`` take, and then nothing was appended. Birgisson et al. 2014, section
    V.B, ``M.AddFirstPartyCaveat``.
    """
    identifiers = tuple(map(vocabulary.spell, predicates))
    if len(token) <= limits.characters and token[:2] == "Ag":
        raw = decode_base64(token)
        header = read_header(raw)
        parts = None if header is None else split_first_party(raw, header[0], limits.caveats)
        if parts is not None:
            count = len(parts[0]) + len(identifiers)
            narrowed = encode_base64(write_first_party(raw, identifiers, chain.sign(parts[1], identifiers)))
            return _demand_within(narrowed, count, limits)
    macaroon = decode(token, limits).append(*identifiers)
    try:
        narrowed = encode(macaroon, format_of(token))
    except ValueError as wrong:  # format 1 takes no field of 64 KiB
        raise PredicateError(str(wrong)) from None
    return _demand_within(narrowed, len(macaroon.unverified_caveats), limits)


def _demand_within(narrowed: str, count: int, limits: Limits) -> str:
    """Refuse here, where it can be said, what every verifier would."""
    if count > limits.caveats:
        raise PredicateError(f"the copy would have {count} caveats, and verifiers take {limits.caveats}")
    if len(narrowed) > limits.characters:
        raise PredicateError(f"the copy would have {len(narrowed)} characters, and verifiers take {limits.characters}")
    return narrowed
