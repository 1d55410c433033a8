"""A server: what counts as acknowledged, how long anybody waits, and what no error says."""

from __future__ import annotations

import logging.config
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from capsvc.errors import SettingsError, StoreBusy, StoreUnavailable
from capsvc.stores import NewUser
from capsvc.stores.postgresql import PostgreSQLStore, tables, transactions
from capsvc.stores.postgresql.transactions import NotAcknowledged
from capsvc.stores.repetition import Conflict
from tests.capsvc.postgresql.cluster import Cluster, wait_until
from tests.capsvc.store_contract_column import HASH, LATER, NOW

_WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def store(url: str) -> Iterator[PostgreSQLStore]:
    with closing(PostgreSQLStore(url)) as store:
        store.add_users([NewUser("alice", HASH)], NOW)
        yield store


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PATIENCE_SECONDS", 0.3)


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_revocation_whose_wait_for_the_standby_was_cancelled_is_not_acknowledged(
    store: PostgreSQLStore, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(transactions, "PATIENCE_SECONDS", 60.0)
    with cluster.waiting_for_nobody(), ThreadPoolExecutor(1) as beside:
        revoking = beside.submit(store.revoke_nonce, "alice", "n", LATER)
        wait_until(lambda: cluster.ask(_WAITING))
        cluster.ask(_WAITING.replace("pid", f"{how}(pid)", 1))
        with pytest.raises(NotAcknowledged, match="repeat it"):
            revoking.result()
    assert store.revoke_nonce("alice", "n", LATER) == store.revision()


def test_a_change_that_stands_there_already_is_acknowledged_only_once_the_standby_has_it(
    store: PostgreSQLStore, cluster: Cluster, hasty: None
) -> None:
    with cluster.waiting_for_nobody():
        for _ in range(2):  # the second finds what the first has left, and has nothing to change
            with pytest.raises(NotAcknowledged):
                store.revoke_nonce("alice", "n", LATER)
    assert store.revoke_nonce("alice", "n", LATER) == store.revision()


def test_who_mints_or_verifies_does_not_believe_a_server_that_cannot_commit(
    store: PostgreSQLStore, cluster: Cluster, hasty: None
) -> None:
    with cluster.waiting_for_nobody():
        for look in (
            lambda: store.issue_salt("alice", "default", None, NOW),
            lambda: store.read("alice", ("default",)),
            lambda: store.keys(),
            lambda: store.changes(0, 10),
        ):
            with pytest.raises(StoreUnavailable):
                look()
    assert store.issue_salt("alice", "default", None, NOW).salt


def test_a_server_that_stands_still_is_not_waited_for(store: PostgreSQLStore, cluster: Cluster, hasty: None) -> None:
    held = [cluster.process, *(pid for (pid,) in cluster.ask("SELECT pid FROM pg_stat_activity"))]
    for process in held:
        _send(process, signal.SIGSTOP)
    try:
        for ask in (store.revision, lambda: store.revoke_all("alice", LATER)):
            with pytest.raises(StoreUnavailable):
                ask()
    finally:
        for process in held:
            _send(process, signal.SIGCONT)
    wait_until(lambda: _answers(store))
    assert store.revoke_all("alice", LATER) == store.revision()


def _send(process: int, what: signal.Signals) -> None:
    try:
        os.kill(process, what)
    except ProcessLookupError:
        return


def _answers(store: PostgreSQLStore) -> bool:
    try:
        return store.revision() > 0
    except StoreUnavailable:
        return False


def test_connections_that_died_are_replaced(store: PostgreSQLStore, cluster: Cluster) -> None:
    cluster.stop()
    with pytest.raises(StoreUnavailable):
        store.revoke_all("alice", LATER)
    cluster.start()
    wait_until(lambda: _answers(store))
    assert store.revoke_all("alice", LATER) == store.revision()


@pytest.mark.parametrize("weaker", ["off", "local", "remote_write"])
def test_a_server_that_acknowledges_what_it_can_lose_is_refused(url: str, weaker: str) -> None:
    with pytest.raises(SettingsError, match=f"synchronous_commit = {weaker}: set it to on"):
        PostgreSQLStore(url + f"%20-csynchronous_commit%3D{weaker}")


def test_a_server_that_does_not_flush_is_refused(url: str, cluster: Cluster) -> None:
    for sync in ("off", "on"):
        cluster.configure(fsync=sync)
        cluster.reload()
        wait_until(lambda sync=sync: cluster.ask("SHOW fsync") == [(sync,)])
        if sync == "off":
            with pytest.raises(SettingsError, match="fsync = off"):
                PostgreSQLStore(url)
    PostgreSQLStore(url).close()


def test_no_setting_of_a_role_silences_the_warning_that_a_commit_was_not_waited_for(
    url: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgreSQLStore(url + "%20-cclient_min_messages%3Derror")) as store, cluster.waiting_for_nobody():
        monkeypatch.setattr(transactions, "PATIENCE_SECONDS", 60.0)
        with ThreadPoolExecutor(1) as beside:
            revoking = beside.submit(store.panic, NOW)
            wait_until(lambda: cluster.ask(_WAITING))
            cluster.ask(_WAITING.replace("pid", "pg_cancel_backend(pid)", 1))
            with pytest.raises(NotAcknowledged):
                revoking.result()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://alice:secret@127.0.0.1:1/caps",
        "postgresql://alice:with@secret@127.0.0.1:1/caps",
        "postgresql://alice:secret@[::1/caps",
        "postgresql://alice@127.0.0.1:1/caps?password=secret&nonsense=secret",
        "postgresql://alice:%zzsecret@127.0.0.1:1/caps",
    ],
)
def test_law_8_no_error_or_log_line_holds_the_password(
    url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((SettingsError, StoreUnavailable)) as refused:
        PostgreSQLStore(url)
    cause: BaseException | None = refused.value
    assert "secret" not in f"{cause}{cause!r}"
    assert cause.__suppress_context__
    assert "secret" not in caplog.text + "".join(capfd.readouterr())


def test_law_8_a_server_that_went_away_is_not_named_in_a_log(
    store: PostgreSQLStore, cluster: Cluster, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # as a server does that starts later
    cluster.stop()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.revision()
    cluster.start()
    wait_until(lambda: _answers(store))
    assert str(cluster.path) not in caplog.text + "".join(capfd.readouterr())


def test_nodes_that_start_at_once_make_the_tables_once(url: str) -> None:
    gate = threading.Barrier(4)

    def start(_: int) -> PostgreSQLStore:
        gate.wait()
        return PostgreSQLStore(url)

    with ThreadPoolExecutor(4) as nodes:
        stores = list(nodes.map(start, range(4)))
    stores[0].add_users([NewUser("alice", HASH)], NOW)
    assert [each.revision() for each in stores] == [1] * 4
    for each in stores:
        each.close()


def test_tables_of_a_newer_version_are_refused(store: PostgreSQLStore, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO steps VALUES (%s)", (len(tables.STEPS) + 1,))
    with pytest.raises(StoreUnavailable, match="newer version"):
        PostgreSQLStore(url)


def test_a_database_that_lost_its_state_says_so(store: PostgreSQLStore, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM state")
    for ask in (store.revision, lambda: store.revoke_all("alice", LATER), store.keys, lambda: store.read("alice", ())):
        with pytest.raises(StoreUnavailable, match="lost its state"):
            ask()


def test_a_transaction_that_was_rolled_back_for_anothers_sake_is_tried_again_a_few_times(
    store: PostgreSQLStore, url: str
) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SEQUENCE tries")  # counts on through rollbacks
        connection.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('tries') % 5 <> 0 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF;"
            " RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER fails BEFORE UPDATE ON state FOR EACH ROW EXECUTE FUNCTION fail()")
    before = store.revision()
    with pytest.raises(Conflict):  # it takes part twice in each try: the counts of writes and of revisions
        store.revoke_all("alice", LATER)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT setval('tries', 3)")
        connection.execute(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('tries') < 7 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40P01'; END IF;"
            " RETURN NEW; END $$"
        )
    assert store.revoke_all("alice", LATER) == store.revision() == before + 1


def test_a_closed_store_says_so(store: PostgreSQLStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.revision()


def test_a_row_that_somebody_holds_makes_a_change_busy(store: PostgreSQLStore, url: str, hasty: None) -> None:
    with closing(PostgreSQLStore(url)) as impatient, psycopg.connect(url) as connection:
        connection.execute("SELECT * FROM state FOR UPDATE")
        with pytest.raises(StoreBusy, match="try again"):
            impatient.revoke_all("alice", LATER)
        assert impatient.read("alice", ("default",)).salts.rows["default"]
