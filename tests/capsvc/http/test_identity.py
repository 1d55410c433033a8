"""Logging in with an ID token over HTTP: what a hostile issuer and its users try, and that nobody gets more."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from secrets import token_hex
from typing import Any

import pytest

from caveats import decode
from tests.capsvc.http.serving import PASSWORD, PROBLEM, Serving, bearer, make_home, narrow, now, serving
from tests.capsvc.identity.issuing import CLIENT_ID, HostileIssuer, issuing, new_key, sign_by_secret

DAY = 86_400
_TYPE = "urn:capsvc:problem:"


def _settings(issuer: HostileIssuer, other: HostileIssuer, gone: str) -> str:
    return f"""
clock_skew = 30
wrong_passwords_by_network = 1000
[[identity]]
issuer = "{issuer.url}"
client_id = "{CLIENT_ID}"
name = "example"
audiences = ["billing"]
max_lifetime = 3600
[[identity]]
issuer = "{other.url}"
client_id = "{CLIENT_ID}"
name = "narrow"
caveats = ["method in GET HEAD"]
claims = {{ groups = "action in {{}}", department = "resource ^= projects/{{}}" }}
[[identity]]
issuer = "{gone}"
client_id = "{CLIENT_ID}"
name = "gone"
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[HostileIssuer]:
    with issuing() as found:
        yield found


@pytest.fixture(scope="module")
def narrowing() -> Iterator[HostileIssuer]:
    with issuing() as found:
        yield found


@pytest.fixture(scope="module")
def gone() -> HostileIssuer:
    """An issuer where nobody listens."""
    with issuing() as found:
        return found


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, issuer: HostileIssuer, narrowing: HostileIssuer, gone: HostileIssuer
) -> Iterator[Serving]:
    home = make_home(tmp_path_factory.mktemp("identity") / "home", _settings(issuer, narrowing, gone.url))
    with serving(home) as running:
        yield running
    assert "Traceback" not in running.stderr()


def _log_in(service: Serving, id_token: str, **more: Any) -> Any:
    return service.client.post("/v1/tokens", json={"id_token": id_token, **more})


def _token(service: Serving, id_token: str, **more: Any) -> dict[str, Any]:
    answer = _log_in(service, id_token, **more)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _refused(answer: Any, status: int, slug: str) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    assert answer.json()["type"] == _TYPE + slug, answer.text
    return str(answer.json()["detail"])


# What a user gets


def test_an_id_token_is_a_login_of_a_user_of_her_own(service: Serving, issuer: HostileIssuer) -> None:
    subject = token_hex(8)
    told = _token(service, issuer.token(sub=subject))
    assert re.fullmatch("example-[0-9a-f]{20}", told["user"])
    assert _token(service, issuer.token(sub=subject))["user"] == told["user"]
    assert _token(service, issuer.token())["user"] != told["user"]
    assert service.client.get("/v1/capability", headers=bearer(told["macaroon"])).json()["user"] == told["user"]


def test_the_name_of_a_local_user_is_nobodys_subject_and_no_claim_is_a_name(
    service: Serving, issuer: HostileIssuer
) -> None:
    alice = service.new_user()
    for claims in ({"sub": alice}, {"email": alice, "email_verified": True}, {"preferred_username": alice}):
        told = _token(service, issuer.token(**claims))
        assert told["user"] not in (alice, f"example-{alice}")
        assert told["user"].startswith("example-")
    first = _token(service, issuer.token(sub="one", email="a@b.example"))["user"]
    assert _token(service, issuer.token(sub="two", email="a@b.example"))["user"] != first


def test_one_subject_of_two_issuers_is_two_users(
    service: Serving, issuer: HostileIssuer, narrowing: HostileIssuer
) -> None:
    one = _token(service, issuer.token(sub="same"))
    other = _token(service, narrowing.token(sub="same", groups="read", department="a"))
    assert one["user"] != other["user"]


