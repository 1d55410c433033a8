"""The contract of a store's history: what changed after a revision, page by page, with nothing skipped."""

from __future__ import annotations

import time

import pytest

from capsvc.errors import StoreBusy, WentBack
from capsvc.stores import LEAP, Change, Store, StoredKey
from capsvc.stores.history import DAY
from caveats import time_text
from tests.capsvc.store_contract_column import HASH, NONCE, ColumnContract, Engine, add

YEARS = 20 * 365 * DAY


def now() -> str:
    """The time as a store's own clock has it, within a second."""
    return time_text(time.time())


def read_on(store: Store, most: int, since: int = 0) -> list[Change]:
    """Read the history to its end, as whoever follows it does; hold each page to where it ends."""
    found: list[Change] = []
    skip, head = 0, store.revision()
    for _ in range(100):
        if since == head:
            break
        page = store.changes(since, most, skip)
        assert page.head == head
        assert since <= page.to <= head
        assert len(page.rows) <= most
        assert page.to > since or len(page.rows) == most
        assert all(since < row.revision for row in page.rows)
        assert page.to == since or all(row.revision <= page.to for row in page.rows)
        found += page.rows
        since, skip = page.to, skip + len(page.rows) if page.to == since else 0
    assert since == head
    assert list(store.changes(since, most).rows) == []
    return found


def told(changes: list[Change]) -> list[tuple[int, str, str, bytes | None]]:
    """What rows say, without when they were recorded."""
    return [(each.revision, each.user, each.name, each.salt) for each in changes]


class HistoryContract(ColumnContract):
    """What holds for every engine's history."""

    def _live(self, store: Store) -> None:
        """Do what writes many rows under one revision, and what writes few."""
        store.longest(YEARS)
        store.add_users([self.new(f"u{number}") for number in range(7)], now())
        for name in ("laptop", "phone"):
            store.issue_salt("u1", name, None, now())
        store.revoke_all("u1", now())
        store.panic(now())
        store.revoke_nonce("u2", NONCE, now())
        store.set_disabled("u3", True, now())
        store.recover(0, (), now())
        store.revoke_name("u4", "held", now())

    @pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 8, 100])
    def test_however_few_rows_a_page_has_all_are_read_once_and_in_order(
        self, store: Store, engine: Engine, most: int
    ) -> None:
        self._live(store)
        written = [(row.revision, row.user, row.name, row.salt) for row in engine.changes() if row.user]
        assert told(read_on(store, most)) == written
        for since in (1, 3, 5, store.revision() - 1):
            assert told(read_on(store, most, since)) == [row for row in written if row[0] > since]

    def test_what_changes_while_somebody_reads_on_moves_no_row_of_a_revision_that_is_too_large(
        self, store: Store, engine: Engine
    ) -> None:
        store.add_users([self.new(f"u{number}") for number in range(9)], now())
        first = store.changes(0, 4)
        assert first.to == 0
        store.add_users([self.new("a")], now())
        store.revoke_all("u0", now())
        engine.age(YEARS)
        assert store.changes(0, 4).to == store.revision(), "for whoever begins now all of it is old"
        second, third = store.changes(0, 4, 4), store.changes(0, 4, 8)
        assert [row.user for row in (*first.rows, *second.rows, *third.rows)][:9] == [f"u{n}" for n in range(9)]
        assert (second.to, third.to) == (0, store.revision())

    def test_a_look_tells_how_things_stand_beside_the_rows(self, store: Store) -> None:
        for number in range(4):
            store.add_key(StoredKey(f"k{number}", "pending", bytes(32), bytes(16), now()))
        store.set_key_states({"k0": "retired", "k1": "verifying", "k2": "signing"}, now())
        add(store, "alice")
        store.longest(500)
        panic, before = now(), int(time.time())
        store.panic(panic)
        found = store.changes(0, 10)
        assert (found.to, found.head, found.panic) == (store.revision(), store.revision(), panic)
        assert (found.keys, found.ring) == (("k1", "k2", "k3"), store.keys()[0])
        assert found.longest == 500
        assert before - 2 <= found.begins + 500 + DAY <= time.time() + 1

    def test_the_row_of_a_panic_is_passed_over_and_its_revision_is_not(self, store: Store) -> None:
        revision = store.panic(now())
        found = store.changes(0, 10)
        assert (list(found.rows), found.to) == ([], revision)

    def test_rows_tell_when_they_were_recorded(self, store: Store) -> None:
        before = int(time.time())
        store.add_users([self.new("alice")], now())
        (row,) = store.changes(0, 10).rows
        assert before <= row.recorded <= time.time() + 1

    def test_what_changed_before_anything_that_is_alive_was_minted_is_left_out(
        self, store: Store, engine: Engine
    ) -> None:
        store.longest(10 * DAY)
        store.add_users([self.new(f"u{number}") for number in range(9)], now())
        old = store.revoke_all("u1", now())
        engine.age(11 * DAY + 60)
        assert list(store.changes(0, 100).rows) == []
        assert store.changes(0, 100).to == old
        store.revoke_all("u2", now())
        store.add_users([self.new(f"v{number}") for number in range(9)], now())
        assert [row.user for row in store.changes(0, 100).rows] == ["u2", *(f"v{number}" for number in range(9))]
        assert [row.user for row in read_on(store, 4)] == ["u2", *(f"v{number}" for number in range(9))]
        assert [row.user for row in read_on(store, 4, old + 1)] == [f"v{number}" for number in range(9)]

    def test_what_is_too_old_by_a_minute_less_is_not_left_out(self, store: Store, engine: Engine) -> None:
        store.longest(10 * DAY)
        store.add_users([self.new("alice")], now())
        engine.age(11 * DAY - 60)
        assert [row.user for row in store.changes(0, 100).rows] == ["alice"]

    def test_a_longer_lifetime_brings_back_what_was_left_out(self, store: Store, engine: Engine) -> None:
        store.longest(DAY)
        store.add_users([self.new("alice")], now())
        engine.age(3 * DAY)
        assert list(store.changes(0, 100).rows) == []
        store.longest(4 * DAY)
        assert [row.user for row in store.changes(0, 100).rows] == ["alice"]

    def test_a_revision_that_is_yet_to_come_is_an_error_and_no_empty_answer(self, store: Store) -> None:
        add(store, "alice")
        head = store.revision()
        assert store.changes(head, 10).to == head
        for since in (head + 1, head + LEAP, 10**15):
            with pytest.raises(WentBack, match=f"has revision {head}"):
                store.changes(since, 10)

    def test_who_asks_what_changed_while_the_store_is_locked_is_told_so(self, store: Store, engine: Engine) -> None:
        add(store, "alice")
        with engine.locked(), pytest.raises(StoreBusy):
            store.changes(0, 10)

    def test_law_8_what_changed_prints_no_salt_and_no_name(self, store: Store) -> None:
        add(store, "alice", hash=HASH)
        found = store.changes(0, 10)
        assert "alice" not in repr(found) + repr(found.rows)
