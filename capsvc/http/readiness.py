"""Readiness: whether the service could do now what it is there for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.errors import CapsvcError
from capsvc.http.bodies import answer
from capsvc.http.problems import HTTPProblem, Problem
from capsvc.http.service import Service

STORE, KEYS, AUDIT = "the store", "the key ring", "the audit log"


class Readiness:
    """The endpoint for readiness. It tries what has to work, and says in general terms what does not."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._one_at_a_time = CapacityLimiter(1)
        self._said: dict[str, str] = {}

    async def show(self, request: Request) -> Response:
        """``GET /readyz``: the store can be read and written, a key signs, and the audit log can be written."""
        wrong = await to_thread.run_sync(lambda: dict(self._wrong()), limiter=self._one_at_a_time)
        if wrong != self._said:  # asked every few seconds, the log tells only what changed
            self._said = wrong
            self._service.log.warning("readiness changed", ready=not wrong, reasons=wrong)
        if wrong:
            detail = f"What does not work: {', '.join(wrong)}. The service's log says why."
            raise HTTPProblem(
                Problem(503, "not-ready", "The service is not ready", detail, {"Retry-After": "5"}, {"wrong": [*wrong]})
            )
        return answer({"status": "ready"})

    def _wrong(self) -> Iterator[tuple[str, str]]:
        """Try everything; yield what does not work, and why."""
        service = self._service
        checks: dict[str, tuple[Callable[[], object], ...]] = {
            STORE: (service.store.revision, service.store.demand_writable),
            KEYS: (lambda: service.node.ring().signing(),),
            AUDIT: (service.audit.demand_writable,),
        }
        for what, tries in checks.items():
            try:
                for each in tries:
                    each()
            except CapsvcError as error:
                yield what, str(error)
            except OSError as error:
                yield what, error.strerror or type(error).__name__
