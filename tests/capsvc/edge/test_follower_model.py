"""Whatever a relay sends, in whatever order, and however our clock is set: what was taken back Δ ago is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

from capsvc.errors import FeedError, StoreUnavailable
from capsvc.follower import Follower
from capsvc.node import Node, Presentation
from capsvc.resource_server import AudienceKeys
from capsvc.settings import Settings
from caveats import MacaroonError, attenuate, decode
from tests.capsvc.edge.issuer import AUDIENCE, Issuer
from tests.capsvc.installation import Clock

FRESHNESS = 5.0
ROUNDING = 0.01
"""Stamps are in milliseconds, and what an earlier page says of the issuer's clock wears off a little."""

SEEN: Counter[str] = Counter()
USERS = st.sampled_from(["alice", "bob"])
HOLDER = "ci.x", "AAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True)
class Token:
    """A token, with what it was minted with, so that a model can say what takes it back."""

    text: str
    user: str
    nonce: str
    key_id: str
    names: tuple[str, ...]
    minted: float


class Said:
    """A relay that says what it is told to say next."""

    def __init__(self) -> None:
        self.next = ""

    def ask(self, audience: str, since: int, skip: int, wait: float) -> str:
        return self.next

    def close(self) -> None:
        """There is no connection."""


class Machine(RuleBasedStateMachine):
    tokens = Bundle("tokens")
    pages = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.theirs, self.ours, self.boot = Clock(), Clock(), Clock(1000.0)
        self.issuer, self.stranger = Issuer(self.theirs), Issuer(self.theirs)
        self.issuer.most = 2
        for _ in range(3):
            self.issuer.add_key()
        self.elsewhere = Issuer(self.theirs, "mail")
        self.said = Said()
        exported = self.issuer.exported()
        self.follower = Follower(exported, self.said, FRESHNESS, self.boot, self.ours)
        self.minted: list[Token] = []
        self.told: list[tuple[float, Callable[[Token], bool]]] = []
        self._round(self.issuer.tell(0))  # promptly: from then on our clock does not matter
        self.node = Node(self.follower, AudienceKeys(exported), Settings(), self.ours)

    def _round(self, text: str) -> None:
        self.said.next = text
        try:
            self.follower.round()
            SEEN["believed"] += 1
        except FeedError:
            SEEN["not believed"] += 1

    def _since(self) -> tuple[int, int]:
        return self.follower._knowledge.since

    # What the issuer does

    @rule(target=tokens, user=USERS, narrowed=st.booleans())
    def log_in(self, user: str, narrowed: bool) -> Token:
        text = self.issuer.log_in(user)
        nonce = decode(text).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")
        if narrowed:
            text = attenuate(text, f"salt = {HOLDER[0]}/{HOLDER[1]}")
        key_id = self.issuer.ring.signing().key_id
        self.minted.append(Token(text, user, nonce, key_id, HOLDER[:1] if narrowed else (), self.theirs()))
        return self.minted[-1]

    def _taken_back(self, is_hit: Callable[[Token], bool]) -> None:
        self.told.append((self.theirs(), is_hit))

    @rule(user=USERS)
    def revoke(self, user: str) -> None:
        before = self.theirs()
        self.theirs.forward(0.001)
        self.issuer.revoke(user)
        self._taken_back(lambda token: token.user == user and token.minted <= before)

    @rule(user=USERS)
    def revoke_what_holders_named(self, user: str) -> None:
        self.issuer.revoke_holders(user, HOLDER[0])
        self._taken_back(lambda token: token.user == user and bool(token.names))

    @rule(token=tokens)
    def revoke_one(self, token: Token) -> None:
        self.issuer.revoke_nonce(token.user, token.nonce)
        self._taken_back(lambda other: other.nonce == token.nonce)

    @rule()
    def panic(self) -> None:
        self.theirs.forward(31)  # windows begin 30 seconds before they are minted
        self.boot.forward(31)
        self.ours.forward(31)
        before = self.theirs() - 31
        self.issuer.raise_panic()
        self._taken_back(lambda token: token.minted <= before)

    @rule(number=st.integers(1, 3))
    def retire(self, number: int) -> None:
        self.issuer.retire(f"k{number}")
        self._taken_back(lambda token: token.key_id == f"k{number}")

    # What the relay does

    @rule()
    def pass_on(self) -> None:
        for _ in range(6):
            self._round(self.issuer.tell(*self._since()))
            if self._since() == (self.issuer.revision, 0):
                break

    @rule(target=pages, behind=st.integers(0, 3))
    def keep(self, behind: int) -> str:
        return self.issuer.tell(max(self._since()[0] - behind, 0))

    @rule(target=pages, key=st.integers(1, 4))
    def keep_one_of_another_key(self, key: int) -> str:
        return self.issuer.sign(self.issuer.page(*self._since(), f"k{key}"))

    @rule(page=pages, times=st.integers(1, 2))
    def send(self, page: str, times: int) -> None:
        for _ in range(times):
            self._round(page)

    @rule(page=consumes(pages), at=st.integers(0, 10_000), to=st.characters(codec="ascii"))
    def send_changed(self, page: str, at: int, to: str) -> None:
        at %= len(page)
        self._round(page[:at] + to + page[at + 1 :])

    @rule(other=st.sampled_from(["stranger", "elsewhere"]))
    def invent(self, other: str) -> None:
        issuer: Issuer = getattr(self, other)
        for revision in range(issuer.revision, self._since()[0]):
            issuer.revoke(f"user {revision}")
        self._round(issuer.tell(*self._since()))

    @rule()
    def invent_that_nothing_changed(self) -> None:
        self.log_in("alice", False)
        self.put_our_clock_right()
        self.pass_on()
        self.verify()
        self.revoke("alice")
        for _ in range(4):
            self.go_on(2.0)
            since, skip = self._since()
            page = self.issuer.page(since, skip, "k4")
            hidden = replace(page, to=since, head=since, rows=(), panic=self.follower._knowledge.panic)
            self._round(hidden.sign(bytes(32)))
        self.verify()

    # Time

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0, 4.9, 6.0]))
    def go_on(self, seconds: float) -> None:
        for clock in (self.theirs, self.ours, self.boot):
            clock.forward(seconds)

    @rule(seconds=st.floats(-7, 7))
    def set_our_clock(self, seconds: float) -> None:
        self.ours.forward(seconds)

    @rule()
    def put_our_clock_right(self) -> None:
        self.ours.now = self.theirs.now

    # What it must come to

    @rule()
    def verify(self) -> None:
        for token in self.minted:
            took_back = [at for at, is_hit in self.told if is_hit(token)]
            try:
                self.node.verify(Presentation(token.text), self.node.request(), (AUDIENCE,))
            except StoreUnavailable:
                SEEN["cannot say"] += 1
            except MacaroonError:
                SEEN["refused"] += 1
            else:
                SEEN["accepted"] += 1
                assert all(at > self.theirs() - FRESHNESS - ROUNDING for at in took_back)

    @rule()
    def go_on_as_usual(self) -> None:
        self.put_our_clock_right()
        self.pass_on()
        self.verify()


def test_no_sequence_of_pages_has_anything_accepted_that_was_taken_back_before_the_freshness() -> None:
    SEEN.clear()
    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
    assert min(SEEN[each] for each in ("accepted", "refused", "cannot say", "believed", "not believed")) > 5, SEEN
