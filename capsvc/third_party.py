"""A third party as its askers see it: an address that is known, one question, and an answer to be doubted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2

from capsvc.errors import CollectionError, DischargeDenied
from caveats import DecodeError, Limits, Macaroon
from caveats.encoding import encode_base64
from caveats.predicate import shown
from caveats.wire import decode_text

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*)/?"
)
_PAGE = re.compile(r"(?P<address>https?://[^/?#\s\\@]+)(?:[/?#][!-~]*)?")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_PORTS = {"https": "443", "http": "80"}
_PATH = "/v1/discharges"
_URL_CHARACTERS = 2048


def origin_of(url: str) -> str:
    """Return the origin of a location: ``https``, or ``http`` to this machine alone.

    A location is lower case and has no user, query, fragment or dot segment. Raises ValueError.
    """
    found = _ADDRESS.fullmatch(url)
    if not found or (found["scheme"] == "http" and not _LOOPBACK.fullmatch(found["host"])):
        raise ValueError("a third party's location is like https://idp.example.org; http only to this machine")
    port = found["port"]
    return f"{found['scheme']}://{found['host']}" + (f":{port}" if port and port != _PORTS[found["scheme"]] else "")


@dataclass(frozen=True, slots=True)
class Page:
    """Where a person has to go before the third party answers."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """One third party at a location whose origin was configured.

    ``headers`` and ``auth`` are what the caller gave for that origin. ``origins`` are all that were
    configured: a page that a person is sent to lies in one of them.
    """

    location: str
    headers: Mapping[str, str] = field(repr=False)
    origins: frozenset[str]
    limits: Limits
    seconds: float
    auth: httpx2.Auth | None = field(default=None, repr=False)

    async def ask(self, client: httpx2.AsyncClient, identifier: bytes) -> Macaroon | Page:
        """Send one ticket, and nothing else; return the discharge, not yet bound, or where a person has to go.

        Raises CollectionError for everything else, DischargeDenied among it, in ``seconds`` at the latest.
        """
        url = self.location.rstrip("/") + _PATH
        own = {"Accept-Encoding": "identity", "Accept": "application/json, application/problem+json"}
        question = {"ticket": encode_base64(identifier)}
        request = client.build_request("POST", url, json=question, headers={**self.headers, **own})
        try:
            with anyio.fail_after(self.seconds):
                status, raw = await self._exchange(client, request)
        except TimeoutError:
            raise self.error(f"did not answer within {self.seconds:g} seconds") from None
        except (httpx2.HTTPError, httpx2.StreamError, OSError):
            raise self.error("cannot be reached, or broke off") from None
        finally:
            client.cookies.clear()  # a cookie knows no port: what one third party sets is not for another
        return self._read(status, raw, url, identifier)

    async def _exchange(self, client: httpx2.AsyncClient, request: httpx2.Request) -> tuple[int, bytes]:
        answer = await client.send(request, auth=self.auth, stream=True, follow_redirects=False)
        try:
            if answer.is_redirect or 300 <= answer.status_code < 400:
                raise self.error("answers with a redirect, which is not followed")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise self.error("answers in an encoding that was not asked for")
            most, raw = 4 * self.limits.characters, bytearray()
            async for chunk in answer.aiter_raw():
                raw += chunk
                if len(raw) > most:
                    raise self.error(f"answers with more than {most} bytes")
            return answer.status_code, bytes(raw)
        finally:
            await answer.aclose()

    def _read(self, status: int, raw: bytes, url: str, identifier: bytes) -> Macaroon | Page:
        members = _members(raw)
        if status == 200:
            return self._discharge(members.get("discharge"), identifier)
        interaction, detail = members.get("interaction"), members.get("detail")
        if status == 401 and isinstance(interaction, str):
            return self._page(interaction, url)
        if status == 403:
            raise self.error(
                f"says no: {shown(detail) if isinstance(detail, str) else 'no reason given'}", DischargeDenied
            )
        raise self.error(f"answers {status}" + (f": {shown(detail)}" if isinstance(detail, str) else ""))

    def _discharge(self, text: object, identifier: bytes) -> Macaroon:
        if not isinstance(text, str):
            raise self.error("answers yes, without a discharge")
        try:
            discharge = decode_text(text, self.limits)
        except DecodeError:
            raise self.error("answers with something that is no discharge") from None
        if discharge.unverified_identifier != identifier:
            raise self.error("answers with the discharge of something else")
        return discharge

    def _page(self, page: str, url: str) -> Page:
        found = _PAGE.fullmatch(page)
        try:
            known = found is not None and len(page) <= _URL_CHARACTERS and origin_of(found["address"]) in self.origins
        except ValueError:
            known = False
        if not known:
            raise self.error("sends a person to a place that was not configured")
        if page.partition("?")[0].partition("#")[0] == url:
            raise self.error("sends whoever asks back to itself")
        return Page(page)

    def error(self, what: str, kind: type[CollectionError] = CollectionError) -> CollectionError:
        """Make the error that says what this third party does."""
        return kind(f"the third party at {shown(self.location)} {what}")


def _members(raw: bytes) -> dict[str, Any]:
    try:
        members = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}
