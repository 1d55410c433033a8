"""What the service says about itself: contract, vocabulary, liveness."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

import capsvc
from capsvc.http.bodies import answer
from capsvc.http.leaks import PATH as LEAKS
from capsvc.http.routes import Route
from capsvc.http.schemas import PARAMETERS, refine
from capsvc.http.service import Service
from capsvc.ticket_keys import PUBLIC, PrivateKey, PublicKey
from caveats import Format, Macaroon
from caveats.wire import encode_binary

_HEADERS: dict[int | tuple[int, str], tuple[str, str]] = {
    (204, "/v1/auth"): ("X-Capsvc-User", "The user, percent-encoded from UTF-8 where not ASCII"),
    401: ("WWW-Authenticate", "RFC 6750: the scheme Bearer, and whether the capability is expired or revoked"),
    429: ("Retry-After", "In seconds"),
    503: ("Retry-After", "In seconds"),
}
"""The header that an answer of a status has, or one of a status and a path."""

_PROBLEMS = {
    400: "The request cannot be read",
    401: "No valid capability, or one that is expired or revoked",
    403: "The capability does not permit this request; `unmet` names why",
    404: "There is no such user, or no feed for that audience",
    409: "The name is taken, or the revision is yet to come",
    413: "The body is too large",
    415: "The body is not of the right type",
    429: "Too many at once, or too often from one address; `Retry-After` says when to come back",
    503: "The store cannot say, or at a login an identity provider",
}


class Contract:
    """The endpoints that describe the service."""

    def __init__(self, service: Service, table: list[Route]) -> None:
        self._service = service
        self._openapi = msgspec.json.encode(_openapi(service, table))
        self._well_known = _well_known(service)

    async def openapi(self, request: Request) -> Response:
        """``GET /openapi.json``."""
        return Response(self._openapi, media_type="application/json")

    async def well_known(self, request: Request) -> Response:
        """``GET /.well-known/capsvc``."""
        # The key changes with the ring, and everything else with a restart.
        key = await to_thread.run_sync(self._ticket_key)
        return Response(
            msgspec.json.encode({**self._well_known, "tickets": {"key": key.key_id, "public_key": key.text}}),
            media_type="application/json",
        )

    def _ticket_key(self) -> PublicKey:
        ring = self._service.node.ring()
        key = ring.ticket_key(PUBLIC, ring.signing().key_id)
        assert isinstance(key, PrivateKey)  # noqa: S101 - the key that signs is in the ring
        return key.public

    async def live(self, request: Request) -> Response:
        """``GET /livez``: the process answers."""
        return answer({"status": "live"})


def token_pattern(location: str) -> str:
    """Write a regular expression that finds tokens of a location in text, in both formats.

    A token begins with its location, so all tokens of one service share their first characters.
    """
    fixed = []
    for format in (Format.V2, Format.V1):
        raw = encode_binary(Macaroon(location, b"k", (), bytes(32)), format)
        shared = raw[: raw.index(location.encode()) + len(location.encode())]
        fixed.append(b2a_base64(shared[: len(shared) // 3 * 3], newline=False).translate(bytes.maketrans(b"+/", b"-_")))
    return rf"(?<![A-Za-z0-9_-])(?:{'|'.join(re.escape(each.decode()) for each in fixed)})[A-Za-z0-9_-]{{100,}}"


def _well_known(service: Service) -> dict[str, Any]:
    settings = service.settings
    return {
        "version": capsvc.__version__,
        "location": service.location,
        "formats": [Format.V2.value, Format.V1.value],
        "vocabulary": {
            name: {"type": type.name, "operators": sorted(type.operators)}
            for name, type in service.node.vocabulary.items()
        },
        "token_pattern": token_pattern(service.location),
        "leaks": LEAKS,
        "limits": {
            "token_characters": settings.token_characters,
            "header_characters": settings.header_characters,
            "caveats": settings.caveats,
            "discharges": settings.discharges,
            "depth": settings.depth,
        },
        "lifetimes": {
            "default": settings.lifetime,
            "max": settings.max_lifetime,
            "max_login_age": settings.max_login_age,
            "discharge": settings.discharge_lifetime,
            "max_discharge": settings.max_discharge_lifetime,
        },
        "openapi": "/openapi.json",
    }


def _openapi(service: Service, table: list[Route]) -> dict[str, Any]:
    structs = [each for route in table for each in (*_taken(route), *route.gives)]
    schemas, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    refine(components, service.node.vocabulary)
    refs = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    components["Problem"] = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:capsvc:problem:[a-z-]+$"},
            "title": {"type": "string", "minLength": 1},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "minLength": 1},
            "unmet": {"type": "array", "items": {"$ref": "#/components/schemas/UnmetCaveat"}},
            "error": {"type": "string"},
            "error_description": {"type": "string"},
        },
    }
    security = {"capability": {"type": "http", "scheme": "bearer", "bearerFormat": "macaroon"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "capsvc", "version": capsvc.__version__},
        "servers": [{"url": service.location}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def _operation(route: Route, refs: Iterator[dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": route.summary, "operationId": f"{route.method.lower()}{route.path}"}
    parameters = [{"name": each, "in": "path"} for each in re.findall(r"{(\w+)}", route.path)]
    parameters += [{"name": each, "in": "query"} for each in route.query]
    if parameters:
        operation["parameters"] = [
            {**each, "required": each["in"] == "path", "schema": {"type": "string"}, **PARAMETERS.get(each["name"], {})}
            for each in parameters
        ]
    if route.takes is not None:
        kind = "application/x-www-form-urlencoded" if route.form else "application/json"
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": _one_of(refs, len(_taken(route)))}}}
    success: dict[str, Any] = {"description": route.summary}
    if route.gives:
        success["content"] = {"application/json": {"schema": _one_of(refs, len(route.gives))}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = {*route.errors, 503} | ({400, 401, 403} if route.audiences else set())
    success |= _with_headers(route.status, route.path)
    operation["responses"] = {str(route.status): success} | {
        str(status): {"description": _PROBLEMS[status], "content": problem} | _with_headers(status)
        for status in sorted(statuses)
    }
    if route.audiences or route.verifies:
        operation["security"] = [{"capability": []}]
    return operation


def _taken(route: Route) -> tuple[type[msgspec.Struct], ...]:
    """List the bodies that a route takes, any one of them."""
    return route.takes if isinstance(route.takes, tuple) else () if route.takes is None else (route.takes,)


def _one_of(refs: Iterator[dict[str, Any]], count: int) -> dict[str, Any]:
    """Describe what is one of the next so many."""
    found = list(islice(refs, count))
    return found[0] if count == 1 else {"oneOf": found}


def _with_headers(status: int, path: str = "") -> dict[str, Any]:
    named = _HEADERS.get((status, path)) or _HEADERS.get(status)
    if named is None:
        return {}
    return {"headers": {named[0]: {"description": named[1], "required": True, "schema": {"type": "string"}}}}
