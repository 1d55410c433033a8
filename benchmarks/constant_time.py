"""``python -m benchmarks.constant_time``: whether time tells what it must not, as dudect asks it.

Two classes of input, in random order, and Welch's t-test over how long each took: a leak makes |t| grow with the
number of samples, noise does not. Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?" (DATE 2017).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import copysign, inf, sqrt
from pathlib import Path
from secrets import token_bytes
from statistics import fmean, variance
from time import perf_counter_ns

from capsvc.authority import Authority
from capsvc.errors import CredentialsRefused
from capsvc.home import Home
from capsvc.node import Node
from capsvc.passwords import HashingSlots, Passwords
from capsvc.rates import Rates
from capsvc.settings import Settings
from capsvc.stores import NewUser
from caveats import BUILTIN, InvalidMacaroon, KeyName, MacaroonError, Mint, Request, Salts, Verifier, chain
from caveats import Authority as Written
from caveats.wire import decode_text, encode_text

KEPT = 0.9
"""So much of all samples is kept, the quickest: what is slower was interrupted."""

COMPARISONS, LOGINS = 100_000, 600
COMPARISON_BAR, LOGIN_BAR = 4.5, 10.0
_ENDS = (0, chain.SIGNATURE_BYTES - 1)

Operation = Callable[[], object]
Prepare = Callable[[int], Operation]
"""Makes the operation of a class, 0 or 1, outside of what is timed."""


@dataclass(frozen=True)
class Finding:
    """How far two classes lie apart: |t|, and what it has to stay below."""

    what: str
    samples: int
    t: float
    bar: float

    @property
    def holds(self) -> bool:
        """Whether nothing was seen."""
        return self.t < self.bar


def measure(what: str, prepare: Prepare, samples: int, bar: float) -> Finding:
    """Time as many operations of each class, in random order."""
    classes = [number % 2 for number in range(samples)]
    random.shuffle(classes)
    times: tuple[list[int], list[int]] = ([], [])
    gc.collect()
    gc.disable()
    try:
        for each in classes:
            operation = prepare(each)
            start = perf_counter_ns()
            operation()
            times[each].append(perf_counter_ns() - start)
    finally:
        gc.enable()
    return Finding(what, samples, abs(welch(*times)), bar)


def welch(first: list[int], second: list[int]) -> float:
    """Compute Welch's t of two samples, without the slowest of both together."""
    most = sorted([*first, *second])[int(KEPT * (len(first) + len(second))) - 1]
    one, other = ([each for each in times if each <= most] for times in (first, second))
    spread = variance(one) / len(one) + variance(other) / len(other)
    apart = fmean(one) - fmean(other)
    return apart / sqrt(spread) if spread else copysign(inf, apart) if apart else 0.0


def wrong_in(signature: bytes, position: int) -> bytes:
    """A signature that is wrong in one byte: always a fresh object, made in the same way for each byte."""
    changed = bytearray(signature)
    changed[position] ^= 0xFF
    return bytes(changed)


def comparison(compare: Callable[[bytes, bytes], object] = chain.demand_equal) -> Prepare:
    """Prepare the comparison of two signatures: they differ in the first byte, or in the last."""
    computed = token_bytes(chain.SIGNATURE_BYTES)

    def prepare(each: int) -> Operation:
        presented = wrong_in(computed, _ENDS[each])

        def operation() -> None:
            with suppress(InvalidMacaroon):
                compare(computed, presented)

        return operation

    return prepare


def verification() -> Prepare:
    """Prepare the verification of a whole token whose signature is wrong in its first byte, or in its last."""
    name, key = KeyName("k1"), token_bytes(32)
    written = Written(name, "A" * 22, "alice", "default", bytes(16), "2026-11-22T06:00:00Z", "2026-12-22T06:00:00Z")
    macaroon = decode_text(Mint(name, key, "https://caps.example.org").mint(written))
    verifier = Verifier(lambda _: key, remembered=0)
    request = Request(BUILTIN, time="2026-11-23T06:00:00Z")
    texts = [encode_text(replace(macaroon, signature=wrong_in(macaroon.signature, each))) for each in _ENDS]

    def prepare(each: int) -> Operation:
        text = (texts[each] + " ")[:-1]  # a fresh object, so that neither class has a place in memory of its own

        def operation() -> None:
            with suppress(MacaroonError):
                verifier.verify(text, request, lambda *_: Salts({}))

        return operation

    return prepare


@contextmanager
def login(make: Callable[[Settings], Passwords] = Passwords) -> Iterator[Prepare]:
    """Prepare logins that are refused: of a user that there is, or of one that there is not."""
    most = 1_000_000
    settings = Settings(wrong_passwords=most, wrong_passwords_by_user=most, wrong_passwords_by_network=most)
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner() as runner:
        home, passwords, slots = Home(Path(directory) / "home", settings), make(settings), HashingSlots()
        store = home.create("2026-11-22T06:00:00Z")
        store.add_users([NewUser("alice", passwords.hash("the right password"))], "2026-11-22T06:00:00Z")
        node = Node(store, home.shares, settings)
        authority = Authority(node, store, passwords, slots, "https://caps.example.org", Rates(settings))

        def prepare(each: int) -> Operation:
            user = ("alice", "nobod")[each]

            def operation() -> None:
                with suppress(CredentialsRefused):
                    runner.run(authority.log_in(user, "a wrong password", None, then=lambda minted: minted))

            return operation

        yield prepare
        slots.close()
        store.close()


def findings(comparisons: int = COMPARISONS, logins: int = LOGINS) -> list[Finding]:
    """Measure everything that must not be told by time."""
    found = [
        measure("comparison of signatures", comparison(), comparisons, COMPARISON_BAR),
        measure("verification of a forged token", verification(), comparisons, COMPARISON_BAR),
    ]
    with login() as prepare:
        found.append(measure("login of an unknown user", prepare, logins, LOGIN_BAR))
    return found


def main() -> None:
    """Print a line a finding, then one line of JSON; exit code 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=COMPARISONS, help="samples of what takes microseconds")
    parser.add_argument("--logins", type=int, default=LOGINS, help="samples of what takes a slow hash")
    given = parser.parse_args()
    found = findings(given.comparisons, given.logins)
    for each in found:
        print(f"{each.what}: |t| = {each.t:.2f} over {each.samples} samples, at most {each.bar}")
    told = {each.what: {"samples": each.samples, "t": round(each.t, 2), "bar": each.bar} for each in found}
    print(json.dumps({"tried": "constant time", "holds": all(each.holds for each in found), "findings": told}))
    if not all(each.holds for each in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
