"""Knowledge: which pages are believed, and how old what they say is, under clocks that a test sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from capsvc.changes import Page
from capsvc.errors import FeedError
from capsvc.knowledge import DAY, HOUR, Knowledge, Outgrown
from tests.capsvc.edge.issuer import AUDIENCE, LONGEST, Issuer
from tests.capsvc.installation import START, Clock

FRESHNESS = 5.0


class Edge:
    """An issuer and who knows of it, each with a clock of the day; ``boot`` is the one that nobody sets."""

    def __init__(self) -> None:
        self.theirs, self.ours, self.boot = Clock(), Clock(), Clock(1000.0)
        self.issuer = Issuer(self.theirs)
        self.knowledge = Knowledge(AUDIENCE, FRESHNESS)

    def forward(self, seconds: float) -> None:
        for clock in (self.theirs, self.ours, self.boot):
            clock.forward(seconds)

    def page(self, **changed: Any) -> Page:
        key_id = changed.pop("key_id", None)
        return replace(self.issuer.page(*self.knowledge.since, key_id), **changed)

    def take(self, page: Page | None = None) -> float | None:
        """Take a page as it comes over the wire; return for how long what is known permits from now on."""
        page = page or self.page()
        publics = {key_id: each.public for key_id, each in self.issuer.exported().keys.items()}
        told = Page.read(self.issuer.sign(page), publics, page.skip)
        until = self.knowledge.take(told, self.boot(), self.ours())
        return None if until is None else round(until - self.boot(), 2)


@pytest.fixture
def edge() -> Edge:
    edge = Edge()
    edge.issuer.log_in()
    return edge


def _rows(edge: Edge) -> int:
    assert edge.knowledge.memory is not None
    return len(edge.knowledge.memory.rows)


# What is believed


def test_pages_that_go_on_from_each_other_are_believed(edge: Edge) -> None:
    assert edge.take() == FRESHNESS
    edge.issuer.revoke()
    edge.issuer.revoke_nonce("alice", "A" * 22)
    assert edge.take() == FRESHNESS
    assert (edge.knowledge.since, _rows(edge)) == ((3, 0), 2)
    assert edge.take() == FRESHNESS


def test_only_the_page_that_leads_up_to_the_head_makes_fresh(edge: Edge) -> None:
    for user in ("bob", "carol", "dave"):
        edge.issuer.log_in(user)
    edge.issuer.most = 2
    assert edge.take() is None
    assert edge.knowledge.memory is None
    assert edge.take() == FRESHNESS
    assert _rows(edge) == 4


def test_a_revision_of_more_rows_than_a_page_holds_is_read_over_several(edge: Edge) -> None:
    edge.take()
    edge.issuer.most = 2
    edge.issuer.revoke_many(["bob", "carol", "dave", "erin", "frank"])
    assert [edge.take(), edge.knowledge.since] == [None, (1, 2)]
    with pytest.raises(FeedError, match="comes again"):
        edge.take(edge.page(skip=0))
    with pytest.raises(FeedError, match="is missing"):
        edge.take(edge.page(skip=3))
    assert [edge.take(), edge.knowledge.since] == [None, (1, 4)]
    assert [edge.take(), edge.knowledge.since] == [FRESHNESS, (2, 0)]
    assert _rows(edge) == 6


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"audience": "mail"}, "another audience"),
        ({"since": 0, "to": 2}, "an old page comes again"),
        ({"since": 3, "to": 3, "head": 3}, "a page is missing"),
        ({"to": 1}, "leads nowhere"),
        ({"head": 1, "to": 1}, "went back"),
        ({"to": 2, "head": 9, "rows": ()}, "leads nowhere"),
        ({"ring": 0}, "went back"),
        ({"panic": ""}, "went back"),
        ({"keys": ("k2",)}, "retired"),
        ({"stamp": int((START + 2) * 1000)}, "check the clocks"),
        ({"stamp": int((START - FRESHNESS) * 1000)}, "holds pages back"),
    ],
)
def test_a_page_that_does_not_fit_is_one_clear_error_and_changes_nothing(
    edge: Edge, changed: dict[str, Any], said: str
) -> None:
    edge.issuer.raise_panic()
    edge.take()
    before = edge.knowledge.since, edge.knowledge.panic, edge.knowledge.ring, edge.knowledge.keys, _rows(edge)
    assert before[0] == (2, 0)
    with pytest.raises(FeedError, match=said):
        edge.take(edge.page(**changed))
    assert before == (
        edge.knowledge.since, edge.knowledge.panic, edge.knowledge.ring, edge.knowledge.keys, _rows(edge),
    )  # fmt: skip
    assert edge.take() == FRESHNESS


def test_a_page_signed_with_a_key_that_was_retired_since_is_refused(edge: Edge) -> None:
    edge.take()
    edge.issuer.add_key()
    old = edge.page(key_id="k1")
    edge.issuer.retire("k1")
    with pytest.raises(Outgrown):
        edge.take()
    assert edge.take() == FRESHNESS
    edge.issuer._secrets["k1"] = ("verifying", edge.issuer._secrets["k1"][1])  # who has the key that leaked signs on
    for page in (old, edge.page(key_id="k1", ring=99, keys=("k1",))):
        with pytest.raises(FeedError, match="retired"):
            edge.take(page)


# What is loaded anew


@pytest.mark.parametrize(
    "changed", [{"longest": LONGEST + 1}, {"begins": int(START)}, {"begins": int(START) + LONGEST}], ids=str
)
def test_a_window_that_became_another_is_loaded_anew_while_what_is_known_stays(
    edge: Edge, changed: dict[str, Any]
) -> None:
    edge.take()
    memory = edge.knowledge.memory
    with pytest.raises(Outgrown):
        edge.take(edge.page(**changed))
    assert (edge.knowledge.since, edge.knowledge.memory) == ((0, 0), memory)
    assert edge.take() == FRESHNESS
    assert edge.knowledge.memory is not memory


def test_another_key_of_digests_is_loaded_anew(edge: Edge) -> None:
    edge.take()
    edge.issuer.add_key()
    with pytest.raises(Outgrown):
        edge.take()
    assert edge.take() == FRESHNESS
    assert edge.knowledge.memory is not None
    assert edge.knowledge.memory.key_id == "k2"


def test_a_load_whose_pages_are_of_two_keys_begins_again(edge: Edge) -> None:
    edge.issuer.log_in("bob")
    edge.issuer.most = 1
    assert edge.take() is None
    edge.issuer.add_key()
    with pytest.raises(Outgrown):
        edge.take()
    assert edge.knowledge.since == (0, 0)
    assert edge.take() is None
    assert edge.take() == FRESHNESS


def test_a_load_that_does_not_reach_back_over_the_longest_lifetime_is_refused(edge: Edge) -> None:
    """A nonce that was revoked before it begins would be missing, and no row means met."""
    with pytest.raises(FeedError, match="reach back"):
        edge.take(edge.page(begins=int(START) - LONGEST + 1))
    assert edge.take(edge.page(begins=int(START) - LONGEST)) == FRESHNESS


def test_rows_older_than_the_window_are_dropped(edge: Edge) -> None:
    edge.take()
    memory = edge.knowledge.memory
    assert memory is not None
    edge.forward(LONGEST - DAY)
    edge.issuer.log_in("bob")
    with pytest.raises(Outgrown):  # asleep for as long as that, it loads anew
        edge.take(edge.page(begins=int(edge.theirs())))
    edge.forward(3 * DAY)
    edge.take()
    memory = edge.knowledge.memory
    assert memory is not None
    memory.begins = memory.window
    memory.forget()
    assert len(memory.rows) == 1
    assert memory.begins == int(edge.theirs()) - LONGEST - DAY


# How old it is


def test_the_age_of_a_page_counts_from_its_stamp_and_not_from_when_it_was_asked_for(edge: Edge) -> None:
    edge.take()
    page = edge.page()
    edge.forward(3)
    assert edge.take(page) == FRESHNESS - 3


def test_a_page_that_comes_again_makes_nothing_fresher(edge: Edge) -> None:
    page = edge.page()
    assert edge.take(page) == FRESHNESS
    again = edge.page(stamp=page.stamp)
    for seconds in range(1, 5):
        edge.forward(1)
        assert edge.take(again) == FRESHNESS - seconds
    edge.forward(1)
    with pytest.raises(FeedError, match="holds pages back"):
        edge.take(again)


def test_our_clock_set_back_makes_no_old_page_fresh_once_one_came_promptly(edge: Edge) -> None:
    edge.take()
    page = edge.page()
    edge.forward(4)
    edge.ours.forward(-4)
    assert edge.take(page) == pytest.approx(1, abs=0.01)
    edge.forward(1.01)
    edge.ours.forward(-1.01)
    with pytest.raises(FeedError, match="holds pages back"):
        edge.take(page)


def test_pages_that_a_relay_holds_back_longer_and_longer_are_as_old_as_they_are(edge: Edge) -> None:
    """Our clock goes at half the speed, so that by it each of them is new."""
    edge.take()
    pages, permits = [edge.page()], []
    for step in range(1, 12):
        for clock in (edge.theirs, edge.boot):
            clock.forward(1)
        edge.ours.forward(0.5)
        pages.append(edge.page())
        try:
            permits.append(edge.take(pages[step // 2]))
        except FeedError:
            permits.append(0)
    assert permits == pytest.approx([4, 4, 3, 3, 2, 2, 1, 1, 0, 0, 0], abs=0.01)


def test_a_machine_that_was_asleep_has_an_old_page(edge: Edge) -> None:
    edge.take()
    page = edge.page()
    edge.theirs.forward(8 * HOUR)
    edge.boot.forward(8 * HOUR)  # our clock of the day is not put right yet
    with pytest.raises(FeedError, match="seconds old"):
        edge.take(page)


@pytest.mark.parametrize(("seconds", "said"), [(-DAY, "check the clocks"), (DAY, "clocks .* differ"), (-1.5, "check")])
def test_a_clock_that_is_wrong_is_named(edge: Edge, seconds: float, said: str) -> None:
    edge.ours.forward(seconds)
    with pytest.raises(FeedError, match=said):
        edge.take()
    edge.ours.forward(-seconds)
    assert edge.take() == FRESHNESS


def test_a_clock_that_is_a_little_behind_does_not_stretch_freshness(edge: Edge) -> None:
    edge.ours.forward(-0.9)
    assert edge.take() == FRESHNESS


def test_what_an_earlier_page_says_of_the_issuers_clock_wears_off(edge: Edge) -> None:
    """Else an issuer whose clock goes a little slower than ours would be refused for good."""
    edge.take()
    for _ in range(48):
        for clock in (edge.theirs, edge.ours):
            clock.forward(HOUR - 1)
        edge.boot.forward(HOUR)
        assert edge.take() == pytest.approx(FRESHNESS, abs=0.01)
