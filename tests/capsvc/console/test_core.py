"""The console's JavaScript core takes the tokens that the Python takes, and narrows them to the same bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caveats
from caveats import BUILTIN, DecodeError, Format, Macaroon, check_salt_name, decode, encode, prove, time_text
from caveats.encoding import decode_base64, encode_base64
from caveats.predicate import shown
from caveats.wire import format_of
from tests.capsvc.console import generation
from tests.capsvc.console.generation import seeded
from tests.capsvc.console.javascript import FORMATS, Case, Core, as_text, case, fields, said
from tests.caveats import boundaries as near
from tests.caveats import strategies as some

NEAR = {"amount": "number", "label": "text", "region": "tokens", "folder": "path", "net": "network"}
SOME = {"amount": "number", "label": "text"}
BARE = Macaroon.mint(b"root key", "a foreign key", "https://id.example")
INVALID = ("InvalidMacaroon", "the macaroon is not valid here")


def generated(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings for so many examples, the same in every run."""
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@cache
def minted() -> list[some.Minted]:
    """Macaroons of every kind, with third parties and without."""
    found: list[some.Minted] = []

    @generated(400)
    @given(some.minted())
    def collect(each: some.Minted) -> None:
        found.append(each)

    collect()
    return found


def decoding(text: str) -> Case:
    """A text to decode: its fields, and the macaroon in every format. JSON is refused in other words."""

    def decoded() -> dict[str, Any]:
        macaroon, format = decode(text), format_of(text)
        texts = [encode(macaroon, each) for each in FORMATS]
        return {**fields(macaroon, format), "frozen": True, "same": encode(macaroon, format), "texts": texts}

    found = case(decoded, "decode", token=text)
    return found if found.is_answered or not text.startswith("{") else Case(found.command, found.ours[:1])


def test_a_thousand_tokens_of_every_format_have_the_same_fields_and_are_encoded_to_the_same_text(core: Core) -> None:
    cases = core.agree(decoding(encode(each.macaroon, format)) for each in minted() for format in Format)
    assert sum(each.is_answered for each in cases) == len(cases) >= 1000
    assert sum(bool(each.discharges) for each in minted()) >= 50


def test_thousands_of_altered_tokens_are_taken_and_refused_alike(core: Core) -> None:
    random = seeded(1)
    altered = [generation.token(each.macaroon, random) for each in minted() for _ in range(8)]
    altered += [generation.json_text(random) for _ in range(3000)]
    seen = Counter(each.is_answered for each in core.agree(map(decoding, altered)))
    assert min(seen[True], seen[False]) >= 400, seen


def test_a_token_cut_off_or_with_something_around_it_is_refused_alike(core: Core) -> None:
    root = some.authority("Zoë", "billing").mint(b"key", "https://id.é").entrust("3rd", b"key", b"\xff", bytes(24))
    for text in (encode(root, format) for format in Format):
        altered = [text[:size] for size in range(len(text))]
        altered += [text + more for more in ("=", "A", "AA", "AAAA", "\0", "{", '"', "}")]
        altered += [before + text for before in (" ", "\n", "\ufeff", "A")]
        assert not any(each.is_answered for each in core.agree(map(decoding, altered)))


def test_a_length_that_is_spelled_longer_than_it_needs_or_does_not_fit_is_refused_alike(core: Core) -> None:
    raw = decode_base64(encode(BARE.entrust("there", b"key", b"ask", bytes(24)).append(b"x" * 200)))
    spelled = [raw[:at] + bytes([byte | 0x80, 0]) + raw[at + 1 :] for at, byte in enumerate(raw)]
    for varint in (
        "8000",
        "808000",
        "ff" * 9 + "01",
        "ff" * 9 + "02",
        "ff" * 10,
        "80" * 9 + "00",
        "80" * 9 + "01",
        "7f",
    ):
        spelled += [raw[:at] + bytes.fromhex(varint) + raw[at + 1 :] for at in (2, raw.index(b"\x02\x0d") + 1)]
    cases = core.agree(decoding(encode_base64(each)) for each in spelled)
    assert not any(each.is_answered for each in cases)
    assert sum("minimal varint" in str(each.ours) for each in cases) >= 10


