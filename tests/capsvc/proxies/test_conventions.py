"""Traefik's and Envoy's conventions, as their documentation has them. The real ones were not run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.capsvc.http.serving import Serving, bearer, make_home, narrow, raw, serving

TRAEFIK = {
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "site.example",
    "X-Forwarded-Uri": "/docs/7?x=1",
    "X-Forwarded-For": "203.0.113.9",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that believes loopback."""
    with serving(make_home(tmp_path_factory.mktemp("conventions") / "home")) as running:
        yield running


@pytest.mark.parametrize(
    ("header", "value"),
    [("Method", "POST"), ("Uri", "/secret"), ("Host", "other.example"), ("For", "198.51.100.1"), ("Proto", "http")],
)
def test_traefiks_headers_are_the_facts(service: Serving, header: str, value: str) -> None:
    token = narrow(
        service.token(), "method = GET", "host = site.example", "path ^= /docs", "ip in 203.0.113.0/24"
    )  # fmt: skip
    headers = {**bearer(token), **TRAEFIK, "X-Forwarded-Host": "site.example:443"}
    assert service.client.get("/v1/auth", headers=headers).status_code == 204
    assert service.client.get("/v1/auth", headers={**headers, f"X-Forwarded-{header}": value}).status_code == 403


ENVOY = {"Host": "site.example:443", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


@pytest.mark.parametrize(
    ("method", "target", "changed"),
    [
        ("POST", "/v1/auth/docs/7?x=1", {}),
        ("GET", "/v1/auth/docs/7", {}),
        ("POST", "/v1/auth/docs/7", {}),
        ("POST", "/v1/auth/secret?x=1", {}),
        ("POST", "/v1/auth/docs/../secret?x=1", {}),
        ("POST", "/v1/auth/?x=1", {}),
        ("POST", "/v1/%61uth/docs/7?x=1", {}),
        ("POST", "/v1/auth/docs/7?x=1", {"Host": "other.example"}),
        ("POST", "/v1/auth/docs/7?x=1", {"X-Forwarded-For": "198.51.100.1"}),
    ],
)
def test_envoys_own_method_and_the_path_behind_the_prefix_are_the_facts(
    service: Serving, method: str, target: str, changed: dict[str, str]
) -> None:
    token = narrow(
        service.token(), "method = POST", "host = site.example", "path ^= /docs",
        "query = sha-256:HyBrEcI-KMwlDe1_wAmNOCOoRnpUNA8axOU1y4VEST8", "ip in 203.0.113.0/24",
    )  # fmt: skip
    is_met = (method, target, changed) == ("POST", "/v1/auth/docs/7?x=1", {})
    lines = [f"{name}: {value}" for name, value in {**bearer(token), **ENVOY, **changed, "Content-Length": "0"}.items()]
    assert raw(service, f"{method} {target} HTTP/1.1", *lines).status == (204 if is_met else 403)


def test_what_a_client_of_envoy_forwards_itself_says_nothing(service: Serving) -> None:
    token = narrow(service.token(), "method = GET", "path ^= /docs", "host = site.example:443")
    forged = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/docs", "X-Forwarded-Host": "site.example:443"}
    lines = [f"{name}: {value}" for name, value in {**bearer(token), "Host": "other.example", **forged}.items()]
    answer = raw(service, "POST /v1/auth/secret HTTP/1.1", *lines, "Content-Length: 0")
    assert (answer.status, len(json.loads(answer.body)["unmet"])) == (403, 3)


def test_envoys_path_without_a_capability_is_refused(service: Serving) -> None:
    assert service.client.post("/v1/auth/docs/7").status_code == 401


@pytest.mark.parametrize("path", ["/v1/auth", "/v1/auth/docs/7"])
def test_a_proxy_that_does_not_say_for_whom_it_asks_gives_its_own_address_to_nobody(
    service: Serving, path: str
) -> None:
    token = narrow(service.token(), "ip in 127.0.0.0/8")
    assert service.client.get(path, headers=bearer(token)).status_code == 403
