"""The contract of a store: users, passwords, keys; inherited: the column, its history, subjects."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from capsvc.errors import CredentialsRefused, Refused, UnknownUser
from capsvc.stores import ISSUED_NAMES, LEAP, NewUser, Store, StoredKey, User
from tests.capsvc.store_contract_column import HASH, LATER, NOW, Engine, add, salt_of
from tests.capsvc.store_contract_history import HistoryContract
from tests.capsvc.store_contract_subjects import SubjectsContract


class StoreContract(HistoryContract, SubjectsContract):
    """What holds for every engine. A subclass provides the fixture ``engine``: the store, and ways to look at it."""

    # Users

    def test_a_user_is_what_was_added_and_begins_enabled(self, store: Store) -> None:
        add(store, "alice", "billing", "capsvc.admin")
        assert store.user("alice") == User("alice", ("billing", "capsvc.admin"), False, NOW)

    def test_an_unknown_user_is_an_error_and_no_empty_answer(self, store: Store) -> None:
        for ask in (store.user, store.salt_names):
            with pytest.raises(UnknownUser):
                ask("nobody")

    def test_users_are_listed_by_name_page_by_page(self, store: Store) -> None:
        for name in ("carol", "alice", "bob", "Zoë"):
            add(store, name)
        assert [each.name for each in store.users()] == sorted(["carol", "alice", "bob", "Zoë"])
        assert [each.name for each in store.users(after="alice", limit=1)] == ["bob"]
        assert store.users(after="carol") == []

    def test_section_6_a_users_name_is_taken_for_ever(self, store: Store) -> None:
        add(store, "alice", "billing")
        salt, user = salt_of(store), store.user("alice")
        assert add(store, "alice", "capsvc.admin", hash="another") == ["alice"]
        store.set_disabled("alice", True, NOW)
        assert add(store, "alice", hash="another") == ["alice"]
        store.set_disabled("alice", False, NOW)
        assert store.password("alice") == HASH
        assert store.user("alice") == user
        assert salt != salt_of(store)

    def test_adding_a_name_that_is_taken_changes_no_salt(self, store: Store) -> None:
        add(store, "alice")
        salt = salt_of(store)
        add(store, "alice")
        assert salt_of(store) == salt

    def test_users_are_added_around_a_name_that_is_taken(self, store: Store) -> None:
        add(store, "bob")
        before = store.revision()
        taken = store.add_users([self.new("alice"), self.new("bob"), self.new("carol")], LATER)
        assert taken == ["bob"]
        assert [each.name for each in store.users()] == ["alice", "bob", "carol"]
        assert store.revision() == before + 1
        assert salt_of(store, "alice") != salt_of(store, "carol")

    def test_users_are_added_all_or_none(self, store: Store) -> None:
        before = store.revision()

        def broken() -> Iterator[NewUser]:
            yield self.new("alice")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.add_users(broken(), NOW)
        assert store.users() == []
        assert store.revision() == before

    # Passwords

    def test_a_password_is_known_for_an_enabled_user_alone(self, store: Store) -> None:
        add(store, "alice")
        assert store.password("alice") == HASH
        assert store.password("nobody") is None
        store.set_disabled("alice", True, NOW)
        assert store.password("alice") is None

    def test_a_new_password_changes_every_issued_salt(self, store: Store) -> None:
        add(store, "alice")
        laptop = store.issue_salt("alice", "laptop", None, NOW).salt
        default = salt_of(store)
        revision = store.set_password("alice", "new hash", LATER)
        assert store.password("alice") == "new hash"
        assert salt_of(store, name="laptop") not in (None, laptop)
        assert salt_of(store) not in (None, default)
        assert store.revision() == revision

    def test_a_new_password_does_not_enable_a_disabled_user(self, store: Store) -> None:
        add(store, "alice")
        store.set_disabled("alice", True, NOW)
        store.set_password("alice", "new hash", LATER)
        assert salt_of(store) is None
        assert store.password("alice") is None

    def test_a_password_that_has_to_be_the_current_one_is_not_set_over_another(self, store: Store) -> None:
        add(store, "alice")
        before = store.revision(), salt_of(store)
        with pytest.raises(CredentialsRefused):
            store.set_password("alice", "new hash", LATER, "changed meanwhile")
        assert (store.revision(), salt_of(store)) == before
        assert store.password("alice") == HASH
        assert store.set_password("alice", "new hash", LATER, HASH) == store.revision() == before[0] + 1
        assert store.password("alice") == "new hash"

    def test_a_stronger_hash_of_the_same_password_changes_no_salt_and_no_revision(self, store: Store) -> None:
        add(store, "alice")
        salt, revision = salt_of(store), store.revision()
        store.replace_hash("alice", HASH, "stronger")
        assert store.password("alice") == "stronger"
        assert (salt_of(store), store.revision()) == (salt, revision)

    def test_a_stronger_hash_never_replaces_a_password_that_changed_meanwhile(self, store: Store) -> None:
        add(store, "alice")
        store.set_password("alice", "changed meanwhile", LATER)
        store.replace_hash("alice", HASH, "stronger")
        assert store.password("alice") == "changed meanwhile"

    @pytest.mark.parametrize("name", ["default", "laptop"])
    def test_a_password_that_changed_since_it_was_checked_gets_no_salt(self, store: Store, name: str) -> None:
        add(store, "alice")
        store.set_password("alice", "changed meanwhile", LATER)
        with pytest.raises(CredentialsRefused):
            store.issue_salt("alice", name, HASH, LATER)
        assert [each.name for each in store.salt_names("alice")] == ["default"]
        assert store.issue_salt("alice", name, "changed meanwhile", LATER).salt

    def test_who_changes_a_user_that_is_not_there_is_told(self, store: Store) -> None:
        before = store.revision()
        for change in (
            lambda: store.set_password("nobody", "hash", NOW),
            lambda: store.set_audiences("nobody", ("a",), NOW),
            lambda: store.set_disabled("nobody", True, NOW),
            lambda: store.revoke_name("nobody", "x", NOW),
            lambda: store.revoke_nonce("nobody", "x", NOW),
            lambda: store.revoke_all("nobody", NOW),
        ):
            with pytest.raises(UnknownUser):
                change()
        assert store.revision() == before

    # Audiences

    def test_audiences_are_read_in_one_look_with_the_salt(self, store: Store) -> None:
        add(store, "alice", "billing")
        issued = store.issue_salt("alice", "default", HASH, NOW)
        assert (issued.salt, issued.audiences) == (salt_of(store), ("billing",))

    def test_section_3_changing_audiences_changes_the_salts(self, store: Store) -> None:
        add(store, "alice", "billing")
        salt, before = salt_of(store), store.revision()
        revision = store.set_audiences("alice", ("docs", "billing", "docs"), LATER)
        assert store.user("alice").audiences == ("billing", "docs")
        assert salt_of(store) not in (None, salt)
        assert revision == store.revision() == before + 1

    def test_audiences_that_stay_the_same_take_nothing_back(self, store: Store) -> None:
        add(store, "alice", "billing", "docs")
        salt, before = salt_of(store), store.revision()
        assert store.set_audiences("alice", ("docs", "billing"), LATER) == before
        assert (salt_of(store), store.revision()) == (salt, before)

    # Issued names

    def test_a_login_may_ask_for_a_name_of_its_own_and_gets_it_again(self, store: Store) -> None:
        add(store, "alice")
        first = store.issue_salt("alice", "laptop", HASH, NOW)
        revision = store.revision()
        assert store.issue_salt("alice", "laptop", HASH, LATER).salt == first.salt == salt_of(store, name="laptop")
        assert store.revision() == revision
        assert first.salt != salt_of(store)

    def test_an_unknown_or_disabled_user_gets_no_salt(self, store: Store) -> None:
        add(store, "alice")
        store.set_disabled("alice", True, NOW)
        before = store.revision()
        for user in ("alice", "nobody"):
            for name in ("default", "laptop"):
                with pytest.raises(CredentialsRefused):
                    store.issue_salt(user, name, None, LATER)
        assert store.revision() == before
        assert [each.name for each in store.salt_names("alice")] == ["default"]

    def test_issued_names_are_kept_for_ever_so_there_is_a_limit_that_names_in_use_do_not_feel(
        self, store: Store
    ) -> None:
        add(store, "alice")
        add(store, "bob")
        for number in range(ISSUED_NAMES - 1):
            store.issue_salt("alice", f"n{number}", None, NOW)
        before = store.revision()
        with pytest.raises(Refused, match="log in with one of them"):
            store.issue_salt("alice", "one-more", None, NOW)
        assert store.revision() == before
        assert store.issue_salt("alice", "n0", None, NOW).salt
        assert store.issue_salt("bob", "one-more", None, NOW).salt

    # Keys, and what is kept beside them

    def test_keys_come_back_whole_in_the_order_in_which_they_were_added(self, store: Store) -> None:
        keys = [StoredKey(f"k{n}", "pending", bytes([n]) * 32, bytes([n]) * 16, NOW) for n in (2, 10, 1)]
        for key in keys:
            store.add_key(key)
        assert store.keys() == (3, keys)

    def test_section_7_a_keys_id_is_never_reused(self, store: Store) -> None:
        key = StoredKey("k1", "pending", bytes(32), bytes(16), NOW)
        store.add_key(key)
        store.set_key_states({"k1": "retired"}, LATER)
        with pytest.raises(Refused):
            store.add_key(key)
        count, keys = store.keys()
        assert (count, [each.state for each in keys]) == (2, ["retired"])

    def test_states_of_several_keys_change_as_one_change_of_the_ring(self, store: Store) -> None:
        for name in ("k1", "k2"):
            store.add_key(StoredKey(name, "pending", bytes(32), bytes(16), NOW))
        revision = store.revision()
        store.set_key_states({"k1": "verifying", "k2": "signing"}, LATER)
        count, keys = store.keys()
        assert [(each.key_id, each.state, each.changed) for each in keys] == [
            ("k1", "verifying", LATER),
            ("k2", "signing", LATER),
        ]
        assert store.read("", ()).ring == count == 3
        assert store.revision() == revision

    def test_without_keys_the_ring_is_empty(self, store: Store) -> None:
        assert store.keys() == (0, [])

    def test_section_6_the_longest_lifetime_is_never_lowered(self, store: Store) -> None:
        assert [store.longest(seconds) for seconds in (100, 500, 60, 500, 501)] == [100, 500, 500, 500, 501]

    def test_changes_from_many_threads_at_once_each_get_a_revision(self, store: Store, engine: Engine) -> None:
        add(store, "alice")
        before = store.revision()
        with ThreadPoolExecutor(4) as threads:
            revisions = list(threads.map(lambda n: store.revoke_nonce("alice", f"n{n}", NOW), range(40)))
        assert sorted(revisions) == list(range(before + 1, before + 41))
        assert store.revision() == before + 40
        assert {row.revision for row in engine.changes() if row.revision > before} == set(revisions)

    # Recovery

    def test_a_recovery_changes_every_issued_salt_under_one_revision_far_above_all(
        self, store: Store, engine: Engine
    ) -> None:
        for name in ("alice", "bob", "carol"):
            add(store, name)
        store.issue_salt("alice", "laptop", None, NOW)
        store.revoke_name("alice", "held", NOW)
        store.set_disabled("carol", True, NOW)
        issued = [("alice", "default"), ("alice", "laptop"), ("bob", "default"), ("carol", "default")]
        before = {each: salt_of(store, *each) for each in issued}
        known = 5 * LEAP + store.revision()
        done = store.recover(known, (), LATER)
        assert (done.revision, done.salts, done.retired) == (known + LEAP, 4, ())
        assert store.revision() == done.revision
        after = {each: salt_of(store, *each) for each in issued}
        assert after[("carol", "default")] is None
        fresh = [salt for user, salt in after.items() if user != ("carol", "default")]
        assert len({*fresh, *before.values()}) == 3 + 3 + 1
        assert salt_of(store, "alice", "held") is None
        rows = [row for row in engine.changes() if row.revision == done.revision]
        assert {(row.user, row.name): row.salt for row in rows} == after
        assert {row.instant for row in rows} == {LATER}
        assert store.recover(0, (), LATER).revision == done.revision + LEAP

    def test_a_recovery_retires_keys_and_gives_the_ring_a_count_that_nobody_has_seen(self, store: Store) -> None:
        for name in ("k1", "k2", "k3"):
            store.add_key(StoredKey(name, "pending", bytes(32), bytes(16), NOW))
        store.set_key_states({"k1": "verifying", "k2": "retired", "k3": "signing"}, NOW)
        done = store.recover(7, ("k1", "k2", "k9"), LATER)
        assert done.retired == ("k1",)
        count, keys = store.keys()
        assert [(key.state, key.changed) for key in keys] == [("retired", LATER), ("retired", NOW), ("signing", NOW)]
        assert count == store.read("", ()).ring >= done.revision

    def test_a_recovery_lowers_no_panic(self, store: Store) -> None:
        store.panic(LATER)
        store.recover(0, (), NOW)
        assert store.read("", ()).salts.panic == LATER
