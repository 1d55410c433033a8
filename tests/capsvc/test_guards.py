"""Guards of Starlette and FastAPI: route facts become request facts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Body, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from capsvc.guards import CapabilityBackend, refuse, render, requires
from capsvc.http.problems import HTTPProblem
from capsvc.node import Node, Verdict
from caveats.encoding import encode_base64
from tests.capsvc.http.serving import Serving, append, bearer, make_home, narrow, serving

GUARD = requires(action="docs:read", resource="docs/{id}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that mints what the guarded applications accept."""
    with serving(make_home(tmp_path_factory.mktemp("guards") / "home")) as running:
        yield running


@pytest.fixture(scope="module")
def node(service: Serving) -> Iterator[Node]:
    """A node on the same home."""
    store = service.home.open_store()
    yield Node(store, service.home.shares, service.home.settings)
    store.close()


@GUARD
async def read(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.user.display_name, "id": request.path_params["id"]})


@requires(action=["docs:read", "docs:list"], resource="docs/{rest:path}")
def read_below(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.user.display_name, "rest": request.path_params["rest"]})


@requires(resource="docs/{rest}")
async def read_segment(request: Request) -> JSONResponse:
    return JSONResponse({})


@requires(resource="docs/{other}")
async def misnamed(request: Request) -> JSONResponse:
    return JSONResponse({})


async def open_to_all(request: Request) -> JSONResponse:
    return JSONResponse({"authenticated": request.user.is_authenticated})


@requires(action="docs:write")
async def write(request: Request) -> JSONResponse:
    return JSONResponse({"read": (await request.body()).decode()})


def _starlette(node: Node) -> Any:
    return Starlette(
        routes=[
            Route("/open", open_to_all),
            Route("/docs/{id}", read, methods=["GET", "POST"]),
            Route("/below/{rest:path}", read_below),
            Route("/segment/{rest:path}", read_segment),
            Route("/misnamed/{id}", misnamed),
            Route("/write", write, methods=["POST"]),
        ],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=CapabilityBackend(node, body_bytes=9), on_error=refuse)
        ],
    )


def _fastapi(node: Node) -> Any:
    app = FastAPI(exception_handlers={HTTPProblem: render})
    app.add_middleware(AuthenticationMiddleware, backend=CapabilityBackend(node, body_bytes=9), on_error=refuse)

    @app.get("/docs/{id}")
    async def read_document(id: str, verdict: Annotated[Verdict, Depends(GUARD.permit)]) -> dict[str, str]:
        return {"user": verdict.capability.user, "id": id}

    @app.post("/write")
    async def write_document(
        text: Annotated[str, Body()], verdict: Annotated[Verdict, Depends(requires(action="docs:write").permit)]
    ) -> dict[str, str]:
        return {"read": f'"{text}"'}

    return app


def _post(app: Any, path: str, token: str, body: Any) -> Any:
    async def ask() -> Any:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://docs.example") as client:
            headers = {**bearer(token), "Content-Type": "application/json"}
            return await client.post(path, content=body, headers=headers)

    return asyncio.run(ask())


async def _in_chunks() -> AsyncIterator[bytes]:
    yield b'"a text"'


def _get(app: Any, path: str, token: str | None = None) -> Any:
    async def ask() -> Any:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://docs.example") as client:
            return await client.get(path, headers=bearer(token) if token else {})

    return asyncio.run(ask())


@pytest.mark.parametrize("framework", [_starlette, _fastapi])
def test_route_facts_become_request_facts(service: Serving, node: Node, framework: Any) -> None:
    app, user = framework(node), service.new_user()
    token = narrow(service.log_in(user), "action = docs:read", "resource ^= docs/7", "method = GET", "path ^= /docs")
    assert _get(app, "/docs/7", token).json() == {"user": user, "id": "7"}
    refused = _get(app, "/docs/8", token)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    (unmet,) = refused.json()["unmet"]
    assert unmet == {
        "position": 6, "predicate": "resource ^= docs/7", "reason": "it is docs/8", "instead": "stay under docs/7",
    }  # fmt: skip
    assert _get(app, "/docs/7", narrow(token, "action = docs:write")).status_code == 403


