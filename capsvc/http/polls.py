"""Polls: requests that wait until something changes, on one look at the column for all of them."""

from __future__ import annotations

import asyncio
from time import monotonic

import anyio
from starlette.types import Receive

from capsvc.errors import StoreUnavailable
from capsvc.http.problems import HTTPProblem, Problem
from capsvc.stores import Column

LOOK_SECONDS = 0.05


class Polls:
    """Lets requests wait, ``most`` of them at once."""

    def __init__(self, column: Column, most: int) -> None:
        self._column = column
        self._most = most
        self._waiting = 0
        self._is_over = False
        self._seen = (0, 0)
        self._moved_at = 0.0
        self._moved: anyio.Event | None = None
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, since: int, seconds: float, receive: Receive) -> float:
        """Wait until there is a revision after one, the key ring changes, or so many seconds are over.

        Also until whoever asked is gone, or the service ends. Return since when there is something to tell, on
        the monotonic clock. Raises a 503 where too many wait.
        """
        if self._seen != (seen := self._look()):
            self._move(seen)
        if seen[0] > since or self._is_over:
            return self._moved_at
        if self._waiting >= self._most:
            detail = "Ask without wait, or again in a moment."
            raise HTTPProblem(Problem(503, "too-many-wait", "Too many wait for changes", detail, {"Retry-After": "1"}))
        self._waiting += 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._keep_looking())
            with anyio.move_on_after(seconds):
                await self._moved_after(since, seen[1], receive)
        finally:
            self._waiting -= 1
        return self._moved_at

    def end(self) -> None:
        """Let all go who wait, and nobody wait any more: the service ends."""
        self._is_over = True
        self._move(self._seen)

    async def _moved_after(self, since: int, ring: int, receive: Receive) -> None:
        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            beside.cancel_scope.cancel()

        async with anyio.create_task_group() as beside:
            beside.start_soon(until_gone)
            while self._seen[0] <= since and self._seen[1] == ring and not self._is_over:
                self._moved = self._moved or anyio.Event()
                await self._moved.wait()
            beside.cancel_scope.cancel()

    async def _keep_looking(self) -> None:
        """Look for as long as anybody waits."""
        while self._waiting:
            await anyio.sleep(LOOK_SECONDS)
            if (seen := self._look()) != self._seen:
                self._move(seen)

    def _look(self) -> tuple[int, int]:
        """Return the revision and the ring's count; what was seen before while the store cannot say."""
        try:
            reading = self._column.read("", (), patient=False)
        except StoreUnavailable:
            return self._seen
        return reading.revision, reading.ring

    def _move(self, seen: tuple[int, int]) -> None:
        self._seen, self._moved_at = seen, monotonic()
        if self._moved is not None:
            self._moved.set()
            self._moved = None
