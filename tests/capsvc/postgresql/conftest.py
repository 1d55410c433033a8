"""One cluster for all tests of a session here; each test has a schema of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from capsvc.stores.postgresql import PostgreSQLStore, transactions
from tests.capsvc.postgresql.cluster import Cluster, started
from tests.capsvc.store_contract_column import Change, Engine


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with started() as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    with cluster.schema() as url:
        yield url


@contextmanager
def _locked(url: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE state, users, salts, changes, keys IN ACCESS EXCLUSIVE MODE")
        yield


def _changes(url: str) -> list[Change]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            'SELECT revision, "user", name, salt, instant FROM changes ORDER BY revision, "user", name'
        ).fetchall()
    return [Change(*row) for row in rows]


def _age(url: str, seconds: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE changes SET recorded = recorded - make_interval(secs => %s)", (seconds,))


@pytest.fixture
def engine(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(transactions, "PATIENCE_SECONDS", 1.0)
    with closing(PostgreSQLStore(url)) as store:
        yield Engine(store, lambda: _changes(url), lambda: _locked(url), lambda seconds: _age(url, seconds))
