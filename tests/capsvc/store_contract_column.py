"""The contract of a store's salt column: salts, revocations, revisions and change rows (section 6)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic

import pytest

from capsvc.errors import Refused, StoreBusy
from capsvc.stores import HOLDER_NAMES, NewUser, SaltName, Store
from caveats import check_salt_name

NOW, LATER = "2026-11-22T06:00:00Z", "2026-11-22T07:00:00Z"
HASH = "$argon2id$v=19$stands-for-a-hash"
NONCE = "3q2-7wAAq83vEjRWeJCrzQ"


@dataclass(frozen=True)
class Change:
    """A change row as it lies in the engine."""

    revision: int
    user: str
    name: str
    salt: bytes | None
    instant: str


@dataclass(frozen=True)
class Engine:
    """A store under test, a look at its change rows, and from outside: lock all of it, make change rows older.

    ``age`` takes seconds.
    """

    store: Store
    changes: Callable[[], list[Change]]
    locked: Callable[[], AbstractContextManager[None]]
    age: Callable[[int], None]


def add(store: Store, user: str, *audiences: str, hash: str = HASH) -> list[str]:
    """Add one user; return the names that were taken."""
    return store.add_users([NewUser(user, hash, audiences)], NOW)


def salt_of(store: Store, user: str = "alice", name: str = "default") -> bytes | None:
    """Return the salt in a row that has to be there."""
    return store.read(user, (name,)).salts.rows[name]


class ColumnContract:
    """What holds for every engine's salt column."""

    new = staticmethod(lambda name: NewUser(name, HASH))

    @pytest.fixture
    def store(self, engine: Engine) -> Store:
        return engine.store

    # Looking

    def test_a_user_has_the_salt_default_of_16_random_bytes(self, store: Store) -> None:
        add(store, "alice")
        add(store, "bob")
        assert len(salt_of(store) or b"") == 16
        assert salt_of(store) != salt_of(store, "bob")

    def test_a_look_holds_the_rows_that_were_asked_for_and_none_that_is_not_there(self, store: Store) -> None:
        add(store, "alice")
        store.issue_salt("alice", "laptop", None, NOW)
        store.revoke_name("alice", "held", NOW)
        rows = store.read("alice", ("default", "held", "never-seen")).salts.rows
        assert {"default", "held"} <= set(rows) <= {"default", "held", "laptop"}
        assert rows["held"] is None

    def test_a_look_at_nothing_still_tells_revision_panic_and_ring(self, store: Store) -> None:
        add(store, "alice")
        store.panic(NOW)
        reading = store.read("nobody", ())
        assert (dict(reading.salts.rows), reading.salts.panic) == ({}, NOW)
        assert (reading.revision, reading.ring) == (store.revision(), store.keys()[0])

    def test_names_of_one_user_are_nothing_to_another(self, store: Store) -> None:
        add(store, "alice")
        add(store, "bob")
        store.revoke_name("alice", "held", NOW)
        store.revoke_nonce("alice", NONCE, NOW)
        assert not {"held", "nonce/" + NONCE} & set(store.read("bob", ("held", "nonce/" + NONCE)).salts.rows)

    def test_a_hasty_look_at_a_locked_store_says_busy_at_once(self, store: Store, engine: Engine) -> None:
        add(store, "alice")
        store.read("alice", ("default",), patient=False)
        with engine.locked():
            began = monotonic()
            with pytest.raises(StoreBusy):
                store.read("alice", ("default",), patient=False)
            assert monotonic() - began < 0.5
        assert store.read("alice", ("default",), patient=False).salts.rows["default"]

    def test_a_change_that_finds_the_store_locked_changes_nothing(self, store: Store, engine: Engine) -> None:
        add(store, "alice")
        salt, revision, rows = salt_of(store), store.revision(), engine.changes()
        with engine.locked(), pytest.raises(StoreBusy):
            store.revoke_all("alice", LATER)
        assert (salt_of(store), store.revision(), engine.changes()) == (salt, revision, rows)

    # Taking back

    def test_revoking_an_issued_name_changes_its_salt_and_no_other(self, store: Store) -> None:
        add(store, "alice")
        laptop = store.issue_salt("alice", "laptop", None, NOW).salt
        default = salt_of(store)
        store.revoke_name("alice", "laptop", LATER)
        assert salt_of(store, name="laptop") not in (None, laptop)
        assert salt_of(store) == default

    def test_revoking_a_holders_name_makes_a_null_row_and_changes_no_other(self, store: Store) -> None:
        add(store, "alice")
        default = salt_of(store)
        store.revoke_name("alice", "contractor.k3x9", LATER)
        assert salt_of(store, name="contractor.k3x9") is None
        assert salt_of(store) == default
        assert store.salt_names("alice")[1] == SaltName("contractor.k3x9", "holder", True, LATER)

    def test_section_6_a_holders_revoked_name_is_refused_at_login(self, store: Store) -> None:
        add(store, "alice")
        store.revoke_name("alice", "contractor", NOW)
        for password in (HASH, None):
            with pytest.raises(Refused, match="choose another"):
                store.issue_salt("alice", "contractor", password, LATER)
        assert salt_of(store, name="contractor") is None

    def test_revoking_a_nonce_makes_a_row_that_is_no_name_of_a_login(self, store: Store) -> None:
        add(store, "alice")
        store.revoke_nonce("alice", NONCE, LATER)
        assert salt_of(store, name="nonce/" + NONCE) is None
        assert SaltName(NONCE, "nonce", True, LATER) in store.salt_names("alice")
        with pytest.raises(ValueError, match="salt's name"):
            check_salt_name("nonce/" + NONCE)
        assert store.issue_salt("alice", NONCE, None, LATER).salt

    def test_revoking_twice_is_one_change(self, store: Store, engine: Engine) -> None:
        add(store, "alice")
        first = store.revoke_name("alice", "held", NOW), store.revoke_nonce("alice", NONCE, NOW)
        rows = engine.changes()
        assert store.revoke_name("alice", "held", LATER) == store.revoke_nonce("alice", NONCE, LATER) == first[1]
        assert engine.changes() == rows
        assert all(each.changed == NOW for each in store.salt_names("alice"))

    def test_revoking_all_changes_every_issued_salt_and_leaves_null_what_is_null(self, store: Store) -> None:
        add(store, "alice")
        laptop = store.issue_salt("alice", "laptop", None, NOW).salt
        store.revoke_name("alice", "held", NOW)
        default = salt_of(store)
        store.revoke_all("alice", LATER)
        assert salt_of(store) not in (None, default)
        assert salt_of(store, name="laptop") not in (None, laptop)
        assert salt_of(store, name="held") is None

    def test_issued_names_are_listed_before_what_holders_revoked(self, store: Store) -> None:
        add(store, "alice")
        store.revoke_name("alice", "aaa", NOW)
        store.revoke_nonce("alice", NONCE, NOW)
        store.issue_salt("alice", "laptop", None, NOW)
        assert [each.kind for each in store.salt_names("alice")] == ["issued", "issued", "holder", "nonce"]
        assert [each.revoked for each in store.salt_names("alice")] == [False, False, True, True]

    # Disabling

    def test_a_disabled_user_has_only_nulls_and_an_enabled_one_new_salts(self, store: Store) -> None:
        add(store, "alice")
        old = {salt_of(store), store.issue_salt("alice", "laptop", None, NOW).salt}
        store.set_disabled("alice", True, LATER)
        assert salt_of(store) is salt_of(store, name="laptop") is None
        assert store.user("alice").disabled
        store.set_disabled("alice", False, LATER)
        new = {salt_of(store), salt_of(store, name="laptop")}
        assert None not in new
        assert len(old | new) == 4

    def test_disabling_twice_is_one_change_and_so_is_enabling(self, store: Store) -> None:
        add(store, "alice")
        assert store.set_disabled("alice", False, NOW) == store.revision()
        revision = store.set_disabled("alice", True, NOW)
        assert store.set_disabled("alice", True, LATER) == revision
        revision = store.set_disabled("alice", False, NOW)
        salt = salt_of(store)
        assert store.set_disabled("alice", False, LATER) == revision
        assert salt_of(store) == salt

    @pytest.mark.parametrize("how", ["name", "all", "audiences"])
    def test_nothing_but_enabling_gives_a_disabled_user_a_salt(self, store: Store, how: str) -> None:
        add(store, "alice")
        store.set_disabled("alice", True, NOW)
        if how == "name":
            store.revoke_name("alice", "default", LATER)
        elif how == "all":
            store.revoke_all("alice", LATER)
        else:
            store.set_audiences("alice", ("billing",), LATER)
        assert salt_of(store) is None

    def test_names_that_were_issued_stay_issued_while_they_are_null(self, store: Store) -> None:
        add(store, "alice")
        store.issue_salt("alice", "laptop", None, NOW)
        store.set_disabled("alice", True, NOW)
        assert [each.kind for each in store.salt_names("alice")] == ["issued", "issued"]
        store.revoke_name("alice", "laptop", NOW)
        store.set_disabled("alice", False, NOW)
        assert store.issue_salt("alice", "laptop", None, NOW).salt

    # Panic

    def test_section_6_panic_is_never_lowered(self, store: Store) -> None:
        assert store.read("", ()).salts.panic == ""
        revision = store.panic(LATER)
        assert store.panic(NOW) == store.panic(LATER) == revision
        assert store.read("", ()).salts.panic == LATER

    def test_panic_raises_the_revision_once(self, store: Store) -> None:
        before = store.revision()
        assert store.panic(NOW) == store.revision() == before + 1

    # Revisions and change rows

    def test_every_change_raises_the_revision_once_and_writes_its_rows_under_it(
        self, store: Store, engine: Engine
    ) -> None:
        add(store, "alice")
        changes: dict[str, Callable[[], object]] = {
            "add": lambda: add(store, "bob"),
            "issue": lambda: store.issue_salt("alice", "laptop", None, LATER),
            "name": lambda: store.revoke_name("alice", "laptop", LATER),
            "holder": lambda: store.revoke_name("alice", "held", LATER),
            "nonce": lambda: store.revoke_nonce("alice", NONCE, LATER),
            "all": lambda: store.revoke_all("alice", LATER),
            "password": lambda: store.set_password("alice", "new", LATER),
            "audiences": lambda: store.set_audiences("alice", ("billing",), LATER),
            "disable": lambda: store.set_disabled("alice", True, LATER),
            "enable": lambda: store.set_disabled("alice", False, LATER),
        }
        both = {"default", "laptop"}
        names = {"add": {"default"}, "issue": {"laptop"}, "name": {"laptop"}, "holder": {"held"}}
        names |= {"nonce": {"nonce/" + NONCE}}
        for kind, change in changes.items():
            before = store.revision()
            answer = change()
            rows = [row for row in engine.changes() if row.revision > before]
            assert store.revision() == before + 1, kind
            assert answer == before + 1 or kind in ("add", "issue")
            assert {row.revision for row in rows} == {before + 1}, kind
            assert {row.name for row in rows} == names.get(kind, both), kind
            user = "bob" if kind == "add" else "alice"
            for row in rows:
                assert (row.user, row.salt) == (user, salt_of(store, user, row.name)), kind
                assert row.instant == (NOW if kind == "add" else LATER)

    def test_looking_changes_no_revision(self, store: Store) -> None:
        add(store, "alice")
        before = store.revision()
        store.read("alice", ("default",))
        store.user("alice"), store.users(), store.salt_names("alice"), store.password("alice"), store.keys()
        store.longest(5)
        assert store.revision() == before

    # A thousand holder's names

    def test_section_6_past_a_thousand_holders_names_the_older_make_way_and_nothing_comes_back(
        self, store: Store, engine: Engine
    ) -> None:
        add(store, "alice")
        add(store, "bob")
        laptop = store.issue_salt("alice", "laptop", None, NOW).salt
        default, bobs = salt_of(store), salt_of(store, "bob")
        revisions = [store.revoke_name("alice", f"held.{n}", NOW) for n in range(HOLDER_NAMES - 1)]
        revisions.append(store.revoke_nonce("alice", NONCE, NOW))
        assert salt_of(store) == default
        assert salt_of(store, name="held.0") is None
        assert len(store.salt_names("alice")) == HOLDER_NAMES + 2

        revisions.append(store.revoke_name("alice", "one-more", LATER))

        assert revisions == sorted(set(revisions))
        assert store.revision() == revisions[-1]
        assert salt_of(store, name="one-more") is None
        assert salt_of(store) not in (None, default)
        assert salt_of(store, name="laptop") not in (None, laptop)
        assert salt_of(store, "bob") == bobs
        changed = {row.name for row in engine.changes() if row.instant == LATER}
        assert changed == {"default", "laptop", "one-more"}

    def test_section_6_a_full_column_revokes_for_a_disabled_user_and_gives_her_no_salt(self, store: Store) -> None:
        add(store, "alice")
        store.set_disabled("alice", True, NOW)
        for number in range(HOLDER_NAMES + 1):
            store.revoke_name("alice", f"held.{number}", NOW)
        assert salt_of(store, name=f"held.{HOLDER_NAMES}") is None
        assert salt_of(store) is None
