"""A home whose store is a PostgreSQL database: it joins others, keeps a high water, and says what it does not do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from capsvc import restoration
from capsvc.diagnosis import diagnose
from capsvc.errors import SettingsError
from capsvc.home import Home
from capsvc.http.service import Service
from capsvc.stores import FROM_MEMORY, NewUser
from tests.capsvc.installation import quick_directory
from tests.capsvc.store_contract_column import HASH, LATER, NOW


@pytest.fixture
def directory() -> Iterator[Path]:
    with quick_directory() as path:
        yield path


@pytest.fixture
def home(directory: Path, url: str) -> Home:
    home = _home(directory / "one", url)
    with closing(home.create(NOW)) as store:
        store.add_users([NewUser("alice", HASH)], NOW)
    return home


def _home(path: Path, url: str) -> Home:
    return Home.of({"CAPSVC_HOME": str(path), "CAPSVC_STORE": url})


def _put_back(url: str) -> None:
    """Have the database know nothing of its newest change, as one from a dump does."""
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM changes WHERE revision = (SELECT revision FROM state)")
        connection.execute("UPDATE state SET revision = revision - 1")


def test_a_further_home_needs_the_key_file_and_the_high_water_of_the_first(
    home: Home, directory: Path, url: str
) -> None:
    other = _home(directory / "two", url)
    with pytest.raises(SettingsError, match=r"copy keys\.json and high-water from a home of it"):
        other.create(NOW)
    assert list(other.path.iterdir()) == []
    shutil.copy(home.shares.path, other.path)
    with pytest.raises(SettingsError, match="copy it from another home"):
        other.open_store()
    assert [said for said in diagnose(other) if "copy it from another home" in said]
    shutil.copy(home.high_water.path, other.path)
    with closing(other.open_store()) as there, closing(home.open_store()) as here:
        assert there.revoke_all("alice", LATER) == here.revision()
    assert other.high_water.read().revision == home.high_water.read().revision + 1


def test_a_database_that_was_put_back_is_refused_until_it_is_recovered(home: Home, url: str) -> None:
    with closing(home.open_store()) as store:
        acknowledged = store.revoke_all("alice", LATER)
        before = store.read("alice", ("default",)).salts.rows
    assert diagnose(home) == []
    _put_back(url)
    with pytest.raises(SettingsError, match="run `capsvc recover`"):
        home.open_store()
    assert [said for said in diagnose(home) if "run `capsvc recover`" in said]
    done = restoration.recover(home, LATER)
    assert done.online
    assert done.recovery.revision > acknowledged
    assert home.high_water.read().revision == done.recovery.revision
    assert diagnose(home) == []
    with closing(home.open_store()) as store:
        assert store.read("alice", ("default",)).salts.rows != before


def test_a_key_that_was_retired_is_retired_again_and_where_none_signs_another_is_added(home: Home, url: str) -> None:
    with closing(home.open_store()) as store:
        store.set_key_states({"k1": "retired"}, NOW)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE keys SET state = 'signing'")
    with pytest.raises(SettingsError, match="k1 was retired, and is not retired there"):
        home.open_store()
    done = restoration.recover(home, LATER)
    assert (done.recovery.retired, done.signs) == (("k1",), "k2")
    home.open_store().close()


def test_a_database_of_another_installation_is_not_recovered(home: Home, directory: Path, url: str) -> None:
    other = Home.of({"CAPSVC_HOME": str(directory / "three")})
    other.create(NOW).close()
    shutil.copy(other.shares.path, home.shares.path)
    with pytest.raises(SettingsError, match="of another installation"):
        restoration.recover(home, LATER)


def test_a_home_without_a_file_says_what_copies_its_database(home: Home, directory: Path) -> None:
    with pytest.raises(SettingsError, match="pg_restore"):
        restoration.restore(home, directory / "backup", LATER)
    with pytest.raises(SettingsError, match="pg_dump"):
        home.demand_file("pg_dump makes a copy of it")


def test_the_diagnosis_says_that_a_database_does_not_answer(home: Home) -> None:
    away = _home(home.path, "postgresql://capsvc@127.0.0.1:9/none")
    assert [said for said in diagnose(away) if "does not answer" in said]


def test_a_service_counts_what_its_node_answers_from_memory(home: Home) -> None:
    with closing(Service.of(home)) as service:
        before = service.counters.readings[FROM_MEMORY]
        service.node.ring()
        assert service.counters.readings[FROM_MEMORY] == before + 1
        service.store.demand_writable()