def test_many_first_logins_at_once_are_one_user(service: Serving, issuer: HostileIssuer) -> None:
    subject = token_hex(8)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: _token(service, issuer.token(sub=subject)), range(8)))
    assert len({each["user"] for each in told}) == 1
    assert len({each["nonce"] for each in told}) == 8


def test_she_narrows_and_revokes_as_everybody_does(service: Serving, issuer: HostileIssuer) -> None:
    told = _token(service, issuer.token(), salt="laptop")
    narrowed = narrow(told["macaroon"], "path ^= /v1/capability")
    assert service.client.get("/v1/capability", headers=bearer(narrowed)).status_code == 200
    assert service.client.get("/v1/salts", headers=bearer(narrowed)).status_code == 403
    revoked = service.client.post("/v1/revocations", headers=bearer(told["macaroon"]), json={"name": "laptop"})
    assert revoked.status_code == 200
    answer = service.client.get("/v1/capability", headers=bearer(narrowed))
    assert (answer.status_code, answer.json()["type"]) == (401, f"{_TYPE}revoked-token")


def test_a_login_is_in_the_audit_log_with_its_issuer_and_subject_and_nothing_else_of_the_token(
    service: Serving, issuer: HostileIssuer
) -> None:
    subject = token_hex(8)
    text = issuer.token(sub=subject, email="s3cret@example.org")
    told = _token(service, text)
    log = (service.home.path / "audit.jsonl").read_text("utf-8")
    (line,) = (each for each in log.splitlines() if told["nonce"] in each)
    act = json.loads(line)
    assert (act["act"], act["via"], act["who"], act["subject"]) == ("mint", "oidc:example", told["user"], subject)
    for said in (*text.split("."), "s3cret"):
        assert said not in log + service.stderr()


# Never more than configured


def test_an_audience_is_had_where_it_is_configured_and_nowhere_else(
    service: Serving, issuer: HostileIssuer, narrowing: HostileIssuer
) -> None:
    told = _token(service, issuer.token(), audience="billing")
    assert decode(told["macaroon"]).unverified_identifier == b"k1/billing"
    for audience in ("capsvc.admin", "capsvc.verify", "mail"):
        assert audience in _refused(_log_in(service, issuer.token(), audience=audience), 403, "refused")
    good = narrowing.token(groups="read", department="a")
    _refused(_log_in(service, good, audience="billing"), 403, "refused")


def test_an_audience_that_an_administrator_gave_her_is_not_minted(service: Serving, issuer: HostileIssuer) -> None:
    subject = token_hex(8)
    user = _token(service, issuer.token(sub=subject))["user"]
    with closing(service.home.open_store()) as store:
        store.set_audiences(user, ("capsvc.admin",), now())
    _refused(_log_in(service, issuer.token(sub=subject), audience="capsvc.admin"), 403, "refused")
    _token(service, issuer.token(sub=subject))
    with closing(service.home.open_store()) as store:
        assert store.user(user).audiences == ()


def test_an_audience_that_an_administrator_took_from_her_is_not_minted(service: Serving, issuer: HostileIssuer) -> None:
    subject = token_hex(8)
    user = _token(service, issuer.token(sub=subject), audience="billing")["user"]
    with closing(service.home.open_store()) as store:
        store.set_audiences(user, (), now())
    _refused(_log_in(service, issuer.token(sub=subject), audience="billing"), 403, "refused")
    _token(service, issuer.token(sub=subject))


def test_a_lifetime_is_at_most_the_configured_one(service: Serving, issuer: HostileIssuer) -> None:
    for lifetime, wanted in ((0, 3600), (60, 60), (3600, 3600)):
        before = time.time()
        told = _token(service, issuer.token(), lifetime=lifetime)
        assert now(wanted - (time.time() - before) - 2) <= told["expires"] <= now(wanted)
    assert "1 to 3600 seconds" in _refused(_log_in(service, issuer.token(), lifetime=3601), 403, "refused")


