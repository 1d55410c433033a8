"""The display: whatever it shows is whole, safe to look at, and without secrets."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unicodedata import bidirectional, category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caveats
from caveats import (
    Capability,
    DecodeError,
    Macaroon,
    Request,
    Scope,
    Shown,
    ThirdParty,
    Unmet,
    VerificationError,
    encode,
    explain,
    scope,
    show,
    to_pymacaroons,
)
from caveats.encoding import encode_base64, encode_item
from caveats.macaroon import Caveat
from caveats.predicate import printable, shown
from tests.caveats import boundaries as near
from tests.caveats import strategies as some

NOW = "2026-11-22T12:00:00Z"
BARE = Macaroon.mint(b"root key", "k1")
SALT = encode_base64(some.HELD_SALT)
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '"><b>',
    "' onload='x",
    "</style><style>*{display:none}</style>",
    "<!--",
    "]]>",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "\x00\x1b[2J\r\n",
    "\u202egnp.exe\u2066",
    "two  spaces",
    "label = \u05e9\u05dc\u05d5\u05dd",
    "x" * 8192,
    "<b>" * 2700,
    "",
)
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
PIECES = {"div", "style", "p", "strong", "span", "table", "thead", "tbody", "tr", "th", "td", "code"}
FIGURES = {"svg", "path", "line", "rect"}
ATTRIBUTES = {"class", "dir", "scope", "colspan", "role", "aria-label", "aria-hidden", "width", "height", "x", "y"} | {
    "d", "fill", "stroke", "stroke-width", "stroke-linejoin", "stroke-linecap", "x1", "y1", "x2", "y2", "rx", "opacity",
    "overflow", "transform",
}  # fmt: skip


class Page(HTMLParser):
    """A page as a browser reads it: strict about tags that do not match, and about any that are not ours."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.styles: list[str] = []
        self.tags: Counter[str] = Counter()
        self.text = ""
        self.said: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert tag in PIECES | FIGURES, tag
        assert named.keys() <= ATTRIBUTES
        assert len(named) == len(attrs)
        assert tag != "svg" or ("aria-label" in named) is (named.get("role") == "img") is ("aria-hidden" not in named)
        assert tag != "th" or "scope" in named
        self.open.append(tag)
        self.tags[tag] += 1
        self.said += [value or "" for value in named.values()]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] == "style":
            self.styles.append(data)
        else:
            assert self.open[-1] not in FIGURES
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


STYLE = Page(show(BARE).html).styles


def looked_at(value: Any, at: Any = None) -> tuple[Shown, Page]:
    """Show a value, and demand what holds of whatever is shown."""
    found = show(value, at)
    page = Page(found.html)
    assert page.styles == STYLE
    assert found.html == found._repr_html_()
    assert found.text == str(found)
    for said in (page.text, found.text.replace("\n", ""), *page.said):
        assert not TURNING & {bidirectional(each) for each in said}
        assert not {"Cc", "Cs", "Zl", "Zp"} & {category(each) for each in said}
    return found, page


def everything(found: Shown) -> str:
    return f"{found.text}\n{found.html}\n{found!r}"


def spellings(secrets: Iterable[bytes]) -> set[str]:
    """The ways in which bytes could get onto a page."""
    spell = (bytes.hex, encode_base64, shown, lambda raw: b64encode(raw).decode(), lambda raw: repr(raw)[2:-1])
    return {each(secret) for each in spell for secret in secrets}


caveat_texts = st.one_of(st.sampled_from(HOSTILE), near.stated(1).map(lambda them: them[0]), st.text(max_size=30))


@st.composite
def macaroons(draw: st.DrawFn) -> Macaroon:
    """Any macaroon: of a service or not, with caveats of every kind, hostile ones among them, and third parties'."""
    macaroon = draw(
        st.one_of(
            some.minted().map(lambda each: each.macaroon),
            some.presentations().map(lambda each: each.macaroon),
            st.builds(Macaroon.mint, some.keys, st.sampled_from(HOSTILE), st.sampled_from(HOSTILE)),
        )
    )
    for text in draw(st.lists(caveat_texts, max_size=4)):
        raw = text.encode("utf-8", "backslashreplace")
        if draw(st.sampled_from([False, False, True])):
            macaroon = macaroon.entrust(draw(caveat_texts), b"a caveat's key", raw, bytes(24))
        else:
            macaroon = macaroon.append(raw)
    return macaroon


