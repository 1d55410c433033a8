"""Targets that read tokens: the decoders, and all the ways in which one token is verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caveats import (
    BUILTIN,
    Authority,
    Capability,
    DecodeError,
    Format,
    KeyName,
    Macaroon,
    MacaroonError,
    PredicateError,
    Salts,
    Verifier,
    attenuate,
    decode,
    encode,
    explain,
    prove,
    scope,
    show,
)
from caveats.encoding import decode_base64, encode_base64
from caveats.pieces import read_header, split_first_party, write_first_party
from caveats.wire import decode_binary, decode_text, encode_binary, encode_text, unverified_identifier
from tests.fuzz.words import SEPARATOR, TURNING, VOCABULARY, fields, request

KEY, SALT = b"the root key of the targets", b"salt of alice 16"
AUTHORITY = Authority(
    KeyName("k1"), "3q2-7wAAq83vEjRWeJCrzQ", "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z"
)
ROOT = AUTHORITY.mint(KEY, "https://id.example")
REQUEST = request()


def root_key(name: KeyName) -> bytes | None:
    """The one key that there is."""
    return KEY if name == AUTHORITY.key_name else None


def column(user: str, names: tuple[str, ...]) -> Salts:
    """The salts of whoever is asked about: alice's are current, and one of hers was revoked."""
    return Salts({"default": SALT, "laptop": None} if user == "alice" else {})


# One that remembers, across inputs; one that never does; one that forgets nearly at once.
VERIFIERS = (Verifier(root_key), Verifier(root_key, remembered=0), Verifier(root_key, remembered=2))


def verdict(verifier: Verifier, token: str | Macaroon, discharges: Sequence[str] = ()) -> Any:
    """What a verifier says, in a form to compare. Whatever it raises but MacaroonError is a finding."""
    try:
        capability = verifier.verify(token, REQUEST, column, discharges)
    except MacaroonError as error:
        return type(error), str(error)
    assert type(capability) is Capability
    return tuple(capability)


def verdict_of_all(token: str, discharges: Sequence[str] = ()) -> Any:
    """The verdict of the slow path, which every other way has to come to as well, however often it is asked."""
    try:
        slow = verdict(VERIFIERS[1], decode_text(token), discharges)
    except DecodeError as error:
        slow = type(error), str(error)
    for verifier in VERIFIERS:
        for _ in range(3):
            assert verdict(verifier, token, discharges) == slow
    if isinstance(slow[0], KeyName):
        prove(token, KEY, discharges)
    return slow


def binary(data: bytes) -> None:
    """Bytes of formats 1 and 2: a macaroon that is written as the same bytes, or DecodeError."""
    try:
        macaroon = decode_binary(data)
    except DecodeError:
        return
    format = Format.V2 if data[:1] == b"\x02" else Format.V1
    assert encode_binary(macaroon, format) == data
    assert decode(encode(macaroon, Format.JSON)) == macaroon
    assert not TURNING.search(macaroon.inspect().replace("\n", ""))


def text(data: bytes) -> None:
    """Text of any format: a macaroon that is written as the same text, or DecodeError."""
    given = data.decode("utf-8", "surrogatepass" if data[:1] == b"{" else "replace") if _is_text(data) else str(data)
    try:
        macaroon = decode(given)
    except DecodeError:
        return
    if not given.startswith("{"):
        assert encode_text(macaroon, Format.V2 if given.startswith("A") else Format.V1) == given
        assert encode_base64(decode_base64(given)) == given


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def json(data: bytes) -> None:
    """2-JSON: a macaroon that its normal form gives back, or DecodeError."""
    try:
        macaroon = decode("{" + data.decode("utf-8", "surrogateescape"))
    except DecodeError:
        return
    normal = encode(macaroon, Format.JSON)
    assert decode(normal) == macaroon
    assert encode(decode(normal), Format.JSON) == normal


def identifier(data: bytes) -> None:
    """The identifier alone: that of the whole macaroon wherever there is one, or DecodeError."""
    given = encode_base64(data)
    try:
        found = unverified_identifier(given)
    except DecodeError:
        found = None
    try:
        whole = decode_text(given)
    except DecodeError:
        return
    assert whole.unverified_identifier == found