def test_what_an_id_token_got_is_never_renewed(service: Serving, issuer: HostileIssuer) -> None:
    told = _token(service, issuer.token())
    answer = service.client.post("/v1/tokens/renew", headers=bearer(told["macaroon"]), json={})
    assert "is not renewed" in _refused(answer, 403, "refused")


def test_claims_and_fixed_predicates_stand_before_whatever_she_appends(
    service: Serving, narrowing: HostileIssuer
) -> None:
    claims = {"groups": ["read", "list all"], "department": "50% off"}
    told = _token(service, narrowing.token(**claims), caveats=["method = GET"])
    held = [each.identifier.decode() for each in decode(told["macaroon"]).unverified_caveats][5:]
    assert held == [
        "method in GET HEAD", "action in read list%20all", "resource ^= projects/50%25%20off",
        f"time < {told['expires']}", "method = GET",
    ]  # fmt: skip
    assert service.client.get("/v1/capability", headers=bearer(told["macaroon"])).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": "read"},
        {"department": "a"},
        {"groups": [], "department": "a"},
        {"groups": "", "department": "a"},
        {"groups": {"read": True}, "department": "a"},
        {"groups": ["read", {"a": 1}], "department": "a"},
        {"groups": "read", "department": ".."},
        {"groups": "read", "department": "a/../../b"},
        {"groups": "read", "department": "/"},
        {"groups": "read", "department": True},
        {"groups": [f"group{number}" * 10 for number in range(100)], "department": "a"},
    ],
)
def test_a_claim_that_is_missing_or_cannot_be_written_is_no_login(
    service: Serving, narrowing: HostileIssuer, claims: dict[str, Any]
) -> None:
    answer = _log_in(service, narrowing.token(**claims))
    assert answer.status_code in (400, 403)
    assert "macaroon" not in answer.text
    assert "a/.." not in answer.text
    assert "group1" not in answer.text


def test_she_has_no_password_and_nobody_can_set_one(service: Serving, issuer: HostileIssuer) -> None:
    user = _token(service, issuer.token())["user"]
    answers = [
        service.client.post("/v1/tokens", json={"user": each, "password": password})
        for each in (user, "nobody-at-all")
        for password in ("", PASSWORD)
    ]
    assert {(each.status_code, each.content) for each in answers} == {(401, answers[0].content)}
    admin = bearer(service.token("capsvc.admin"))
    answer = service.client.patch(f"/v1/users/{user}", headers=admin, json={"password": PASSWORD})
    assert "identity provider" in _refused(answer, 403, "refused")
    assert service.client.post("/v1/tokens", json={"user": user, "password": PASSWORD}).status_code == 401


def test_a_disabled_user_stays_out(service: Serving, issuer: HostileIssuer) -> None:
    subject = token_hex(8)
    told = _token(service, issuer.token(sub=subject))
    admin = bearer(service.token("capsvc.admin"))
    assert service.client.patch(f"/v1/users/{told['user']}", headers=admin, json={"disabled": True}).status_code == 200
    assert "disabled" in _refused(_log_in(service, issuer.token(sub=subject)), 403, "refused")
    assert service.client.get("/v1/capability", headers=bearer(told["macaroon"])).status_code == 401


# Bad input


