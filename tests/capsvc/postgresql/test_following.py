"""Following: from memory and from the column comes the same verdict, and what is not provably fresh is refused."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from capsvc.errors import NotSeenYet, StoreBusy, StoreUnavailable
from capsvc.stores import NewUser, Reading, Store
from capsvc.stores.postgresql import PostgreSQLStore, following
from capsvc.stores.postgresql.following import Following
from caveats import Revoked
from tests.capsvc.installation import Clock, Installation, installed
from tests.capsvc.postgresql.cluster import Cluster, wait_until
from tests.capsvc.revocation_machine import SEEN, Revocations
from tests.capsvc.store_contract_column import HASH, LATER, NOW, ColumnContract, Engine, add, salt_of

ANY = 1 << 62
"""A revision that nobody has seen: to catch up with it asks the database once."""


class Followed:
    """A store whose looks are answered by what follows it, after it has asked once more."""

    def __init__(self, store: PostgreSQLStore, following: Following) -> None:
        self._store, self._following = store, following

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read(self, user: str, names: Sequence[str], *, patient: bool = True) -> Reading:
        self._following.catch_up(ANY)
        return self._following.read(user, names, patient=patient)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BETWEEN_SECONDS", 0.002)


class TestFollowing(ColumnContract):
    """The contract of the column, held by what follows a store."""

    @pytest.fixture
    def store(self, engine: Engine, quick: None) -> Iterator[Any]:
        assert isinstance(engine.store, PostgreSQLStore)
        follows = engine.store.follow(60)
        assert isinstance(follows, Following)
        return Followed(engine.store, follows)

    def test_a_hasty_look_at_a_locked_store_says_busy_at_once(self, store: Store, engine: Engine) -> None:
        add(store, "alice")
        assert salt_of(store)
        with engine.locked():  # from memory, nobody has to wait
            assert store._following.read("alice", ("default",), patient=False).salts.rows["default"]


@pytest.fixture
def store(url: str, quick: None) -> Iterator[PostgreSQLStore]:
    with closing(PostgreSQLStore(url)) as store:
        store.add_users([NewUser("alice", HASH), NewUser("bob", HASH)], NOW)
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def follows(store: PostgreSQLStore, clock: Clock) -> Iterator[Following]:
    with closing(Following(store, 5, clock)) as follows:
        yield follows


def _age(url: str, user: str, days: int) -> None:
    """Have a user's changes lie so many days back."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE changes SET recorded = recorded - %s * INTERVAL '1 day' WHERE \"user\" = %s", (days, user)
        )


def test_section_6_no_sequence_of_steps_brings_a_revoked_macaroon_back_to_a_node_that_follows(
    cluster: Cluster, quick: None
) -> None:
    class Machine(Revocations):
        def install(self, opened: ExitStack) -> tuple[Installation, Store]:
            url = opened.enter_context(cluster.schema())
            store = PostgreSQLStore(url)
            house = opened.enter_context(installed(store=store))
            return house, opened.enter_context(closing(PostgreSQLStore(url)))

        def _take_back(self, *arguments: Any, **named: Any) -> None:
            super()._take_back(*arguments, **named)
            self._catch_up()

        def _catch_up(self) -> None:
            for node in (self.house.node, self.running):
                node._store.catch_up(ANY)

    SEEN.clear()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert SEEN["accepted"] > 20
    assert SEEN.total() - SEEN["accepted"] > 10


def test_section_6_who_is_not_in_memory_has_the_salts_that_she_was_minted_with(url: str, cluster: Cluster) -> None:
    with closing(PostgreSQLStore(url)) as store, installed(store=store) as house:
        held = house.log_in().macaroon
        _age(url, "alice", 32)
        house.start(house.settings)
        follows = house.node._store
        assert isinstance(follows, Following)
        assert follows.read("alice", ("default",)).salts.rows == {}
        house.verify(held)
        store.revoke_name("alice", "default", house.now)
        follows.catch_up(store.revision())
        with pytest.raises(Revoked):
            house.verify(held)