@pytest.mark.parametrize("framework", [_starlette, _fastapi])
def test_what_is_short_of_a_capability_is_refused_by_the_one_renderer(
    service: Serving, node: Node, framework: Any
) -> None:
    app = framework(node)
    for token in (None, "garbage", service.token("billing")):
        answer = _get(app, "/docs/7", token)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:capsvc:problem:invalid-token")
        assert answer.headers["www-authenticate"] == 'Bearer realm="capsvc"'
    assert _get(app, "/docs/7", service.expired()).json()["type"] == "urn:capsvc:problem:expired-token"
    assert _get(app, "/docs/7", append(service.token(), b"colour = red")).status_code == 403


@pytest.mark.parametrize("id", ["%2e%2e", "..;", "7%252F8", "%5c", "%2e%2e%5c7"])
def test_a_parameter_that_the_resource_type_refuses_meets_no_resource(service: Serving, node: Node, id: str) -> None:
    token = narrow(service.token(), "resource ^= docs")
    assert _get(_starlette(node), f"/docs/{id}", token).status_code in (403, 404)
    assert _get(_starlette(node), "/docs/a%20b", token).status_code == 200


def test_a_parameter_fills_one_segment_unless_the_guard_says_otherwise(service: Serving, node: Node) -> None:
    app, token = _starlette(node), narrow(service.token(), "resource ^= docs/7")
    assert _get(app, "/below/7/8", token).status_code == 200
    assert _get(app, "/below/8/7", token).status_code == 403
    assert _get(app, "/below/7/../8", token).status_code in (403, 404)
    assert _get(app, "/segment/7", token).status_code == 200
    assert _get(app, "/segment/7%2F8", token).status_code == 403
    one = narrow(service.token(), "action = docs:read")
    assert _get(app, "/below/7", one).status_code == 403


def test_a_guard_that_is_wired_wrongly_permits_nothing(service: Serving, node: Node) -> None:
    with pytest.raises(RuntimeError, match="no path parameter other"):
        _get(_starlette(node), "/misnamed/7", service.token())
    with pytest.raises(RuntimeError, match="AuthenticationMiddleware"):
        _get(Starlette(routes=[Route("/docs/{id}", read)]), "/docs/7", service.token())


@pytest.mark.parametrize(
    "facts",
    [
        {"action": ""}, {"action": []}, {"action": ["docs:read", ""]}, {"resource": "/docs/{id}"},
        {"resource": "docs//{id}"},
        {"resource": "docs/{id"}, {"method": "GET"}, {"path": "/docs"}, {"user": "bob"}, {"audience": "billing"},
    ],
)  # fmt: skip
def test_a_guard_refuses_at_its_definition_what_could_be_no_fact(facts: Any) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        requires(**facts)


def test_the_backend_alone_authenticates_what_the_connection_permits(service: Serving, node: Node) -> None:
    app, token = _starlette(node), service.token()
    assert _get(app, "/open").json() == {"authenticated": False}
    assert _get(app, "/open", narrow(token, "path = /open")).json() == {"authenticated": True}
    assert _get(app, "/open", narrow(token, "path = /other")).json() == {"authenticated": False}
    assert _get(app, "/open", "garbage").status_code == 401


@pytest.mark.parametrize("framework", [_starlette, _fastapi])
def test_a_body_caveat_is_held_against_the_body_which_the_endpoint_still_reads(
    service: Serving, node: Node, framework: Any
) -> None:
    app, root = framework(node), service.token()
    digest = encode_base64(sha256(b'"a text"').digest())
    token = narrow(root, f"body = sha-256:{digest}")
    assert _post(app, "/write", token, b'"a text"').json() == {"read": '"a text"'}
    other = _post(app, "/write", token, b'"a tixt"')
    assert (other.status_code, [each["position"] for each in other.json()["unmet"]]) == (403, [5])
    both = _post(app, "/write", narrow(token, "action = docs:read"), b'"a text"')
    assert [each["position"] for each in both.json()["unmet"]] == [6]
    assert _post(app, "/write", token, b'"a longer text"').status_code == 413
    assert _post(app, "/write", token, _in_chunks()).status_code == 411
    assert _post(app, "/write", root, b'"a longer text"').status_code == 200
