"""Generated macaroons, told twice: by whichever libraries take part, and by caveats alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from caveats import Format, Macaroon, decode, encode
from caveats.wire import format_of
from tests.caveats import strategies as some
from tests.interop.actors import Actor

NONCE_BYTES = 24


@dataclass(frozen=True)
class Chain:
    """An identifier and what is appended to it, first by who mints, then by who narrows."""

    key: bytes
    identifier: bytes
    location: str
    minted: tuple[bytes | Entrusted, ...]
    narrowed: tuple[bytes | Entrusted, ...]

    def first_party(self) -> Iterator[bytes]:
        """Yield every predicate, those of discharges too."""
        for step in self.minted + self.narrowed:
            if isinstance(step, Entrusted):
                yield from step.discharge.first_party()
            else:
                yield step


@dataclass(frozen=True)
class Entrusted:
    """A third-party caveat, and who of the cast mints, narrows and binds its discharge."""

    location: str
    discharge: Chain
    by: tuple[int, int, int]


class Story(NamedTuple):
    """What happens to one macaroon, and in which formats it is handed on."""

    root: Chain
    any_bytes: bool
    as_it_is: bool
    format: int


class Cast(NamedTuple):
    """Who mints, who narrows and who verifies."""

    minter: Actor
    narrower: Actor
    verifier: Actor


@st.composite
def stories(draw: st.DrawFn, cast: Cast) -> Story:
    """Stories of which every library of a cast can play its part: see docs/interop.md for what it cannot."""
    any_bytes = all(actor.takes_any_bytes for actor in cast) and draw(st.booleans())
    ascii_names = any_bytes or not all(actor.takes_any_names for actor in cast)
    predicates = st.one_of(some.predicates, some.met_often, st.text(min_size=1, max_size=16)).map(_without_mark)
    texts = st.text(st.characters(codec="ascii" if ascii_names else "utf-8"), min_size=1, max_size=16)
    names = texts.map(_without_mark)
    blobs = predicates.map(str.encode)
    if any_bytes:
        blobs = st.one_of(st.binary(min_size=1, max_size=40), blobs)
    used: set[bytes] = set()

    def chain(thirds: int) -> Chain:
        identifier = draw(names.map(str.encode).filter(lambda name: name not in used))
        used.add(identifier)
        minted, narrowed = (
            tuple(
                entrusted(thirds - 1) if thirds and draw(st.integers(0, 2)) == 0 else draw(blobs)
                for _ in range(draw(st.integers(0, 2)))
            )
            for _ in range(2)
        )
        return Chain(draw(some.keys), identifier, draw(names), minted, narrowed)

    def entrusted(thirds: int) -> Entrusted:
        return Entrusted(draw(names), chain(thirds), draw(st.tuples(*[st.integers(0, 2)] * 3)))

    return Story(chain(2), any_bytes, draw(st.booleans()), draw(st.integers(0, 5)))


def _without_mark(text: str) -> str:
    """JavaScript's library loses a byte order mark at the beginning of an identifier."""
    return "." + text if text.startswith("\ufeff") else text


@dataclass
class Told:
    """A macaroon and its bound and loose discharges: the text that came out, and what caveats computed."""

    token: str
    computed: Macaroon
    bound: list[tuple[str, Macaroon]] = field(default_factory=list)
    loose: list[Macaroon] = field(default_factory=list)


def tell(story: Story, cast: Cast) -> Told:
    """Let the cast make the macaroon and its discharges; compare with caveats after every turn."""
    asked: list[Entrusted] = []
    told = Told(*_chain(story, story.root, cast.minter, cast.narrower, asked))
    while asked:
        third = asked.pop()
        minter, narrower, binder = (cast[each] for each in third.by)
        token, computed = _chain(story, third.discharge, minter, narrower, asked)
        text = binder.bind(handed(story, told.token, binder), handed(story, token, binder))
        told.loose.append(computed)
        told.bound.append((text, equal(text, told.computed.bind(computed))))
    return told


def _chain(story: Story, chain: Chain, minter: Actor, narrower: Actor, asked: list[Entrusted]) -> tuple[str, Macaroon]:
    formats = [each for each in minter.mints if each in formats_of(story, minter)]
    token = minter.mint(chain.key, chain.identifier, chain.location, formats[story.format % len(formats)])
    computed = equal(token, Macaroon.mint(chain.key, chain.identifier, chain.location))
    for actor, steps in ((minter, chain.minted), (narrower, chain.narrowed)):
        token = handed(story, token, actor)
        for step in steps:
            if isinstance(step, Entrusted):
                asked.append(step)
                key, identifier = step.discharge.key, step.discharge.identifier
                token = actor.entrust(token, step.location, key, identifier)
                nonce = decode(token).unverified_caveats[-1].verification_id[:NONCE_BYTES]
                computed = computed.entrust(step.location, key, identifier, nonce)
            else:
                token = actor.narrow(token, [step])
                computed = computed.append(step)
        equal(token, computed)
    return token, computed


def formats_of(story: Story, actor: Actor) -> tuple[Format, ...]:
    """Return the formats in which an actor can play its part in a story."""
    return actor.takes_any_bytes if story.any_bytes else actor.reads


def handed(story: Story, token: str, actor: Actor) -> str:
    """Hand a token on: as it is where the story and the actor's formats have it so, else as caveats rewrites it."""
    formats = formats_of(story, actor)
    if story.as_it_is and format_of(token) in formats:
        return token
    return encode(decode(token), formats[story.format % len(formats)])


def equal(token: str, computed: Macaroon) -> Macaroon:
    """Hold a text against what caveats computed: the same macaroon and, of formats 1 and 2, the same bytes."""
    assert decode(token) == computed
    if not token.startswith("{"):
        assert token == encode(computed, format_of(token))
    return computed
