"""Forward authentication: ``/v1/auth``, which a proxy asks before it lets a request through."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from starlette.types import Receive, Scope

from capsvc.errors import StoreBusy
from capsvc.http.endpoint import Answer, Endpoint
from capsvc.http.facts import demand_method, original_facts, prefixed_facts, read_headers
from capsvc.http.presentations import unverified_presentation
from capsvc.http.problems import bad_request
from capsvc.http.service import Service
from capsvc.middleware import verify_patiently

_UNRESERVED = "!#$&'()*+,-.:;=?@[]^_`{|}~"
_USERS = 1024


class Auth(Endpoint):
    """``GET /v1/auth``: the proxy's original request, as its headers tell it.

    With a ``prefix`` it is the proxy's own request, of any method, whose path goes on behind the prefix.
    """

    def __init__(self, service: Service, prefix: str = "") -> None:
        self._prefix = prefix.encode("ascii")
        self._node = service.node
        self._proxies = service.proxies
        self._longest = service.settings.header_characters
        self._audiences = (service.settings.audience or None,)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer with the user whose capability permits the original request."""
        node, proxies = self._node, self._proxies
        headers = read_headers(scope, proxies, own=False)
        presentation = unverified_presentation(headers, self._longest)
        if self._prefix:
            request = node.request_later(lambda: prefixed_facts(scope, proxies, self._prefix))
        else:
            demand_method(headers, scope, proxies)
            request = node.request_later(lambda: original_facts(scope, proxies))
        try:
            try:
                verdict = node.verify(presentation, request, self._audiences, patient=False)
            except StoreBusy:
                verdict = await verify_patiently(node, presentation, request, self._audiences)
        except ValueError as wrong:
            raise bad_request(f"{wrong}.") from None
        return _permitted(verdict.capability.user)


@lru_cache(_USERS)
def _permitted(user: str) -> Answer:
    """The answer that names a user as ASCII: what is not, and %, is percent-encoded from UTF-8."""
    name = quote(user, safe=_UNRESERVED).encode("ascii")
    return Answer(204, [(b"x-capsvc-user", name), (b"cache-control", b"no-store")])
