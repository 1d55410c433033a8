"""``/v1/salts`` and ``/v1/revocations``: the names in a column, and taking back what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest

from caveats import decode
from caveats.encoding import encode_base64
from caveats.wire import encode_text
from tests.capsvc.http.serving import ADMIN, Serving, append, bearer, make_home, narrow, now, serving

UNREVOKED_NONCE = "3q2-7wAAq83vEjRWeJCrzQ"


def _revoke(service: Serving, token: str, **what: Any) -> Any:
    return service.client.post("/v1/revocations", headers=bearer(token), json=what)


def _salts(service: Serving, token: str, **query: str) -> Any:
    return service.client.get("/v1/salts", headers=bearer(token), params=query)


def _is_live(service: Serving, token: str) -> bool:
    answer = service.client.get("/v1/capability", headers=bearer(token))
    assert answer.status_code == 200 or answer.json()["type"] == "urn:capsvc:problem:revoked-token", answer.text
    return answer.status_code == 200


def _nonce(token: str) -> str:
    return decode(token).unverified_caveats[0].identifier.decode().removeprefix("nonce = ")


def test_the_column_lists_names_and_never_salts(service: Serving) -> None:
    user = service.new_user()
    token = service.log_in(user, salt="laptop")
    _revoke(service, token, name="friend").raise_for_status()
    _revoke(service, token, nonce=UNREVOKED_NONCE).raise_for_status()
    answer = _salts(service, token)
    rows = [(row["name"], row["kind"], row["revoked"]) for row in answer.json()["salts"]]
    assert rows == [
        ("default", "issued", False),
        ("laptop", "issued", False),
        ("friend", "holder", True),
        (UNREVOKED_NONCE, "nonce", True),
    ]
    assert all(now(-60) < row["changed"] <= now() for row in answer.json()["salts"])
    salt = decode(token).unverified_caveats[2].identifier.decode().partition("/")[2]
    assert len(salt) == 22
    assert salt not in answer.text


def test_revoking_an_issued_name_takes_back_what_stands_behind_it_alone(service: Serving) -> None:
    user = service.new_user()
    laptop, default = service.log_in(user, salt="laptop"), service.log_in(user)
    assert _revoke(service, default, name="laptop").status_code == 200
    assert not _is_live(service, laptop)
    assert _is_live(service, default)
    assert _is_live(service, service.log_in(user, salt="laptop"))


def test_revoking_a_holders_name_takes_back_the_delegates_copy_alone(service: Serving) -> None:
    token = service.token()
    friend = append(token, f"salt = friend.k3x9/{encode_base64(token_bytes(16))}".encode())
    assert _is_live(service, friend)
    assert _revoke(service, token, name="friend.k3x9").status_code == 200
    assert not _is_live(service, friend)
    assert not _is_live(service, narrow(friend, "method = GET"))
    assert _is_live(service, token)


def test_revoking_a_nonce_takes_back_one_macaroon_and_all_its_copies(service: Serving) -> None:
    user = service.new_user()
    lost, kept = service.log_in(user), service.log_in(user)
    assert _revoke(service, kept, nonce=_nonce(lost)).status_code == 200
    assert not _is_live(service, lost)
    assert not _is_live(service, narrow(lost, "method = GET"))
    assert _is_live(service, kept)


def test_a_nonce_is_revoked_under_its_own_user_only(service: Serving) -> None:
    mine, hers = service.token(), service.token()
    assert _revoke(service, mine, nonce=_nonce(hers)).status_code == 200
    assert _is_live(service, hers)


def test_revoking_all_takes_back_everything_of_that_user(service: Serving) -> None:
    user = service.new_user("capsvc.verify")
    others = service.token()
    tokens = [service.log_in(user), service.log_in(user, salt="laptop"), service.log_in(user, "capsvc.verify")]
    assert _revoke(service, tokens[0], all=True).status_code == 200
    assert [_is_live(service, token) for token in tokens] == [False] * 3
    assert _is_live(service, others)
    assert _is_live(service, service.log_in(user))


def test_each_revocation_answers_a_later_revision(service: Serving) -> None:
    token = service.token()
    revisions = [_revoke(service, token, name=f"friend{number}").json()["revision"] for number in range(3)]
    assert sorted(set(revisions)) == revisions


@pytest.mark.parametrize("what", [{"name": "friend"}, {"nonce": UNREVOKED_NONCE}])
def test_revoking_twice_is_the_same_as_once(service: Serving, what: dict[str, str]) -> None:
    token = service.token()
    first = _revoke(service, token, **what)
    rows = _salts(service, token).json()
    second = _revoke(service, token, **what)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["revision"] >= first.json()["revision"]
    assert _salts(service, token).json() == rows


@pytest.mark.parametrize(
    "what",
    [
        {}, {"all": False}, {"name": "a", "all": True}, {"name": "a", "nonce": UNREVOKED_NONCE}, {"everyone": True},
        {"before": "2026-01-01T00:00:00Z"}, {"all": True, "before": "2026-01-01T00:00:00Z"}, {"user": "alice"},
        {"name": ""}, {"name": "a/b"}, {"name": "nonce/x"}, {"name": "x" * 65}, {"name": "ä"}, {"name": "\x00\x1b"},
        {"nonce": ""}, {"nonce": "short"}, {"nonce": UNREVOKED_NONCE + "A"}, {"nonce": UNREVOKED_NONCE[:-1] + "R"},
        {"name": None}, {"name": 1}, {"all": 1}, {"names": ["a"]},
    ],
)  # fmt: skip
def test_a_revocation_says_exactly_one_thing_that_can_be_revoked(service: Serving, what: dict[str, Any]) -> None:
    token = service.token()
    answer = _revoke(service, token, **what)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")
    assert [row["name"] for row in _salts(service, token).json()["salts"]] == ["default"]


@pytest.mark.parametrize("what", [{"name": "default"}, {"nonce": UNREVOKED_NONCE}, {"all": True}])
def test_an_ordinary_capability_revokes_nothing_of_another_user(service: Serving, what: dict[str, Any]) -> None:
    hers = service.new_user()
    held = service.log_in(hers)
    answer = _revoke(service, service.token(), user=hers, **what)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")
    assert _is_live(service, held)


def test_who_may_not_look_does_not_learn_which_users_there_are(service: Serving) -> None:
    token, hers = service.token(), service.new_user()
    known, unknown = _salts(service, token, user=hers), _salts(service, token, user="nobody at all")
    assert (known.status_code, known.content) == (403, unknown.content)


def test_a_user_may_name_herself(service: Serving) -> None:
    user = service.new_user()
    token = service.log_in(user)
    assert _salts(service, token, user=user).status_code == 200
    assert _revoke(service, token, user=user, name="friend").status_code == 200


def test_an_administrator_sees_and_revokes_for_any_user(service: Serving) -> None:
    admin, user = service.token(ADMIN), service.new_user()
    held = service.log_in(user, salt="laptop")
    names = [row["name"] for row in _salts(service, admin, user=user).json()["salts"]]
    assert names == ["default", "laptop"]
    assert _revoke(service, admin, user=user, name="laptop").status_code == 200
    assert not _is_live(service, held)


def test_an_administrator_is_told_that_a_user_is_unknown(service: Serving) -> None:
    admin = service.token(ADMIN)
    assert _salts(service, admin, user="nobody at all").json()["type"] == "urn:capsvc:problem:unknown-user"
    assert _revoke(service, admin, user="nobody at all", all=True).status_code == 404


def test_an_ordinary_capability_cannot_revoke_everyone(service: Serving) -> None:
    answer = _revoke(service, service.token(), everyone=True, before=now(-3600))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Serving]:
    """A service of its own, for what concerns all of its users."""
    with serving(make_home(tmp_path / "home")) as running:
        yield running


def test_everyone_is_revoked_by_the_beginning_of_the_window_and_never_by_less(apart: Serving) -> None:
    admin = apart.token(ADMIN)
    old = encode_text(apart.mint(apart.new_user(), begins=now(-10_000)))
    newer = encode_text(apart.mint(apart.new_user(), begins=now(-5_000)))
    instant = now(-7_500)
    revision = _revoke(apart, admin, everyone=True, before=instant).json()["revision"]
    assert not _is_live(apart, old)
    assert _is_live(apart, newer)
    lowered = _revoke(apart, admin, everyone=True, before=now(-9_000))
    assert (lowered.status_code, lowered.json()["revision"] >= revision) == (200, True)
    assert not _is_live(apart, old)


@pytest.mark.parametrize("before", ["yesterday", "", "2026-02-30T00:00:00Z", "2026-01-01"])
def test_everyone_is_not_revoked_from_an_instant_that_is_none(service: Serving, before: str) -> None:
    assert _revoke(service, service.token(ADMIN), everyone=True, before=before).status_code == 400


def test_everyone_is_not_revoked_from_an_instant_to_come(service: Serving) -> None:
    answer = _revoke(service, service.token(ADMIN), everyone=True, before=now(3600))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:capsvc:problem:refused")


def test_a_capability_narrowed_to_other_paths_cannot_list_salts_or_revoke(service: Serving) -> None:
    token = narrow(service.token(), "path ^= /docs")
    assert _salts(service, token).status_code == 403
    assert _revoke(service, token, all=True).status_code == 403


def test_a_copy_bound_to_its_body_revokes_that_and_nothing_else(service: Serving) -> None:
    token, body = service.token(), b'{"name":"friend"}'
    bound = narrow(token, f"body = sha-256:{encode_base64(sha256(body).digest())}")
    headers = {**bearer(bound), "Content-Type": "application/json"}
    assert service.client.post("/v1/revocations", headers=headers, content=b'{"all":true}').status_code == 403
    assert _is_live(service, token)
    assert service.client.post("/v1/revocations", headers=headers, content=body).status_code == 200
    assert [row["name"] for row in _salts(service, token).json()["salts"]] == ["default", "friend"]
