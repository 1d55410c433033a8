"""``GET /v1/auth``: forward authentication for nginx, Traefik and Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from capsvc.stores import NewUser
from caveats import Macaroon, decode
from caveats.wire import encode_text
from tests.capsvc.http.serving import Serving, append, bearer, hashed, make_home, narrow, now, raw, serving


def _auth(service: Serving, token: str, **forwarded: str) -> Any:
    headers = {f"X-Forwarded-{name}": value for name, value in forwarded.items()}
    return service.client.get("/v1/auth", headers={**bearer(token), **headers})


def test_a_live_capability_is_answered_with_204_and_its_user(service: Serving) -> None:
    user = service.new_user()
    answer = _auth(service, service.log_in(user))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["x-capsvc-user"] == user


def test_a_users_name_beyond_ascii_is_percent_encoded_in_the_header(service: Serving) -> None:
    name = "zoë 100% 山"
    with closing(service.home.open_store()) as store:
        store.add_users([NewUser(name, hashed())], now())
    assert _auth(service, service.log_in(name)).headers["x-capsvc-user"] == "zo%C3%AB%20100%25%20%E5%B1%B1"


@pytest.mark.parametrize(
    ("caveat", "met", "unmet"),
    [
        ("method = GET", {"Method": "GET"}, {"Method": "POST"}),
        ("path ^= /docs", {"Uri": "/docs/a%20b?x=%2F"}, {"Uri": "/docsearch"}),
        ("path ^= /docs", {"Uri": "/docs"}, {"Uri": "/docs/%2e%2e/secret"}),
        ("path ^= /docs", {"Uri": "/docs/"}, {"Uri": "/docs%2Fsecret"}),
        ("path ^= /docs", {"Uri": "/docs"}, {"Uri": "http://x/docs"}),
        ("query = sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", {"Uri": "/docs"}, {"Uri": "/docs?a"}),
        ("host = example.com", {"Host": "Example.COM:443", "Proto": "https"}, {"Host": "example.com:444"}),
        ("host = example.com:443", {"Host": "example.com:443", "Proto": "http"}, {"Host": "example.com"}),
        ("ip in 203.0.113.0/24", {"For": "203.0.113.9, 127.0.0.1"}, {"For": "203.0.113.9, 198.51.100.1"}),
    ],
)
def test_the_facts_are_those_of_the_original_request(
    service: Serving, caveat: str, met: dict[str, str], unmet: dict[str, str]
) -> None:
    token = append(service.token(), caveat.encode())
    assert _auth(service, token, **met).status_code == 204
    refused = _auth(service, token, **unmet)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:capsvc:problem:unmet-caveat")


@pytest.mark.parametrize("caveat", ["method = GET", "path ^= /", "host = 127.0.0.1", "body = sha-256:" + "A" * 43])
def test_what_the_proxy_does_not_forward_is_absent_and_not_the_questions_own(service: Serving, caveat: str) -> None:
    answer = _auth(service, append(service.token(), caveat.encode()))
    assert answer.status_code == 403
    assert "does not say" in answer.json()["unmet"][0]["reason"]


def test_the_body_is_an_absent_fact_even_where_there_is_none(service: Serving) -> None:
    nothing = "body = sha-256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    answer = _auth(service, narrow(service.token(), nothing), Method="GET", Uri="/")
    assert (answer.status_code, len(answer.json()["unmet"])) == (403, 1)


def test_headers_of_the_other_convention_say_nothing(service: Serving) -> None:
    token = narrow(service.token(), "method = GET")
    headers = {**bearer(token), "X-Original-Method": "GET"}
    assert service.client.get("/v1/auth", headers=headers).status_code == 403
    headers["X-Forwarded-Method"] = "GET"
    headers["X-Original-Method"] = "POST"
    assert service.client.get("/v1/auth", headers=headers).status_code == 204


@pytest.mark.parametrize("part", ["Method", "Uri", "Host", "Proto", "For"])
def test_a_doubled_forwarded_header_is_a_bad_request(service: Serving, part: str) -> None:
    value = {"Method": "GET", "Uri": "/", "Host": "a", "Proto": "https", "For": "203.0.113.9"}[part]
    line = f"X-Forwarded-{part}: {value}"
    lines = ["GET /v1/auth HTTP/1.1", "Host: a", f"Authorization: Bearer {service.token()}", line]
    assert raw(service, *lines).status == 204
    assert raw(service, *lines, line.lower()).status == 400


@pytest.mark.parametrize("line", ["Host: b", "Authorization: Bearer x"])
def test_a_doubled_host_or_authorization_is_a_bad_request(service: Serving, line: str) -> None:
    lines = ["GET /v1/auth HTTP/1.1", "Host: a", f"Authorization: Bearer {service.token()}"]
    assert raw(service, *lines).status == 204
    assert raw(service, *lines, line).status == 400


@pytest.mark.parametrize("method", ["", "GET POST", "G" * 33, "GÉT"])
def test_a_forwarded_method_that_is_none_is_a_bad_request(service: Serving, method: str) -> None:
    line = f"X-Forwarded-Method: {method}"
    answer = raw(service, "GET /v1/auth HTTP/1.1", "Host: a", f"Authorization: Bearer {service.token()}", line)
    assert answer.status == 400


def test_discharges_travel_behind_the_root(service: Serving) -> None:
    root = decode(service.token()).entrust("https://third.example", b"shared key", b"are you there")
    bound = encode_text(root.bind(Macaroon.mint(b"shared key", b"are you there")))
    both = {"Authorization": f"Macaroon {encode_text(root)},{bound}"}
    assert service.client.get("/v1/auth", headers=both).status_code == 204
    assert service.client.get("/v1/auth", headers=bearer(encode_text(root))).status_code == 401
    twice = {"Authorization": f"Macaroon {encode_text(root)},{bound},{bound}"}
    assert service.client.get("/v1/auth", headers=twice).status_code == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer", "Macaroon", "macaroon"])
def test_the_scheme_is_read_in_any_case(service: Serving, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {service.token()}"}
    assert service.client.get("/v1/auth", headers=header).status_code == 204


@pytest.mark.parametrize("place", ["?access_token={}", "?token={}"])
def test_a_token_anywhere_but_in_authorization_is_not_seen(service: Serving, place: str) -> None:
    token = service.token()
    assert service.client.get("/v1/auth" + place.format(token)).status_code == 401
    assert service.client.get("/v1/auth", headers={"Cookie": f"token={token}"}).status_code == 401


@pytest.fixture(scope="module")
def behind_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that believes ``X-Original-*``, from loopback and 203.0.113.0/24."""
    home = make_home(tmp_path_factory.mktemp("original") / "home")
    settings = {"CAPSVC_FORWARDED": "X-Original", "CAPSVC_TRUSTED_PROXIES": "127.0.0.0/8,203.0.113.0/24"}
    with serving(home, **settings) as running:
        yield running


