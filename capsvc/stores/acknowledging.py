"""A store that acknowledges a change only once its revision stands in the high water.

Around any engine. What verification asks goes straight to the engine and costs nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from capsvc.errors import SettingsError, StoreUnavailable, Unacknowledged
from capsvc.high_water import HighWater, Mark
from capsvc.stores import RETIRED, Assertion, IssuedSalt, NewUser, Recovery, Store
from caveats.memo import Tally


class AcknowledgingStore:
    """A :class:`capsvc.stores.Store` on an engine, beside a high water.

    Where the high water cannot be written, what changes raises Unacknowledged: the change stands, and to ask for it
    again is safe. Its caller has to take it as not done.
    """

    def __init__(self, engine: Store, high_water: HighWater, recorded: Mark) -> None:
        """Hold an engine to what was recorded before it was opened. Raises SettingsError where it went back.

        ``recorded`` has to be read first: another process may raise both meanwhile.
        """
        self._engine = engine
        self._high_water = high_water
        self._recorded = recorded
        revision, retired = self._demand_not_gone_back()
        self.read = engine.read
        self.catch_up = engine.catch_up
        self.follow = engine.follow
        self.password = engine.password
        self.replace_hash = engine.replace_hash
        self.user = engine.user
        self.users = engine.users
        self.salt_names = engine.salt_names
        self.revision = engine.revision
        self.changes = engine.changes
        self.longest = engine.longest
        self.keys = engine.keys
        self.add_key = engine.add_key
        self.close = engine.close
        self._record(revision, retired)  # a crash may have come between a commit and its acknowledgement

    def issue_salt(self, user: str, name: str, password: str | None, now: str) -> IssuedSalt:
        found = self._engine.issue_salt(user, name, password, now)
        self._record(self._engine.read("", ()).revision)
        return found

    def add_users(self, users: Iterable[NewUser], now: str) -> list[str]:
        taken = self._engine.add_users(users, now)
        self._record(self._engine.read("", ()).revision)
        return taken

    def redeem(self, assertion: Assertion, now: str) -> str:
        name = self._engine.redeem(assertion, now)
        self._record(self._engine.read("", ()).revision)
        return name

    def set_password(self, user: str, password: str, now: str, current: str | None = None) -> int:
        return self._record(self._engine.set_password(user, password, now, current))

    def set_audiences(self, user: str, audiences: Sequence[str], now: str) -> int:
        return self._record(self._engine.set_audiences(user, audiences, now))

    def set_disabled(self, user: str, disabled: bool, now: str) -> int:
        return self._record(self._engine.set_disabled(user, disabled, now))

    def change_user(
        self, user: str, now: str, *, disabled: bool | None, audiences: Sequence[str] | None, password: str | None
    ) -> int:
        changed = self._engine.change_user(user, now, disabled=disabled, audiences=audiences, password=password)
        return self._record(changed)

    def revoke_name(self, user: str, name: str, now: str) -> int:
        return self._record(self._engine.revoke_name(user, name, now))

    def revoke_nonce(self, user: str, nonce: str, now: str) -> int:
        return self._record(self._engine.revoke_nonce(user, nonce, now))

    def revoke_all(self, user: str, now: str) -> int:
        return self._record(self._engine.revoke_all(user, now))

    def panic(self, before: str) -> int:
        return self._record(self._engine.panic(before))

    def set_key_states(self, states: dict[str, str], now: str) -> None:
        self._engine.set_key_states(states, now)
        self._record(0, [key_id for key_id, state in states.items() if state == RETIRED])

    def recover(self, above: int, retired: Collection[str], now: str) -> Recovery:
        recovery = self._engine.recover(above, retired, now)
        self._record(recovery.revision, retired)
        return recovery

    @property
    def tally(self) -> Tally:
        """The engine's."""
        return self._engine.tally

    @tally.setter
    def tally(self, tally: Tally) -> None:
        self._engine.tally = tally

    def demand_writable(self) -> None:
        self._engine.demand_writable()
        try:
            self._high_water.demand_writable()
        except OSError as wrong:
            raise StoreUnavailable(f"the high water cannot be written: {wrong.strerror}") from None

    def _demand_not_gone_back(self) -> tuple[int, list[str]]:
        keys = {key.key_id: key.state for key in self._engine.keys()[1]}
        revision, recorded = self._engine.read("", ()).revision, self._recorded
        risen = sorted(key_id for key_id in recorded.retired if keys.get(key_id, RETIRED) != RETIRED)
        if revision < recorded.revision or risen:
            what = f"it has revision {revision}, and {recorded.revision} was acknowledged"
            if revision >= recorded.revision:
                what = f"key {risen[0]} was retired, and is not retired there"
            raise SettingsError(
                f"the database went back: {what}; run `capsvc recover`, after which nothing issued before is accepted"
            )
        return revision, [key_id for key_id, state in keys.items() if state == RETIRED]

    def _record(self, revision: int, retired: Collection[str] = ()) -> int:
        if self._recorded.above(revision, retired) is not self._recorded:
            try:
                self._recorded = self._high_water.record(revision, retired)
            except OSError as wrong:
                raise Unacknowledged(f"the high water cannot be written: {wrong.strerror}") from None
        return revision
