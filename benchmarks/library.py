"""The figures of the library: verify, attenuate, mint, grow, and how large a token is."""

from __future__ import annotations

import statistics
import time
from secrets import token_bytes
from typing import Any

import pymacaroons

from benchmarks import peers, tokens
from benchmarks.measure import Contender, Figure, compare, compare_minima, run_rounds
from capsvc.client import bind_request
from caveats import Macaroon, attenuate, encode

_NARROW = "path ^= /docs/2026"


def figures(rounds: int, n: int) -> tuple[list[Figure], list[tuple[str, float]], list[str]]:
    """Measure everything; return the figures, all times for the plot, and what was left out."""
    cold = Contender("capsvc, never seen before", tokens.texts, _verify(tokens.verifier()))
    seen_verifier = tokens.verifier()
    seen = Contender("capsvc, seen before", lambda n: tokens.texts(1) * n, _verify(seen_verifier))
    theirs = Contender("pymacaroons, format 2", tokens.texts, tokens.pymacaroons_verify())
    child_verifier = tokens.verifier()
    child = Contender("capsvc, request-bound copy", lambda n: _children(n, child_verifier), _verify(child_verifier))
    exact = dict(text.split(" = ", 1) for text in tokens.BOUND if " = " in text)
    their_child = Contender("pymacaroons, request-bound copy", _their_children, tokens.pymacaroons_verify(exact))
    narrow = Contender("capsvc attenuate", tokens.texts, _attenuate)
    their_narrow = Contender("pymacaroons attenuate", tokens.texts, _their_attenuate)
    binding = Contender("capsvc bind a request", tokens.texts, _bind)
    their_binding = Contender("pymacaroons bind a request", tokens.texts, _their_bind)
    mint = Contender("capsvc mint", lambda n: [None] * n, lambda _: tokens.mint())
    their_mint = Contender("pymacaroons mint", lambda n: [None] * n, _their_mint)
    few = Contender("8 caveats", lambda n: _grown(n, 8), _verify(tokens.verifier()))
    many = Contender("64 caveats", lambda n: _grown(n, 64), _verify(tokens.verifier()))
    others = [Contender(name, *made) for name, made in _others() if made is not None]
    left_out = [name for name, made in _others() if made is None]
    go = peers.Go.build()
    go_seconds: list[float] = []
    if go is None:
        left_out.append("Go macaroon.v2")
    others = [each for each in others if _works(each)]
    ours = [cold, seen, theirs, child, their_child, narrow, their_narrow, binding, their_binding, mint, their_mint]
    contenders = [*ours, few, many, *others]
    run_rounds(contenders, rounds, n, (lambda count: go_seconds.append(go.seconds(count))) if go else None)
    by_name = {each.name: each for each in others}
    results = [compare("verify, never seen before", cold, theirs, 0.14)]
    if "joserfc HS256" in by_name:
        results.append(compare("verify, never seen before", cold, by_name["joserfc HS256"], 0.42))
    results += _beside_compiled(cold, by_name.get("C libmacaroons, format 1"), go_seconds)
    results += [
        compare("verify, seen before, salt from memory", seen, theirs, 0.012),
        compare("verify, request-bound copy of a known root", child, their_child, 0.11),
        compare("attenuate, decoded strictly and checked", narrow, their_narrow, 0.13),
        compare("bind a request, seven caveats, at the client", binding, their_binding, 0.25),
        compare("mint", mint, their_mint, 0.30),
        compare("verify at 64 caveats", many, few, 8),
        *_size(),
    ]
    times = [(each.name, each.microseconds) for each in (cold, seen, theirs, child, their_child, *others)]
    if go is not None:
        go.close()
        times.append(("Go macaroon.v2", statistics.median(go_seconds) * 1e6))
    return results, times, left_out


def _verify(verifier: Any) -> Any:
    return lambda text: verifier.verify(text, tokens.REQUEST, tokens.column)


def _others() -> list[tuple[str, Any]]:
    return [
        ("joserfc HS256", _here(peers.joserfc)),
        ("PyJWT HS256", _here(peers.pyjwt)),
        ("itsdangerous", _here(peers.itsdangerous)),
        ("biscuit-python, one block", _here(peers.biscuit)),
        ("C libmacaroons, format 1", peers.libmacaroons()),
    ]


def _works(contender: Contender) -> bool:
    try:
        contender.run(contender.prepare(1)[0])
    except ImportError:  # some peers are imported only when they are used
        return False
    return True


def _here(peer: Any) -> Any:
    try:
        return peer()
    except ImportError:
        return None


def _beside_compiled(cold: Contender, c: Contender | None, go_seconds: list[float]) -> list[Figure]:
    found = []
    if c is not None:
        found.append(compare("verify, never seen before", cold, c, 1.6))
    if go_seconds:
        found.append(compare_minima("verify, never seen before", cold, "Go macaroon.v2", go_seconds, 1.6))
    return [max(found, key=lambda each: each.ratio)] if found else []


def _children(n: int, verifier: Any) -> list[str]:
    root = tokens.root()
    verifier.verify(encode(root), tokens.REQUEST, tokens.column)
    return [encode(tokens.bound(root)) for _ in range(n)]


def _their_children(n: int) -> list[str]:
    root = tokens.root()
    return [encode(tokens.bound(root)) for _ in range(n)]


def _attenuate(text: str) -> str:
    return attenuate(text, _NARROW)


def _their_attenuate(text: str) -> object:
    return pymacaroons.Macaroon.deserialize(text).add_first_party_caveat(_NARROW).serialize()


def _bind(text: str) -> str:
    return bind_request(text, "POST", "api.example.org", "/docs/2026", b"", token_bytes(32), time.time())


def _their_bind(text: str) -> object:
    made = pymacaroons.Macaroon.deserialize(text)
    for caveat in (*tokens.BOUND, f"request = {tokens.nonce()}"):
        made.add_first_party_caveat(caveat)
    return made.serialize()


def _their_mint(_: None) -> object:
    made = pymacaroons.Macaroon(location=tokens.LOCATION, identifier="k1", key=tokens.KEY, version=2)
    for text in (
        f"nonce = {tokens.nonce()}", "user = alice", f"salt = default/{tokens.encode_base64(tokens.SALT)}",
        f"time >= {tokens.BEGINS}", f"time < {tokens.ENDS}",
    ):  # fmt: skip
        made.add_first_party_caveat(text)
    return made.serialize()


def _grown(n: int, caveats: int) -> list[str]:
    return [encode(_grow(tokens.root(), caveats - 5)) for _ in range(n)]


def _grow(macaroon: Macaroon, further: int) -> Macaroon:
    return macaroon.attenuate(*(f"path ^= /docs /{'abcdefgh'[each % 8]}{each}" for each in range(further)))


def _size() -> list[Figure]:
    try:
        from joserfc import jwt
        from joserfc.jwk import OctKey
    except ImportError:
        return []
    ours = len(encode(tokens.root()))
    theirs = len(jwt.encode({"alg": "HS256"}, tokens.claims(), OctKey.import_key(tokens.KEY)))
    ratio = ours / theirs
    return [Figure("size in characters", "a JWT with the same claims", ratio, ratio, ratio, 1.1, ours, theirs)]