@settings(max_examples=100, deadline=None)
@given(macaroons(), st.sampled_from([None, NOW]))
def test_a_macaroon_shows_every_caveat_as_text_and_nothing_of_it_as_markup(macaroon: Macaroon, at: str | None) -> None:
    found, page = looked_at(macaroon, at)
    parts = [macaroon.unverified_identifier, macaroon.unverified_location]
    for caveat in macaroon.unverified_caveats:
        parts += [caveat.identifier, caveat.location]
    assert all(shown(part) in page.text for part in parts)
    assert page.tags["svg"] == len(macaroon.unverified_caveats) + 2
    places = [line[:4].strip() for line in found.text.splitlines() if line[:1] == " "]
    assert places == [f"{position}" for position in range(len(macaroon.unverified_caveats))]
    assert "unverified" in page.text
    assert "not verified" in found.text


@settings(max_examples=60, deadline=None)
@given(macaroons())
def test_law_8_a_macaroon_shows_neither_signature_nor_verification_id_nor_salt(macaroon: Macaroon) -> None:
    salted = macaroon.append(f"salt = laptop/{SALT}".encode(), f"salt={SALT}".encode(), f"SALT in {SALT} <".encode())
    salted = salted.entrust("https://third.example", b"a caveat's key", b"ask")
    secrets = [salted.signature, macaroon.signature, some.HELD_SALT, salted.unverified_caveats[-1].verification_id]
    said = everything(show(salted, NOW))
    assert not [each for each in spellings(secrets) if each in said]
    assert encode(salted) not in said
    assert "salt = laptop/\u2026" in said


@settings(max_examples=100, deadline=None)
@given(near.stated(), st.lists(caveat_texts, max_size=2), st.booleans())
def test_a_scope_shows_what_is_permitted_by_whom_and_what_is_not(
    texts: list[str], more: list[str], third: bool
) -> None:
    macaroon = BARE.append(*(each.encode("utf-8", "backslashreplace") for each in (*texts, *more)))
    if third:
        macaroon = macaroon.entrust(HOSTILE[0], b"a caveat's key", b"ask", bytes(24))
    of = scope(macaroon, near.VOCABULARY)
    found, page = looked_at(of)
    for predicate in of.predicates:
        assert predicate.attribute in page.text
        assert predicate.attribute == "salt" or all(
            printable(encode_item(each)) in page.text for each in predicate.items
        )
    for unknown in of.not_understood:
        assert f"caveat {unknown.position}" in page.text
        assert unknown.predicate in page.text
    assert all(str(each).replace(": ", " nothing: ", 1) in page.text for each in of.contradictions)
    assert (f"needs a discharge from {HOSTILE[0]}" in page.text) is third
    assert ("permits nothing" in page.text) is of.permits_nothing is ("permits nothing" in found.text)
    assert str(of).splitlines() == [line[2:] for line in found.text.splitlines()[1:] if "redundant: " not in line]
    for position in of.redundant:
        assert str(position) in page.text.partition("Redundant: caveat")[2]
    said = everything(found)
    assert not [each for each in near.VALUES["salt"] if each.partition("/")[2] in said]


@settings(max_examples=100, deadline=None)
@given(st.data(), near.stated(), st.lists(caveat_texts, max_size=2))
def test_an_explanation_shows_every_verdict_in_words_with_its_reason(
    data: st.DataObject, texts: list[str], more: list[str]
) -> None:
    raw = [each.encode("utf-8", "backslashreplace") for each in (*texts, *more)]
    root = some.authority().mint(b"root key", "").append(*raw).entrust(HOSTILE[1], b"key", b"ask", bytes(24))
    answer = Macaroon.mint(b"key", b"ask").append(*raw).entrust(HOSTILE[2], b"key", b"more", bytes(24))
    discharges = [answer] if data.draw(st.booleans()) else []
    explanation = explain(root, data.draw(near.asked(texts)), discharges=discharges)
    found, page = looked_at(explanation)
    assert found.text == str(explanation)
    rest = page.text
    for each in explanation.caveats:
        instead = each.instead and f"\N{RIGHTWARDS ARROW} {each.instead}"
        row = f"{each.verdict}{each.position}{each.predicate}{each.reason}{instead}{each.whose}"
        before, here, rest = rest.partition(row)
        assert here, row
        assert before.endswith(("whose", "discharge 0", ""))
    assert rest == ""
    assert page.tags["svg"] == len(explanation.caveats)
    assert (f"{len(explanation.unmet)} of {len(explanation.caveats)} caveats" in page.text) is bool(explanation.unmet)
    assert not [each for each in spellings([root.signature, some.AUTHORITY_SALT]) if each in everything(found)]


