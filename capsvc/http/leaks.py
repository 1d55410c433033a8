"""Reports of leaks: whoever found a token somewhere says so here, and it is taken back."""

from __future__ import annotations

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from capsvc.acts import ANYBODY, LEAK_REPORT, REVOKE, Act
from capsvc.http.bodies import Secret, answer, read
from capsvc.http.service import Service
from capsvc.leaks import Leaks
from capsvc.request_id import request_id

PATH = "/v1/leaks"


class Report(Secret, forbid_unknown_fields=True):
    """A token that was found."""

    token: str


class Received(msgspec.Struct):
    """The report was heard. Every report gets this very answer, whatever its token is."""

    detail: str = "If this is a live token of this service, it is taken back by now."


class Reports:
    """The endpoint that anybody may report to."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._leaks = Leaks(service.node, service.store)

    async def report(self, request: Request) -> Response:
        """``POST /v1/leaks``: answered once what it takes back is durable."""
        request_id()  # made here for every report: on the answers of those alone that are logged it would tell them
        self._service.rates.report(self._service.address(request.scope))
        report = await read(request, Report, self._service.settings.body_bytes)
        taken = await to_thread.run_sync(self._leaks.take_back, report.token)
        if taken is not None:
            act = Act(
                act=REVOKE, who=ANYBODY, via=LEAK_REPORT, whom=taken.user,
                name=taken.name, nonce=taken.nonce, revision=taken.revision,
            )  # fmt: skip
            await self._service.recorded(act)
        return answer(Received(), 202)