def _unproven(issuer: HostileIssuer) -> dict[str, str]:
    good = issuer.token()
    head, claims, signature = good.split(".")
    payload = json.dumps(issuer.claims()).encode()
    public = issuer.key.as_pem(private=False)
    return {
        "nothing": "",
        "garbage": "garbage",
        "another issuer": issuer.token(iss="https://idp.example"),
        "its own with a slash": issuer.token(iss=issuer.url + "/"),
        "no issuer": issuer.token(iss=None),
        "alg none": issuer.token({"alg": "none"}).rpartition(".")[0] + ".",
        "alg none with a signature": issuer.token({"alg": "none"}) + "AA",
        "HS256 with the public key as secret": sign_by_secret(payload, public, {"kid": issuer.key_id}),
        "HS256 with the key's text as secret": sign_by_secret(
            payload, json.dumps(issuer.public).encode(), {"kid": issuer.key_id}
        ),
        "an unknown key": issuer.token({"kid": "unknown"}),
        "another's key under its id": _signed_by(issuer, new_key()),
        "its own key in the header": issuer.token({"kid": "mine", "jwk": issuer.public}),
        "an address of keys": issuer.token({"jku": f"{issuer.url}/keys"}),
        "a critical parameter": issuer.token({"crit": ["exp"]}),
        "no signature": f"{head}.{claims}.",
        "a signature cut off": good[:-4],
        "one bit off": good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:],
        "padded": good + "==",
        "claims exchanged": f"{head}.{issuer.token().split('.')[1]}.{signature}",
        "a member twice": issuer.token(payload=payload[:-1] + b', "sub": "another"}'),
        "a list": issuer.token(payload=b"[]"),
        "an access token": issuer.token({"typ": "at+jwt"}),
        "too long": issuer.token(padding="x" * 20_000),
        "expired and one bit off": issuer.token(iat=1, exp=2)[:-4] + "AAAA",
    }


def _signed_by(issuer: HostileIssuer, key: Any) -> str:
    own, issuer.key = issuer.key, key
    try:
        return issuer.token()
    finally:
        issuer.key = own


def test_everything_short_of_a_proven_signature_gets_one_identical_answer(
    service: Serving, issuer: HostileIssuer
) -> None:
    answers = set()
    for what, text in _unproven(issuer).items():
        answer = _log_in(service, text)
        assert "is not valid here: check" in _refused(answer, 401, "invalid-id-token"), what
        answers.add(answer.content)
    assert len(answers) == 1
    assert _token(service, issuer.token())


PROVEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "another client's": ({"aud": "another"}, "invalid", "another client"),
    "for several, of another": ({"aud": [CLIENT_ID, "a"], "azp": "a"}, "invalid", "another client"),
    "expired": ({"iat": -400, "exp": -100}, "expired", "expired, or older than"),
    "a day old": ({"iat": -DAY, "exp": 300 - DAY}, "expired", "compare the clocks"),
    "alive, but old": ({"iat": -700, "exp": DAY}, "expired", "older than 600 seconds"),
    "a day ahead": ({"iat": DAY, "exp": DAY + 300}, "invalid", "from the future"),
    "not yet": ({"nbf": 3600}, "invalid", "from the future"),
    "without a subject": ({"sub": None}, "invalid", "sub"),
    "an empty subject": ({"sub": ""}, "invalid", "sub"),
    "a subject too long": ({"sub": "x" * 256}, "invalid", "sub"),
    "a number as subject": ({"sub": 5}, "invalid", "sub"),
    "no end": ({"exp": None}, "invalid", "exp"),
    "an access token": ({"typ": "Bearer"}, "invalid", "no ID token"),
}
_TIMES = ("iat", "exp", "nbf")


@pytest.mark.parametrize("what", PROVEN)
def test_a_proven_one_is_told_what_is_wrong_with_it(service: Serving, issuer: HostileIssuer, what: str) -> None:
    claims, word, said = PROVEN[what]
    second = int(time.time())
    claims = {name: value + second if name in _TIMES and value is not None else value for name, value in claims.items()}
    assert said in _refused(_log_in(service, issuer.token(**claims)), 401, f"{word}-id-token")


@pytest.mark.parametrize("number", ["one", None])
def test_an_id_token_is_used_once(service: Serving, issuer: HostileIssuer, number: str | None) -> None:
    text = issuer.token(jti=number and token_hex(8))
    _token(service, text)
    for _ in range(2):
        assert "was used before" in _refused(_log_in(service, text), 401, "used-id-token")


def test_one_number_is_one_id_token_however_often_it_is_signed(service: Serving, issuer: HostileIssuer) -> None:
    number = token_hex(8)
    _token(service, issuer.token(jti=number))
    _refused(_log_in(service, issuer.token(jti=number)), 401, "used-id-token")


