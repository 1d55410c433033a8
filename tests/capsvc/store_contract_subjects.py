"""The contract of a store's subjects: whose user an issuer's subject is, and that an ID token is used once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from capsvc.errors import CredentialsRefused, Refused, Replayed, StoreUnavailable
from capsvc.stores import Assertion, Store, subjects
from tests.capsvc.store_contract_column import LATER, NOW, add, salt_of

ISSUER = "https://idp.example"
BEFORE, MUCH_LATER = "2026-11-22T05:59:00Z", "2026-11-22T08:00:00Z"
_numbers = count()


def asserted(subject: str = "s1", audiences: tuple[str, ...] = (), **more: Any) -> Assertion:
    """What an issuer says in an ID token that nobody used before, unless other marks are given."""
    marks = (f"jti{next(_numbers)}", f"text{next(_numbers)}")
    return replace(Assertion(ISSUER, subject, marks, BEFORE, LATER, "example", audiences), **more)


class SubjectsContract:
    """What holds for every engine's subjects."""

    # Who is who

    def test_a_subject_has_one_user_whose_name_nobody_can_guess(self, store: Store) -> None:
        name = store.redeem(asserted(), NOW)
        assert name.startswith("example-")
        assert len(name) == len("example-") + 20
        assert store.redeem(asserted(), LATER) == name
        assert store.redeem(asserted("s2"), NOW) != name
        assert store.redeem(asserted(issuer="https://other.example"), NOW) != name

    def test_a_subject_is_compared_by_every_character(self, store: Store) -> None:
        names = {store.redeem(asserted(each), NOW) for each in ("a", "A", "a ", "ä", "a\u0308", "\N{GRINNING FACE}")}
        assert len(names) == 6

    def test_a_subject_is_never_taken_for_a_user_of_its_name(self, store: Store) -> None:
        add(store, "alice")
        assert store.redeem(asserted("alice"), NOW) != "alice"
        assert store.redeem(asserted("alice"), NOW) not in ("alice", "example-alice")

    def test_a_name_that_is_taken_is_given_to_nobody_else(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn = iter(["taken", "taken", "free"])
        monkeypatch.setattr(subjects, "token_hex", lambda length: next(drawn))
        add(store, "example-taken", "billing")
        assert store.redeem(asserted(), NOW) == "example-free"
        assert store.user("example-taken").audiences == ("billing",)

    def test_many_first_logins_at_once_make_one_user(self, store: Store) -> None:
        wanted = [asserted() for _ in range(12)]
        with ThreadPoolExecutor(4) as threads:
            names = set(threads.map(lambda each: store.redeem(each, NOW), wanted))
        assert [each.name for each in store.users()] == list(names)

    def test_a_users_salt_is_there_from_the_first_login_on(self, store: Store) -> None:
        before = store.revision()
        name = store.redeem(asserted(), NOW)
        assert len(salt_of(store, name) or b"") == 16
        assert store.issue_salt(name, "default", None, NOW).salt == salt_of(store, name)
        assert store.revision() == before + 1
        store.redeem(asserted(), NOW)
        assert store.revision() == before + 1

    def test_a_disabled_user_stays_disabled_though_her_issuer_vouches_for_her(self, store: Store) -> None:
        name = store.redeem(asserted(audiences=("billing",)), NOW)
        store.set_disabled(name, True, NOW)
        assert store.redeem(asserted(), LATER) == name
        assert store.user(name).disabled
        assert salt_of(store, name) is None
        with pytest.raises(CredentialsRefused):
            store.issue_salt(name, "default", None, LATER)

    # Passwords

    def test_a_user_of_an_issuer_has_no_password_and_gets_none(self, store: Store) -> None:
        name = store.redeem(asserted(), NOW)
        assert store.password(name) is None
        salt = salt_of(store, name)
        with pytest.raises(Refused, match="identity provider"):
            store.set_password(name, "hash", NOW)
        with pytest.raises(Refused, match="identity provider"):
            store.change_user(name, NOW, disabled=True, audiences=None, password="hash")
        assert store.password(name) is None
        assert salt_of(store, name) == salt
        assert not store.user(name).disabled

    # Audiences

    def test_audiences_follow_the_configuration_and_a_change_changes_the_salts(self, store: Store) -> None:
        name = store.redeem(asserted(audiences=("billing", "mail")), NOW)
        assert store.user(name).audiences == ("billing", "mail")
        salt = salt_of(store, name)
        store.redeem(asserted(audiences=("mail", "billing")), NOW)
        assert salt_of(store, name) == salt
        store.redeem(asserted(audiences=("mail", "pages")), NOW)
        assert store.user(name).audiences == ("mail", "pages")
        assert salt_of(store, name) not in (salt, None)

    def test_what_an_administrator_took_from_her_stays_taken(self, store: Store) -> None:
        name = store.redeem(asserted(audiences=("billing", "mail")), NOW)
        store.set_audiences(name, ("mail",), NOW)
        store.redeem(asserted(audiences=("billing", "mail")), NOW)
        assert store.user(name).audiences == ("mail",)
        store.redeem(asserted(audiences=("billing", "mail", "pages")), NOW)
        assert store.user(name).audiences == ("mail", "pages")

    def test_what_is_not_configured_she_never_has_whoever_gave_it_to_her(self, store: Store) -> None:
        name = store.redeem(asserted(), NOW)
        store.set_audiences(name, ("capsvc.admin",), NOW)
        salt = salt_of(store, name)
        store.redeem(asserted(), NOW)
        assert store.user(name).audiences == ()
        assert salt_of(store, name) != salt

    # Once

    def test_an_id_token_is_used_once_by_whichever_mark_it_is_known(self, store: Store) -> None:
        first = asserted()
        store.redeem(first, NOW)
        again = [
            first,
            replace(asserted(), marks=first.marks[:1]),
            replace(asserted("s2"), marks=("x", *first.marks[1:])),
        ]
        for each in again:
            with pytest.raises(Replayed):
                store.redeem(each, NOW)
        assert len(store.users()) == 1

    def test_marks_of_one_issuer_are_nothing_to_another(self, store: Store) -> None:
        first = asserted()
        store.redeem(first, NOW)
        store.redeem(replace(first, issuer="https://other.example"), NOW)

    def test_of_many_who_use_one_id_token_at_once_exactly_one_succeeds(self, store: Store) -> None:
        one = asserted()

        def attempt(_: int) -> str:
            try:
                return store.redeem(one, NOW)
            except Replayed:
                return ""

        with ThreadPoolExecutor(4) as threads:
            names = list(threads.map(attempt, range(12)))
        assert names.count("") == 11
        assert [each.name for each in store.users()] == [name for name in names if name]

    def test_a_replay_is_forgotten_only_once_nobody_would_take_the_id_token_any_more(self, store: Store) -> None:
        first = asserted()
        store.redeem(first, NOW)
        for _ in range(2):
            with pytest.raises(Replayed):
                store.redeem(first, LATER)
        store.redeem(first, MUCH_LATER)

    def test_where_too_many_are_held_nobody_logs_in_until_some_expire(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subjects, "REDEEMED", 6)
        held = [asserted() for _ in range(3)]
        for each in held:
            store.redeem(each, NOW)
        with pytest.raises(StoreUnavailable):
            store.redeem(asserted(), NOW)
        with pytest.raises(Replayed):
            store.redeem(held[0], NOW)
        store.redeem(asserted(), MUCH_LATER)

    def test_after_a_recovery_no_id_token_is_taken_that_may_have_been_used_before(self, store: Store) -> None:
        store.recover(0, (), NOW)
        for begins in (BEFORE, NOW):
            with pytest.raises(Replayed, match="recovered"):
                store.redeem(asserted(begins=begins), LATER)
        store.redeem(asserted(begins="2026-11-22T06:00:01Z"), LATER)
        store.recover(0, (), LATER)
        with pytest.raises(Replayed, match="recovered"):
            store.redeem(asserted(begins=LATER), MUCH_LATER)
