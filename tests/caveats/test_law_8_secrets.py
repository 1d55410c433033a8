"""Law 8: no error and no repr holds a token, a signature, a key or a salt, whatever went wrong."""

from __future__ import annotations

import traceback
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caveats import (
    BUILTIN,
    Authority,
    Capability,
    CaveatUnmet,
    Expired,
    Format,
    InvalidMacaroon,
    Macaroon,
    MacaroonError,
    PredicateError,
    Prefix,
    Request,
    Revoked,
    Salts,
    Verifier,
    chain,
    decode,
    encode,
    from_pymacaroons,
    prove,
    to_pymacaroons,
)
from caveats.encoding import encode_base64
from tests.caveats import strategies as some

ROOT_KEY = b"the root key of these tests, 32b"
CAVEAT_KEY = b"the caveat's key of these tests!"
SALT = bytes(range(200, 216))
PRINTABLE_SALT = b"sixteen salt ch."
SPELLED = encode_base64(SALT)


def spellings(*secrets: bytes) -> set[str]:
    """The ways in which bytes get into a text."""
    found: set[str] = set()
    for secret in secrets:
        assert len(secret) >= 16
        found |= {
            encode_base64(secret),
            b64encode(secret).decode(),
            secret.hex(),
            secret.hex().upper(),
            repr(secret)[2:-1],
        }
        found |= {secret.decode("latin-1"), repr(bytearray(secret))[12:-2], str(list(secret))}
    return found