HOSTILE = {
    "empty": "",
    "half a character": "\ud800",
    "half a character in JSON, and its other half escaped": '{"i":"\ud83d\\ude00","s64":"' + "A" * 43 + '"}',
    "nested lists": '{"c":' + "[" * 8000,
    "nested members": '{"i":' * 1000,
    "an endless string": '{"i":"' + "\\\\" * 4000,
    "an endless number": '{"v":' + "2" * 8000 + "}",
    "white space": "{" + " " * 8000,
    "a prototype": '{"__proto__":{"i":"x"},"i":"x","s64":"' + "A" * 43 + '"}',
    "more characters than are taken": "A" * 8193,
    "four million characters": "A" * 4_000_000,
    "pairs": "{" + "\U0001f600" * 8192,
    "an endless length": encode_base64(b"\x02\x02" + b"\xff" * 4000),
    "locations": encode_base64(b"\x02\x02\x01k\x00" + b"\x01\x01x" * 1000),
    "packets": encode_base64(b"0010location x\n0011identifier k\n" + b"000bcid xx\n" * 400),
}


def test_hostile_tokens_are_refused(core: Core) -> None:
    assert not any(each.is_answered for each in core.agree(map(decoding, HOSTILE.values())))


def test_as_many_caveats_and_characters_are_taken_as_verifiers_take(core: Core) -> None:
    for format in Format:
        most = BARE.append(*([b"x"] * 64))
        sizes = {len(encode(BARE.append(b"x" * size), format)): size for size in range(5800, 8200)}
        longest = sizes[max(each for each in sizes if each <= 8192)]
        texts = [encode(each, format) for each in (most, most.append(b"x"), BARE.append(b"x" * longest))]
        texts.append(encode(BARE.append(b"x" * (longest + 3)), format))
        assert [each.is_answered for each in core.agree(map(decoding, texts))] == [True, False, True, False]
    pairs = encode(BARE.append("\U0001f600".encode() * 8000), Format.JSON)
    assert len(pairs) <= 8192 < len(pairs.encode("utf-16-le")) // 2
    assert core.agree([decoding(pairs)])[0].is_answered


def test_a_byte_order_mark_and_what_json_escapes_are_characters_like_any_other(core: Core) -> None:
    marked = Macaroon("\ufeffplace", b"\xef\xbb\xbfk1", (), bytes(32)).append('\ufeff\u2028\x7f\x1f"\\/'.encode())
    assert all(each.is_answered for each in core.agree(decoding(encode(marked, format)) for format in Format))


def narrowing(token: str, predicates: list[str], declared: dict[str, str]) -> Case:
    """A token to append predicates to."""
    return case(
        lambda: {"token": caveats.attenuate(token, *predicates, vocabulary=near.VOCABULARY)},
        "attenuate", token=token, predicates=predicates, vocabulary=declared,
    )  # fmt: skip


def test_a_narrowed_copy_is_the_same_text_byte_for_byte(core: Core) -> None:
    random = seeded(3)
    tokens = [encode(each.macaroon, format) for each in minted() for format in Format]
    cases = [narrowing(each, generation.stated(random), NEAR) for each in tokens]
    assert sum(each.is_answered for each in core.agree(cases)) == len(cases) >= 1000


def test_a_copy_that_no_verifier_would_take_is_refused_in_the_same_words(core: Core) -> None:
    wrong = [["path ^= docs"], ["colour = red"], ["method = GET"] * 65, ["user = \ud800"], ["method = GET", "time < x"]]
    wrong += [[f"user in {'a ' * size}a"] for size in (5000, 40_000)]
    cases = core.agree(narrowing(encode(BARE, format), each, NEAR) for format in Format for each in wrong)
    assert not any(each.is_answered for each in cases)


