"""One cluster for all tests of a session here; each test has a schema of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.capsvc.postgresql.cluster import Cluster, started


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with started() as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    with cluster.schema() as url:
        yield url
