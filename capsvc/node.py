"""A node: whoever holds the keys and can look into the salt column verifies here.

Everything but one look into the column is computed from the macaroon and the key ring. The look also
tells whether the ring changed, so that a key that was retired elsewhere is forgotten at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import perf_counter_ns
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from capsvc.counters import VERIFYING_NS, Counters, count_span
from capsvc.errors import NotSeenYet
from capsvc.outcomes import ACCEPTED, Counted, count_refusal
from capsvc.settings import Settings
from capsvc.stores import Column
from caveats import (
    Capability,
    DecodeError,
    InvalidMacaroon,
    KeyName,
    MacaroonError,
    Request,
    Salts,
    Verifier,
    time_text,
)
from caveats.memo import Tally
from caveats.wire import Limits, decode_text, unverified_identifier


class Presentation(NamedTuple):
    """What somebody presented: a token and the discharges that came with it. Unproven."""

    unverified_token: str
    unverified_discharges: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Presentation with {len(self.unverified_discharges)} discharges>"


class Verdict(NamedTuple):
    """A capability, and the revision of the column that it was held against."""

    capability: Capability
    revision: int


_AUDIENCES = 1024
"""So many are remembered, each with what was proven for it."""

_QUICK_NS = VERIFYING_NS[0]
_new = tuple.__new__  # past the argument handling of NamedTuple, half of its cost: there is one a request


class Ring(Protocol):
    """What a node asks of a key ring: the count of changes that it stood at, and the root key of a name."""

    @property
    def count(self) -> int:
        """How often the ring had changed."""

    def root_key(self, name: KeyName) -> bytes | None:
        """Return the root key of a name; None for one that is unknown or retired."""


R_co = TypeVar("R_co", bound=Ring, covariant=True)


class Keys(Protocol[R_co]):
    """Where a node's keys are kept: what makes a ring of them, as the column says that it stands now."""

    def ring(self, column: Column, *, patient: bool = True) -> R_co:
        """Put the ring together. Raises SettingsError, StoreUnavailable, and StoreBusy at once unless ``patient``."""


class _RingChanged(Exception):
    """The column was read beside another key ring than the chain was proven with."""


class _UnknownKey(Exception):
    """The ring has no such key, or none yet."""


