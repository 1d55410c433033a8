"""What the core is asked: predicates and facts near the bounds of each other, and texts that are nearly good ones.

All from a seeded Random, so that every run is alike.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from random import Random
from typing import Any

from caveats import Format, Macaroon, encode
from caveats.encoding import decode_base64, encode_base64, encode_item
from tests.caveats import boundaries as near

_CHARACTERS = 'ABCMYZagz089-_+/=. \n\0{}[]",:\\é\ufeff\ud800\U0001f600'
_JSON_PIECES = (
    '"v":2', '"v":2.0', '"v":2e0', '"v":02', '"v":-2', '"v":"2"', '"v":null', '"v":true', '"v":NaN', '"v":1',
    '"l":"x"', '"l":""', '"l":3', '"l":"\\ud800"', '"l":"\\ud83d\\ude00"', '"l":"\ud83d\\ude00"', '"l":"\t"',
    '"i":"x"', '"i":""', '"i64":"eA"', '"i64":"eA=="', '"i":["x"]', '"\\u0069":"x"', '"i":{"__proto__":1}',
    '"c":[]', '"c":null', '"c":{}', '"c":[[]]', '"c":[{}]', '"c":[{"i":"x"},]', '"c":[{"i":"x","v64":""}]',
    '"c":[{"i":"x","l":""}]', '"c":[{"i":"x","v64":"eA"}]', '"c":[{"i64":"eA","v":"x","l":"y"}]', '"c":[1]',
    '"c":[{"i":"x"},{"i":"x"}]', '"c":[{"i":"x","i64":"eA"}]', '"c":[{"i":"x","i":"x"}]', '"c":[{"i":"x"} {"i":"x"}]',
    '"s64":"' + "A" * 43 + '"', '"s64":"' + "A" * 42 + 'B"', '"s64":"AA"', '"s":"' + "a" * 32 + '"', '"s":"x"',
    '"__proto__":"x"', '"constructor":"x"', '"x":1', "", '"i"', '"i":', "1", "//", '"l":"\\x"', '"l":"\\u00e9"',
)  # fmt: skip
_CAVEAT_PIECES = (
    " ", "  ", "%20", "%2F", "%25", "%e9", "%C3%A9", "%C2%85", "%", "0", "5.", ".5", "-", "/", "//", "/..", "/.;x", ".",
    ":", "::", "a", "Z", "\n", "\0", "é", "e\u0301", "\u1e9b\u0323", "\uac00", "\ufeff", "\ud800", "\U0001f600", "=",
    "<", ">=", "^=", "in", "T", "Z", "2026", "1", "\u0661", "+", "_", "A" * 22, "sha-256:", "__proto__ = x",
)  # fmt: skip
_OCTETS = ("0", "1", "9", "10", "010", "127", "128", "255", "256", "", "a", "\u0661", "+1", "1 ")
_HEXTETS = ("0", "0", "0", "1", "ffff", "FFFF", "00ff", "db8", "10000", "g", "", "-1")
_MASKS = (
    *map(str, (0, 1, 7, 8, 24, 31, 32, 33, 64, 95, 96, 97, 127, 128, 129)), "08", "", "a", "-1", "8/8", "\u0668", "+8",
    "128.0.0.0", "0.255.255.255", "255.0.255.0", "0.0.0." + "0", "255.255.255.255", "9" * 400,
)  # fmt: skip
_SEGMENTS = (
    "", "docs", "2026", "é", "%C3%A9", "%c3%a9", "%C3", "%ff", ".", "..", "..;x", ".;", "...", "%2e", "%2E%2e", "%252e",
    "%2f", "%5C", "%255c", "%7D", "%zz", "%", "%2", "a b", "a%20b", "\\", "\0", "%00", "?q", "#f", ";x", "\ud800", "*",
    "\ufeff", "\U0001f600", "docs\n",
)  # fmt: skip


def seeded(seed: int) -> Random:
    """Randomness that is the same in every run."""
    return Random(seed)  # noqa: S311


def predicate_on(attribute: str, random: Random) -> str:
    """A predicate on an attribute of the boundaries' vocabulary."""
    operator = random.choice(sorted(near.VOCABULARY[attribute].operators))
    most = 4 if operator in ("in", "^=") else 1
    items = random.choices(near.VALUES[attribute], k=random.randint(1, most))
    return f"{attribute} {operator} {' '.join(map(encode_item, items))}"


def stated(random: Random, most: int = 3) -> list[str]:
    """Some predicates on each of a few attributes, mixed."""
    attributes = random.sample(sorted(near.VOCABULARY), random.randint(1, most))
    texts = [predicate_on(name, random) for name in attributes for _ in range(random.randint(1, 3))]
    random.shuffle(texts)
    return texts


def asked(texts: list[str], random: Random) -> dict[str, Any]:
    """The facts of a request as they are told: often those that meet these predicates, sometimes not."""
    predicates = near.read(texts)
    told: dict[str, Any] = {}
    for name in sorted(near.VOCABULARY):
        own = [each for each in predicates if each.attribute == name]
        pool = (*near.FACTS[name], *(near.SCARCE_SALTS if name == "salt" else ()))
        if own and random.random() < 0.7:
            pool = tuple(near.FACTS[name][index] for index in sorted(near.meeting(own))) or pool
        if random.random() < (0.9 if own else 0.2):
            told[name] = random.choice(pool)
    return told


