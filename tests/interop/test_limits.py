"""What the foreign libraries cannot do, or permit where we refuse. When one of these fails, they were mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caveats import Caveat, DecodeError, Format, Macaroon, decode, encode
from tests.interop.actors import NAMES, Actor, Ours, Refused
from tests.interop.processes import Process

KEY = b"root key"
ROOT = Macaroon.mint(KEY, b"k1", "https://id.example")
only = pytest.mark.parametrize


@only("cast", ["libmacaroons"], indirect=True)
@only("format", [Format.V2, Format.JSON])
def test_c_reads_format_1_alone(cast: tuple[Actor], format: Format) -> None:
    with pytest.raises(Refused):
        cast[0].narrow(encode(ROOT, format), [b"x"])


@only("cast", ["JavaScript"], indirect=True)
def test_javascript_reads_no_format_1(cast: tuple[Actor]) -> None:
    with pytest.raises(Refused, match="not supported"):
        cast[0].narrow(encode(ROOT, Format.V1), [b"x"])


@only("cast", ["JavaScript"], indirect=True)
def test_javascript_writes_format_2_of_few_caveats_alone_however_short(cast: tuple[Process]) -> None:
    one, five = ROOT.append(b"x" * 3000), ROOT.append(*[b"x"] * 5)
    assert cast[0].ask("binary", token=encode(one))["token"] == encode(one)
    with pytest.raises(Refused, match="RangeError"):
        cast[0].ask("binary", token=encode(five))


@only("cast", ["JavaScript"], indirect=True)
def test_javascript_loses_a_byte_order_mark_and_with_it_the_signature(cast: tuple[Actor]) -> None:
    marked = ROOT.append("\ufeffx".encode())
    written = decode(cast[0].narrow(encode(marked), []))
    assert written == replace(marked, unverified_caveats=(Caveat(b"x"),))
    assert not Ours().verify(encode(written), KEY, {b"x"}, [])


@only("cast", ["JavaScript"], indirect=True)
def test_javascript_verifies_no_predicate_that_is_not_utf_8(cast: tuple[Actor]) -> None:
    assert not cast[0].verify(encode(ROOT.append(b"\xff")), KEY, {b"\xff"}, [])


@only("cast", ["Go"], indirect=True)
def test_go_drops_a_caveat_that_is_not_utf_8_from_format_1_and_says_nothing(cast: tuple[Actor]) -> None:
    assert decode(cast[0].narrow(encode(ROOT, Format.V1), [b"\xff", b"y"])) == ROOT.append(b"y")


@only("cast", ["Go"], indirect=True)
def test_go_leaves_an_empty_identifier_out_of_json(cast: tuple[Actor]) -> None:
    with pytest.raises(DecodeError):
        decode(cast[0].narrow(encode(ROOT, Format.JSON), [b""]))


@only("cast", ["libmacaroons", "Go"], indirect=True)
def test_an_empty_location_of_a_third_party_is_written_in_format_1_and_refused_here(cast: tuple[Actor]) -> None:
    with pytest.raises(DecodeError, match="empty location"):
        decode(cast[0].entrust(encode(ROOT, Format.V1), "", b"caveat key", b"ask"))


@only("cast", ["pymacaroons"], indirect=True)
def test_pymacaroons_writes_a_third_party_without_location_as_a_first_party_in_format_1(cast: tuple[Actor]) -> None:
    written = decode(cast[0].entrust(encode(ROOT, Format.V1), "", b"caveat key", b"ask"))
    assert written.unverified_caveats == (Caveat(b"ask"),)
    assert not Ours().verify(encode(written), KEY, {b"ask"}, [])


@only("cast", ["pymacaroons"], indirect=True)
def test_pymacaroons_counts_characters_for_bytes_in_format_1(cast: tuple[Actor]) -> None:
    with pytest.raises(DecodeError):
        decode(cast[0].mint(KEY, b"k1", "https://b\u00fccher.example", Format.V1))


def _says(actor: Actor, macaroon: Macaroon, *discharges: Macaroon) -> bool:
    format = actor.reads[0]
    return actor.verify(encode(macaroon, format), KEY, {b"x"}, [encode(each, format) for each in discharges])


LEFT_OVER = (ROOT, ROOT.bind(Macaroon.mint(b"other key", b"nobody asked")))
_ASKS = ROOT.entrust("there", b"caveat key", b"ask")
_ASKS_TWICE = _ASKS.entrust("there", b"caveat key", b"ask")
SENT_TWICE = (_ASKS, *[_ASKS.bind(Macaroon.mint(b"caveat key", b"ask"))] * 2)
USED_TWICE = (_ASKS_TWICE, _ASKS_TWICE.bind(Macaroon.mint(b"caveat key", b"ask")))


@only("cast", NAMES, indirect=True)
@only("sent", [LEFT_OVER, SENT_TWICE, USED_TWICE], ids=["left over", "sent twice", "used twice"])
def test_c_and_pymacaroons_permit_discharges_left_over_or_used_twice(
    cast: tuple[Actor], sent: tuple[Macaroon, ...]
) -> None:
    assert _says(cast[0], *sent) == (cast[0].name in ("libmacaroons", "pymacaroons"))


@only("cast", NAMES, indirect=True)
def test_pymacaroons_permits_a_macaroon_into_which_an_unmet_caveat_was_inserted(cast: tuple[Actor]) -> None:
    inserted = replace(ROOT.append(b"x"), unverified_caveats=(Caveat(b"x"), Caveat(b"unmet")))
    assert _says(cast[0], inserted) == (cast[0].name == "pymacaroons")


@only("cast", ["Go"], indirect=True)
def test_go_takes_base64_of_the_standard_alphabet_which_is_another_spelling(cast: tuple[Actor]) -> None:
    text = encode(ROOT.append(b"\xff\xff\xff\xfe\xfe\xfe"))
    other = text.replace("-", "+").replace("_", "/")
    assert other != text
    assert cast[0].verify(other, KEY, {b"\xff\xff\xff\xfe\xfe\xfe"}, [])
    assert not Ours().verify(other, KEY, {b"\xff\xff\xff\xfe\xfe\xfe"}, [])
