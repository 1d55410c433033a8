"""Polls: requests that wait until something changes, on one look at the column for all of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

import anyio
from starlette.types import Receive

from capsvc.errors import StoreUnavailable
from capsvc.http.problems import HTTPProblem, Problem
from capsvc.stores import Column

LOOK_SECONDS = 0.05


class _Seen(NamedTuple):
    revision: int
    ring: int


class Polls:
    """Lets requests wait, ``most`` of them at once."""

    def __init__(self, column: Column, most: int) -> None:
        self._column = column
        self._most = most
        self._waiting = 0
        self._is_over = False
        self._seen: _Seen | None = None
        self._moved_at = 0.0
        self._moved: anyio.Event | None = None
        self._looking: asyncio.Task[None] | None = None

    def look(self) -> float:
        """Look at the column; return since when there is something to tell, on the monotonic clock.

        Whoever was acknowledged something before this was called finds it told by what is made after that moment.
        While the store cannot say, nothing moves: who makes a page is told so.
        """
        with suppress(StoreUnavailable):
            reading = self._column.read("", (), patient=False)
            if self._seen != (seen := _Seen(reading.revision, reading.ring)):
                self._seen = seen
                self._move()
        return self._moved_at

    async def wait(self, since: int, seconds: float, receive: Receive) -> float:
        """Wait until there is a revision after one, the key ring changes, or so many seconds are over.

        Also until whoever asked is gone, or the service ends. Return what :meth:`look` does. Raises a 503 where too
        many wait.
        """
        self.look()
        before = self._seen
        if self._is_over or (before is not None and before.revision > since):
            return self._moved_at
        if self._waiting >= self._most:
            detail = "Ask without wait, or again in a moment."
            raise HTTPProblem(Problem(503, "too-many-wait", "Too many wait for changes", detail, {"Retry-After": "1"}))
        self._waiting += 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._keep_looking())
            with anyio.move_on_after(seconds):
                await self._moved_after(since, before, receive)
        finally:
            self._waiting -= 1
        return self._moved_at

    def end(self) -> None:
        """Let all go who wait, and nobody wait any more: the service ends."""
        self._is_over = True
        self._move()

    async def _moved_after(self, since: int, before: _Seen | None, receive: Receive) -> None:
        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            beside.cancel_scope.cancel()

        async with anyio.create_task_group() as beside:
            beside.start_soon(until_gone)
            while not self._is_over:
                self._moved = self._moved or anyio.Event()
                await self._moved.wait()
                seen, before = self._seen, before or self._seen
                if seen is not None and before is not None and (seen.revision > since or seen.ring != before.ring):
                    break
            beside.cancel_scope.cancel()

    async def _keep_looking(self) -> None:
        """Look for as long as anybody waits."""
        while self._waiting:
            await anyio.sleep(LOOK_SECONDS)
            self.look()

    def _move(self) -> None:
        self._moved_at = monotonic()
        if self._moved is not None:
            self._moved.set()
            self._moved = None