def edited(text: str, random: Random, pieces: str | tuple[str, ...] = _CHARACTERS) -> str:
    """Delete, replace, insert, cut off, double or swap somewhere in a text."""
    at, end = sorted(random.randint(0, len(text)) for _ in range(2))
    piece = random.choice(pieces)
    return random.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + piece + text[at + 1 :],
            text[:at] + piece + text[at:],
            text[:at],
            text[:end] + text[at:],
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
            text + piece,
            piece + text,
        ]
    )


def token(macaroon: Macaroon, random: Random) -> str:
    """A text of a macaroon in some format that somebody has altered."""
    format = random.choice(tuple(Format))
    text = encode(macaroon, format)
    kind = random.randrange(4)
    if kind == 0:
        return edited(text, random)
    if format is Format.JSON:
        return _other_json(text, random) if kind == 1 else edited(text, random, (*_CHARACTERS, *_JSON_PIECES))
    raw = bytearray(decode_base64(text))
    at = random.randrange(len(raw))
    if kind == 1:
        raw[at] = random.choice((raw[at] ^ 1 << random.randrange(8), 0, 1, 2, 4, 6, 0x7F, 0x80, 0xFF))
    elif kind == 2:
        raw[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
    else:
        end = random.randrange(len(raw))
        raw[at:at] = raw[min(at, end) : max(at, end)]
    return encode_base64(bytes(raw))


def _other_json(text: str, random: Random) -> str:
    """The same members in another order, with white space, text as base64 or base64 as text, escaped or not."""

    def respelled(members: dict[str, Any]) -> dict[str, Any]:
        pairs = [(name, list(map(respelled, value)) if name == "c" else value) for name, value in members.items()]
        pairs = [
            (f"{name}64", encode_base64(value.encode())) if name == "i" and random.random() < 0.5 else (name, value)
            for name, value in pairs
            if name != "v" or random.random() < 0.5
        ]
        random.shuffle(pairs)
        return dict(pairs)

    other = json.dumps(
        respelled(json.loads(text)), indent=random.choice((None, 0, 2)), ensure_ascii=random.random() < 0.5
    )
    return other + random.choice(("", "", "\n ", "\u00a0", "x"))


def json_text(random: Random) -> str:
    """A text like 2-JSON, of members that are right and wrong."""
    right = ['"i":"x"', '"s64":"' + "A" * 43 + '"']
    pieces = random.choice((right, [])) + random.choices(_JSON_PIECES, k=random.randrange(4))
    random.shuffle(pieces)
    return "{" + random.choice((",", ",", " , ", ",,", "\n,")).join(pieces) + random.choice(("}", "}", " }\t", "]", ""))


def predicate(text: str, random: Random) -> str:
    """A predicate's text with an edit or two."""
    return edited(edited(text, random, _CAVEAT_PIECES) if random.random() < 0.3 else text, random, _CAVEAT_PIECES)


def network(random: Random) -> str:
    """Something like a network, in a spelling of its own or not."""
    if random.random() < 0.3:
        kind, size = random.choice(((IPv4Network, 32), (IPv6Network, 128)))
        mask = random.randrange(size + 1)
        return str(kind((random.getrandbits(size) >> size - mask << size - mask, mask)))
    address = random.choice((_four, _six, _short, _mixed))(random)
    zone = random.choice(("", "", "", "", "%eth0", "%", "%a%b"))
    return address + zone + random.choice(("", "/", "/", "/", "/", "/")) + random.choice(_MASKS)


def address(random: Random) -> str:
    """Something like an address."""
    return random.choice((_four, _six, _short, _mixed))(random) + random.choice(("", "", "%eth0", "%", " ", "/8"))


def _four(random: Random) -> str:
    return ".".join(random.choice(_OCTETS[: random.choice((6, 8, 14))]) for _ in range(random.choice((4, 4, 4, 3, 5))))


def _six(random: Random) -> str:
    pool = _HEXTETS[: random.choice((5, 8, 12))]
    return ":".join(random.choice(pool) for _ in range(random.choice((8, 8, 7, 9))))


def _short(random: Random) -> str:
    pool = _HEXTETS[: random.choice((5, 8, 12))]
    high, low = (":".join(random.choice(pool) for _ in range(random.randrange(5))) for _ in range(2))
    return f"{high}::{low}"


def _mixed(random: Random) -> str:
    return random.choice(("::ffff:", "::", "2001:db8::", "1:2:3:4:5:6:", "::ffff:0:", ":")) + _four(random)


def path(random: Random) -> str:
    """Something like a path of a request line, often one that a caveat names or what lies under it."""
    if random.random() < 0.3:
        return random.choice(near.FACTS["path"])
    pool = random.choice((_SEGMENTS[1:5], _SEGMENTS))
    segments = [random.choice(pool) for _ in range(random.randrange(4))]
    return random.choice(("/", "/", "/", "", "//")) + "/".join(segments) + random.choice(("", "", "/"))
