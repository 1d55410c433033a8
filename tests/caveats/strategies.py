"""Hypothesis strategies: any macaroon, any predicate, and requests that often meet one and often do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from unicodedata import normalize

from hypothesis import strategies as st

from caveats import (
    BUILTIN,
    DECLARABLE,
    Authority,
    Capability,
    InvalidMacaroon,
    KeyName,
    Macaroon,
    Request,
    Salts,
    VerificationError,
    Verifier,
    prove,
    time_text,
)
from caveats.encoding import encode_base64, encode_item

VOCABULARY = BUILTIN.extend(amount=DECLARABLE["number"], label=DECLARABLE["text"])
NOW = "2026-11-22T12:00:00Z"
AUTHORITY_SALT = b"salt-of-alice-0\xff"
HELD_SALT = b"a holder's salt\xfe"
NONCE = "3q2-7wAAq83vEjRWeJCrzQ"

TIMES = ("2026-11-22T11:59:59Z", NOW, "2026-11-22T12:00:01Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
USERS = ("alice", "bob", "Zo\u00eb", "a%20b")
METHODS = ("GET", "HEAD", "POST")
HOSTS = ("api.example.org", "example.org:8443", "xn--bcher-kva.example")
AUDIENCES = ("billing", "mail")
ACTIONS = ("read", "list", "write")
PATHS = ("/", "/docs", "/docs/", "/docs/2026", "/pub", "/a%20b")
RESOURCES = ("projects/42", "projects", "projects/42/docs/7", "inbox/")
AMOUNTS = ("0", "5", "-1", "5.5", "0.00000000000000001", "100")
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32", "0.0.0.0/0")
DIGESTED = (b"", b"page=2", b"a body")
SALT_NAMES = ("default", "laptop", "contractor.k3x9")


def _one(attribute: str, operator: str, pool: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{attribute} {operator} {value}" for value in pool])


def _several(attribute: str, operator: str, pool: tuple[str, ...]) -> st.SearchStrategy[str]:
    lists = st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True)
    return lists.map(lambda values: f"{attribute} {operator} {' '.join(values)}")


DIGESTS = tuple(BUILTIN["body"].fact(each) for each in DIGESTED)
SALTS = tuple(f"{name}/{encode_base64(salt)}" for name in SALT_NAMES for salt in (AUTHORITY_SALT, HELD_SALT))
_COMMON = {
    **{("time", operator): _one("time", operator, TIMES) for operator in ("<", ">=")},
    **{("amount", operator): _one("amount", operator, AMOUNTS) for operator in ("=", "<", "<=", ">", ">=")},
    ("amount", "in"): _several("amount", "in", AMOUNTS),
    ("ip", "in"): _several("ip", "in", NETWORKS),
    ("path", "^="): _several("path", "^=", PATHS),
    ("resource", "^="): _several("resource", "^=", RESOURCES),
    ("body", "="): _one("body", "=", DIGESTS),
    ("query", "="): _one("query", "=", DIGESTS),
    ("salt", "="): _one("salt", "=", SALTS),
}
for _attribute, _pool in {
    "user": USERS,
    "label": USERS,
    "method": METHODS,
    "host": HOSTS,
    "audience": AUDIENCES,
    "action": ACTIONS,
    "path": PATHS,
    "resource": RESOURCES,
}.items():
    _COMMON |= {(_attribute, "="): _one(_attribute, "=", _pool), (_attribute, "in"): _several(_attribute, "in", _pool)}
_UNIQUE = st.binary(min_size=16, max_size=16).map(encode_base64)
_NFC = st.text(min_size=1, max_size=12).map(lambda text: normalize("NFC", text))
_RARE = {
    ("nonce", "="): _UNIQUE.map("nonce = {}".format),
    ("request", "="): _UNIQUE.map("request = {}".format),
    ("label", "in"): st.lists(_NFC, min_size=1, max_size=3).map(
        lambda them: f"label in {' '.join(map(encode_item, them))}"
    ),
    ("action", "="): st.text(min_size=1, max_size=12).map(lambda text: f"action = {encode_item(text)}"),
    ("amount", "="): st.integers(-(10**17), 10**17).map("amount = {}".format),
    ("time", "<"): st.datetimes(timezones=st.just(None)).map(
        lambda at: f"time < {at.replace(microsecond=0).isoformat()}Z"
    ),
}
OPERATORS = sorted({*_COMMON, *_RARE})
"""Every attribute of the vocabulary with every operator of its type."""

predicates = st.one_of(st.sampled_from(sorted(_COMMON)).flatmap(_COMMON.__getitem__), *_RARE.values())
"""The text of valid predicates, of every type and operator, mostly of values that requests carry."""

met_often = st.sampled_from(
    [
        "time < 2026-12-01T00:00:00Z",
        "method in GET HEAD POST",
        "path ^= /",
        "ip in 0.0.0.0/0 2001:db8::/32",
        "amount <= 100",
    ]
)
"""Predicates that most requests meet, so that permits stay frequent."""


def _maybe(values: tuple[object, ...]) -> st.SearchStrategy[object]:
    return st.sampled_from([*values, *values, None])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests with the time and, of every other fact, often a common value and sometimes none."""
    return Request(
        VOCABULARY,
        time=draw(st.sampled_from([NOW, NOW, *TIMES])),
        method=draw(_maybe(METHODS)),
        host=draw(_maybe(HOSTS)),
        action=draw(_maybe(("read", ("read", "list"), ()))),
        path=draw(_maybe(("/docs/2026/x", "/docs", "/docs/", "/pub", "/a%20b", "/docs/%2e%2e/pub"))),
        resource=draw(_maybe(("projects/42/docs/7", "projects/42", "inbox/"))),
        ip=draw(_maybe(("10.1.2.3", "192.0.2.7", "::ffff:10.0.0.1", "2001:db8::1%eth0"))),
        body=draw(_maybe(DIGESTED)),
        query=draw(_maybe(DIGESTED)),
        amount=draw(_maybe((0, 5, "5.5", -1, 101))),
        label=draw(_maybe(("alice", "bob", "a b"))),
    )


