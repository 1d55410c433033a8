"""Pages of changes: what the issuer signed is read, and nothing else is, whatever comes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from capsvc.changes import DIGEST_BYTES, PAGE_CHARACTERS, Digests, Page, Row
from capsvc.errors import FeedError
from caveats.encoding import encode_base64

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
PUBLICS = {"k1": bytes(SigningKey(SEED).verify_key), "k2": bytes(SigningKey(OTHER_SEED).verify_key)}

digests = st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES)
rows = st.builds(Row, digests, st.none() | digests, st.integers(0, 10**6))
revisions = st.integers(0, 10**15)
pages = st.builds(
    Page, st.just("k1"), st.text(max_size=40), st.sampled_from(["billing", "reports"]), revisions, revisions, revisions,
    revisions, st.integers(), revisions, st.text(max_size=20), revisions,
    st.lists(st.sampled_from(["k1", "k2", "k3"])).map(tuple), st.lists(rows, max_size=5).map(tuple),
)  # fmt: skip
PAGE = Page(
    "k1", "https://caps.example", "billing", 3, 5, 5, 1_795_327_200_000, 1_792_000_000, 2_592_030, "", 4,
    ("k1", "k2"), (Row(bytes(16), None, 498_796), Row(bytes(range(16)), bytes(range(1, 17)), 498_796)),
)  # fmt: skip


@given(pages)
def test_a_page_is_read_as_it_was_signed(page: Page) -> None:
    assert Page.read(page.sign(SEED), PUBLICS) == page


@given(pages, st.integers(1, 10**6))
def test_a_page_from_within_a_revision_is_read_by_who_asked_for_it_alone(page: Page, skip: int) -> None:
    inside = replace(page, skip=skip)
    assert Page.read(inside.sign(SEED), PUBLICS, skip) == inside
    for asked in (0, skip - 1, skip + 1):
        if asked != skip:
            with pytest.raises(FeedError, match="another place"):
                Page.read(inside.sign(SEED), PUBLICS, asked)
    with pytest.raises(FeedError, match="another place"):
        Page.read(page.sign(SEED), PUBLICS, skip)


@given(pages, st.data())
def test_a_page_of_which_any_character_was_changed_is_refused_or_the_same(page: Page, data: Any) -> None:
    text = page.sign(SEED)
    position = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(codec="utf-8") | st.sampled_from('0123456789"\\,:[]{}AB'))
    changed = text[:position] + character + text[position + 1 :]
    assume(changed != text)
    try:
        assert Page.read(changed, PUBLICS) == page
    except FeedError:
        return
    # Blanks between what is signed and its signature are nobody's.
    assert json.loads(changed) == json.loads(text)


def test_no_bit_of_a_page_can_be_flipped() -> None:
    text = PAGE.sign(SEED)
    for position, character in enumerate(text):
        for bit in range(7):
            changed = text[:position] + chr(ord(character) ^ 1 << bit) + text[position + 1 :]
            try:
                Page.read(changed, PUBLICS)
            except FeedError:
                continue
            assert json.loads(changed) == json.loads(text)


def _refusal(text: str, publics: Any = PUBLICS) -> str:
    with pytest.raises(FeedError) as refused:
        Page.read(text, publics)
    return str(refused.value)


def test_a_page_is_refused_that_another_seed_signed() -> None:
    assert "not the issuer's" in _refusal(PAGE.sign(OTHER_SEED))
    assert "not the issuer's" in _refusal(PAGE.sign(PUBLICS["k1"]))


def test_a_page_is_refused_that_is_said_to_be_of_another_key() -> None:
    assert "not the issuer's" in _refusal(replace(PAGE, key_id="k2").sign(SEED))
    assert "was not exported to here" in _refusal(replace(PAGE, key_id="k3").sign(SEED))
    assert "was not exported to here" in _refusal(PAGE.sign(SEED), {})


def test_what_the_feed_key_signed_for_another_purpose_is_no_page() -> None:
    text = json.loads(PAGE.sign(SEED))["page"]
    signature = encode_base64(SigningKey(SEED).sign(text.encode()).signature)
    assert "not the issuer's" in _refusal(json.dumps({"key": "k1", "signature": signature, "page": text}))


def _signed(text: str) -> str:
    signature = encode_base64(SigningKey(SEED).sign(b"capsvc changes 1\n" + text.encode()).signature)
    return json.dumps({"key": "k1", "signature": signature, "page": text})


TOLD: dict[str, Any] = json.loads(json.loads(PAGE.sign(SEED))["page"])


@pytest.mark.parametrize("name", TOLD)
def test_a_signed_page_without_one_of_its_members_or_with_another_type_says_that_versions_differ(name: str) -> None:
    assert Page.read(_signed(json.dumps(TOLD)), PUBLICS) == PAGE
    without = {each: value for each, value in TOLD.items() if each != name}
    others = [{**TOLD, name: wrong} for wrong in (None, True, 1.5, {}, [5], [None], "5", 5)]
    for told in (without, *(each for each in others if type(each[name]) is not type(TOLD[name]) or each[name] == [5])):
        assert "another version" in _refusal(_signed(json.dumps(told)))


@pytest.mark.parametrize(
    "row",
    [[], ["A"], [5, None, 5], [None, "A" * 22, 5], ["A" * 21, None, 5], ["A" * 22, "A", 5], ["A" * 22, None, "5"],
     ["A" * 22, None, True], ["A" * 22, None, 5, 5], "row", {}, None, 5],
)  # fmt: skip
def test_a_signed_row_that_is_none_says_that_versions_differ(row: object) -> None:
    assert "another version" in _refusal(_signed(json.dumps({**TOLD, "rows": [row]})))


@pytest.mark.parametrize("text", ["", "null", "5", "[]", '"page"', "{", "[" * 100_000, "{}", "9" * 5000])
def test_what_is_no_page_is_one_clear_error(text: str) -> None:
    assert "no page of changes" in _refusal(text)
    assert "another version" in _refusal(_signed(text))


def test_half_a_character_is_no_page() -> None:
    half = chr(0xD800)
    assert "no page of changes" in _refusal(half)
    assert "no page of changes" in _refusal(json.dumps({"key": "k1", "signature": "", "page": half}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TOLD, "x"]), inner, max_size=9),
    ),
    st.sampled_from(["key", "signature", "page"]),
)
def test_whatever_stands_in_a_page_or_around_it_ends_in_a_feed_error(value: object, member: str) -> None:
    envelope = {**json.loads(PAGE.sign(SEED)), member: value}
    for text in (json.dumps(value), json.dumps(envelope), _signed(json.dumps(value))):
        with pytest.raises(FeedError):
            Page.read(text, PUBLICS)


def test_no_more_is_read_of_a_page_than_one_has() -> None:
    text = PAGE.sign(SEED)
    assert Page.read(text.ljust(PAGE_CHARACTERS), PUBLICS) == PAGE
    assert "no page of changes" in _refusal(text.ljust(PAGE_CHARACTERS + 1))


# Digests


names = st.text(max_size=20)


@given(names, names, st.binary(max_size=20), names, names, st.binary(max_size=20))
def test_two_names_or_salts_have_one_digest_only_if_they_are_the_same(
    user: str, name: str, salt: bytes, other_user: str, other_name: str, other_salt: bytes
) -> None:
    made, same = Digests(SEED), (user, name) == (other_user, other_name)
    assert (made.name(user, name) == made.name(other_user, other_name)) == same
    salts = made.salt(user, name, salt), made.salt(other_user, other_name, other_salt)
    assert (salts[0] == salts[1]) == (same and salt == other_salt)
    assert made.name(user, name) not in salts
    assert {len(each) for each in (*salts, made.name(user, name))} == {DIGEST_BYTES}


def test_digests_of_another_audience_have_nothing_in_common() -> None:
    one, other = Digests(SEED), Digests(OTHER_SEED)
    assert one.name("alice", "default") != other.name("alice", "default")
    assert one.salt("alice", "default", bytes(16)) != other.salt("alice", "default", bytes(16))


def test_the_digests_stay_what_they_are() -> None:
    """Issuer and resource server may be of different versions: known values."""
    made = Digests(SEED)
    assert made.name("alice", "default").hex() == "c547896dea2e998df45a804c456bde08"
    assert made.salt("alice", "default", bytes(16)).hex() == "d46a15805bf896bcccf4896548c590d0"


def test_law_8_a_page_and_what_makes_digests_print_neither_rows_nor_keys() -> None:
    assert repr(Digests(SEED)) == "<Digests>"
    assert "rows" not in repr(PAGE)
