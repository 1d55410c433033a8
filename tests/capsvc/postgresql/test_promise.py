"""The promise, where simpler designs break it: commits out of order, lost wake-ups, a deposed primary, a pause."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from capsvc.errors import StoreUnavailable
from capsvc.stores import NewUser
from capsvc.stores.column import change
from capsvc.stores.postgresql import PostgreSQLStore
from capsvc.stores.postgresql.following import Following
from capsvc.stores.postgresql.server import Server
from tests.capsvc.postgresql.cluster import Cluster, pair, wait_until
from tests.capsvc.store_contract_column import HASH, LATER, NOW

_VERIFIER = """
import sys
from capsvc.errors import StoreUnavailable
from capsvc.stores.postgresql import PostgreSQLStore
follows = PostgreSQLStore(sys.argv[1]).follow(float(sys.argv[2]))
for line in sys.stdin:
    try:
        print(sorted(follows.read("alice", ()).salts.rows), flush=True)
    except StoreUnavailable:
        print("refused", flush=True)
"""


@pytest.fixture
def store(url: str) -> Iterator[PostgreSQLStore]:
    with closing(PostgreSQLStore(url)) as store:
        store.add_users([NewUser("alice", HASH), NewUser("bob", HASH)], NOW)
        yield store


def _rows(follows: Following, user: str) -> set[str] | None:
    """What is known of a user; None where it is refused."""
    try:
        return set(follows.read(user, ()).salts.rows)
    except StoreUnavailable:
        return None


def test_a_revocation_that_commits_late_is_not_skipped_by_who_has_seen_a_later_one(
    store: PostgreSQLStore, cluster: Cluster
) -> None:
    """With a sequence for a counter, the second would be through before the first, and the first never seen."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with closing(Following(store, 60)) as follows, ThreadPoolExecutor(1) as beside:
        with store._writing() as slow:
            first = change(slow, "alice", {"held": None}, LATER)
            second = beside.submit(store.revoke_name, "bob", "held", LATER)
            wait_until(lambda: cluster.ask(waiting) or second.done())
            if second.done():
                follows.catch_up(second.result())
        follows.catch_up(max(first, second.result()))
        assert _rows(follows, "alice") == _rows(follows, "bob") == {"default", "held"}
        assert second.result() == first + 1


def test_a_revocation_whose_wake_up_was_lost_is_seen_all_the_same(
    store: PostgreSQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "notify", lambda self: None)
    with closing(Following(store, 60)) as follows:
        store.revoke_name("alice", "held", LATER)
        wait_until(lambda: _rows(follows, "alice") == {"default", "held"})


def test_a_node_at_a_deposed_primary_refuses_and_finds_the_new_one() -> None:
    """The old one goes on answering whoever reads, and knows nothing of what was revoked since."""
    with pair() as (old, new), closing(PostgreSQLStore(old.url)) as store:
        store.add_users([NewUser("alice", HASH)], NOW)
        both = f"postgresql://tester@/postgres?host={old.path},{new.path}&port={old.port},{new.port}"
        with closing(Following(store, 2)) as stays, closing(PostgreSQLStore(both)) as either:
            moves = either.follow(2)
            assert isinstance(moves, Following)
            new.configure(synchronous_standby_names="")
            new.promote()
            with closing(PostgreSQLStore(new.url)) as successor:
                successor.revoke_name("alice", "held", LATER)
                acknowledged = time.monotonic()
                while time.monotonic() < acknowledged + 6:
                    late = time.monotonic() > acknowledged + 2
                    seen = _rows(stays, "alice"), _rows(moves, "alice")
                    assert not late or {"default"} not in seen, "a revocation is not seen in time"
                    time.sleep(0.01)
                assert old.ask("SELECT count(*) FROM salts") == [(1,)], "it does answer"
                assert _rows(stays, "alice") is None
                wait_until(lambda: _rows(moves, "alice") == {"default", "held"})


def test_a_node_that_was_stopped_for_longer_than_the_promise_permits_nothing_stale_when_it_goes_on(
    store: PostgreSQLStore, url: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _VERIFIER, url, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as verifier:
        assert verifier.stdin
        assert verifier.stdout
        try:
            verifier.stdin.write("\n")
            verifier.stdin.flush()
            assert verifier.stdout.readline() == "['default']\n"
            verifier.send_signal(signal.SIGSTOP)
            store.revoke_name("alice", "held", LATER)
            verifier.stdin.write("\n")
            verifier.stdin.flush()
            time.sleep(1.2)
        finally:
            verifier.send_signal(signal.SIGCONT)
        assert verifier.stdout.readline() in ("refused\n", "['default', 'held']\n")
        verifier.stdin.close()
    assert verifier.returncode == 0
