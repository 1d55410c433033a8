"""``python -m benchmarks.soak``: everything at once for ten minutes, and a history that must hold.

Clients mint, narrow, present, revoke, renew and ask for discharges at random, at a service with two workers. Each
presentation is written down with when it was asked and what was answered, each revocation with when it was
acknowledged. The checker then looks for an accept that was asked for after the acknowledgement of what took the
capability back, and for a refusal of one that nobody had begun to take back. Memory and descriptors may not grow.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from secrets import token_bytes

import httpx2

from benchmarks.live import PASSWORD, Live, live
from capsvc.ticket_keys import PublicKey
from capsvc.tickets import Ticket
from caveats import decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text

Mark = tuple[str, str, str]
"""What can take a capability back: a user, a kind, a value."""

_CLIENTS, _USERS = 4, 400
_HELD, _REVOCATIONS_OF_ONE = 40, 300
_MB_NOISE, _NOISE = 8.0, 8
"""What memory and descriptors may differ by at the end without a word: caches fill, and clients come and go."""

_MB_HASH = 20.0
"""On a busy machine a process that hashes holds the memory of a second hash for a while (``capsvc.hasher``)."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A capability was presented: when the request began, when it was answered, and whether it was accepted.

    ``marks`` are whatever can take it back.
    """

    marks: frozenset[Mark]
    begun: float
    ended: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A mark was revoked: when the request began, and when it was acknowledged."""

    mark: Mark
    begun: float
    acknowledged: float


@dataclass(slots=True)
class History:
    """What happened, in no order: all threads append to it."""

    presented: list[Presented] = field(default_factory=list)
    taken_back: list[TakenBack] = field(default_factory=list)

    def violations(self) -> list[str]:
        """Say what must not have happened."""
        first: dict[Mark, tuple[float, float]] = {}
        for each in self.taken_back:
            begun, acknowledged = first.get(each.mark, (each.begun, each.acknowledged))
            first[each.mark] = min(begun, each.begun), min(acknowledged, each.acknowledged)
        found = []
        for each in self.presented:
            spans = [first[mark] for mark in each.marks if mark in first]
            if each.accepted and any(acknowledged < each.begun for _, acknowledged in spans):
                found.append("a capability was accepted that had been taken back")
            if not each.accepted and all(begun > each.ended for begun, _ in spans):
                found.append("a capability was refused that nobody had taken back")
        return found


@dataclass(frozen=True, slots=True)
class Held:
    """A token and what can take it back. ``is_root`` if nothing was appended."""

    token: str
    marks: frozenset[Mark]
    is_root: bool


class Client(threading.Thread):
    """One client, who acts for a user of her own: what others revoke is not hers."""

    def __init__(self, service: Live, number: int, history: History, end: float) -> None:
        super().__init__(name=f"client {number}")
        self._http = httpx2.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=30, trust_env=False)
        self._chance = random.Random(number)
        self._history, self._end = history, end
        self._users = list(service.users[number::_CLIENTS])
        self._next_user()
        self.steps: Counter[str] = Counter()
        self.failures: list[str] = []
        published = self._http.get("/.well-known/capsvc").json()["tickets"]
        self._tickets = PublicKey.read(published["key"], published["public_key"])

    def run(self) -> None:
        """Take steps at random until the end; what goes wrong beside a verdict ends the client, and is told."""
        steps = (self._mint, self._narrow, self._present, self._revoke, self._renew, self._discharge, self._afresh)
        weights = (2, 12, 60, 6, 3, 3, 4)
        try:
            while time.monotonic() < self._end:
                step = self._chance.choices(steps, weights)[0] if self._held else self._mint
                step()
                self.steps[step.__name__.removeprefix("_")] += 1
        except Exception as wrong:
            self.failures.append(f"{self.name}: {type(wrong).__name__}")
        finally:
            self._http.close()

    def _next_user(self) -> None:
        """Act for another user: past a thousand revoked names of one, the oldest make way by revoking more."""
        self._user, self._held, self._revocations = self._users.pop(), list[Held](), Counter[str]()

    def _mint(self) -> None:
        name = f"name{self._chance.randrange(4)}" if self._chance.random() < 0.5 else "default"
        answer = self._http.post("/v1/tokens", json={"user": self._user, "password": PASSWORD, "salt": name})
        if answer.status_code == 429:
            return
        told = answer.raise_for_status().json()
        self._hold(self._root(told["macaroon"], name, told["nonce"]))

    def _root(self, token: str, name: str, nonce: str) -> Held:
        marks = (self._mark("everything"), self._mark(f"name {name}"), (self._user, "nonce", nonce))
        return Held(token, frozenset(marks), True)

    def _mark(self, kind: str) -> Mark:
        """What a name or everything is now: after a revocation of either there is another of the same name."""
        return (self._user, kind, f"{self._revocations['everything']}.{self._revocations[kind]}")

    def _narrow(self) -> None:
        held = self._any()
        kind = self._chance.randrange(3)
        if kind == 0:
            name = f"to.{encode_base64(token_bytes(6))}".lower().replace("_", "a").replace("-", "b")
            appended, mark = f"salt = {name}/{encode_base64(token_bytes(16))}", {(self._user, "delegate", name)}
        else:
            appended, mark = ("method in GET POST", "path ^= /")[kind - 1], set()
        if len(held.token) < 2000:
            token = encode_text(decode(held.token).append(appended.encode()))
            self._hold(Held(token, held.marks | mark, False))

    def _present(self, client: httpx2.Client | None = None) -> None:
        held = self._any()
        begun = time.monotonic()
        answer = (client or self._http).get("/v1/capability", headers=_bearer(held.token))
        self._remember(held, begun, answer)

    def _afresh(self) -> None:
        """Present over a new connection, which either worker may take."""
        with httpx2.Client(base_url=self._http.base_url, timeout=30, trust_env=False) as client:
            self._present(client)

    def _revoke(self) -> None:
        held = self._any()
        mark = self._chance.choice(sorted(held.marks))
        _, kind, value = mark
        if kind == "everything" and self._chance.random() < 0.8:
            return
        what: dict[str, object] = {"all": True} if kind == "everything" else {"name": value}
        if kind == "nonce":
            what = {"nonce": value}
        elif kind.startswith("name "):
            what = {"name": kind.removeprefix("name ")}
        by = next((each for each in reversed(self._held) if each.is_root), None)
        if by is None:
            return
        begun = time.monotonic()
        answer = self._http.post("/v1/revocations", headers=_bearer(by.token), json=what)
        if answer.status_code == 401:  # she took that one back before
            self._held.remove(by)
            return
        answer.raise_for_status()
        if kind == "everything" or kind.startswith("name "):
            mark = self._mark(kind)
        self._history.taken_back.append(TakenBack(mark, begun, time.monotonic()))
        self._revocations[kind] += 1
        if self._revocations.total() > _REVOCATIONS_OF_ONE:
            self._next_user()

    def _renew(self) -> None:
        held = self._any()
        if not held.is_root:
            return
        answer = self._http.post("/v1/tokens/renew", headers=_bearer(held.token), json={})
        if answer.status_code == 401:
            return
        told = answer.raise_for_status().json()
        marks = {each for each in held.marks if each[1] != "nonce"} | {(self._user, "nonce", told["nonce"])}
        self._hold(Held(told["macaroon"], frozenset(marks), True))

    def _discharge(self) -> None:
        held = self._any()
        ticket = encode_base64(Ticket.of(f"user = {self._user}").seal(self._tickets))
        begun = time.monotonic()
        answer = self._http.post("/v1/discharges", headers=_bearer(held.token), json={"ticket": ticket})
        self._remember(held, begun, answer)

    def _remember(self, held: Held, begun: float, answer: httpx2.Response) -> None:
        accepted = answer.status_code == 200
        if not accepted and answer.json()["type"] != "urn:capsvc:problem:revoked-token":
            raise RuntimeError(answer.json()["type"])
        self._history.presented.append(Presented(held.marks, begun, time.monotonic(), accepted))
        if not accepted and self._chance.random() < 0.5:
            self._held.remove(held)

    def _any(self) -> Held:
        return self._chance.choice(self._held)

    def _hold(self, held: Held) -> None:
        self._held.append(held)
        if len(self._held) > _HELD:
            del self._held[0]


