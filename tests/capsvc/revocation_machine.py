"""A machine of steps that revoke macaroons, and of steps that must bring none of them back (section 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from secrets import token_bytes

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

import capsvc.stores.column
from capsvc.authority import Minted
from capsvc.errors import CredentialsRefused, Refused
from capsvc.node import Node, Presentation
from capsvc.settings import Settings
from capsvc.stores import Store
from capsvc.stores.sqlite import SQLiteStore
from caveats import VerificationError, time_text
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.installation import OTHER_PASSWORD, PASSWORD, Installation, hash_of, installed
from tests.capsvc.revocation_model import (
    AUDIENCES,
    DAY,
    HELD_AT_MOST,
    HOLDERS_NAMES,
    RESTARTS,
    USERS,
    Held,
    Person,
)

SEEN: Counter[str] = Counter()


class Revocations(RuleBasedStateMachine):
    """No sequence of steps brings a revoked macaroon back, or refuses one that nobody took back."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        patched = self._open.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(capsvc.stores.column, "HOLDER_NAMES", HELD_AT_MOST)
        self.house, other = self.install(self._open)
        self.running = Node(other.follow(5), self.house.shares, Settings(), self.house.clock)
        self.people = {"alice": Person()}
        self.all: list[Held] = []
        self.panic = ""
        self.revision = 0
        self.verifying: list[str] = []
        self.signing = "k1"
        self.at = 0

    def install(self, opened: ExitStack) -> tuple[Installation, Store]:
        """Make an installation, and open its store once more, as another process would."""
        house = opened.enter_context(installed())
        return house, opened.enter_context(closing(SQLiteStore(house.shares.path.with_name("capsvc.db"))))

    def teardown(self) -> None:
        self._open.close()

    # Getting macaroons

    def _catch_up(self) -> None:
        """Wait until all nodes know of a change of keys, which has no revision to ask for; here they do at once."""

    @initialize(target=held)
    def somebody_holds_something(self) -> object:
        root = self._hold(self.house.log_in())
        return multiple(root, self.narrow(root, "h0", None))

    @rule(
        target=held,
        user=USERS,
        name=st.sampled_from(["default", "laptop", ""]),
        like=held,
        audience=st.sampled_from([None, "billing"]),
        lifetime=st.sampled_from([0, 30, 60]),
    )
    def log_in(self, user: str, name: str, like: Held, audience: str | None, lifetime: int) -> object:
        name = name or min(like.holders_names, default="h0")
        person = self.people.get(user)
        try:
            minted = self.house.log_in(user, person.password if person else PASSWORD, audience, name, lifetime)
        except CredentialsRefused:
            assert person is None or person.disabled
            return multiple()
        except Refused:
            assert person
            assert not person.disabled
            if name not in person.revoked:
                assert audience not in (None, *person.audiences)
                self._issued(user, name)
            return multiple()
        assert person
        assert not person.disabled
        assert name not in person.revoked
        assert minted.written.not_before >= self.panic
        self._issued(user, name)
        return self._hold(minted)

    def _issued(self, user: str, name: str) -> None:
        if name not in self.people[user].issued:
            self.people[user].issued.add(name)
            self._take_back("its holder's name went to a login", self._of(user), holders_name=name)

    @rule(target=held, one=held, lifetime=st.sampled_from([0, 30]))
    def renew(self, one: Held, lifetime: int) -> object:
        try:
            minted = self.house.renew(one.macaroon, lifetime, one.audience)
        except VerificationError:
            assert self._why(one)
            return multiple()
        except Refused:
            settings = self.house.settings
            oldest = time_text(self.house.clock() - settings.clock_skew - settings.max_login_age)
            assert len(one.macaroon.unverified_caveats) > 5 or one.begins <= oldest
            return multiple()
        assert not self._why(one)
        assert len(one.macaroon.unverified_caveats) == 5
        assert (minted.written.not_before, minted.written.salt_name) == (one.begins, one.salt_name)
        SEEN["renewed"] += 1
        return self._hold(minted)

    @rule(target=held, one=held, name=HOLDERS_NAMES, lasting=st.sampled_from([None, 45]))
    def narrow(self, one: Held, name: str, lasting: int | None) -> object:
        if name in (*one.holders_names, one.salt_name) or len(self.all) > 20:
            return multiple()
        caveats = [f"salt = {name}/{encode_base64(token_bytes(16))}"]
        ends = one.ends if lasting is None else min(one.ends, self.house.after(lasting))
        caveats += [f"time < {ends}"] * (lasting is not None)
        narrowed = replace(
            one, macaroon=one.macaroon.attenuate(*caveats), ends=ends, holders_names=one.holders_names | {name}
        )
        if name in self.people[one.user].issued | self.people[one.user].revoked:
            narrowed.taken_back = "its holder's name was another's"
        self.all.append(narrowed)
        return narrowed

    def _hold(self, minted: Minted) -> Held:
        written = minted.written
        assert written.key_name.key_id == self.signing
        one = Held(
            minted.macaroon,
            written.user,
            written.key_name.audience,
            written.salt_name,
            written.nonce,
            self.signing,
            written.not_before,
            written.not_after,
        )
        self.all.append(one)
        return one

    # Taking back

    @rule(one=held, which=st.integers(0, 3))
    def revoke_a_name_of(self, one: Held, which: int) -> None:
        names = (one.salt_name, *sorted(one.holders_names))
        self._revoke_name(one.user, names[which % len(names)])

    @rule(user=USERS, name=HOLDERS_NAMES)
    def revoke_any_name(self, user: str, name: str) -> None:
        if user in self.people:
            self._revoke_name(user, name)

    def _revoke_name(self, user: str, name: str) -> None:
        self._acknowledged(self.house.store.revoke_name(user, name, self.house.now))
        if name in self.people[user].issued:
            self._take_back("its name", (each for each in self._of(user) if each.salt_name == name))
        else:
            self._null(user, name)
            self._take_back("its holder's name", self._of(user), holders_name=name)

    @rule(one=held)
    def revoke_the_nonce_of(self, one: Held) -> None:
        self._acknowledged(self.house.store.revoke_nonce(one.user, one.nonce, self.house.now))
        self._null(one.user, "nonce/" + one.nonce)
        self._take_back("its nonce", (each for each in self.all if each.nonce == one.nonce))

    def _null(self, user: str, name: str) -> None:
        person = self.people[user]
        if name not in person.revoked and len(person.revoked) >= HELD_AT_MOST:
            self._take_back("older names made way", self._of(user))
            person.revoked.clear()
        person.revoked.add(name)

    @rule(user=USERS)
    def revoke_all(self, user: str) -> None:
        if user in self.people:
            self._acknowledged(self.house.store.revoke_all(user, self.house.now))
            self._take_back("all", self._of(user))

    @rule(user=USERS, states=st.sampled_from([(True, False), (True, True, False), (False,), (False, True)]))
    def disable_or_enable(self, user: str, states: tuple[bool, ...]) -> None:
        for disabled in states if user in self.people else ():
            self._acknowledged(self.house.store.set_disabled(user, disabled, self.house.now))
            if disabled != self.people[user].disabled:
                self._take_back("disabled", self._of(user))
            self.people[user].disabled = disabled

    @rule(user=USERS, password=st.sampled_from([PASSWORD, OTHER_PASSWORD]))
    def change_the_password(self, user: str, password: str) -> None:
        if user in self.people:
            self._acknowledged(self.house.store.set_password(user, hash_of(password), self.house.now))
            self.people[user].password = password
            self._take_back("password", self._of(user))

    @rule(user=USERS, audiences=AUDIENCES)
    def change_the_audiences(self, user: str, audiences: tuple[str, ...]) -> None:
        if user in self.people:
            self._acknowledged(self.house.store.set_audiences(user, audiences, self.house.now))
            if audiences != self.people[user].audiences:
                self._take_back("audiences", self._of(user))
            self.people[user].audiences = audiences

    @rule(ago=st.sampled_from([-1, 0, 60, 3600, 3600]))
    def press_panic(self, ago: int) -> None:
        before = self.house.after(-ago)
        if ago < 0:
            with pytest.raises(Refused):
                self.house.authority.panic(before)
            return
        self._acknowledged(self.house.authority.panic(before))
        self.panic = max(self.panic, before)
        self._take_back("panic", (each for each in self.all if each.begins < self.panic))

    # What must bring nothing back

    @rule(user=USERS)
    def add_a_user_or_try_to_add_her_again(self, user: str) -> None:
        taken = self.house.add_user(user, "billing")
        assert taken == ([user] if user in self.people else [])
        self.people.setdefault(user, Person())

    @rule(settings=RESTARTS)
    def restart_with_other_lifetimes(self, settings: Settings) -> None:
        self.house.start(settings)

    @rule(seconds=st.sampled_from([1, 20, 40, 40, 3600, 2 * DAY, 31 * DAY]))
    def wait(self, seconds: int) -> None:
        self.house.clock.forward(seconds)

    @rule()
    def rotate_the_keys(self) -> None:
        self.verifying.append(self.signing)
        self.signing = self.house.add_key()
        self.house.promote(self.signing)
        self._catch_up()

    @rule(which=st.integers(0, 3))
    def retire_a_key(self, which: int) -> None:
        if self.verifying:
            key_id = self.verifying.pop(which % len(self.verifying))
            self.house.retire(key_id)
            self._take_back("its key", (each for each in self.all if each.key_id == key_id))

    # What always holds

    @invariant()
    def each_macaroon_is_refused_once_it_was_taken_back_and_accepted_until_then(self) -> None:
        assert self.house.store.revision() >= self.revision
        for one in self.all:
            why = self._why(one)
            self.at = (self.at + 1) % 2
            node = (self.house.node, self.running)[self.at]
            assert self._is_accepted(node, one) == (not why), (why or "nobody took it back", one.salt_name)
            assert not (one.was_refused and not why)
            one.was_refused = bool(why)
            SEEN[why or "accepted"] += 1

    def _is_accepted(self, node: Node, one: Held) -> bool:
        presentation = Presentation(encode_text(one.macaroon))
        try:
            verdict = node.verify(presentation, node.request(), (one.audience,), min_revision=self.revision)
        except VerificationError:
            return False
        assert verdict.capability.user == one.user
        return True

    def _why(self, one: Held) -> str:
        return one.taken_back or ("expired" if one.ends <= self.house.now else "")

    def _of(self, user: str) -> list[Held]:
        return [each for each in self.all if each.user == user]

    def _acknowledged(self, revision: int) -> None:
        assert revision >= self.revision
        self.revision = revision

    def _take_back(self, why: str, which: Iterable[Held], holders_name: str = "") -> None:
        for each in which:
            if not holders_name or holders_name in each.holders_names:
                each.taken_back = each.taken_back or why
