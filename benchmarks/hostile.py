"""Inputs of any size in honest and hostile shapes, for each reader of strangers' bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from capsvc.access_log import read_log
from capsvc.client.binding import bind_url
from capsvc.console.cookies import read_cookie
from capsvc.http.bodies import quick_members, strict_members
from capsvc.http.facts import Proxies, connection_facts, read_headers
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import HTTPProblem
from capsvc.passwords import check_phc
from caveats import (
    BUILTIN,
    DECLARABLE,
    Authority,
    Format,
    KeyName,
    Macaroon,
    MacaroonError,
    Request,
    Salts,
    Verifier,
    decode,
    encode,
    scope,
)
from caveats.encoding import encode_base64
from caveats.path import Path
from caveats.wire import encode_text

Make = Callable[[int], bytes]


class Reader(NamedTuple):
    """What reads bytes, and shapes to make them in: each makes about so many, and no more."""

    read: Callable[[bytes], object]
    shapes: Mapping[str, Make]


KEY, SALT = b"the root key of a benchmark", bytes(16)
VOCABULARY = BUILTIN.extend(amount=DECLARABLE["number"])
ROOT = Authority(
    KeyName("k1"), "A" * 22, "alice", "default", SALT, "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z"
).mint(KEY, "https://caps.example")
TOKEN = encode_text(ROOT)
VERIFIER = Verifier(lambda name: KEY, remembered=0)
REQUEST = Request(
    VOCABULARY, time="2026-11-25T12:00:00Z", method="GET", path="/docs/7", ip="10.0.0.1", amount=5, action="read",
    host="api.example", body=b"", query=b"",
)  # fmt: skip
PROXIES = Proxies.of(("127.0.0.0/8", "10.0.0.0/8"), "X-Forwarded")


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


def _lists(size: int) -> dict[str, bytes]:
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


LISTS = tuple(_lists(64))


def _predicate(name: str) -> Make:
    return lambda size: _lists(size)[name]


def _narrowed(name: str) -> Make:
    """A proven token with one long caveat."""
    return lambda size: encode_text(ROOT.append(_lists((size - len(TOKEN)) * 3 // 4 - 8)[name])).encode()


def _many(caveat: Callable[[int], bytes]) -> Make:
    """A proven token with as many caveats as there may be, or as fit."""

    def make(size: int) -> bytes:
        count, macaroon = 0, ROOT
        while count < 59 and len(encode_text(further := macaroon.append(caveat(count)))) <= size:
            macaroon, count = further, count + 1
        return encode_text(macaroon).encode()

    return make


def _in_format_1(size: int) -> bytes:
    return encode(_many(lambda at: b"action in read %d" % at)(size * 3 // 4).decode(), Format.V1).encode()


def _with_discharges(nested: bool) -> Make:
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


def verify(data: bytes) -> None:
    """Verify a token, with discharges parted by commas."""
    token, *discharges = data.decode("latin-1").split(",")
    try:
        VERIFIER.verify(token, REQUEST, lambda user, names: Salts({"default": SALT}), discharges)
    except MacaroonError:
        return


def _macaroon(data: bytes) -> None:
    try:
        decode(data.decode("latin-1"))
    except MacaroonError:
        return


def _scope(data: bytes) -> None:
    scope(data.decode("latin-1").split(",")[0], VOCABULARY)


def _parse(data: bytes) -> None:
    try:
        VOCABULARY.parse(data)
    except MacaroonError:
        return


def _body(data: bytes) -> None:
    try:
        if quick_members(data) is None:
            strict_members(data)
    except HTTPProblem:
        return


@lru_cache
def _pairs(data: bytes) -> list[tuple[bytes, bytes]]:
    """What a server has split already, which is not ours to measure."""
    return [line.partition(b": ")[::2] for line in data.split(b"\r\n")]


def _headers(data: bytes) -> None:
    conn = {
        "type": "http", "http_version": "1.1", "scheme": "http", "method": "GET", "raw_path": b"/a",
        "query_string": b"",
        "headers": _pairs(data), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    try:
        unverified_presentation(read_headers(conn, PROXIES), 16384)
        Request(time="2026-11-25T12:00:00Z", **connection_facts(conn, PROXIES))
    except (HTTPProblem, ValueError):
        return


def _cookie(data: bytes) -> None:
    try:
        read_cookie({"headers": [(b"cookie", data)]}, "__Host-capsvc")
    except HTTPProblem:
        return


def _log(data: bytes) -> None:
    for _ in read_log(data.decode("utf-8", "surrogateescape").split("\n"), VOCABULARY, BUILTIN):
        pass


def _phc(data: bytes) -> None:
    try:
        check_phc(data.decode())
    except ValueError:
        return


def _url(data: bytes) -> None:
    try:
        bind_url(TOKEN, "GET", data.decode(), 1764072000.0)
    except ValueError:
        return


def _all(piece: str | Callable[[int], str], head: str = "", tail: str = "", between: str = "") -> Make:
    return lambda size: filled(piece, size, head, tail, between)


def _based(make: Callable[[int], bytes]) -> Make:
    return lambda size: encode_base64(make(size * 3 // 4)).encode()


_SIGNED = '"s64":"' + "A" * 43 + '"'
_LOGGED = '1.1.1.1 - - [25/Nov/2026:12:00:00 +0000] "'
_AUTHORIZED = f"authorization: Bearer {TOKEN}\r\n"
_TOKENS: dict[str, Make] = {
    "many caveats": _many(lambda at: b"action in read list write %d" % at),
    "caveats of everything": _many(lambda at: _lists(90)[LISTS[at % len(LISTS)]]),
    "salts": _many(lambda at: b"salt = n%d/AAAAAAAAAAAAAAAAAAAAAA" % at),
    "discharges": _with_discharges(False),
    "nested discharges": _with_discharges(True),
    **{f"one caveat of {name}": _narrowed(name) for name in LISTS},
    "noise": lambda size: (TOKEN + "A" * size)[:size].encode(),
}
READERS: Mapping[str, Reader] = {
    "verify": Reader(verify, _TOKENS),
    "scope": Reader(_scope, _TOKENS | {"noise": _many(lambda at: b"noise %d" % at)}),
    "predicate": Reader(_parse, {name: _predicate(name) for name in LISTS}),
    "macaroon": Reader(_macaroon, {
        "honest": _many(lambda at: b"action in read list write %d" % at),
        "honest in format 1": _in_format_1,
        "empty caveats": _based(lambda size: b"\x02\x02\x01k\0" + b"\x02\0\0" * (size // 3)),
        "an endless varint": _based(lambda size: b"\x02\x02" + b"\x80" * size),
        "end marks": _based(bytes),
        "opened brackets": _all("[", '{"c":'),
        "opened braces": _all('{"c":'),
        "members": _all(lambda at: f'"{at}":1', "{", "}", ","),
        "escapes": _all("\\u00e9", '{"i":"', '",' + _SIGNED + "}"),
        "digits": _all("9", '{"v":'),
        "caveats in JSON": _all('{"i":"a"}', '{"i":"k","c":[', "]," + _SIGNED + "}", ","),
        "spaces": _all(" ", "{"),
    }),
    "path": Reader(Path.from_wire, {
        "honest": _all("/documents"), "short segments": _all("/a"), "slashes": _all("/"), "dots": _all("/.."),
        "escapes": _all("%41", "/"), "encoded dots": _all("%2e", "/"), "double encoding": _all("%252e", "/"),
        "one segment": _all("a", "/"), "parameters": _all(";a", "/"), "half escapes": _all("%2", "/"),
        "not UTF-8": _all("%ff", "/"), "dots and semicolons": _all("/a..;"),
    }),
    "headers": Reader(_headers, {
        "honest": _all(lambda at: f"x-header-{at}: some value of a usual length", _AUTHORIZED, between="\r\n"),
        "of a browser": _all(lambda at: f"sec-ch-{at}: ?0", _AUTHORIZED, between="\r\n"),
        "of a proxy": _all(lambda at: f"x-trace-{at}: 4bf92f3577b34da6", _AUTHORIZED, between="\r\n"),
        "of a program": _all(lambda at: f"x-{at}: true", "x-forwarded-for: 1.1.1.1\r\n", between="\r\n"),
        "one name": _all("a: b", between="\r\n"), "short names": _all(lambda at: f"{at}: b", between="\r\n"),
        "hops": _all("10.0.0.1", "x-forwarded-for: ", between=","), "commas": _all(",", "x-forwarded-for: "),
        "no hops": _all("a", "x-forwarded-for: ", between=","), "a long host": _all("A", "host: "),
        "zones": _all("%", "x-forwarded-for: ::1"), "discharges": _all("a", "authorization: Macaroon a", between=","),
        "spaces": _all(" ", "authorization: "), "doubled": _all("x-forwarded-host: a", between="\r\n"),
    }),
    "JSON body": Reader(_body, {
        "honest": _all(lambda at: f'"name{at}":"some value"', '{"token":"x","request":{', "}}", ","),
        "honest texts": _all(lambda at: f'"method = A{at}"', '{"caveats":[', "]}", ","),
        "brackets": _all("["), "closed brackets": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
        "objects": _all('{"a":'), "digits": _all("9"), "numbers": _all("1", "[", "]", ","),
        "floats": _all("1e9", "[", "]", ","), "escapes": _all("\\u0041", '"', '"'), "empty texts": _all('""', "[",
        "]", ","),
        "short members": _all(lambda at: f'"{at}":0', "{", "}", ","), "one member": _all('"a":0', "{", "}", ","),
        "spaces": _all(" "), "accents": _all("é", '"', '"'), "empty objects": _all("{}", "[", "]", ","),
        "quotes": _all('\\"', '"', '"'),
    }),
    "cookies": Reader(_cookie, {
        "honest": _all(lambda at: f"cookie{at}=some value", between="; "), "semicolons": _all(";"),
        "spaces": _all(" "),
        "ours": _all("__Host-capsvc=a", between=";"), "one value": _all("a", "__Host-capsvc="), "equals": _all("="),
        "short": _all("a=b", between=";"),
    }),
    "access log": Reader(_log, {
        "honest": _all("a=b&", _LOGGED + "GET /docs/7?", ' HTTP/1.1" 200 5 "-" "-"'),
        "one long path": _all("/a", _LOGGED + "GET ", ' HTTP/1.1" 200'),
        "escapes": _all("\\x41", _LOGGED + "GET /", ' HTTP/1.1" 200'),
        "backslashes": _all("\\", _LOGGED), "brackets": _all("[", "a b "), "quotes": _all('"', "a b "),
        "spaces": _all(" ", "a"), "letters": _all("a"),
        "JSON": _all(lambda at: f'"member{at}":"value"', '{"path":"/a","method":"GET",', "}", ","),
        "brackets in JSON": _all("[", '{"a":'),
    }),
    "password hash": Reader(_phc, {
        "honest": _all("a", "$argon2id$v=19$m=19456,t=2,p=1$"), "dollars": _all("$"), "letters": _all("a"),
        "scheme": _all("a", "$", "$"), "digits": _all("1", "$argon2id$v="), "salt": _all("A",
        "$argon2id$v=19$m=19456,t=2,p=1$", "$"),
    }),
    "URL": Reader(_url, {
        "honest": _all("/documents", "https://api.example"), "query": _all("a=b&", "https://api.example/?"),
        "host": _all("a", "https://"), "labels": _all("a.", "https://"), "dots": _all("/..", "https://a"),
        "IDN": _all("é", "https://"),
        "at signs": _all("@", "https://"), "brackets": _all("[", "https://"), "digits": _all("9", "https://a:"),
        "escapes": _all("%41", "https://a/"), "slashes": _all("/", "https://a"),
    }),
}  # fmt: skip