def pieces(data: bytes) -> None:
    """The split of format 2 that the fast path makes: what the decoder reads, or None."""
    header = read_header(data)
    try:
        whole = decode_binary(data)
    except DecodeError:
        whole = None
    if header is None:
        assert whole is None or data[:1] != b"\x02"
        return
    end, named = header
    assert whole is None or whole.unverified_identifier == named
    parts = split_first_party(data, end, 64)
    if parts is not None:
        identifiers, signature = parts
        assert whole is not None
        assert identifiers == tuple(each.identifier for each in whole.unverified_caveats)
        assert (signature, whole.unverified_identifier) == (whole.signature, named)
        bare = encode_binary(Macaroon(whole.unverified_location, named, (), signature))
        assert write_first_party(bare, identifiers, signature) == data


def changed(data: bytes) -> None:
    """A token of other bytes: one verdict of all ways, and a permit only for what is proven."""
    permitted = isinstance(verdict_of_all(encode_base64(data))[0], KeyName)
    assert not permitted or decode_binary(data).unverified_identifier == ROOT.unverified_identifier


def narrowed(data: bytes) -> None:
    """Caveats of any bytes, signed: one verdict of all ways, and none for a copy with another signature.

    The first byte says what they are appended to: a root of authority, or a macaroon without any.
    """
    how, *identifiers = data[0] if data else 0, *fields(data[1:])
    root = ROOT if how % 2 else Macaroon.mint(KEY, "k1", "https://id.example" if how % 4 else "")
    macaroon = root.append(*identifiers)
    said = verdict_of_all(encode_text(macaroon))
    if macaroon == ROOT:
        assert isinstance(said[0], KeyName)
    signature = bytes((macaroon.signature[0] ^ 1,)) + macaroon.signature[1:]
    forged = Macaroon(root.unverified_location, root.unverified_identifier, macaroon.unverified_caveats, signature)
    assert not isinstance(verdict_of_all(encode_text(forged))[0], KeyName)
    shorter = Macaroon(
        root.unverified_location, root.unverified_identifier, macaroon.unverified_caveats[:-1], macaroon.signature
    )
    assert not identifiers or not isinstance(verdict_of_all(encode_text(shorter))[0], KeyName)


def discharged(data: bytes) -> None:
    """Discharges, nested, bound and not, with caveats of any bytes: one verdict of both ways.

    The first byte says how they nest, the second which are bound or spoiled; then comes one that is sent beside
    them as it is, and then a caveat of each.
    """
    shape, spoiled = (*data[:2], 0, 0)[:2]
    stray, *caveats = fields(data[2:]) or [b""]
    root, sent = ROOT, []
    inner: Macaroon | None = None
    for number, caveat in enumerate(caveats[:9]):
        key, asked = b"key %d" % number, b"asked %d" % (number >> (shape & 1))
        discharge = Macaroon.mint(key, asked, "https://third.example").append(caveat)
        if inner is not None and shape >> 1 & 1:
            discharge = discharge.entrust(
                "https://third.example", b"key %d" % (number - 1), inner.unverified_identifier
            )
        else:
            root = root.entrust("https://third.example", key, asked)
        inner = discharge
        sent.append(discharge)
    bound = [encode_text(each if spoiled >> at & 1 else root.bind(each)) for at, each in enumerate(sent)]
    if stray:
        bound.append(encode_base64(stray))
    token = encode_text(root)
    slow = verdict(VERIFIERS[1], root, bound)
    assert all(verdict(each, token, bound) == slow for each in VERIFIERS)
    if isinstance(slow[0], KeyName):
        prove(root, KEY, bound)


def attenuated(data: bytes) -> None:
    """A token and a predicate of strangers: a copy with one caveat more, DecodeError or PredicateError."""
    spelled, raw = (*data.split(SEPARATOR, 1), b"")[:2]
    token = encode_base64(raw) if raw else encode_text(ROOT, Format.V1)
    try:
        copy = attenuate(token, spelled.decode("utf-8", "surrogateescape"))
    except (DecodeError, PredicateError):
        return
    assert decode_text(copy) == decode_text(token).append(spelled)
    assert str(BUILTIN.parse(spelled)).encode() == spelled


def displayed(data: bytes) -> None:
    """A token of strangers, looked at: no markup of theirs, and nothing that turns or hides a line."""
    try:
        macaroon = ROOT.append(*fields(data[1:])) if data[:1] == b"+" else decode_binary(data)
        explanation = explain(macaroon, REQUEST)
    except MacaroonError:
        return
    said = scope(macaroon, VOCABULARY)
    for each in (macaroon, said, explanation):
        shown = show(each)
        assert "<script" not in shown.html
        assert not TURNING.search(f"{shown}{each}".replace("\n", ""))
    assert said.is_narrower_than(said) or said.not_understood or said.third_parties or said.contradictions
