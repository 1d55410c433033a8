"""Traefik's and Envoy's conventions, as their documentation has them. The real ones were not run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.capsvc.http.serving import Serving, bearer, make_home, narrow, serving

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


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/docs/7", "/", "/v1/auth"])
def test_envoys_prefixed_path_and_own_method_permit_nothing(service: Serving, method: str, path: str) -> None:
    headers = {**bearer(service.token()), "X-Envoy-Internal": "true", "X-Forwarded-Proto": "https"}
    assert service.client.request(method, f"/v1/auth{path}", headers=headers).status_code == 404


def test_envoy_without_a_prefix_path_tells_no_facts(service: Serving) -> None:
    token = service.token()
    headers = {"X-Envoy-Original-Path": "/docs/7", "X-Forwarded-Proto": "https"}
    for caveat in ("method = GET", "path ^= /"):
        answer = service.client.get("/v1/auth", headers={**bearer(narrow(token, caveat)), **headers})
        assert answer.status_code == 403
