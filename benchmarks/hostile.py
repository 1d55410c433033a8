"""Inputs of any size in honest and hostile shapes, for each reader of strangers' bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from benchmarks.shapes import (
    KEY,
    LISTS,
    SALT,
    TOKEN,
    VOCABULARY,
    Make,
    filled,
    in_format_1,
    lists,
    many,
    narrowed,
    predicate,
    with_discharges,
)
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
    MacaroonError,
    Request,
    Salts,
    Verifier,
    decode,
    scope,
)
from caveats.encoding import encode_base64
from caveats.path import Path


class Reader(NamedTuple):
    """What reads bytes, and shapes to make them in: each makes about so many, and no more."""

    read: Callable[[bytes], object]
    shapes: Mapping[str, Make]


VERIFIER = Verifier(lambda name: KEY, remembered=0)
REQUEST = Request(
    VOCABULARY, time="2026-11-25T12:00:00Z", method="GET", path="/docs/7", ip="10.0.0.1", amount=5, action="read",
    host="api.example", body=b"", query=b"",
)  # fmt: skip
PROXIES = Proxies.of(("127.0.0.0/8", "10.0.0.0/8"), "X-Forwarded")


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
    except (ValueError, MacaroonError):
        return


def _all(piece: str | Callable[[int], str], head: str = "", tail: str = "", between: str = "") -> Make:
    return lambda size: filled(piece, size, head, tail, between)


def _based(make: Callable[[int], bytes]) -> Make:
    return lambda size: encode_base64(make(size * 3 // 4 - 8)).encode()


_SIGNED = '"s64":"' + "A" * 43 + '"'
_LOGGED = '1.1.1.1 - - [25/Nov/2026:12:00:00 +0000] "'
_AUTHORIZED = f"authorization: Bearer {TOKEN}\r\n"
_TOKENS: dict[str, Make] = {
    "many caveats": many(lambda at: b"action in read list write %d" % at),
    "caveats of everything": many(lambda at: lists(90)[LISTS[at % len(LISTS)]]),
    "salts": many(lambda at: b"salt = n%d/AAAAAAAAAAAAAAAAAAAAAA" % at),
    "discharges": with_discharges(False),
    "nested discharges": with_discharges(True),
    **{f"one caveat of {name}": narrowed(name) for name in LISTS},
    "noise": lambda size: (TOKEN + "A" * size)[:size].encode(),
}
READERS: Mapping[str, Reader] = {
    "verify": Reader(verify, _TOKENS),
    "scope": Reader(_scope, _TOKENS | {"noise": many(lambda at: b"noise %d" % at)}),
    "predicate": Reader(_parse, {name: predicate(name) for name in LISTS}),
    "macaroon": Reader(_macaroon, {
        "honest": many(lambda at: b"action in read list write %d" % at),
        "honest in format 1": in_format_1,
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
