"""Hashing slots: never more slow hashes at once than there are, and nobody waits for long (section 8)."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from time import monotonic

import pytest

import capsvc.passwords
from capsvc.errors import TooBusy
from capsvc.passwords import QUEUE_SECONDS, HashingSlots


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the queue wait for as long as a busy machine takes, except where its second is what is tested."""
    monkeypatch.setattr(capsvc.passwords, "QUEUE_SECONDS", 60.0)


class _Gate:
    """Slow functions that end when the test says so, and count how many run at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.running = self.most = self.ran = 0
        self._lock = threading.Lock()

    def pass_through(self, answer: int = 0) -> int:
        with self._lock:
            self.running += 1
            self.ran += 1
            self.most = max(self.most, self.running)
        assert self.open.wait(60)
        with self._lock:
            self.running -= 1
        return answer

    async def demand_running(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.running != count:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def _slots(count: int = 2) -> AsyncIterator[tuple[HashingSlots, _Gate]]:
    with pytest.MonkeyPatch.context() as machine:
        machine.setattr(os, "sched_getaffinity", lambda process: set(range(count + 1)))
        slots, gate = HashingSlots(), _Gate()
    try:
        yield slots, gate
    finally:
        gate.open.set()
        slots.close()


@pytest.mark.parametrize(("cores", "workers", "count"), [(8, 1, 7), (8, 2, 3), (8, 3, 1), (2, 4, 1), (1, 1, 1)])
def test_slots_are_one_a_core_that_no_event_loop_needs_shared_out_among_workers(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, count: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    slots = HashingSlots(workers)
    slots.close()
    assert slots.count == count


def test_what_runs_on_a_slot_answers_or_raises_to_its_caller() -> None:
    async def main() -> None:
        async with _slots() as (slots, _):
            assert await slots.run(max, 3, 5) == 5
            with pytest.raises(ZeroDivisionError):
                await slots.run(divmod, 1, 0)
            assert await slots.run(threading.current_thread) is not threading.current_thread()

    asyncio.run(main())


def test_a_slots_thread_takes_the_processor_from_nobody_as_it_wakes_up() -> None:
    async def main() -> None:
        before = os.sched_getscheduler(0)
        async with _slots(1) as (slots, _):
            assert await slots.run(os.sched_getscheduler, 0) == os.SCHED_BATCH
        assert os.sched_getscheduler(0) == before != os.SCHED_BATCH, "the event loop does"

    asyncio.run(main())


def test_a_function_that_raises_gives_its_slot_back() -> None:
    async def main() -> None:
        async with _slots(1) as (slots, _):
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    await slots.run(divmod, 1, 0)
            assert await slots.run(max, 1, 2) == 2

    asyncio.run(main())


def test_an_error_leaves_nothing_behind_that_only_a_search_for_garbage_would_find() -> None:
    """In such a search, which a flood of wrong passwords would bring on, nobody is answered."""

    async def main() -> int:
        async with _slots(1) as (slots, _):
            await slots.run(max, 1, 2)
            gc.collect()
            for _ in range(5):
                with suppress(ZeroDivisionError):
                    await slots.run(divmod, 1, 0)
            return gc.collect()

    assert asyncio.run(main()) == 0


def test_never_more_run_at_once_than_there_are_slots() -> None:
    async def main() -> None:
        async with _slots(2) as (slots, gate):
            callers = [asyncio.create_task(slots.run(gate.pass_through, number)) for number in range(9)]
            await gate.demand_running(2)
            await asyncio.sleep(0.05)
            assert (gate.running, gate.ran) == (2, 2)
            gate.open.set()
            assert await asyncio.gather(*callers) == list(range(9))
            assert gate.most == 2

    asyncio.run(main())


def test_the_event_loop_goes_on_while_slots_are_taken() -> None:
    async def main() -> None:
        async with _slots(1) as (slots, gate):
            caller = asyncio.create_task(slots.run(gate.pass_through))
            await gate.demand_running(1)
            await asyncio.sleep(0)
            assert not caller.done()
            gate.open.set()
            await caller

    asyncio.run(main())


def test_who_waits_for_more_than_the_queues_second_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert QUEUE_SECONDS == 1.0
    monkeypatch.setattr(capsvc.passwords, "QUEUE_SECONDS", QUEUE_SECONDS)

    async def main() -> None:
        async with _slots(1) as (slots, gate):
            first = asyncio.create_task(slots.run(gate.pass_through, 1))
            await gate.demand_running(1)
            began = monotonic()
            with pytest.raises(TooBusy) as caught:
                await slots.run(gate.pass_through, 2)
            assert monotonic() - began > 0.9
            assert caught.value.retry_after == 1
            assert (gate.running, gate.ran) == (1, 1), "the first goes on, and the second never began"
            gate.open.set()
            assert await first == 1
            assert await slots.run(gate.pass_through, 3) == 3

    asyncio.run(main())


def test_when_too_many_wait_the_next_is_refused_at_once() -> None:
    async def main() -> None:
        async with _slots(1) as (slots, gate):
            running = asyncio.create_task(slots.run(gate.pass_through))
            await gate.demand_running(1)
            waiting = [asyncio.create_task(slots.run(gate.pass_through)) for _ in range(100)]
            await asyncio.sleep(0)
            with pytest.raises(TooBusy):
                await slots.run(gate.pass_through)
            assert not any(each.done() for each in waiting), "who came first would have been turned away before"
            gate.open.set()
            await asyncio.gather(running, *waiting)
            assert gate.ran == 101

    asyncio.run(main())


def test_a_caller_that_leaves_does_not_free_the_slot_before_its_thread_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with _slots(1) as (slots, gate):
            caller = asyncio.create_task(slots.run(gate.pass_through))
            await gate.demand_running(1)
            monkeypatch.setattr(capsvc.passwords, "QUEUE_SECONDS", 0.1)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            with pytest.raises(TooBusy):
                await slots.run(gate.pass_through)
            assert (gate.running, gate.ran) == (1, 1)
            monkeypatch.setattr(capsvc.passwords, "QUEUE_SECONDS", 60.0)
            gate.open.set()
            await gate.demand_running(0)
            assert await slots.run(gate.pass_through, 5) == 5
            assert gate.most == 1

    asyncio.run(main())


def test_a_caller_that_leaves_the_queue_takes_no_slot_with_it() -> None:
    async def main() -> None:
        async with _slots(1) as (slots, gate):
            running = asyncio.create_task(slots.run(gate.pass_through, 1))
            await gate.demand_running(1)
            leaving = [asyncio.create_task(slots.run(gate.pass_through, 2)) for _ in range(5)]
            await asyncio.sleep(0.01)
            for each in leaving:
                each.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            gate.open.set()
            assert await running == 1
            assert await slots.run(gate.pass_through, 3) == 3
            assert gate.ran == 2

    asyncio.run(main())


def test_an_error_that_nobody_waits_for_any_more_is_no_noise() -> None:
    async def main() -> list[str]:
        noise: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(str(context)))
        async with _slots(1) as (slots, gate):

            def fail() -> None:
                gate.pass_through()
                raise ZeroDivisionError

            caller = asyncio.create_task(slots.run(fail))
            await gate.demand_running(1)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            gate.open.set()
            assert await slots.run(gate.pass_through, 3) == 3
        return noise

    assert asyncio.run(main()) == []


def test_no_more_wait_than_can_have_a_turn_in_time_going_by_the_last_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with _slots(1) as (slots, gate):
            clock = count(0, int(0.3 * capsvc.passwords.QUEUE_SECONDS * 1e9))
            monkeypatch.setattr(capsvc.passwords, "perf_counter_ns", clock.__next__)
            gate.open.set()
            await slots.run(gate.pass_through)
            gate.open.clear()
            running = [asyncio.create_task(slots.run(gate.pass_through))]
            await gate.demand_running(1)
            running += [asyncio.create_task(slots.run(gate.pass_through)) for _ in range(4)]
            await asyncio.sleep(0)
            with pytest.raises(TooBusy):
                slots.demand_room()
            with pytest.raises(TooBusy):
                await slots.run(gate.pass_through)
            gate.open.set()
            await asyncio.wait(running)

    asyncio.run(check())
