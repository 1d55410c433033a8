"""Rotating keys under load: whatever was minted before or meanwhile stays valid, and logins answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TypeVar

import httpx2

from caveats import decode
from tests.capsvc.http.serving import bearer
from tests.forks import run
from tests.serving import Server

T = TypeVar("T")
ROTATIONS = 2


def test_section_7_rotating_again_and_again_under_load_drops_no_valid_token(tmp_path: Path) -> None:
    with Server(tmp_path / "home", "--workers", "2") as server, ThreadPoolExecutor(4) as threads:
        minted, over, turns = [server.log_in()], threading.Event(), count()

        def log_in() -> None:
            minted.append(server.log_in())

        def present() -> int:
            # Over a connection of its own each time, which either worker may take.
            token = minted[next(turns) % len(minted)]
            return httpx2.get(f"{server.url}/v1/capability", headers=bearer(token), timeout=30).status_code

        load = [threads.submit(_until, over, each) for each in (log_in, log_in, present, present)]
        rotated = [run(server.home, "keys", "rotate", "--json") for _ in range(ROTATIONS)]
        over.set()
        answers = {status for each in load for status in each.result() if status is not None}
        assert [json.loads(each.stdout)["key_id"] for each in rotated] == [f"k{n}" for n in range(2, ROTATIONS + 2)]
        assert answers == {200}
        signed_by = {decode(token).unverified_identifier for token in minted}
        assert len(signed_by) > 1
        with httpx2.Client(base_url=server.url, timeout=30) as client:
            for token in minted:
                assert client.get("/v1/capability", headers=bearer(token)).status_code == 200


def _until(over: threading.Event, act: Callable[[], T]) -> list[T]:
    done = []
    while not over.is_set():
        done.append(act())
    return done