@dataclass(frozen=True, slots=True)
class Result:
    """What a soak showed."""

    history: History
    steps: Counter[str]
    failures: list[str]
    resident: tuple[float, float]
    hashing: tuple[float, float]
    descriptors: tuple[int, int]
    threads: tuple[int, int]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing went wrong and nothing grew."""
        return not (
            self.history.violations()
            or self.failures
            or self.resident[1] - self.resident[0] > _MB_NOISE
            or self.hashing[1] - self.hashing[0] > _MB_NOISE + _MB_HASH
            or self.descriptors[1] - self.descriptors[0] > _NOISE
            or self.threads[1] - self.threads[0] > _NOISE
        )

    def summary(self) -> dict[str, object]:
        """One line of figures."""
        accepts = sum(each.accepted for each in self.history.presented)
        return {
            "what": "soak",
            "operations": self.steps.total(),
            "accepts": accepts,
            "refusals": len(self.history.presented) - accepts,
            "revocations": len(self.history.taken_back),
            "violations": len(self.history.violations()),
            "failures": self.failures,
            "resident_mb": [round(each, 1) for each in self.resident],
            "hashing_mb": [round(each, 1) for each in self.hashing],
            "descriptors": list(self.descriptors),
            "threads": list(self.threads),
            "seconds": round(self.seconds, 1),
        }


def soak(seconds: float, workers: int = 2) -> Result:
    """Let clients do everything at once for so long; the first fifth warms up, and growth counts from there."""
    history, begun = History(), time.monotonic()
    with live(workers, users=_USERS) as service:
        clients = [Client(service, number, history, time.monotonic() + seconds) for number in range(_CLIENTS)]
        for each in clients:
            each.start()
        time.sleep(seconds / 5)
        samples = [(service.resident_parts(), service.descriptors(), service.threads())]
        while any(each.is_alive() for each in clients):
            time.sleep(seconds / 50)
            samples.append((service.resident_parts(), service.descriptors(), service.threads()))
    few = max(1, len(samples) // 4)
    ends = samples[:few], samples[-few:]
    resident, hashing = (
        tuple(statistics.median(max(each[part] for each in memory) for memory, _, _ in some) for some in ends)
        for part in (0, 1)
    )
    descriptors = tuple(int(statistics.median(count for _, count, _ in some)) for some in ends)
    threads = tuple(int(statistics.median(count for _, _, count in some)) for some in ends)
    steps: Counter[str] = sum((each.steps for each in clients), Counter())
    failures = [failure for each in clients for failure in each.failures]
    return Result(history, steps, failures, resident, hashing, descriptors, threads, time.monotonic() - begun)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def main() -> None:
    """Print one line of JSON; exit code 1 where something went wrong or grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    result = soak(parser.parse_args().seconds)
    print(json.dumps(result.summary()))
    if not result.holds:
        sys.exit("\n".join(sorted({*result.history.violations(), *result.failures})) or "something grew")


if __name__ == "__main__":
    main()