class Node(Generic[R_co]):
    """Verifies presentations with the current key ring, salts and clock."""

    def __init__(
        self,
        column: Column,
        keys: Keys[R_co],
        settings: Settings,
        clock: Callable[[], float] = time.time,
        counters: Counters | None = None,
    ) -> None:
        self.settings = settings
        self.vocabulary = settings.words
        self.counters = counters or Counters()
        self._ended, self._took = self.counters.outcomes, self.counters.verifying
        self.outcomes = Counted(self._ended)
        self._store = column
        self._keys = keys
        self._clock = clock
        self._limits = settings.limits
        self._longest = timedelta(seconds=column.longest(settings.max_lifetime)) + settings.skew
        self._loading = threading.Lock()
        self._verifying = self._load()
        self._second = (-1, "")

    def now(self) -> str:
        """The time as text, floored to the second."""
        # Kept for the second that it names: writing it costs 1.5 µs, looking at the clock 0.1.
        second, text = self._second
        clock = int(self._clock())
        if clock != second:
            text = time_text(clock)
            self._second = (clock, text)
        return text

    def ring(self) -> R_co:
        """The key ring as the column has it now. Raises StoreUnavailable or SettingsError."""
        return self._current(self._store.read("", ()).ring).ring

    def request(self, /, **facts: object) -> Request:
        """Make a request of facts in this node's vocabulary, now. Raises TypeError or ValueError."""
        return Request(self.vocabulary, time=self.now(), **facts)

    def request_later(self, tell: Callable[[], Mapping[str, Any]]) -> Request:
        """Make a request, now, whose facts are told only when a predicate asks.

        What they raise then, ValueError among it, comes out of :meth:`verify`.
        """
        second, now = self._second  # what now() answers within a second, written out: there is one a request
        return Request.later(self.vocabulary, now if int(self._clock()) == second else self.now(), tell)

    def verify(
        self,
        presentation: Presentation,
        request: Request,
        audiences: Sequence[str | None] = (None,),
        *,
        min_revision: int = 0,
        patient: bool = True,
    ) -> Verdict:
        """Verify a presentation for a request and for one of some audiences (None is that of none).

        Only formats 1 and 2 are read. Raises what :meth:`caveats.Verifier.verify` does, StoreUnavailable
        when the column cannot say or has not seen ``min_revision``, and StoreBusy unless ``patient``.
        """
        began = perf_counter_ns()
        try:
            token, texts = presentation
            if token.startswith("{"):  # a verifier would read the JSON of format 2 as well
                raise DecodeError("a token is base64 of format 1 or 2")
            # A verifier refuses other audiences by itself, so that where one can be meant, nothing is decoded twice.
            audience = audiences[0] if len(audiences) == 1 else self._one_of(audiences, token)
            discharges = [decode_text(each, self._limits) for each in texts] if texts else ()
            read, catch_up, verifying = self._store.read, self._store.catch_up, self._verifying
            revision = 0

            def look(user: str, names: tuple[str, ...]) -> Salts:
                nonlocal revision
                reading = read(user, names, patient=patient)
                if reading.revision < min_revision:
                    catch_up(min_revision, patient=patient)
                    reading = read(user, names, patient=patient)
                if reading.ring != verifying.ring.count:
                    raise _RingChanged
                if reading.revision < min_revision:
                    raise NotSeenYet(f"this node has not seen revision {min_revision} yet: ask again in a moment")
                revision = reading.revision
                return reading.salts

            while True:
                try:
                    capability = verifying.verifiers[audience].verify(token, request, look, discharges)
                except (_RingChanged, _UnknownKey) as why:
                    current = self._current(read("", (), patient=patient).ring, patient)
                    if current is verifying and type(why) is _UnknownKey:
                        raise InvalidMacaroon() from None
                    verifying = current
                else:
                    spent, took = perf_counter_ns() - began, self._took
                    if spent <= _QUICK_NS:  # count_span, written out: there is one a request
                        took[0] += 1
                        took[-1] += spent
                    else:
                        count_span(took, VERIFYING_NS, spent)
                    self._ended[ACCEPTED] += 1
                    return _new(Verdict, (capability, revision))
        except MacaroonError as error:
            count_span(self._took, VERIFYING_NS, perf_counter_ns() - began)
            count_refusal(self._ended, error, request)
            raise

    def _one_of(self, audiences: Sequence[str | None], token: str) -> str | None:
        audience = KeyName.unverified(unverified_identifier(token, self._limits)).audience
        if audience not in audiences:
            raise InvalidMacaroon()
        return audience

    def _current(self, count: int, patient: bool = True) -> _Verifying[R_co]:
        with self._loading:
            if self._verifying.ring.count != count:
                self._verifying = self._load(patient)
            return self._verifying

    def _load(self, patient: bool = True) -> _Verifying[R_co]:
        ring = self._keys.ring(self._store, patient=patient)
        return _Verifying(ring, self._longest, self._limits, self.counters.proofs)


class _Verifying(Generic[R_co]):
    """A key ring with a verifier for each audience, whose memories of proven chains go with the ring."""

    def __init__(self, ring: R_co, longest: timedelta, limits: Limits, proofs: Tally) -> None:
        self.ring = ring
        self.verifiers = _Verifiers(_RootKeys(ring), longest, limits, proofs)


class _Verifiers(dict[str | None, Verifier]):
    """The verifiers of the audiences that are asked for here, each made when it first is."""

    def __init__(self, keys: _RootKeys, longest: timedelta, limits: Limits, proofs: Tally) -> None:
        super().__init__()
        self._keys, self._longest, self._limits, self._proofs = keys, longest, limits, proofs

    def __missing__(self, audience: str | None) -> Verifier:
        if len(self) >= _AUDIENCES:  # who asks to have a token taken back can name any
            self.clear()
        self[audience] = Verifier(self._keys.__getitem__, audience, self._longest, self._limits, proofs=self._proofs)
        return self[audience]


class _RootKeys(dict[KeyName, bytes]):
    """The root keys of a ring. One that is not there may have been added elsewhere: the node finds out.

    A verifier asks for its key each time, and a dict finds it without a call into Python.
    """

    def __init__(self, ring: Ring) -> None:
        super().__init__()
        self._ring = ring

    def __missing__(self, name: KeyName) -> bytes:
        root_key = self._ring.root_key(name)
        if root_key is None:
            raise _UnknownKey
        if len(self) >= _AUDIENCES:
            self.clear()
        self[name] = root_key
        return root_key

    def __repr__(self) -> str:
        return f"<Root keys of {len(self)} names>"
