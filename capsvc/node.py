"""A node: whoever holds the keys and can look into the salt column verifies here.

Everything but one look into the column is computed from the macaroon and the key ring. The look also
tells whether the ring changed, so that a key that was retired elsewhere is forgotten at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from capsvc.errors import NotSeenYet
from capsvc.keyring import KeyRing
from capsvc.settings import Settings
from capsvc.shares import ShareFile
from capsvc.stores import Reading, Store
from caveats import Capability, InvalidMacaroon, KeyName, Request, Salts, Verifier, time_text
from caveats.wire import Limits, decode_text, unverified_identifier


@dataclass(frozen=True, slots=True, repr=False)
class Presentation:
    """What somebody presented: a token and the discharges that came with it. Unproven."""

    unverified_token: str
    unverified_discharges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A capability, and the revision of the column that it was held against."""

    capability: Capability
    revision: int


class _RingChanged(Exception):
    pass


class Node:
    """Verifies presentations with the current key ring, salts and clock."""

    def __init__(
        self, store: Store, shares: ShareFile, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self.vocabulary = settings.words
        self._store = store
        self._shares = shares
        self._clock = clock
        self._longest = timedelta(seconds=store.longest(settings.max_lifetime)) + settings.skew
        self._loading = threading.Lock()
        self._verifying = _Verifying(KeyRing.load(store, shares))

    def now(self) -> str:
        """The time as text, floored to the second."""
        return time_text(self._clock())

    def ring(self) -> KeyRing:
        """The key ring as the store has it now. Raises StoreUnavailable or SettingsError."""
        return self._current(self._store.read("", ()).ring).ring

    def request(self, /, **facts: object) -> Request:
        """Make a request of facts in this node's vocabulary, now. Raises TypeError or ValueError."""
        return Request(self.vocabulary, time=self.now(), **facts)

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
        token, limits = presentation.unverified_token, self.settings.limits
        key_name = KeyName.unverified(unverified_identifier(token, limits))
        if key_name.audience not in audiences:
            raise InvalidMacaroon()
        discharges = [decode_text(each, limits) for each in presentation.unverified_discharges]
        verifying = self._verifying
        if key_name.key_id not in verifying.ring.keys:
            verifying = self._current(self._store.read("", (), patient=patient).ring, patient)
        while True:
            look = _Look(self._store, verifying.ring.count, min_revision, patient)
            verifier = verifying.verifier(key_name.audience, self._longest, limits)
            try:
                capability = verifier.verify(token, request, look, discharges)
            except _RingChanged:
                verifying = self._current(look.reading.ring, patient)
                continue
            return Verdict(capability, look.reading.revision)

    def _current(self, count: int, patient: bool = True) -> _Verifying:
        with self._loading:
            if self._verifying.ring.count != count:
                self._verifying = _Verifying(KeyRing.load(self._store, self._shares, patient=patient))
            return self._verifying


class _Verifying:
    """A key ring with a verifier for each audience, whose memories of proven chains go with the ring."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self._verifiers: dict[str | None, Verifier] = {}

    def verifier(self, audience: str | None, longest: timedelta, limits: Limits) -> Verifier:
        """Return the verifier of an audience that is asked for here."""
        found = self._verifiers.get(audience)
        if found is None:
            found = self._verifiers[audience] = Verifier(self.ring.root_key, audience, longest, limits)
        return found


class _Look:
    """One look into the salt column, kept to be asked for its revision afterwards."""

    reading: Reading

    def __init__(self, store: Store, ring_count: int, min_revision: int, patient: bool) -> None:
        self._store = store
        self._ring_count = ring_count
        self._min_revision = min_revision
        self._patient = patient

    def __call__(self, user: str, names: tuple[str, ...]) -> Salts:
        self.reading = self._store.read(user, names, patient=self._patient)
        if self.reading.ring != self._ring_count:
            raise _RingChanged
        if self.reading.revision < self._min_revision:
            raise NotSeenYet(f"this node has not seen revision {self._min_revision} yet: ask again in a moment")
        return self.reading.salts