def test_law_8_a_capability_shows_whose_it_is_until_when_and_no_secret() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(some.presentations(), st.lists(some.met_often, max_size=3), st.sampled_from([None, *some.TIMES]))
    def check(presented: some.Presented, texts: list[str], at: str | None) -> None:
        macaroon = some.append(presented.macaroon, [*texts, f"salt = laptop/{SALT}"])
        try:
            capability = presented.verify(macaroon)
        except VerificationError:
            return
        found, page = looked_at(capability, at)
        for said in (page.text, found.text):
            for part in (capability.user, capability.not_before, capability.not_after, capability.expires, "default"):
                assert part in said
            assert capability.nonce in said
            assert f"{len(texts) + 1} caveat" in said
            assert (" left" in said) is (at is not None and capability.not_before <= at < capability.expires)
            assert ("expired " in said) is (at is not None and at >= capability.expires)
        seen["at" if at else "no time"] += 1
        secrets = [some.HELD_SALT, some.AUTHORITY_SALT, macaroon.signature]
        assert not [each for each in spellings(secrets) if each in everything(found)]

    check()
    assert min(seen.values()) > 10, seen


def test_what_is_left_is_said_only_where_the_time_is_given() -> None:
    macaroon = BARE.attenuate(
        "time < 2026-12-22T06:00:00Z", "time < 2026-11-22T14:14:00Z", "time >= 2026-11-22T06:00:00Z"
    )
    moments = (NOW, datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp())
    for at in moments:
        found, page = looked_at(macaroon, at)
        assert "2 h 14 min left" in page.text
        assert found.text.splitlines()[-1] == "expires     2026-11-22T14:14:00Z, 2 h 14 min left"
    found, page = looked_at(macaroon, "2026-11-25T14:14:00Z")
    assert "expired 3 d ago" in page.text
    assert "expired 3 d ago" in found.text
    found, page = looked_at(macaroon)
    assert found.text.splitlines()[-1] == "expires     2026-11-22T14:14:00Z"
    assert " left" not in page.text
    assert "no expiry" in looked_at(BARE, NOW)[1].text
    for wrong, error in ((datetime(2026, 1, 1), ValueError), ("soon", ValueError), (True, TypeError)):
        with pytest.raises(error):
            show(macaroon, wrong)


def test_a_capability_before_its_window_says_when_it_begins() -> None:
    capability = _capability()
    assert "begins in 1 h" in looked_at(capability, "2026-11-22T10:59:59Z")[1].text
    assert show(capability, "2026-11-22T10:59:59Z").text.startswith("capability of alice, begins in 1 h\n")


def test_the_text_of_a_macaroon_is_laid_out_as_inspect_prints_it() -> None:
    root = some.authority("alice", "billing").mint(b"root key", "https://caps.example")
    root = root.attenuate("method = GET", f"salt = laptop/{SALT}").entrust("https://hr.example", b"key", b"ask")
    assert show(root, NOW).text.splitlines() == [
        f"macaroon, decoded and not verified: 8 caveats, 374 bytes, {len(encode(root))} characters as text",
        "",
        "location    https://caps.example",
        "identifier  k1/billing",
        "   0  service      nonce = 3q2-7wAAq83vEjRWeJCrzQ",
        "   1  service      user = alice",
        "   2  service      salt = default/\u2026",
        "   3  service      time >= 2026-11-22T11:59:59Z",
        "   4  service      time < 2026-12-22T06:00:00Z",
        "   5  holder       method = GET",
        "   6  holder       salt = laptop/\u2026",
        "   7  third party  third party at https://hr.example",
        "signature   sealed, never shown",
        "expires     2026-12-22T06:00:00Z, 29 d 18 h left",
    ]