def texts(raised: BaseException) -> Iterator[str]:
    """Everything that a log or a person gets of an exception, its causes and its contexts too."""
    yield "".join(traceback.format_exception(raised))
    seen: BaseException | None = raised
    while seen is not None:
        yield f"{seen} {vars(seen)} {getattr(seen, '__notes__', '')}"
        if isinstance(seen, MacaroonError):
            yield f"{seen!r} {seen.args!r}"
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def secrets_of(*macaroons: Macaroon) -> set[str]:
    """The secrets of these tests, and the signatures and texts of some macaroons."""
    secrets = spellings(
        ROOT_KEY, CAVEAT_KEY, SALT, PRINTABLE_SALT, chain.derive_key(ROOT_KEY), chain.derive_key(CAVEAT_KEY)
    )
    for macaroon in macaroons:
        secrets |= spellings(macaroon.signature)
        for format in Format:
            text = encode(macaroon, format)
            secrets |= {text, text[: len(text) // 2], text[len(text) // 2 :]}
    return secrets


def root(salt: bytes = SALT) -> Macaroon:
    return some.authority()._replace(salt=salt).mint(ROOT_KEY, "https://id.example")


def verify(macaroon: Macaroon | str, rows: dict[str, bytes | None], *discharges: Macaroon, **facts: Any) -> Capability:
    request = Request(BUILTIN, **{"time": some.NOW, **facts})
    return Verifier(lambda name: ROOT_KEY).verify(macaroon, request, lambda *_: Salts(rows), discharges)


def failure(attempt: Callable[[], object]) -> BaseException:
    with pytest.raises((MacaroonError, ValueError, TypeError)) as raised:
        attempt()
    return raised.value


def test_law_8_no_error_of_decoding_holds_a_part_of_the_token() -> None:
    seen: Counter[str] = Counter()
    held: list[str] = []
    macaroon = root().entrust("https://third.example", CAVEAT_KEY, b"ask", bytes(24))
    secrets = secrets_of(macaroon)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(Format), st.data())
    def check(format: Format, data: st.DataObject) -> None:
        text = encode(macaroon, format)
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        put = data.draw(st.sampled_from(["", "A", "=", "\u00e9", "\ud800", '"', "\\u0000", "{", ",", "9" * 5000]))
        try:
            decode(text[:start] + put + text[end:])
        except MacaroonError as wrong:
            seen[str(wrong)] += 1
            held.extend(said for said in texts(wrong) if any(secret in said for secret in secrets))

    check()
    assert not held
    assert len(seen) >= 8, seen


SALTS_IN_CAVEATS = [
    f"salt = laptop/{SPELLED}",
    f"salt = laptop/{SPELLED}x",
    f"salt = laptop/{SPELLED} ",
    f"salt = laptop/{SPELLED}=",
    f"salt = lap top/{SPELLED}",
    f"salt = -/{SPELLED}",
    f"salt in laptop/{SPELLED}",
    f"salt == laptop/{SPELLED}",
    f"salt  = laptop/{SPELLED}",
    f" salt = laptop/{SPELLED}",
    f"salt=laptop/{SPELLED}",
    f"salt {SPELLED}",
    f"salt = {SPELLED}",
    f"salt = laptop%2F{SPELLED}",
    f"salts = laptop/{SPELLED}",
    f"salt = {SPELLED}/laptop",
    f"salt = {SPELLED} laptop/{SPELLED}",
    f"Salt = laptop/{SPELLED}",
]


@pytest.mark.parametrize("predicate", SALTS_IN_CAVEATS)
def test_law_8_neither_an_error_nor_inspection_shows_the_salt_of_a_caveat(predicate: str) -> None:
    macaroon = root().append(predicate.encode(), predicate.encode() + b"\xff")
    secrets = secrets_of(macaroon)
    errors = [
        failure(lambda: verify(macaroon, {"default": SALT})),
        failure(lambda: verify(macaroon, {"default": SALT, "laptop": None})),
        failure(lambda: BUILTIN.parse(predicate + "/")),
        failure(lambda: Macaroon.mint(ROOT_KEY, "k1").attenuate(predicate, predicate + "/")),
    ]
    said = [text for error in errors for text in texts(error)]
    said += [repr(macaroon), macaroon.inspect(), *map(repr, macaroon.unverified_caveats)]
    assert not [text for text in said if any(secret in text for secret in secrets)]


def test_law_8_no_error_of_verification_holds_a_secret() -> None:
    ours = root().entrust("https://third.example", CAVEAT_KEY, b"ask", bytes(24))
    discharge = Macaroon.mint(CAVEAT_KEY, b"ask", "https://third.example")
    salted = discharge.append(f"salt = default/{SPELLED}".encode())
    narrowed = root().append(b"method = GET", b"no predicate", f"user = {SPELLED[:4]}".encode())
    forged = replace(narrowed, signature=chain.extend(narrowed.signature, b""))
    unsealed = ours.append(b"x")
    agrees: dict[str, bytes | None] = {"default": SALT}
    attempts: dict[str, tuple[type[Exception], Callable[[], object]]] = {
        "forged": (InvalidMacaroon, lambda: verify(forged, agrees)),
        "key": (InvalidMacaroon, lambda: prove(narrowed, CAVEAT_KEY)),
        "missing": (MacaroonError, lambda: verify(ours, agrees)),
        "unbound": (MacaroonError, lambda: verify(ours, agrees, discharge)),
        "left over": (MacaroonError, lambda: verify(narrowed, agrees, narrowed.bind(discharge))),
        "bound elsewhere": (MacaroonError, lambda: verify(unsealed, agrees, ours.bind(discharge))),
        "salt in a discharge": (CaveatUnmet, lambda: verify(ours, agrees, ours.bind(salted))),
        "unmet": (CaveatUnmet, lambda: verify(narrowed, agrees, method="POST")),
        "expired": (Expired, lambda: verify(narrowed, agrees, time="2030-01-01T00:00:00Z")),
        "early": (CaveatUnmet, lambda: verify(narrowed, agrees, time="2026-11-01T00:00:00Z")),
        "other salt": (Revoked, lambda: verify(narrowed, {"default": PRINTABLE_SALT})),
        "no salt": (Revoked, lambda: verify(narrowed, {})),
        "text": (MacaroonError, lambda: verify(encode(narrowed) + "A", agrees)),
        "a fact of authority's": (ValueError, lambda: verify(narrowed, agrees, user="alice")),
        "salts as a fact": (ValueError, lambda: verify(narrowed, agrees, salt={"default": SALT})),
        "no salts as a fact": (TypeError, lambda: Request(salt=SALT)),
        "unknown fact": (TypeError, lambda: Request(key=ROOT_KEY)),
        "too long for format 1": (ValueError, lambda: encode(narrowed.append(bytes(70_000)), Format.V1)),
        "short nonce": (ValueError, lambda: narrowed.entrust("", CAVEAT_KEY, b"ask", b"short")),
        "short signature": (ValueError, lambda: replace(narrowed, signature=narrowed.signature[1:])),
        "short salt": (PredicateError, lambda: root(SALT[1:])),
        "foreign": (MacaroonError, lambda: from_pymacaroons(cut(to_pymacaroons(narrowed)))),
        "no macaroon": (TypeError, lambda: decode(encode(narrowed).encode())),
    }
    secrets = secrets_of(ours, discharge, salted, narrowed, forged) | {encode_base64(SALT[1:]), SALT[1:].hex()}
    for name, (kind, attempt) in attempts.items():
        error = failure(attempt)
        assert isinstance(error, kind), name
        assert not [text for text in texts(error) if any(secret in text for secret in secrets)], name


def cut(foreign: Any) -> Any:
    foreign.signature = foreign.signature[:-1]
    return foreign


@settings(max_examples=150, deadline=None)
@given(st.lists(some.predicates, max_size=4), some.requests())
def test_law_8_what_is_unmet_names_no_salt(added: list[str], request: Request) -> None:
    macaroon = some.append(root(some.AUTHORITY_SALT), added)
    secrets = secrets_of(macaroon) | spellings(some.AUTHORITY_SALT, some.HELD_SALT)
    for rows in ({"default": some.AUTHORITY_SALT}, {"default": some.HELD_SALT}):
        try:
            verified = Verifier(lambda name: ROOT_KEY).verify(macaroon, request, lambda *_, rows=rows: Salts(rows))
        except MacaroonError as wrong:
            said = "\n".join(texts(wrong))
        else:
            said = f"{verified!r} {verified.predicates!r}"
        assert not [secret for secret in secrets if secret in said]


@pytest.mark.parametrize("salt", [SALT, PRINTABLE_SALT], ids=["bytes", "printable"])
def test_law_8_no_repr_of_a_public_value_holds_a_secret(salt: bytes) -> None:
    macaroon = root(salt).entrust("https://third.example", CAVEAT_KEY, b"ask", bytes(24))
    discharge = macaroon.bind(Macaroon.mint(CAVEAT_KEY, b"ask"))
    proof = prove(macaroon, ROOT_KEY, [discharge])
    verifier = Verifier(lambda name: ROOT_KEY)
    request = Request(time=some.NOW, method="GET")
    capability = verifier.verify(macaroon, request, lambda *_: Salts({"default": salt}), [discharge])
    values = [
        macaroon,
        discharge,
        *macaroon.unverified_caveats,
        *capability.predicates,
        Prefix.of(chain.derive_key(ROOT_KEY), b"k1"),
        Prefix.of(chain.derive_key(ROOT_KEY), b"k1").extend(macaroon.unverified_caveats)[0],
        proof,
        Authority.of(proof),
        capability,
        Salts({"default": salt}),
        verifier,
        request,
    ]
    secrets = secrets_of(macaroon, discharge) | spellings(Prefix.of(chain.derive_key(ROOT_KEY), b"k1").signature)
    for value in values:
        assert not [secret for secret in secrets if secret in repr(value) + str([value])], type(value)


def test_law_8_the_repr_of_a_request_that_carries_salts_holds_none() -> None:
    said = repr(Request(time=some.NOW, salt={"default": SALT, "laptop": PRINTABLE_SALT}))
    assert not [secret for secret in spellings(SALT, PRINTABLE_SALT) if secret in said]
