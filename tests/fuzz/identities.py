"""Targets of what identity providers and their users send: ID tokens, what they claim, and published keys."""

from __future__ import annotations

from capsvc.errors import IdTokenRefused, Refused
from capsvc.identity.claims import Template
from capsvc.identity.id_token import IdToken, accept, unproven
from capsvc.identity.key_set import KeySet
from capsvc.strict_json import NotJSON, parse
from caveats import BUILTIN
from caveats.encoding import encode_base64
from tests.fuzz.words import SEPARATOR

_NOW, _SKEW, _CLIENT = 1_795_000_000, 30, "capsvc"
_TEMPLATES = tuple(
    Template.parse("groups", text, BUILTIN) for text in ("action in {}", "resource ^= p/{}", "time < {}", "ip in {}")
)


def id_token(data: bytes) -> None:
    """An ID token as text, then one of a header and claims: what was signed, or the one refusal; then any other."""
    _read(data.decode("utf-8", "surrogateescape"))
    header, _, claims = data.partition(SEPARATOR)
    token = _read(f"{encode_base64(header)}.{encode_base64(claims)}.c2lnbg") if header and claims else None
    if token is None:
        return
    try:
        login = accept(token, _CLIENT, _NOW, _SKEW)
    except IdTokenRefused as wrong:
        assert len(str(wrong)) < 300
        return
    assert 0 < len(login.subject) <= 255
    assert login.begins < login.ends
    for template in _TEMPLATES:
        try:
            predicate = template.fill(login.claims)
        except Refused:
            continue
        assert BUILTIN.parse(str(predicate)).items == predicate.items


def _read(text: str) -> IdToken | None:
    try:
        token = IdToken.read(text)
    except IdTokenRefused as refused:
        assert str(refused) == str(unproven())
        return None
    assert isinstance(token.unverified_claims, dict)
    assert isinstance(token.unverified_issuer, str)
    return token


def key_set(data: bytes) -> None:
    """A provider's key set: keys, of which none signed what nobody signed, or ValueError."""
    try:
        found = KeySet.of(parse(data))
    except (NotJSON, ValueError):
        return
    for key_id, key in found.keys.items():
        assert key_id is None or isinstance(key_id, str)
        for algorithm in ("RS256", "ES256", "EdDSA", "HS256", "none", "PS512"):
            token = IdToken("e30.e30.c2lnbg", algorithm, key_id, {})
            assert not key.has_signed(token)
