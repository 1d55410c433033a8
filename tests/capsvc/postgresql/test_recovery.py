"""A home on PostgreSQL whose database went back: nothing is served from it until it is recovered."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.forks import run


def test_a_database_that_went_back_is_refused_until_it_is_recovered_where_it_is(tmp_path: Path, url: str) -> None:
    home, environment = tmp_path / "home", {"CAPSVC_STORE": url}

    def said(*arguments: str) -> tuple[int, str]:
        done = run(home, *arguments, environment=environment)
        return done.returncode, done.stdout + done.stderr

    assert said("init")[0] == 0
    assert said("user", "disable", "admin")[0] == 0
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE state SET revision = 1")
    status, told = said("keys", "list")
    assert (status, "the database went back" in told) == (1, True), told
    for command, tool in ((["backup", "copy.db"], "pg_dump"), (["restore", "copy.db", "--yes"], "pg_restore")):
        status, told = said(*command)
        assert (status, "the store is a PostgreSQL database" in told, tool in told) == (1, True, True), told
    status, told = said("doctor")
    assert (status, "the database went back from revision" in told) == (1, True), told
    assert said("recover", "--yes")[0] == 0
    assert said("keys", "list")[1].startswith("k1\tsigning")
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT revision, (SELECT count(*) FROM changes WHERE revision > 9) FROM state"
        ).fetchone()
    assert row is not None
    assert row[0] > 1_000_000
    assert row[1] == 1