def test_the_other_convention_can_be_chosen(behind_nginx: Serving) -> None:
    token = narrow(behind_nginx.token(), "method = GET", "path ^= /docs", "ip in 198.51.100.7/32")
    facts = {"Method": "GET", "Uri": "/docs/1", "For": "192.0.2.1, 198.51.100.7, 203.0.113.5"}
    headers = {f"X-Original-{name}": value for name, value in facts.items()}
    assert behind_nginx.client.get("/v1/auth", headers={**bearer(token), **headers}).status_code == 204
    assert _auth(behind_nginx, token, **facts).status_code == 403


@pytest.fixture(scope="module")
def without_proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service that trusts another peer than the tests."""
    home = make_home(tmp_path_factory.mktemp("untrusting") / "home")
    with serving(home, CAPSVC_TRUSTED_PROXIES="192.0.2.0/24") as running:
        yield running


def test_from_a_peer_that_is_not_trusted_forwarded_headers_say_nothing(without_proxies: Serving) -> None:
    token = without_proxies.token()
    assert _auth(without_proxies, narrow(token, "method = GET"), Method="GET").status_code == 403
    assert _auth(without_proxies, narrow(token, "ip in 203.0.113.9/32"), For="203.0.113.9").status_code == 403
    assert _auth(without_proxies, narrow(token, "ip in 127.0.0.0/8"), For="203.0.113.9").status_code == 204
