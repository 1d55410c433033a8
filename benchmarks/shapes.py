"""What hostile input is made of: long lists, many caveats, discharges, and pieces that fill any size."""

from __future__ import annotations

from collections.abc import Callable

from caveats import BUILTIN, DECLARABLE, Authority, Format, KeyName, Macaroon, encode
from caveats.wire import encode_text

Make = Callable[[int], bytes]
"""Makes an input of at most so many bytes."""

KEY, SALT = b"the root key of a benchmark", bytes(16)
VOCABULARY = BUILTIN.extend(amount=DECLARABLE["number"])
ROOT = Authority(
    KeyName("k1"), "A" * 22, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z"
).mint(KEY, "https://caps.example")
TOKEN = encode_text(ROOT)


def filled(piece: str | Callable[[int], str], size: int, head: str = "", tail: str = "", between: str = "") -> bytes:
    """As many pieces as fit between a head and a tail."""
    parts, length, number = [], len(head.encode()) + len(tail.encode()), 0
    while True:
        each = piece if isinstance(piece, str) else piece(number)
        length += len(each.encode()) + (len(between) if parts else 0)
        if length > size:
            return (head + between.join(parts) + tail).encode()
        parts.append(each)
        number += 1


def lists(size: int) -> dict[str, bytes]:
    """Predicates of one long list, or of one long value."""
    return {
        "actions": filled(lambda at: f"a{at}", size, "action in ", between=" "),
        "short actions": filled("a", size, "action in ", between=" "),
        "escaped texts": filled("%20", size, "user = a"),
        "escaped items": filled("%20", size, "user in ", between=" "),
        "paths": filled(lambda at: f"/d{at}", size, "path ^= ", between=" "),
        "one deep path": filled("/a", size, "path ^= "),
        "networks": filled(lambda at: f"10.{at // 256 % 256}.{at % 256}.0/24", size, "ip in ", between=" "),
        "networks of IPv6": filled(lambda at: f"{at + 1:x}::/16", size, "ip in ", between=" "),
        "numbers": filled(lambda at: f"{at}", size, "amount in ", between=" "),
        "digits": filled("9", size, "amount = "),
        "spaces": filled(" ", size, "action in "),
        "an unknown attribute": filled("a", size, "colour = "),
        "accents": filled("é", size, "user = "),
        "accents apart": filled("e\u0301", size, "user = "),
        "hosts": filled("a.example", size, "host in ", between=" "),
    }  # fmt: skip


LISTS = tuple(lists(64))


def predicate(name: str) -> Make:
    return lambda size: lists(size)[name]


def narrowed(name: str) -> Make:
    """A proven token with one long caveat."""
    return lambda size: encode_text(ROOT.append(lists((size - len(TOKEN)) * 3 // 4 - 8)[name])).encode()


def many(caveat: Callable[[int], bytes]) -> Make:
    """A proven token with as many caveats as there may be, or as fit."""

    def make(size: int) -> bytes:
        count, macaroon = 0, ROOT
        while count < 59 and len(encode_text(further := macaroon.append(caveat(count)))) <= size:
            macaroon, count = further, count + 1
        return encode_text(macaroon).encode()

    return make


def in_format_1(size: int) -> bytes:
    return encode(many(lambda at: b"action in read %d" % at)(size * 3 // 4).decode(), Format.V1).encode()


def with_discharges(nested: bool) -> Make:
    """A token with as many discharges as there may be and as fit, each of as many caveats."""

    def make(size: int) -> bytes:
        count, depth = 8, 4 if nested else 1
        each = max(1, (size - len(TOKEN)) // (count * 24) - 12)
        root, parts = ROOT, []
        for number in range(count):
            discharge = Macaroon.mint(b"key %d" % number, b"ask %d" % number).append(*[b"method = GET"] * min(each, 58))
            if nested and number % depth:
                discharge = discharge.entrust("", b"key %d" % (number - 1), b"ask %d" % (number - 1))
            if not nested or number % depth == depth - 1:
                root = root.entrust("", b"key %d" % number, b"ask %d" % number)
            parts.append(discharge)
        return ",".join(map(encode_text, (root, *map(root.bind, parts)))).encode()

    return make
