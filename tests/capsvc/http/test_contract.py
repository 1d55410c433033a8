"""``/openapi.json`` and ``/.well-known/capsvc``: what the service says of itself is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
from starlette.routing import Route

from capsvc.console.routes import is_for_people
from capsvc.http.app import application
from capsvc.http.service import Service
from capsvc.tickets import Ticket
from caveats import BUILTIN
from caveats.encoding import encode_base64
from tests.capsvc.http.schemas import violations
from tests.capsvc.http.serving import (
    ADMIN,
    PASSWORD,
    VERIFY,
    Serving,
    append,
    bearer,
    hashed,
    make_home,
    narrow,
    service_key,
)

DESCRIBING = {"/openapi.json", "/.well-known/capsvc", "/livez", "/readyz", "/metrics"}
METHODS = {"get", "post", "patch", "put", "delete"}
REPOSITORY = Path(__file__).parents[3]


WHATEVER_ENVOY_ASKS_ABOUT = "/v1/auth/{original:path}"
"""Any method and any path: an operation of its own it is not."""


@pytest.fixture(scope="module")
def contract(service: Serving) -> Any:
    """The contract as the running service publishes it."""
    answer = service.client.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


@pytest.fixture(scope="module")
def well_known(service: Serving) -> Any:
    """What the running service publishes for tools."""
    answer = service.client.get("/.well-known/capsvc")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[tuple[str, str]]]:
    """The routes of the application itself for programs, as Starlette has them."""
    home = make_home(tmp_path_factory.mktemp("routes") / "home")
    with closing(Service.of(home)) as service:
        every = [route for route in application(service).routes if isinstance(route, Route)]
        found = [route for route in every if not is_for_people(route.path)]
        yield {
            (method.lower(), route.path)
            for route in found
            for method in (route.methods or METHODS)
            if method != "HEAD" and route.path not in {*DESCRIBING, WHATEVER_ENVOY_ASKS_ABOUT}
        }


def _operations(contract: Any) -> dict[tuple[str, str], Any]:
    return {(method, path): operation for path, each in contract["paths"].items() for method, operation in each.items()}


def test_every_route_is_in_the_contract_and_the_other_way_round(contract: Any, routes: set[tuple[str, str]]) -> None:
    assert len(routes) == 17
    assert set(_operations(contract)) == routes


def test_no_two_operations_share_an_id(contract: Any) -> None:
    ids = [operation["operationId"] for operation in _operations(contract).values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(contract: Any) -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', str(contract).replace("'", '"')))
    assert {"Problem", "Login", "Token", "Question"} <= references
    assert references == set(contract["components"]["schemas"])


def test_every_format_that_json_schema_does_not_know_is_explained(contract: Any) -> None:
    page = (REPOSITORY / "docs" / "hostile-input.md").read_text("utf-8")
    ours = set(re.findall(r"'format': '([\w-]+)'", str(contract))) - {"ipv4", "ipv6", "password"}
    assert ours == set(re.findall(r"^- `([\w-]+)`:", page, re.MULTILINE))


def test_no_body_that_is_taken_has_members_that_the_contract_does_not_tell(contract: Any) -> None:
    for operation in _operations(contract).values():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for each in content["schema"].get("oneOf", [content["schema"]]):
                name = each["$ref"].rpartition("/")[2]
                assert contract["components"]["schemas"][name]["additionalProperties"] in (False, {"type": "string"})


def test_exactly_what_asks_for_a_capability_says_so(service: Serving, contract: Any) -> None:
    for (method, path), operation in _operations(contract).items():
        answer = service.client.request(method, path.replace("{user}", "alice"))
        asks = answer.headers.get("www-authenticate", "").startswith("Bearer")
        assert ("security" in operation) == asks, f"{method} {path} answered {answer.status_code}"


def test_the_security_scheme_is_declared(contract: Any) -> None:
    schemes = contract["components"]["securitySchemes"]
    used = {name for each in _operations(contract).values() for one in each.get("security", []) for name in one}
    assert used == set(schemes) == {"capability"}
    assert schemes["capability"]["scheme"] == "bearer"


def test_every_parameter_of_a_path_is_declared(contract: Any) -> None:
    for (_, path), operation in _operations(contract).items():
        declared = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))


def _real_answers(service: Serving) -> Iterator[tuple[str, str, Any]]:
    user = service.new_user(ADMIN, VERIFY)
    own, admin, verify = service.log_in(user), service.log_in(user, ADMIN), service.log_in(user, VERIFY)
    added = service.new_user() + "-added"
    ask, send = service.client.get, service.client.post
    yield "post", "/v1/tokens", send("/v1/tokens", json={"user": user, "password": PASSWORD})
    yield "post", "/v1/tokens", send("/v1/tokens", json={"user": user, "password": "wrong"})
    yield "post", "/v1/tokens/renew", send("/v1/tokens/renew", headers=bearer(own), json={})
    for token in (own, narrow(own, "method = GET"), service.expired(), "garbage"):
        yield "post", "/v1/verify", send("/v1/verify", headers=bearer(verify), json={"token": token})
    for token in (own, "garbage", ""):
        form = {"token": token}
        yield "post", "/v1/introspect", send("/v1/introspect", headers=bearer(verify), data=form)
    yield "post", "/v1/revoke", send("/v1/revoke", data={"token": service.log_in(user)})
    yield "post", "/v1/revoke", send("/v1/revoke", data={"token": narrow(own, "method = GET")})
    yield "post", "/v1/revoke", send("/v1/revoke", data={})
    for token in (service.log_in(user), "garbage"):
        yield "post", "/v1/leaks", send("/v1/leaks", json={"token": token})
    for asked in ({"audience": "ledger"}, {"audience": "billing"}, {"audience": "ledger", "since": 10**15 - 1}, {}):
        yield "get", "/v1/changes", ask("/v1/changes", params=asked)
    yield "get", "/v1/auth", ask("/v1/auth", headers=bearer(own))
    yield "get", "/v1/auth", ask("/v1/auth", headers=bearer(append(own, b"method = GET")))
    yield "get", "/v1/capability", ask("/v1/capability", headers=bearer(own))
    yield "get", "/v1/salts", ask("/v1/salts", headers=bearer(own))
    yield "get", "/v1/salts", ask("/v1/salts", headers=bearer(admin), params={"user": "nobody at all"})
    yield "post", "/v1/revocations", send("/v1/revocations", headers=bearer(own), json={"name": "friend"})
    yield "post", "/v1/revocations", send("/v1/revocations", headers=bearer(own), content=b"{}")
    yield "post", "/v1/discharges", send("/v1/discharges", headers=bearer(own), json={"ticket": "AQEBaw"})
    ticket = encode_base64(Ticket.of(f"user = {user}").seal(service_key(service)))
    yield "post", "/v1/discharges", send("/v1/discharges", headers=bearer(own), json={"ticket": ticket})
    new = {"user": added, "password": PASSWORD, "audiences": ["billing"]}
    for _ in range(2):
        yield "post", "/v1/users", send("/v1/users", headers=bearer(admin), json=new)
    yield "get", "/v1/users", ask("/v1/users", headers=bearer(admin))
    yield "get", "/v1/users/{user}", ask(f"/v1/users/{added}", headers=bearer(admin))
    change = service.client.patch(f"/v1/users/{added}", headers=bearer(admin), json={"disabled": True})
    yield "patch", "/v1/users/{user}", change
    renewed = {"current": PASSWORD, "new": "another password"}
    yield "post", "/v1/password", send("/v1/password", headers=bearer(own), json=renewed)


def test_real_answers_are_as_the_contract_describes_them(service: Serving, contract: Any) -> None:
    operations, seen = _operations(contract), set()
    for method, path, answer in _real_answers(service):
        described = operations[method, path]["responses"].get(str(answer.status_code))
        assert described is not None, f"{method} {path} answered {answer.status_code}, which is not in the contract"
        media = described.get("content")
        if media is None:
            assert answer.content == b""
        else:
            assert answer.headers["content-type"] in media
            schema = media[answer.headers["content-type"]]["schema"]
            assert violations(answer.json(), schema, contract) == []
        if answer.status_code < 300:
            seen.add((method, path))
    assert seen == set(operations)


def test_the_formats_are_those_that_the_service_mints(service: Serving, well_known: Any) -> None:
    assert well_known["formats"] == ["2", "1"]
    user = service.new_user()
    for format in well_known["formats"]:
        assert service.log_in(user, format=int(format))


def test_the_vocabulary_is_the_built_in_one_and_that_of_the_settings(well_known: Any) -> None:
    published = well_known["vocabulary"]
    assert set(published) == {*BUILTIN, "amount", "team"}
    assert published["amount"] == {"type": "number", "operators": ["<", "<=", "=", ">", ">=", "in"]}
    assert published["team"] == {"type": "text", "operators": ["=", "in"]}
    assert published["path"] == {"type": "path", "operators": ["=", "^=", "in"]}


def test_it_says_where_scanners_report_what_they_find(service: Serving, well_known: Any, contract: Any) -> None:
    assert "post" in contract["paths"][well_known["leaks"]]
    assert service.client.post(well_known["leaks"], json={"token": service.token()}).status_code == 202


def test_location_and_limits_are_those_in_force(service: Serving, well_known: Any) -> None:
    assert well_known["location"] == service.url
    limits = well_known["limits"]
    assert limits == {
        "token_characters": 8192, "header_characters": 16384, "caveats": 64, "discharges": 8, "depth": 4,
    }  # fmt: skip
    token = append(service.token(), *[b"method = GET"] * (limits["caveats"] - 5))
    headers = {name: f"Bearer {each}" for name, each in (("full", token), ("over", append(token, b"method = GET")))}
    answers = {
        name: service.client.get("/v1/capability", headers={"Authorization": value}).status_code
        for name, value in headers.items()
    }
    assert answers == {"full": 200, "over": 401}


@pytest.mark.parametrize("format", [1, 2])
@pytest.mark.parametrize("audience", [None, "billing", "a-rather-long.audience-of-many-characters"])
def test_the_pattern_finds_every_minted_token_whole(
    service: Serving, well_known: Any, format: int, audience: str | None
) -> None:
    user = service.new_user(*([audience] if audience else []))
    root = service.log_in(user, audience, format=format)
    pattern = re.compile(well_known["token_pattern"])
    assert re.fullmatch(pattern, root)
    for text in (f"Authorization: Bearer {root}", f'{{"macaroon":"{root}"}}', f"?t={root}&x", f"{root}\n"):
        assert pattern.findall(text) == [root]


def test_the_pattern_finds_narrowed_tokens(service: Serving, well_known: Any) -> None:
    token = narrow(service.token(), "method = GET", "path ^= /docs")
    assert re.search(well_known["token_pattern"], f"curl -H 'Authorization: Bearer {token}'").group() == token  # type: ignore[union-attr]


def test_the_pattern_finds_nothing_in_ordinary_text(well_known: Any) -> None:
    pattern = re.compile(well_known["token_pattern"])
    texts = [path.read_text("utf-8") for path in REPOSITORY.glob("capsvc/**/*.py")]
    texts += [path.read_text("utf-8") for path in (REPOSITORY / "tests" / "vectors").glob("*.json")]
    texts += [token_urlsafe(300) for _ in range(100)] + [hashed(), "A" * 1000, "Bearer " + "x" * 500]
    assert len(texts) > 120
    assert [each[:100] for each in texts if pattern.search(each)] == []