def test_of_many_who_send_one_id_token_at_once_exactly_one_logs_in(service: Serving, issuer: HostileIssuer) -> None:
    text = issuer.token()
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: _log_in(service, text), range(24)))
    assert sorted(each.status_code for each in answers) == [201] + [401] * 23
    assert {each.json()["type"] for each in answers if each.status_code == 401} == {f"{_TYPE}used-id-token"}


def test_what_was_refused_for_another_reason_is_not_used_up(service: Serving, issuer: HostileIssuer) -> None:
    text = issuer.token()
    _refused(_log_in(service, text, audience="mail"), 403, "refused")
    _refused(_log_in(service, text, salt="no name"), 400, "bad-request")
    _refused(_log_in(service, text, caveats=["colour = red"]), 400, "bad-request")
    _token(service, text)


def test_a_provider_that_does_not_answer_is_told_with_when_to_come_back(service: Serving, gone: HostileIssuer) -> None:
    answer = _log_in(service, gone.token())
    assert "keys of gone" in _refused(answer, 503, "provider-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert gone.url not in answer.text


@pytest.mark.parametrize(
    "more",
    [{"user": "alice"}, {"password": PASSWORD}, {"user": "alice", "password": PASSWORD}, {"client_id": "x"}],
)
def test_a_body_is_for_one_kind_of_login(service: Serving, issuer: HostileIssuer, more: dict[str, str]) -> None:
    text = issuer.token()
    detail = _refused(_log_in(service, text, **more), 400, "bad-request")
    assert text not in detail
    _token(service, text)


def test_a_service_without_an_issuer_says_so(tmp_path_factory: pytest.TempPathFactory, issuer: HostileIssuer) -> None:
    with serving(make_home(tmp_path_factory.mktemp("plain") / "home")) as plain:
        assert "No identity provider" in _refused(_log_in(plain, issuer.token()), 401, "invalid-id-token")


def test_after_a_recovery_no_id_token_is_taken_that_was_issued_before(
    tmp_path_factory: pytest.TempPathFactory, issuer: HostileIssuer
) -> None:
    identity = f'[[identity]]\nissuer = "{issuer.url}"\nclient_id = "{CLIENT_ID}"\nname = "a"\nclaims = {{}}\n'
    with serving(make_home(tmp_path_factory.mktemp("recovered") / "home", f"clock_skew = 1\n{identity}")) as recovered:
        used, unused = issuer.token(), issuer.token()
        _token(recovered, used)
        with closing(recovered.home.open_store()) as store:
            store.recover(0, (), now())
        for text in (used, unused):
            assert "again" in _log_in(recovered, text).json()["title"]
        deadline = time.monotonic() + 30
        while _log_in(recovered, issuer.token()).status_code != 201:
            assert time.monotonic() < deadline
            time.sleep(0.3)


def test_who_sends_too_many_bad_ones_waits_and_right_ones_never_count(
    tmp_path_factory: pytest.TempPathFactory, issuer: HostileIssuer
) -> None:
    identity = f'[[identity]]\nissuer = "{issuer.url}"\nclient_id = "{CLIENT_ID}"\nname = "a"\n'
    settings = f"wrong_passwords_by_network = 4\n{identity}"
    with serving(make_home(tmp_path_factory.mktemp("rates") / "home", settings)) as limited:
        for _ in range(6):
            _token(limited, issuer.token())
        used = issuer.token()
        _token(limited, used)
        for bad in (issuer.token(aud="another"), used, "garbage", issuer.token({"kid": "unknown"})):
            assert _log_in(limited, bad).status_code == 401
        good = issuer.token()
        answer = _log_in(limited, good)
        assert "refused ID tokens" in _refused(answer, 429, "too-many")
        assert int(answer.headers["Retry-After"]) > 0
        assert "macaroon" in _log_in_from(limited, good, "203.0.113.5").text


def _log_in_from(service: Serving, id_token: str, address: str) -> Any:
    headers = {"X-Forwarded-For": address}
    return service.client.post("/v1/tokens", json={"id_token": id_token}, headers=headers)
