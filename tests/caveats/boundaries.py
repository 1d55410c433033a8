"""Caveats that nearly meet, and facts on either side of each of their bounds, of every attribute.

For each attribute there is a pool of values for caveats, and a pool of facts that no two sets of requests,
written with these values, could differ in without one of the facts being in one and not in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from ipaddress import ip_address, ip_network
from itertools import combinations, product
from typing import Any

from hypothesis import strategies as st

from caveats import BUILTIN, DECLARABLE, Number, Predicate, Request
from caveats.encoding import encode_base64, encode_item

VOCABULARY = BUILTIN.extend(
    amount=DECLARABLE["number"], label=DECLARABLE["text"], region=DECLARABLE["tokens"], folder=DECLARABLE["path"],
    net=DECLARABLE["network"],
)  # fmt: skip

_TIMES = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:01Z", "2026-11-22T11:59:59Z", "2026-11-22T12:00:00Z",
    "2026-11-22T12:00:01Z", "9999-12-31T23:59:58Z", "9999-12-31T23:59:59Z",
)  # fmt: skip
_NUMBERS = (
    "0", "-0", "5", "5.0", "4.99999999999999999", "5.00000000000000001", "5.00000000000000002", "-5",
    "9.99999999999999999", "10", "10.0000000000000001", "-10", "99.5", "1000000", "-0.00000000000000001",
    "999999999999999999", "999999999999999998", "-999999999999999999",
)  # fmt: skip
_NETWORKS = (
    "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.0/10", "10.128.1.0/24", "192.0.2.7/32", "192.0.2.6/32",
    "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "::/1", "8000::/1", "::fffe:0:0/95", "::fffe:0:0/96",
    "2001:db8::/32", "2001:db8::/33", "2001:db8:8000::/33",
)  # fmt: skip
_PATHS = (
    "/", "/docs", "/docs/", "/docs/2026", "/docs/2026/", "/docs/2026/7", "/docsx", "/pub", "/p%7D", "/a b", "/\u00e9",
)  # fmt: skip
_RESOURCES = tuple(path.removeprefix("/") for path in _PATHS[1:])
_DIGESTS = tuple(BUILTIN["body"].fact(each) for each in (b"", b"one", b"two"))
_BITS = (bytes(16), b"another salt 16b")
_SALTS = tuple(f"{name}/{encode_base64(salt)}" for name in ("default", "laptop") for salt in _BITS)
_UNIQUE = tuple(map(encode_base64, _BITS))


def _near(number: str) -> Iterable[str]:
    """A number and the nearest on either side, found by trying every place behind the point."""
    exact = Decimal(number)
    for place in range(-1, 18):
        for moved in (exact, exact + Decimal(10) ** -place, exact - Decimal(10) ** -place):
            text = f"{moved:f}"
            text = text.rstrip("0").rstrip(".") if "." in text else text
            try:
                Number().fact(text)
            except ValueError:
                continue
            yield text


def _edges(network: str) -> Iterable[str]:
    """The first and the last address of a network, and those just outside of it."""
    whole = ip_network(network)
    first, last = int(whole.network_address), int(whole.broadcast_address)
    for each in (first - 1, first, last, last + 1):
        if 0 <= each < 2**whole.max_prefixlen:
            yield str(type(whole.network_address)(each))


def _wire(path: str) -> str:
    """A path as it stands in a request line."""
    return "".join(chr(byte) if 32 < byte < 127 and byte != ord("%") else f"%{byte:02X}" for byte in path.encode())


def _inside(path: str) -> tuple[str, ...]:
    stem = path.removesuffix("/")
    return tuple(dict.fromkeys((path, stem or "/", stem + "/", f"{stem}/other", f"{path}x")))


_ADDRESSES = sorted({str(ip_address(each)) for network in _NETWORKS for each in _edges(network)})
_TOKENS = tuple(tokens for size in range(4) for tokens in combinations(("a", "b", "c d"), size))
_COLUMNS = tuple(dict(zip(("default", "laptop"), rows, strict=True)) for rows in product((*_BITS, None), repeat=2))

VALUES: Mapping[str, tuple[str, ...]] = {
    "time": _TIMES,
    **dict.fromkeys(("user", "label"), ("a", "b", "c d", "\u00e9", "100%")),
    **dict.fromkeys(("method", "host", "audience", "action", "region"), ("a", "b", "c d")),
    "path": _PATHS,
    **dict.fromkeys(("resource", "folder"), _RESOURCES),
    **dict.fromkeys(("ip", "net"), _NETWORKS),
    "amount": _NUMBERS,
    **dict.fromkeys(("body", "query"), _DIGESTS),
    "salt": _SALTS,
    **dict.fromkeys(("nonce", "request"), _UNIQUE),
}
FACTS: Mapping[str, tuple[Any, ...]] = {
    **VALUES,
    **dict.fromkeys(("user", "label"), (*VALUES["user"], "other")),
    **dict.fromkeys(("method", "host", "audience", "action", "region"), (*_TOKENS, ("a", "other"))),
    "path": (*sorted({_wire(each) for path in _PATHS for each in _inside(path)}), "/docs/%2e%2e/pub", "//", "*"),
    **dict.fromkeys(
        ("resource", "folder"),
        (*sorted({each for path in _RESOURCES for each in _inside(path)}), "/docs", "docs/../pub", ""),
    ),
    **dict.fromkeys(("ip", "net"), (*_ADDRESSES, "::ffff:10.0.0.1", "fe80::1%eth0")),
    "amount": tuple(sorted({each for number in _NUMBERS for each in _near(number)})),
    "salt": _COLUMNS,
}
"""Of each attribute what a request might say. Salts always have their rows here."""

SCARCE_SALTS: tuple[dict[str, bytes | None], ...] = ({}, {"default": _BITS[0]}, {"laptop": None})
"""Columns in which some name has no row."""

_READ: Mapping[str, tuple[Any, ...]] = {
    name: tuple(VOCABULARY[name].fact(value) for value in values) for name, values in FACTS.items()
}
NEEDING_A_FACT = sorted(name for name, type in VOCABULARY.items() if type.needs_fact)


def predicates_on(attribute: str) -> st.SearchStrategy[str]:
    """Texts of predicates on one attribute, of each of its operators."""
    listing = {"in", "^="}

    def written(operator: str) -> st.SearchStrategy[str]:
        items = st.sampled_from(VALUES[attribute]).map(encode_item)
        longest = 4 if operator in listing else 1
        return st.lists(items, min_size=1, max_size=longest).map(
            lambda them: f"{attribute} {operator} {' '.join(them)}"
        )

    return st.sampled_from(sorted(VOCABULARY[attribute].operators)).flatmap(written)


@st.composite
def stated(draw: st.DrawFn, most: int = 3) -> list[str]:
    """Some predicates on each of a few attributes, mixed."""
    attributes = draw(st.lists(st.sampled_from(sorted(VOCABULARY)), min_size=1, max_size=most, unique=True))
    them = [each for name in attributes for each in draw(st.lists(predicates_on(name), min_size=1, max_size=3))]
    return draw(st.permutations(them))


def read(texts: Iterable[str]) -> list[Predicate]:
    """Read texts in this vocabulary."""
    return [VOCABULARY.parse(each) for each in texts]


def meeting(predicates: Iterable[Predicate]) -> frozenset[int]:
    """Which of the facts on their one attribute, by index, meet all of them."""
    together = list(predicates)
    facts = enumerate(_READ[together[0].attribute])
    return frozenset(
        index
        for index, fact in facts
        if all(each.type.refusal(each.operator, each.operand, fact) is None for each in together)
    )


@st.composite
def asked(draw: st.DrawFn, texts: Iterable[str]) -> Request:
    """A request that says most things, and of what these predicates ask often what meets them."""
    by_attribute: dict[str, list[Predicate]] = {}
    for predicate in read(texts):
        by_attribute.setdefault(predicate.attribute, []).append(predicate)
    careless = draw(st.sampled_from([None, None, *by_attribute]))
    said: dict[str, Any] = {}
    for name in sorted(VOCABULARY):
        pool = FACTS[name]
        found = meeting(by_attribute[name]) if name in by_attribute and name != careless else ()
        if found:
            pool = tuple(pool[index] for index in sorted(found))
        elif name == "salt":
            pool = (*pool, *SCARCE_SALTS)
        if name in by_attribute or draw(st.booleans()):
            said[name] = draw(st.sampled_from((*pool, None) if name == careless else pool))
    return Request(VOCABULARY, **said)


def two_salts_of_one_name(predicates: Iterable[Predicate]) -> bool:
    """Whether some name stands with two salts, which a verifier refuses even where the name has no row."""
    held: dict[str, bytes] = {}
    return any(held.setdefault(*each.operand) != each.operand[1] for each in predicates if each.attribute == "salt")
