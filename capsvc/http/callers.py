"""Callers: who may ask about the tokens of others, and for which audience they ask."""

from __future__ import annotations

from anyio import to_thread
from starlette.types import Scope

from capsvc.errors import Refused
from capsvc.http.service import Service
from capsvc.middleware import VERDICT
from capsvc.names import RESERVED_AUDIENCES, VERIFY
from caveats import Capability

_REMEMBERED = 1024
_SALT = 2


class Callers:
    """Finds the audience of each caller, and remembers it as long as her capabilities live."""

    def __init__(self, service: Service) -> None:
        self._store = service.store
        self._own_audience = service.settings.audience or None
        self._audiences: dict[tuple[str, bytes], str | None] = {}

    async def audience(self, scope: Scope) -> str | None:
        """The audience of whoever asks here. Raises Refused where she has several."""
        if VERDICT not in scope:
            return self._own_audience
        caller: Capability = scope[VERDICT].capability
        key = caller.user, caller.minted[_SALT]
        return self._audiences[key] if key in self._audiences else await self._find(*key)

    async def _find(self, user: str, salt: bytes) -> str | None:
        """The caller's own audience, the one of her audiences that is not reserved; else the setting's.

        It is remembered beside the proven ``salt`` caveat of her capability. To change her audiences
        changes all of her salts (design section 3): no capability of before passes the guard any more, and
        none after has that salt. To ask the store on a thread for each question costs 120 µs of 200.
        """
        found = await to_thread.run_sync(self._store.user, user)
        own = [each for each in found.audiences if each not in RESERVED_AUDIENCES]
        if len(own) > 1:
            raise Refused(f"{user} has the audiences {' '.join(own)}: a user that asks {VERIFY} has one at most")
        if len(self._audiences) >= _REMEMBERED:
            self._audiences.clear()
        audience = self._audiences[user, salt] = own[0] if own else self._own_audience
        return audience
