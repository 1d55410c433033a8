"""The replay guard: what it lets in, and that nothing appended to a copy makes it forget."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from capsvc.client import bind_request
from capsvc.errors import Replayed, Unbound
from capsvc.replay import ReplayGuard
from capsvc.stores.replays import Replays
from caveats import (
    Authority,
    Capability,
    KeyName,
    Macaroon,
    Request,
    Salts,
    Verifier,
    attenuate,
    decode,
    encode,
    time_text,
)

KEY, SALT, NOW, SKEW = b"k" * 32, b"s" * 16, 1_790_000_000, 30
ROOT = Authority(KeyName("k1"), "A" * 22, "alice", "default", SALT, time_text(NOW - 60), time_text(NOW + 86_400))


class House:
    """A guard whose clock stands where a test puts it, and the verifier in front of it."""

    def __init__(self, replays: Replays) -> None:
        self.now = NOW
        self._verifier = Verifier(lambda name: KEY)
        skew = timedelta(seconds=SKEW)
        self._guard = ReplayGuard(replays, timedelta(seconds=30), skew, lambda: time_text(self.now))

    def present(self, copy: str, *discharges: Macaroon) -> None:
        self._guard.record(self._verified(copy, *discharges))

    def _verified(self, copy: str, *discharges: Macaroon) -> Capability:
        request = Request(time=self.now, method="POST", host="h", path="/pay", query=b"", body=b"")
        return self._verifier.verify(copy, request, lambda user, names: Salts({"default": SALT}), discharges)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A guard with an empty table."""
    replays = Replays(tmp_path / "replays.db")
    yield House(replays)
    replays.close()


def _copy(root: Macaroon, ahead: int = 0) -> str:
    return bind_request(encode(root), "POST", "h", "/pay", b"", b"", NOW + ahead)


def test_section_9_an_end_that_was_appended_to_a_copy_makes_no_guard_forget_it(house: House) -> None:
    copy = _copy(ROOT.mint(KEY, ""), ahead=20)  # of a client whose clock is fast: it ends in 50 seconds
    house.present(attenuate(copy, f"time < {time_text(NOW + 1)}"))
    house.now = NOW + SKEW + 5
    with pytest.raises(Replayed):
        house.present(copy)


def test_section_9_an_end_in_a_discharge_makes_no_guard_forget_the_copy(house: House) -> None:
    root = ROOT.mint(KEY, "").entrust("https://hr.example", b"caveat key", b"ask")
    bound = _copy(root, ahead=20)
    short, long = (
        Macaroon.mint(b"caveat key", b"ask").attenuate(f"time < {time_text(NOW + each)}") for each in (1, 90)
    )
    house.present(bound, decode(bound).bind(short))
    house.now = NOW + SKEW + 5
    with pytest.raises(Replayed):
        house.present(bound, decode(bound).bind(long))


def test_a_copy_that_ends_late_is_unbound_also_when_an_early_end_was_appended(house: House) -> None:
    late = attenuate(encode(ROOT.mint(KEY, "")), f"request = {'B' * 21}A")
    for copy in (late, attenuate(late, f"time < {time_text(NOW + 5)}")):
        with pytest.raises(Unbound, match="ahead of `request`"):
            house.present(copy)


def test_of_many_threads_with_copies_of_their_own_each_is_let_in(house: House) -> None:
    root = ROOT.mint(KEY, "")
    with ThreadPoolExecutor(40) as threads:
        list(threads.map(lambda _: house.present(_copy(root)), range(400)))