def test_a_chain_is_proven_with_its_key_alone_and_never_where_discharges_are_needed(core: Core) -> None:
    for root in minted()[::3]:
        token, key = encode(root.macaroon), as_text(root.key)
        signed, own, other = core.answers(
            {"do": "signature", "token": token, "key": key},
            {"do": "prove", "token": token, "key": key},
            {"do": "prove", "token": token, "key": as_text(root.key + b"!")},
        )
        assert signed == {"signature": as_text(root.macaroon.signature)}
        assert prove(root.macaroon, root.key, root.bound)
        assert own == (INVALID if root.discharges else fields(root.macaroon, Format.V2))
        assert other == INVALID


SALT = "A" * 22
HIDING = [
    f"salt = laptop/{SALT}", f"\u2003SALT = laptop/{SALT}", f"\x1csalt={SALT}", f"salt = x/{SALT} ", f"Salt/{SALT}",
    f"\x85salt = {SALT}", "\u202eevil", "\U000e0041", "\ud800", "\t\n\r\x00\x7f\x80\u00ad", "x" * 201,
    "\U0001f600" * 201, "\x00" * 60,
]  # fmt: skip


def showing(caveat: str | bytes) -> Case:
    """A caveat to show."""
    return case(lambda: {"text": shown(caveat)}, "shown", text=said(caveat))


def test_a_caveat_is_shown_alike_and_never_its_salt(core: Core) -> None:
    found: list[str | bytes] = [*HIDING]

    @generated(400)
    @given(st.text(max_size=30), st.binary(max_size=30), st.lists(st.sampled_from(range(0x80, 256)), max_size=12))
    def collect(text: str, raw: bytes, more: list[int]) -> None:
        found.extend((text, raw, bytes(more), text.encode() + bytes(more) + raw))

    collect()
    assert len(core.agree(map(showing, found))) >= 1500
    assert not any(SALT in str(each.ours) for each in map(showing, HIDING))


def test_a_salts_new_name_and_its_predicate_are_what_the_command_line_makes(core: Core) -> None:
    made: list[Any] = core.answers(*[{"do": "salt", "name": "laptop"}] * 200)
    names = {each["name"] for each in made}
    assert len(names) == len({each["predicate"] for each in made}) == 200
    assert all(re.fullmatch(r"laptop\.[a-z0-9]{8}", check_salt_name(name)) for name in names)
    assert {character for name in names for character in name[7:]} == set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert all(BUILTIN.parse(each["predicate"]).operand[0] == each["name"] for each in made)
    for wrong in ("", "a b", "x" * 56, "é", "-", None):
        assert core.answer("salt", name=wrong)[0] == "PredicateError"


def test_a_moment_is_written_alike_and_floored_to_the_second(core: Core) -> None:
    random = seeded(2)
    moments: list[float] = [random.randint(-62135596800, 253402300799) for _ in range(500)]
    moments += [random.uniform(-1e9, 1e10) for _ in range(500)]
    moments += [-0.5, 253402300799.5, -62135596800]
    assert core.answers(*({"do": "time", "seconds": at} for at in moments)) == [
        {"text": time_text(at)} for at in moments
    ]
    assert core.answer("time", date="2026-11-22T12:00:00.999+01:00") == {"text": "2026-11-22T11:00:00Z"}
    assert core.answer("time", date="no date") == ("ValueError", "a time lies within the years 1 to 9999")
    for beyond in (-62135596801, 253402300800, 1e300):
        assert core.answer("time", seconds=beyond) == ("ValueError", "a time lies within the years 1 to 9999")


def test_a_digest_is_computed_alike(core: Core) -> None:
    for raw in (b"", b"a body", "é".encode()):
        assert core.answer("digest", what=said(raw)) == {"digest": BUILTIN["body"].fact(raw)}
    assert core.answer("digest", what="é") == {"digest": BUILTIN["body"].fact("é".encode())}


def test_no_error_tells_what_was_decoded(core: Core) -> None:
    with pytest.raises(DecodeError):
        decode("secret-token!")
    assert "secret" not in str(core.answer("decode", token="secret-token!"))
