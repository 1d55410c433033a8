"""Whatever was minted, narrowed, revoked and rotated before, in any order: memory on and off say the same."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from caveats import (
    Authority,
    CaveatUnmet,
    Expired,
    InvalidMacaroon,
    KeyName,
    MacaroonError,
    Mint,
    Request,
    Salts,
    Verifier,
    attenuate,
)
from caveats.encoding import encode_base64

USERS, NAMES = st.sampled_from(["alice", "bob", "Zoë"]), st.sampled_from(["default", "laptop"])
HOURS = st.integers(0, 23)


def at(hour: int) -> str:
    return f"2026-11-25T{hour:02}:00:00Z"


class Sequences(RuleBasedStateMachine):
    """A small service, verified with no memory, with one that holds two entries, and with a large one."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.keys = {KeyName("k1"): b"the first key"}
        self.rows: dict[str, dict[str, bytes | None]] = {}
        self.panic = ""
        self.drawn = 0
        self.verifiers = [Verifier(self.keys.get, remembered=each) for each in (0, 2, 1024)]

    def drawn_bytes(self) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(16, "big")

    @rule(target=tokens, user=USERS, name=NAMES, begins=HOURS, ends=HOURS, location=st.sampled_from(["", "https://a"]))
    def mint(self, user: str, name: str, begins: int, ends: int, location: str) -> str:
        salt = self.rows.setdefault(user, {}).get(name) or self.drawn_bytes()
        self.rows[user][name] = salt
        key_name = max(self.keys, key=lambda each: int(each.key_id[1:]))
        nonce = encode_base64(self.drawn_bytes())
        authority = Authority(key_name, nonce, user, name, salt, at(begins), at(ends))
        return Mint(key_name, self.keys[key_name], location).mint(authority)

    @rule(
        target=tokens,
        token=tokens,
        predicate=st.sampled_from(
            [
                "method = GET", "method = POST", f"time < {at(12)}", f"time >= {at(6)}", "user = alice",
                "salt = ci.x/AAAAAAAAAAAAAAAAAAAAAA", "request = AAAAAAAAAAAAAAAAAAAAAA",
            ]
        ),
    )  # fmt: skip
    def narrow(self, token: str, predicate: str) -> str:
        return attenuate(token, predicate)

    @rule(user=USERS, name=st.sampled_from(["default", "laptop", "ci.x"]))
    def revoke(self, user: str, name: str) -> None:
        self.rows.setdefault(user, {})[name] = None if name == "ci.x" else self.drawn_bytes()

    @rule(user=USERS, drawn=st.integers(1, 40))
    def revoke_nonce(self, user: str, drawn: int) -> None:
        self.rows.setdefault(user, {})["nonce/" + encode_base64(drawn.to_bytes(16, "big"))] = None

    @rule(hour=HOURS)
    def raise_panic(self, hour: int) -> None:
        self.panic = max(self.panic, at(hour))

    @rule()
    def rotate(self) -> None:
        self.keys[KeyName(f"k{len(self.keys) + 1}")] = self.drawn_bytes()

    @rule()
    def replace_a_key(self) -> None:
        self.keys[KeyName("k1")] = self.drawn_bytes()

    @rule(token=tokens, hour=HOURS, method=st.sampled_from(["GET", "POST"]), times=st.integers(1, 3))
    def verify(self, token: str, hour: int, method: str, times: int) -> None:
        request = Request(time=at(hour), method=method)
        first, *others = [self.verdict(each, token, request) for each in self.verifiers for _ in range(times)]
        assert all(other == first for other in others)

    def verdict(self, verifier: Verifier, token: str, request: Request) -> Any:
        try:
            return verifier.verify(token, request, lambda user, _: Salts(self.rows.get(user, {}), self.panic))
        except MacaroonError as refused:
            return type(refused), refused.args


Sequences.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_any_sequence_comes_to_the_same_verdicts_with_memory_and_without = Sequences.TestCase


def test_the_sequences_reach_every_kind_of_verdict() -> None:
    machine = Sequences()
    token = machine.mint("alice", "default", 1, 20, "")
    assert machine.verdict(machine.verifiers[2], token, Request(time=at(10))).user == "alice"
    assert machine.verdict(machine.verifiers[2], token, Request(time=at(20)))[0] is Expired
    assert machine.verdict(machine.verifiers[2], token, Request(time=at(0)))[0] is CaveatUnmet
    machine.replace_a_key()
    assert machine.verdict(machine.verifiers[2], token, Request(time=at(10)))[0] is InvalidMacaroon
