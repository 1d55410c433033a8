"""The collector: fetches the discharges that a macaroon needs, nested ones too, and binds them.

It sends tickets, to origins that its caller named, and never a capability that it was given to present.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import httpx2

from capsvc.errors import CollectionError, InteractionNeeded
from capsvc.third_party import Page, ThirdParty, origin_of
from caveats import BUILTIN, Caveat, Macaroon, Predicate, PredicateError, Vocabulary, decode, encode
from caveats.interchange import AnyMacaroon
from caveats.predicate import shown
from caveats.wire import DEFAULT_LIMITS, Format, Limits, format_of

Credentials = Mapping[str, str] | Callable[[], Mapping[str, str]] | httpx2.Auth
"""Headers for one origin, what makes them each time, or an authentication such as
:class:`capsvc.client.BoundAuth`: how its third party knows who asks."""

_SPARE_SECONDS = 5
"""A discharge that ends sooner is fetched anew: it still has to travel."""


@dataclass(frozen=True, slots=True, eq=False)
class Collector:
    """Collects from some ``origins``, each with the credentials to send there, or with none.

    ``limits`` bound how many discharges, how deep and how long; ``seconds`` each exchange. ``go`` is told the
    address where a person has to go; then the same ticket is sent every ``pause`` seconds, for ``patience``
    seconds at most. Fetched discharges are remembered, ``remembered`` at most, until they expire.
    ``trusted`` is for certificates of one's own. Raises ValueError for an origin that is none.
    """

    origins: Mapping[str, Credentials | None] = field(repr=False)
    go: Callable[[str], object] | None = field(default=None, repr=False)
    limits: Limits = DEFAULT_LIMITS
    header_characters: int = 16384
    seconds: float = 10.0
    patience: float = 300.0
    pause: float = 1.0
    remembered: int = 256
    trusted: ssl.SSLContext | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)
    _known: dict[tuple[str, bytes], tuple[Macaroon, float]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for origin in self.origins:
            if origin_of(origin) != origin:
                raise ValueError("an origin is like https://idp.example.org, without path and without usual port")

    def present(
        self, token: AnyMacaroon, *predicates: str | Predicate, given: Iterable[AnyMacaroon] = (),
        vocabulary: Vocabulary = BUILTIN,
    ) -> str:  # fmt: skip
        """Narrow a macaroon, collect and bind its discharges; return the value for ``Authorization``.

        ``given`` are discharges that came another way, not bound yet. Raises DecodeError, PredicateError, and
        CollectionError, which names the third party: InteractionNeeded and DischargeDenied are two of its kinds.
        """
        return anyio.run(lambda: self.present_async(token, *predicates, given=given, vocabulary=vocabulary))

    async def present_async(
        self, token: AnyMacaroon, *predicates: str | Predicate, given: Iterable[AnyMacaroon] = (),
        vocabulary: Vocabulary = BUILTIN,
    ) -> str:  # fmt: skip
        """Do what :meth:`present` does, in an event loop."""
        root = decode(token, self.limits).attenuate(*predicates, vocabulary=vocabulary)
        bound = await self.collect_async(root, given)
        format = format_of(token) if isinstance(token, str) else Format.V2
        if format is Format.JSON:  # which no service takes over HTTP
            format = Format.V2
        texts = [encode(each, format) for each in (root, *bound)]
        if any(len(each) > self.limits.characters for each in texts):
            raise CollectionError(f"a token or discharge has more than {self.limits.characters} characters")
        value = f"Macaroon {','.join(texts)}" if bound else f"Bearer {texts[0]}"
        if len(value) > self.header_characters:
            raise CollectionError(f"with its discharges it has more than {self.header_characters} characters")
        return value

    def collect(self, token: AnyMacaroon, given: Iterable[AnyMacaroon] = ()) -> tuple[Macaroon, ...]:
        """Collect the discharges of a macaroon as it stands, bound to it; whoever narrows it later binds again.

        Raises DecodeError and CollectionError, as :meth:`present` does.
        """
        return anyio.run(self.collect_async, token, given)

    async def collect_async(self, token: AnyMacaroon, given: Iterable[AnyMacaroon] = ()) -> tuple[Macaroon, ...]:
        """Do what :meth:`collect` does, in an event loop."""
        root = decode(token, self.limits)
        at_hand = self._by_identifier(given)
        asked: set[bytes] = set()
        found: list[Macaroon] = []
        client: httpx2.AsyncClient | None = None  # made when first needed: certificates take tens of ms to load
        waiting = [(each, 1) for each in root.unverified_caveats if each.is_third_party]
        async with AsyncExitStack() as open_client:
            while waiting:
                caveat, depth = waiting.pop(0)
                self._check(caveat, depth, asked)
                asked.add(caveat.identifier)
                discharge = at_hand.pop(caveat.identifier, None) or self._remembered(caveat)
                if discharge is None:
                    if client is None:
                        client = await open_client.enter_async_context(self._client())
                    discharge = await self._fetch(client, caveat)
                found.append(discharge)
                waiting += [(each, depth + 1) for each in discharge.unverified_caveats if each.is_third_party]
        if at_hand:
            raise CollectionError("a discharge was given that no caveat asks for")
        return tuple(map(root.bind, found))

    def _check(self, caveat: Caveat, depth: int, asked: set[bytes]) -> None:
        """Refuse before anybody is asked what no verifier would take."""
        if caveat.identifier in asked:
            raise CollectionError(
                f"a discharge of {shown(caveat.location)} is asked for twice: discharges loop, or a caveat was repeated"
            )
        if depth > self.limits.depth:
            raise CollectionError(f"discharges are nested deeper than {self.limits.depth}")
        if len(asked) >= self.limits.discharges:
            raise CollectionError(f"more than {self.limits.discharges} discharges are needed")

    def _by_identifier(self, given: Iterable[AnyMacaroon]) -> dict[bytes, Macaroon]:
        if isinstance(given, str):
            raise TypeError("discharges are a list of macaroons, not one")
        at_hand: dict[bytes, Macaroon] = {}
        for each in given:
            discharge = decode(each, self.limits)
            if discharge.unverified_identifier in at_hand:
                raise CollectionError("two discharges with one identifier were given")
            at_hand[discharge.unverified_identifier] = discharge
        return at_hand

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=self.trusted or True, timeout=self.seconds, trust_env=False, follow_redirects=False
        )

    def _remembered(self, caveat: Caveat) -> Macaroon | None:
        known = self._known.get((caveat.location, caveat.identifier))
        return known[0] if known is not None and known[1] > self.clock() + _SPARE_SECONDS else None

    async def _fetch(self, client: httpx2.AsyncClient, caveat: Caveat) -> Macaroon:
        party = self._party(caveat.location)
        discharge = await self._ask(client, party, caveat.identifier)
        ends = _ends(discharge)
        if ends is None:
            raise party.error("answers with a discharge that never expires")
        if ends <= self.clock():
            raise party.error("answers with a discharge that has expired already")
        self._remember((caveat.location, caveat.identifier), discharge, ends)
        return discharge

    def _party(self, location: str) -> ThirdParty:
        try:
            origin = origin_of(location)
        except ValueError:
            origin = ""
        if origin not in self.origins:
            raise CollectionError(
                f"a caveat asks the third party at {shown(location) or 'nowhere'}, which was not configured"
            )
        credentials = self.origins[origin]
        auth: httpx2.Auth | None = None
        headers: Mapping[str, str] = {}
        if isinstance(credentials, httpx2.Auth):
            auth = credentials
        elif credentials is not None:
            headers = credentials() if callable(credentials) else credentials
        return ThirdParty(location, headers, frozenset(self.origins), self.limits, self.seconds, auth)

    async def _ask(self, client: httpx2.AsyncClient, party: ThirdParty, identifier: bytes) -> Macaroon:
        """Ask until there is a discharge; tell a person once where to go."""
        answer = await party.ask(client, identifier)
        if isinstance(answer, Macaroon):
            return answer
        first = answer
        if self.go is None:
            raise _needed(party, first, "wants a person to go elsewhere first")
        self.go(first.url)
        deadline = anyio.current_time() + self.patience
        while anyio.current_time() + self.pause < deadline:
            await anyio.sleep(self.pause)
            answer = await party.ask(client, identifier)
            if isinstance(answer, Macaroon):
                return answer
        raise _needed(party, first, f"still waits for a person after {self.patience:g} seconds")

    def _remember(self, key: tuple[str, bytes], discharge: Macaroon, ends: float) -> None:
        now, known = self.clock(), self._known
        for old in [each for each, (_, end) in known.items() if end <= now]:
            known.pop(old, None)
        while known and len(known) >= self.remembered:
            known.pop(next(iter(known)), None)
        if self.remembered:
            known[key] = discharge, ends


def _needed(party: ThirdParty, page: Page, what: str) -> InteractionNeeded:
    return InteractionNeeded(str(party.error(what)), page.url)


def _ends(discharge: Macaroon) -> float | None:
    """When a discharge expires by its own word, in seconds since 1970."""
    ends = []
    for caveat in discharge.unverified_caveats:
        if not caveat.is_third_party and caveat.identifier.startswith(b"time < "):
            try:
                predicate = BUILTIN.parse(caveat.identifier)
            except PredicateError:
                continue
            ends.append(datetime.fromisoformat(predicate.items[0]).timestamp())
    return min(ends, default=None)
