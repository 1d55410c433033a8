"""Every verification of every test is asked with and without a memory of proven chains, and has to agree.

What takes longest runs first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caveats import Capability, Request, Salts, Verifier

LONGEST = (
    "fuzz/test_fuzz.py", "crash/test_trial.py", "cluster/test_trial.py", "capsvc/http/test_contract_fuzzed.py",
    "test_wheel.py", "test_soak.py",
)  # fmt: skip
"""What takes longest and mostly waits: first, so that one worker is at it while others want the processor."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: begun last, it would be waited for alone."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


@pytest.fixture(autouse=True, scope="session")
def _memory_on_and_off() -> Iterator[None]:
    """Ask a verifier three times, so that the last time it remembers all, and once another that remembers nothing."""
    verify = Verifier.verify

    def verify_both_ways(
        self: Verifier, token: Any, request: Request, salts: Any, discharges: Collection[Any] = ()
    ) -> Capability:
        said: dict[Any, Salts | BaseException] = {}

        def look_once(user: str, names: tuple[str, ...]) -> Salts:
            if (user, names) not in said:
                try:
                    said[user, names] = salts(user, names)
                except BaseException as error:
                    said[user, names] = error
            found = said[user, names]
            if isinstance(found, BaseException):
                raise found
            return found

        def outcome(verifier: Verifier) -> Capability | Exception:
            try:
                return verify(verifier, token, request, look_once, discharges)
            except Exception as error:
                return error

        first, *others = [outcome(each) for each in (self, self, self, replace(self, remembered=0))]
        for other in others:
            assert type(first) is type(other), "the memory changed a verdict"
            assert (first.args if isinstance(first, Exception) else first) == (
                other.args if isinstance(other, Exception) else other
            ), "the memory changed a verdict"
        if isinstance(first, Exception):
            raise first
        return first

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verifier, "verify", verify_both_ways)
        yield