def test_what_expires_before_the_horizon_is_not_taken_for_unchanged(url: str) -> None:
    """Dropped rows and a clock that went back: the salt may have changed before what is remembered."""
    with closing(PostgreSQLStore(url)) as store, installed(store=store) as house:
        _age(url, "alice", 32)
        house.start(house.settings)
        house.clock.forward(-10 * 24 * 3600)
        long_ago = house.log_in(lifetime=3600).macaroon
        with pytest.raises(Revoked):
            house.verify(long_ago)


def test_a_stamp_older_than_the_freshness_permits_nothing(
    follows: Following, clock: Clock, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert follows.read("alice", ("default",)).salts.rows["default"]
    clock.forward(5.5)
    with pytest.raises(StoreUnavailable, match="cannot prove"):
        follows.read("alice", ("default",))
    wait_until(lambda: _answers(follows))


def _answers(follows: Following) -> bool:
    try:
        follows.read("alice", ("default",))
    except StoreUnavailable:
        return False
    return True


def test_the_stamp_is_of_when_the_database_was_asked_and_not_of_when_it_answered(
    store: PostgreSQLStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = following.Connection.commit_durably

    def slow(connection: following.Connection) -> None:
        commit(connection)
        clock.forward(7)

    monkeypatch.setattr(following.Connection, "commit_durably", slow)
    with closing(Following(store, 5, clock)) as follows:
        for _ in range(3):
            follows.catch_up(ANY)
            with pytest.raises(StoreUnavailable):
                follows.read("alice", ("default",))


def test_what_was_acknowledged_here_is_seen_by_whoever_asks_for_its_revision(
    store: PostgreSQLStore, follows: Following
) -> None:
    revision = store.revoke_all("alice", LATER)
    follows.catch_up(revision)
    assert follows.read("alice", ("default",)).revision >= revision


def test_to_catch_up_takes_patience(store: PostgreSQLStore, follows: Following) -> None:
    follows.catch_up(0, patient=False)
    with pytest.raises(StoreBusy):
        follows.catch_up(ANY, patient=False)


def test_a_revision_that_the_database_has_not_either_is_not_seen_yet(url: str) -> None:
    with closing(PostgreSQLStore(url)) as store, installed(store=store) as house:
        held = house.log_in().macaroon
        house.verify(held, min_revision=store.revision())
        with pytest.raises(NotSeenYet):
            house.verify(held, min_revision=ANY)


@pytest.mark.parametrize("how", ["gap", "another"])
def test_a_feed_that_does_not_go_on_from_what_was_known_is_loaded_anew(
    store: PostgreSQLStore, follows: Following, url: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(url) as connection:
        if how == "gap":
            connection.execute("UPDATE state SET revision = revision + 2")
        else:
            connection.execute("UPDATE changes SET instant = 'another'")
        connection.execute("UPDATE salts SET salt = NULL")  # which the feed does not tell of
    wait_until(lambda: _rows(follows) == {"default": None})


def test_a_database_that_went_back_is_not_believed_until_it_was_recovered(
    store: PostgreSQLStore, follows: Following, url: str
) -> None:
    seen = store.revoke_all("bob", LATER)
    follows.catch_up(seen)
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM changes WHERE revision = (SELECT revision FROM state)")
        connection.execute("UPDATE state SET revision = revision - 1")
    for _ in range(3):
        follows.catch_up(ANY)
        with pytest.raises(StoreUnavailable, match="went back from revision"):
            follows.read("alice", ())
    with pytest.raises(StoreUnavailable, match="went back from revision"):
        store.read("alice", ())
    store.panic(NOW)  # up to the revision that was seen, with something else in it
    with closing(PostgreSQLStore(url)) as another:
        recovered = another.recover(seen, (), LATER)
    wait_until(lambda: _rows(follows))
    assert follows.read("alice", ()).revision == recovered.revision
    assert follows.read("alice", ()).salts.rows == store.read("alice", ("default",)).salts.rows


def test_what_is_answered_from_memory_and_what_is_asked_for_is_counted(follows: Following) -> None:
    for _ in range(3):
        follows.read("alice", ())
    follows.catch_up(ANY)
    assert follows.tally == [3, 1]


def test_a_process_that_has_no_descriptor_left_goes_on_following(
    follows: Following, clock: Clock, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_BETWEEN_SECONDS", 0.1)
    beating = "SELECT node FROM beats"
    with psycopg.connect(url) as connection:
        before = connection.execute(beating).fetchall()
    with _no_descriptor_left():
        for _ in range(3):
            clock.forward(4)
            wait_until(lambda: follows._held and follows._held.until == clock() + 5)
        follows.read("alice", ())
    with psycopg.connect(url) as connection:
        assert connection.execute(beating).fetchall() == before, "another connection was made"


@contextmanager
def _no_descriptor_left() -> Iterator[None]:
    """Take every descriptor that this process may have, and whatever it lets go of."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    taken: list[int] = []
    over = threading.Event()

    def take() -> None:
        while not over.wait(0.001):
            with suppress(OSError):
                while True:
                    taken.append(os.dup(0))

    taking = threading.Thread(target=take)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
    taking.start()
    try:
        yield
    finally:
        over.set()
        taking.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


def _rows(follows: Following) -> object:
    try:
        return follows.read("alice", ()).salts.rows
    except StoreUnavailable:
        return None


def test_what_was_read_beside_a_commit_that_nobody_acknowledged_is_not_believed(
    store: PostgreSQLStore, follows: Following, url: str, cluster: Cluster
) -> None:
    before = follows.read("alice", ())
    with cluster.waiting_for_nobody(), psycopg.connect(url) as connection:
        connection.execute("SET synchronous_commit = local")
        connection.execute("UPDATE salts SET salt = NULL")
        connection.execute(
            'INSERT INTO changes (revision, "user", name, instant)'
            " SELECT revision + 1, 'alice', 'default', '' FROM state"
        )
        connection.execute("UPDATE state SET revision = revision + 1")
        connection.commit()
        follows.catch_up(ANY)
        follows.catch_up(ANY)
        assert follows.read("alice", ()) == before
    wait_until(lambda: _rows(follows) == {"default": None})


def test_who_did_not_change_for_longer_than_anything_lives_is_dropped(
    store: PostgreSQLStore, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.longest(3600)
    _age(url, "alice", 1)
    _age(url, "bob", 2)
    monkeypatch.setattr(following, "_SWEEP_SECONDS", 0)
    with closing(Following(store, 5, clock)) as follows:
        assert follows.read("alice", ()).salts.rows
        assert not follows.read("bob", ()).salts.rows
        earlier = follows.read("bob", ()).salts.horizon
        with psycopg.connect(url) as connection:  # the database's clock goes on by two hours
            connection.execute("UPDATE state SET longest = 3600")
        held = follows._held
        assert held is not None
        held.memory.columns["carol"] = (held.memory.since // 3600 - 1, "default", b"s" * 16)
        wait_until(lambda: "carol" not in held.memory.columns)
        assert follows.read("bob", ()).salts.horizon >= earlier
        assert follows.read("alice", ()).salts.rows


def test_longer_lifetimes_make_older_changes_matter(store: PostgreSQLStore, url: str) -> None:
    _age(url, "alice", 10)
    with closing(Following(store, 60)) as follows:
        assert not follows.read("alice", ()).salts.rows
        follows.longest(30 * 24 * 3600)
        wait_until(lambda: follows.read("alice", ()).salts.rows)


def test_a_name_that_was_taken_back_long_ago_is_told_again_when_it_is_taken_back_again(
    store: PostgreSQLStore, url: str
) -> None:
    first = store.revoke_name("alice", "held", NOW)
    assert store.revoke_name("alice", "held", LATER) == first
    _age(url, "alice", 10)
    with closing(Following(store, 60)) as follows:
        assert "held" not in follows.read("alice", ()).salts.rows
        follows.catch_up(store.revoke_name("alice", "held", "2026-12-31T00:00:00Z"))
        assert follows.read("alice", ()).salts.rows["held"] is None
