"""Targets of what clients and third parties read: addresses, answers, tickets, sealed answers, clocks."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256

from nacl.signing import SigningKey

from capsvc import changes
from capsvc.client.binding import BOUND, bind_url
from capsvc.client.clock import Clocks
from capsvc.client.origin import Origin
from capsvc.errors import CollectionError, FeedError, TicketError
from capsvc.http.discharges import read_ticket
from capsvc.sealing import unseal
from capsvc.third_party import Page, ThirdParty, origin_of
from capsvc.ticket_keys import SharedKey, finder
from capsvc.tickets import Ticket
from caveats import DecodeError, Limits, Macaroon, PredicateError, decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.fuzz.tokens import ROOT
from tests.fuzz.words import SEPARATOR, TURNING

PARTY = ThirdParty("https://idp.example.org", {}, frozenset({"https://idp.example.org"}), Limits(), 1.0)
TICKET_KEY = SharedKey("k1", b"the key that tickets are seale d")
TOKEN = encode_text(ROOT)
NOW = 1764072000.0
FEED_SEED = sha256(b"the key that pages are signed with").digest()


def address(data: bytes) -> None:
    """A URL, as an origin, as a third party's location, and bound to: one reading, or ValueError."""
    url = data.decode("utf-8", "surrogateescape")
    try:
        origin = Origin.of(url)
        assert origin.scheme in ("http", "https")
        assert origin.host == origin.host.lower()
        assert isinstance(origin.tells_time, bool)
    except ValueError:
        pass
    try:
        location = origin_of(url)
        assert origin_of(location) == location
        assert Origin.of(location) == Origin.of(url)
    except ValueError:
        pass
    try:
        bound = decode(bind_url(TOKEN, "GET", url, NOW))
    except (ValueError, PredicateError):
        return
    names = tuple(each.identifier.split(b" ")[0].decode() for each in bound.unverified_caveats[-len(BOUND) :])
    assert names == BOUND
    assert "\n" not in str(bound.unverified_caveats)


def answer(data: bytes) -> None:
    """What a third party answers: the first byte is its status; a discharge, a page, or CollectionError."""
    status = (200, 401, 403, 500)[data[0] % 4] if data else 200
    try:
        found = PARTY._read(status, data[1:], "https://idp.example.org/v1/discharges", b"asked")
    except CollectionError as wrong:
        assert not TURNING.search(str(wrong))
        assert len(str(wrong)) < 500
        return
    assert isinstance(found, Macaroon | Page)
    if isinstance(found, Page):
        assert found.url.startswith("https://idp.example.org")
        assert found.url.isprintable()


def ticket(data: bytes) -> None:
    """A ticket's bytes, and the same sealed with the right key: a ticket, or TicketError."""
    keys = finder(TICKET_KEY)
    head = bytes((1, TICKET_KEY.kind, 2)) + b"k1"
    sealed = head + TICKET_KEY.seal(head + data[:900])
    for raw in (data, sealed):
        try:
            found = Ticket.open(read_ticket(encode_base64(raw)), keys)
        except TicketError:
            continue
        assert found.condition.isprintable() or found.condition
        assert len(found.caveat_key) == 32
    with suppress(TicketError):
        read_ticket(data.decode("latin-1"))


def sealed(data: bytes) -> None:
    """What was presented and what was answered to it: DecodeError, whatever they are."""
    presented, answered = (*data.split(SEPARATOR, 1), b"")[:2]
    copy = f"Bearer {encode_text(ROOT.append(presented))}"
    for sent in (copy, presented.decode("latin-1")):
        for text in (answered.decode("latin-1"), encode_base64(answered)):
            try:
                unseal(TOKEN, sent, text)
            except DecodeError:
                continue
            raise AssertionError("an answer that nobody sealed was opened")


def date(data: bytes) -> None:
    """The ``Date`` of a refusal: a clock that differs by five minutes at most."""
    clocks, origin = Clocks(lambda: NOW), Origin("https", "id.example", 443)
    clocks.learn(origin, data.decode("latin-1"))
    assert abs(clocks.now(origin) - NOW) <= 300


def page(data: bytes) -> None:
    """A relay's answer, and the same as if the issuer had signed it: a page, or FeedError."""
    read, publics = changes.Page.read, {"k1": bytes(SigningKey(FEED_SEED).verify_key)}
    try:
        read(data.decode("utf-8", "surrogateescape"), publics)
    except FeedError:
        pass
    else:
        raise AssertionError("a page that nobody signed was read")
    told = data.decode("latin-1")
    signature = encode_base64(SigningKey(FEED_SEED).sign(b"capsvc changes 1\n" + told.encode()).signature)
    try:
        found = read(json.dumps({"key": "k1", "signature": signature, "page": told}), publics)
    except FeedError as wrong:
        assert not TURNING.search(str(wrong))
        return
    assert read(found.sign(FEED_SEED), publics) == found
