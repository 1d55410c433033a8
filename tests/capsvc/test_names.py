"""Names of users and audiences."""

from __future__ import annotations

import pytest

from capsvc.names import ADMIN, VERIFY, check_audiences, check_user_name
from caveats import BUILTIN
from caveats.encoding import encode_item


@pytest.mark.parametrize("name", ["a", "alice", "Alice Smith", "Zoë", "李", "a%b", "alice@example.org", "x" * 128])
def test_a_users_name_is_text_that_a_caveat_can_hold(name: str) -> None:
    assert check_user_name(name) == name
    assert BUILTIN.parse(f"user = {encode_item(name)}").items == (name,)


@pytest.mark.parametrize("name", ["", "a/b", "/", "a\x00", "a\nb", "a\x7f", "a\x85", "Zoe\u0308", "x" * 129])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|normal form C"):
        check_user_name(name)


def test_half_a_character_is_no_name() -> None:
    """The shell hands over bytes that are no UTF-8 as half characters, and no token can hold one."""
    with pytest.raises(ValueError, match=r"name|text|UTF-8"):
        check_user_name("al\udcffice")


def test_audiences_come_back_sorted_and_each_once() -> None:
    assert check_audiences(["docs", "billing", "docs"]) == ("billing", "docs")
    assert check_audiences(()) == ()


def test_audiences_may_come_from_any_iterable() -> None:
    assert check_audiences(each for each in ("docs", "billing")) == ("billing", "docs")


@pytest.mark.parametrize("audience", ["", "Billing", "a b", "a/b", "-a", "a.", "é", "x" * 65])
def test_what_is_no_audience_is_refused(audience: str) -> None:
    with pytest.raises(ValueError, match="an audience is"):
        check_audiences(["docs", audience])


def test_section_3_only_the_services_own_audiences_begin_like_its_name() -> None:
    assert check_audiences([VERIFY, ADMIN]) == (ADMIN, VERIFY) == ("capsvc.admin", "capsvc.verify")
    for audience in ("capsvc.other", "capsvc.admin2", "capsvc.console"):
        with pytest.raises(ValueError, match="reserved"):
            check_audiences([audience])
    assert check_audiences(["capsvc"]) == ("capsvc",)


@pytest.mark.parametrize("name", [".", "..", "o\u202ek", "a\u200bb", "a\u2028b"])
def test_a_name_that_cannot_be_seen_or_addressed_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be seen"):
        check_user_name(name)