class Presented(NamedTuple):
    """An authority-shaped root with its key, and everything that a verifier is given beside it."""

    macaroon: Macaroon
    root_key: bytes
    audience: str | None
    request: Request
    column: Salts

    def salts(self, user: str, names: tuple[str, ...]) -> Salts:
        """Look up names in the generated column, as a store does."""
        rows = self.column.rows
        return Salts({name: rows[name] for name in names if name in rows}, self.column.panic)

    def verify(self, macaroon: Macaroon, *discharges: Macaroon) -> Capability:
        """Verify a macaroon with everything else as it was generated."""
        verifier = Verifier(lambda name: self.root_key, self.audience)
        return verifier.verify(macaroon, self.request, self.salts, discharges)

    def permits(self, macaroon: Macaroon, *discharges: Macaroon) -> bool:
        """Tell a permit from a denial, whichever it is."""
        try:
            self.verify(macaroon, *discharges)
        except VerificationError:
            return False
        return True


def authority(user: str = "alice", audience: str | None = None) -> Authority:
    """An authority that is valid at NOW, with the salt that the column usually holds."""
    window = (time_text("2026-11-22T11:59:59Z"), time_text("2026-12-22T06:00:00Z"))
    return Authority(KeyName("k1", audience), NONCE, user, "default", AUTHORITY_SALT, *window)


@st.composite
def presentations(draw: st.DrawFn) -> Presented:
    """Root macaroons of a service with a request and a salt column; most of the columns agree."""
    audience = draw(st.sampled_from([None, "billing"]))
    root_key = draw(st.binary(min_size=1, max_size=40))
    authority_row = draw(st.sampled_from([{"default": AUTHORITY_SALT}] * 9 + [{"default": None}, {}]))
    held_row = draw(st.sampled_from([{}, {}, {"laptop": HELD_SALT}, {"laptop": None}]))
    nonce_row = draw(st.sampled_from([{}] * 9 + [{f"nonce/{NONCE}": None}]))
    panic = draw(st.sampled_from([""] * 9 + [NOW]))
    user = draw(st.sampled_from(["alice", "alice", "a b"]))
    return Presented(
        authority(user, audience).mint(root_key, draw(locations)),
        root_key,
        audience,
        draw(requests()),
        Salts({**authority_row, **held_row, **nonce_row}, panic),
    )


identifiers = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode), predicates.map(str.encode))
locations = st.one_of(st.just("https://id.example"), st.text(max_size=16))
keys = st.binary(min_size=1, max_size=70)


class Minted(NamedTuple):
    """A macaroon with its root key and the unbound discharges that it needs, by no order."""

    macaroon: Macaroon
    key: bytes
    discharges: tuple[Macaroon, ...]

    @property
    def bound(self) -> tuple[Macaroon, ...]:
        """The discharges as they are sent with this macaroon."""
        return tuple(map(self.macaroon.bind, self.discharges))


@st.composite
def minted(draw: st.DrawFn, min_caveats: int = 0, max_third: int = 3, text_only: bool = False) -> Minted:
    """Macaroons with first- and third-party caveats in any order, and what discharges these, nested too.

    ``text_only`` keeps to what pymacaroons can write: identifiers in UTF-8, no empty location.
    """
    names = st.text(min_size=1, max_size=20).map(str.encode) if text_only else identifiers
    places = st.text(min_size=1, max_size=16) if text_only else locations
    key = draw(keys)
    third_names = draw(st.lists(names, max_size=max_third, unique=True))
    discharges: list[Macaroon] = []

    def extended(macaroon: Macaroon, least: int) -> Macaroon:
        for caveat in draw(st.lists(names, min_size=least, max_size=least + 3)):
            if third_names and draw(st.booleans()):
                name, caveat_key, at = third_names.pop(), draw(keys), draw(places)
                macaroon = macaroon.entrust(at, caveat_key, name, draw(st.binary(min_size=24, max_size=24)))
                discharges.append(extended(Macaroon.mint(caveat_key, name, draw(places)), 0))
            else:
                macaroon = macaroon.append(caveat)
        return macaroon

    return Minted(extended(Macaroon.mint(key, draw(names), draw(places)), min_caveats), key, tuple(discharges))


def without_locations(macaroon: Macaroon) -> tuple[bytes, tuple[tuple[bytes, bytes], ...], bytes]:
    """What of a macaroon is signed, with its signature."""
    signed = tuple((each.identifier, each.verification_id) for each in macaroon.unverified_caveats)
    return macaroon.unverified_identifier, signed, macaroon.signature


def append(macaroon: Macaroon, predicates: Iterable[str]) -> Macaroon:
    """Append caveats as text, whether or not they are predicates."""
    return macaroon.append(*(each.encode() for each in predicates))


def _answer_before_proof() -> str:
    try:
        prove(Macaroon.mint(b"one key", b"k1"), b"another key")
    except InvalidMacaroon as invalid:
        return str(invalid)
    raise AssertionError("a macaroon was proven with another key")


INVALID = _answer_before_proof()
"""All that a caller learns before the chain is proven, and of an authority that is none."""