def test_the_text_of_a_capability_says_what_a_verifier_found() -> None:
    assert show(_capability(), NOW).text.splitlines() == [
        "capability of alice, 8 d 12 h left",
        "",
        "audience    (none)",
        "begins      2026-11-22T11:59:59Z",
        "expires     2026-12-01T00:00:00Z",
        "ends        2026-12-22T06:00:00Z",
        "revoked by  default; nonce 3q2-7wAAq83vEjRWeJCrzQ",
        "narrowed    by 3 caveats of holders, 1 of them for third parties; 1 predicate in discharges",
        "",
        "scope",
        "  user = alice",
        "  salt = default/\u2026",
        "  time >= 2026-11-22T11:59:59Z",
        "  time < 2026-12-01T00:00:00Z",
        "  resource = salt/marsh",
    ]
    assert "salt/marsh" in looked_at(_capability())[1].text


def test_a_scope_shows_so_many_values_and_how_many_more_there_are() -> None:
    paths = [f"/{number:03}" for number in range(60)]
    page = looked_at(scope([f"path ^= {' '.join(paths)}"]))[1]
    assert all(path in page.text for path in paths[:40])
    assert "/040" not in page.text
    assert "and 20 more" in page.text


def test_a_long_caveat_is_cut_and_says_how_long_it_is() -> None:
    assert "x\u20268,192 bytes in all" in looked_at(BARE.append(b"x" * 8192))[1].text
    assert "bytes in all" not in looked_at(BARE.append(b"x" * 200))[1].text.replace("bytes, ", "")


def test_whatever_stands_for_a_macaroon_is_shown_as_it_is() -> None:
    macaroon = BARE.attenuate("method = GET")
    assert show(encode(macaroon)) == show(to_pymacaroons(macaroon)) == show(macaroon)
    with pytest.raises(DecodeError):
        show("no macaroon")
    for wrong in (5, None, b"bytes", ["method = GET"], macaroon.unverified_caveats[0]):
        with pytest.raises(TypeError):
            show(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["macaroon", "scope", "explanation", "capability"])
def test_a_notebook_shows_a_value_that_ends_a_cell(value: str) -> None:
    macaroon = BARE.attenuate("method = GET")
    values = {
        "macaroon": macaroon,
        "scope": scope(macaroon),
        "explanation": explain(macaroon, Request(method="POST")),
        "capability": _capability(),
    }
    shows = values[value]._repr_html_()  # type: ignore[attr-defined]
    assert shows == show(values[value])._repr_html_()  # type: ignore[arg-type]
    assert not hasattr(caveats, "_repr_html_")


def test_a_plain_import_neither_loads_the_display_nor_loses_a_name() -> None:
    program = (
        "import sys, caveats; loaded = [n for n in sys.modules if n in ('caveats.display', 'caveats.page', 'html')];"
        "caveats.Macaroon.mint(b'k', 'k1')._repr_html_();"
        "print(loaded, caveats.show.__module__, 'caveats.display' in sys.modules, hasattr(caveats, 'shows'))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["[]", "caveats.display", "True", "False"]
    assert all(hasattr(caveats, name) for name in caveats.__all__)


def test_what_nobody_can_write_is_shown_all_the_same() -> None:
    odd = Macaroon("\ud800", b"k1", (Caveat(b"method = GET", b"", "a place"),), bytes(32))
    assert "nothing can write it" in looked_at(odd)[1].text
    by_hand = Scope((), (), (), (Unmet(0, "<i>", "<b>"),), (ThirdParty(1, Caveat(b"", b"x", "")),))
    assert "needs a discharge from an unnamed place" in looked_at(by_hand)[1].text


def test_a_shown_value_has_a_short_repr_and_cannot_be_changed() -> None:
    found = show(BARE.attenuate("method = GET"))
    assert repr(found) == "<Shown macaroon, decoded and not verified: 1 caveat, 56 bytes, 75 characters as text>"
    with pytest.raises(AttributeError):
        found.text = ""  # type: ignore[misc]


def _capability() -> Capability:
    root = some.authority().mint(b"root key", "").attenuate("resource = salt/marsh", "time < 2026-12-01T00:00:00Z")
    root = root.entrust("https://hr.example", b"key", b"ask", bytes(24))
    answer = root.bind(Macaroon.mint(b"key", b"ask").attenuate("time < 2026-12-05T00:00:00Z"))
    column = some.Salts({"default": some.AUTHORITY_SALT})
    presented = some.Presented(root, b"root key", None, Request(time=NOW, resource="salt/marsh"), column)
    return presented.verify(root, answer)
