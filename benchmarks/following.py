"""What it costs to follow a PostgreSQL store: a verification beside one on SQLite, memory, and revocations.

``python -m benchmarks.following`` starts a server of its own, as the tests do.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg

from benchmarks.measure import Contender, run_rounds
from capsvc.node import Presentation
from capsvc.stores import NewUser
from capsvc.stores.postgresql import PostgreSQLStore
from tests.capsvc.installation import Installation, hash_of, installed
from tests.capsvc.postgresql.cluster import Cluster, pair, started

_MB = 1024 * 1024
_NOW = "2026-11-22T06:00:00Z"
_FILL = (
    "INSERT INTO salts SELECT 'user' || n, 'default', decode(md5(n::text), 'hex'), TRUE, ''"
    " FROM generate_series(1, %s) n",
    "INSERT INTO salts SELECT 'user' || n * %s, 'nonce/' || substr(encode(sha256(n::text::bytea), 'base64'), 1, 22),"
    " NULL, FALSE, '' FROM generate_series(1, %s) n",
    'INSERT INTO changes (revision, "user", name, salt, instant) SELECT row_number() OVER (), "user", name, salt, \'\''
    " FROM salts WHERE NOT issued",
    "UPDATE state SET revision = (SELECT max(revision) FROM changes)",
    "ANALYZE",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="interleaved rounds")
    parser.add_argument("--tokens", type=int, default=1000, help="verifications a round")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=100_000, help="users with a revoked nonce in the window")
    given = parser.parse_args()
    with started() as cluster:
        print(memory(cluster, given.users, given.changed))
        print(verification(cluster, given.rounds, given.tokens))
        print(revocations(cluster, "without a standby"))
    with pair() as (primary, _):
        print(revocations(primary, "with a synchronous standby"))
        print(propagation(primary))


def verification(cluster: Cluster, rounds: int, tokens: int) -> str:
    """Compare the minima of interleaved rounds: on SQLite, and from memory, of a user who changed lately or did not."""
    with ExitStack() as opened:
        schemas = [opened.enter_context(cluster.schema()) for _ in range(2)]
        followed = [opened.enter_context(installed(store=PostgreSQLStore(each))) for each in schemas]
        houses = [opened.enter_context(installed()), *followed]
        presented = [Presentation(house.log_in().token) for house in houses]
        with psycopg.connect(schemas[1]) as connection:
            connection.execute("UPDATE changes SET recorded = recorded - INTERVAL '40 days'")
        houses[2].start(houses[2].settings)
        names = ("SQLite", "PostgreSQL, a user who changed", "PostgreSQL, one who did not")
        contenders = [
            Contender(name, lambda n: list(range(n)), _verifying(house, presentation))
            for name, house, presentation in zip(names, houses, presented, strict=True)
        ]
        run_rounds(contenders, rounds, tokens)
    least = [min(each.seconds) for each in contenders]
    return "\n".join(
        f"verification, {each.name}: {seconds * 1e6:.2f} µs, {seconds / least[0]:.3f} times SQLite's"
        for each, seconds in zip(contenders, least, strict=True)
    )


def _verifying(house: Installation, presentation: Presentation) -> Callable[[object], object]:
    node = house.node
    return lambda _: node.verify(presentation, node.request())


def memory(cluster: Cluster, users: int, changed: int) -> str:
    """Say what this process holds before and while it follows a store of so many users and recent revocations."""
    with cluster.schema() as url, closing(PostgreSQLStore(url)) as store:
        with psycopg.connect(url) as connection:
            for statement, numbers in zip(_FILL, ((users,), (users // changed, changed), (), (), ()), strict=True):
                connection.execute(statement.encode(), numbers)
        gc.collect()
        before, began = _resident(), time.perf_counter()
        follows = store.follow(300)  # what takes longer to load than it may be old would be loaded and not yet fresh
        seconds = time.perf_counter() - began
        gc.collect()
        after = _resident()
        assert follows.read(f"user{users // changed}", ()).salts.rows  # noqa: S101 - it is there
    return (
        f"memory: {users:,} users, {changed:,} revocations in the window: loaded in {seconds:.1f} s;"
        f" {before / _MB:.1f} MB before, {after / _MB:.1f} MB after, {(after - before) / changed:.0f} bytes each"
    )


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


def propagation(cluster: Cluster, times: int = 400) -> str:
    """Say how long after an acknowledgement a node that follows knows of a revocation, with nothing else going on."""
    found = []
    with cluster.schema() as url, closing(PostgreSQLStore(url)) as store, closing(PostgreSQLStore(url)) as other:
        store.add_users([NewUser("user", hash_of("a password"))], _NOW)
        node = other.follow(5.0)
        for nonce in map(str, range(times)):
            store.revoke_nonce("user", nonce, _NOW)
            acknowledged = time.perf_counter()
            while f"nonce/{nonce}" not in node.read("user", ()).salts.rows:
                time.sleep(0.0001)
            found.append((time.perf_counter() - acknowledged) * 1000)
    found.sort()
    spread = ", ".join(f"p{each} {found[times * each // 100]:.1f} ms" for each in (50, 90, 99))
    return f"known to a node after the acknowledgement: {spread}, at most {found[-1]:.1f} ms"


def revocations(cluster: Cluster, how: str, each: int = 300) -> str:
    """Say how many revocations a second are acknowledged."""
    lines = []
    with cluster.schema() as url, closing(PostgreSQLStore(url)) as store:
        store.add_users([NewUser(f"user{n}", hash_of("a password")) for n in range(10)], _NOW)
        for threads in (1, 8):
            nonces = [f"{threads}.{n}" for n in range(each)]
            began = time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda nonce: store.revoke_nonce(f"user{nonce[-1]}", nonce, _NOW), nonces))
            seconds = time.perf_counter() - began
            lines.append(f"revocations {how}, from {threads} threads: {each / seconds:.0f} a second")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
