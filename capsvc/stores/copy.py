"""A copy of everything in one store, row by row, into another one that is empty.

What is read is one consistent look, what is written one transaction. Before that is committed it is read
back, and has to be the same: as many rows of each table, with the same digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from hashlib import sha256
from itertools import islice
from typing import Any, Protocol

from msgspec import msgpack

from capsvc.errors import CapsvcError, Refused

_BATCH = 1000
_TABLES: dict[str, tuple[str, ...]] = {
    "users": ("name", "password", "audiences", "disabled", "created"),
    "salts": ("user", "name", "salt", "issued", "changed"),
    "changes": ("revision", "user", "name", "salt", "instant"),
    "subjects": ("issuer", "subject", "user", "granted"),
    "redeemed": ("issuer", "mark", "ends"),
    "keys": ("position", "id", "state", "share", "checked", "changed"),
    "state": ("one", "revision", "panic", "ring", "longest"),
}
_KEYS = {"users": 1, "salts": 2, "changes": 3, "subjects": 2, "redeemed": 2, "keys": 1, "state": 1}
"""So many of the first columns sort a table; those of changes are not beside each other."""
_TRUTHS = {"disabled", "issued"}

Progressed = Callable[[int], object]
"""Told how many more rows were written or read back."""


class Bulk(Protocol):
    """A transaction through which many rows go."""

    def stream(self, statement: str) -> Iterator[Any]:
        """Run one statement whose rows come one by one."""

    def fill(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for each of some rows."""


class Copied(Protocol):
    """A store that can be copied."""

    def snapshot(self) -> AbstractContextManager[Bulk]:
        """Give a transaction that reads one consistent look."""

    def filling(self) -> AbstractContextManager[Bulk]:
        """Give a transaction in which nobody else writes, which is committed durably at its end."""


def copy_all(
    source: Copied, target: Copied, begun: Callable[[int], object], progressed: Progressed
) -> Mapping[str, int]:
    """Copy everything; return how many rows of each table.

    ``begun`` is told how much there is to do. Raises Refused where the target is not empty; CapsvcError
    where it does not read back as it was written, with nothing left in it; StoreUnavailable.
    """
    with source.snapshot() as reading, target.filling() as writing:
        _demand_empty(writing)
        counts = {table: _count(reading, table) for table in _TABLES}
        begun(2 * sum(counts.values()))
        writing.fill("DELETE FROM state WHERE one = ?", [(1,)])
        for table, count in counts.items():
            wanted = _Digest(_rows(reading, table))
            rows = iter(wanted)
            while batch := list(islice(rows, _BATCH)):
                writing.fill(_insertion(table), batch)
                progressed(len(batch))
            found = _Digest(_rows(writing, table))
            while read := sum(1 for _ in islice(found, _BATCH)):
                progressed(read)
            if (found.count, found.digest) != (wanted.count, wanted.digest) or found.count != count:
                raise CapsvcError(f"the table {table} does not read back as it was written: nothing was copied")
    return counts


class _Digest:
    """Rows that pass by, counted and digested."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._sum = sha256()
        self.count = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self

    def __next__(self) -> tuple[Any, ...]:
        row = next(self._rows)
        self._sum.update(msgpack.encode(row))
        self.count += 1
        return row

    @property
    def digest(self) -> bytes:
        """The digest of what has passed."""
        return self._sum.digest()


def _rows(transaction: Bulk, table: str) -> Iterator[tuple[Any, ...]]:
    columns = _TABLES[table]
    truths = [column in _TRUTHS for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    order = ", ".join(f'"{column}"' for column in columns[: _KEYS[table]])
    for row in transaction.stream(f"SELECT {names} FROM {table} ORDER BY {order}"):  # noqa: S608 - names of ours
        yield tuple(bool(value) if truth else value for value, truth in zip(row, truths, strict=True))


def _insertion(table: str) -> str:
    columns = _TABLES[table]
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of ours


def _count(transaction: Bulk, table: str) -> int:
    (row,) = transaction.stream(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of ours
    return int(row[0])


def _demand_empty(transaction: Bulk) -> None:
    held = {table: _count(transaction, table) for table in _TABLES if table != "state"}
    if any(held.values()):
        said = ", ".join(f"{count} {table}" for table, count in held.items() if count)
        raise Refused(f"the target is not empty: it holds {said}; nothing was changed")
