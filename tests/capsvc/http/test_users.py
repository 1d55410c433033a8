"""``/v1/users``: administration, for the audience ``capsvc.admin`` alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from capsvc.stores import NewUser
from tests.capsvc.http.serving import ADMIN, PASSWORD, VERIFY, Serving, bearer, hashed, make_home, narrow, now, serving


@pytest.fixture
def admin(service: Serving) -> dict[str, str]:
    """The header of an administrator."""
    return bearer(service.token(ADMIN))


def _name(service: Serving) -> str:
    return f"added-{service.new_user()}"


def _add(service: Serving, admin: dict[str, str], name: str, **more: Any) -> Any:
    return service.client.post("/v1/users", headers=admin, json={"user": name, "password": PASSWORD, **more})


def _patch(service: Serving, admin: dict[str, str], name: str, **change: Any) -> Any:
    return service.client.patch(f"/v1/users/{quote(name, safe='')}", headers=admin, json=change)


def _status(service: Serving, token: str) -> str:
    answer = service.client.get("/v1/capability", headers=bearer(token))
    return "live" if answer.status_code == 200 else str(answer.json()["type"].rpartition(":")[2])


def test_an_added_user_is_shown_listed_and_logs_in(service: Serving, admin: dict[str, str]) -> None:
    name = _name(service)
    added = _add(service, admin, name, audiences=["reports", "billing", "reports"])
    assert added.status_code == 201
    row = added.json()
    assert {**row, "created": ""} == {
        "user": name, "audiences": ["billing", "reports"], "disabled": False, "created": "",
    }  # fmt: skip
    assert now(-60) < row["created"] <= now()
    assert service.client.get(f"/v1/users/{name}", headers=admin).json() == row
    just_before = name[:-1] + chr(ord(name[-1]) - 1) + "zzzz"
    listed = service.client.get("/v1/users", headers=admin, params={"after": just_before}).json()["users"]
    assert row in listed
    assert service.log_in(name, "billing")


def test_a_name_is_given_once(service: Serving, admin: dict[str, str]) -> None:
    name = _name(service)
    assert _add(service, admin, name).status_code == 201
    again = _add(service, admin, name, password="some other password")
    assert (again.status_code, again.json()["type"]) == (409, "urn:capsvc:problem:name-taken")
    assert service.log_in(name), "the first user is as she was"


@pytest.mark.parametrize("name", ["zoë", "山田", "a b", "a%2Fb", "o'hara; --", "name@example.com", "x" * 128])
def test_names_of_every_script_are_added_and_shown(service: Serving, admin: dict[str, str], name: str) -> None:
    assert _add(service, admin, name).status_code == 201
    shown = service.client.get(f"/v1/users/{quote(name, safe='')}", headers=admin)
    assert (shown.status_code, shown.json()["user"]) == (200, name)
    assert _patch(service, admin, name, disabled=True).json()["user"]["disabled"] is True


@pytest.mark.parametrize("name", ["", "a/b", "e\u0301", "a\nb", "\x00", "x" * 129, "\x1b[31m"])
def test_a_name_that_is_none_is_refused(service: Serving, admin: dict[str, str], name: str) -> None:
    answer = _add(service, admin, name)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:capsvc:problem:bad-request")


@pytest.mark.parametrize(
    "more",
    [
        {"audiences": ["Billing"]}, {"audiences": [""]}, {"audiences": ["capsvc.other"]}, {"audiences": "billing"},
        {"audiences": ["a"] * 65}, {"password": "seven77"}, {"password": "x" * 1025}, {"password": None},
        {"disabled": True},
    ],
)  # fmt: skip
def test_a_user_that_cannot_be_is_not_added(service: Serving, admin: dict[str, str], more: dict[str, Any]) -> None:
    name = _name(service)
    assert _add(service, admin, name, **more).status_code == 400
    assert service.client.get(f"/v1/users/{name}", headers=admin).status_code == 404


def test_disabling_takes_back_everything_and_enabling_gives_nothing_back(
    service: Serving, admin: dict[str, str]
) -> None:
    user = service.new_user()
    token = service.log_in(user)
    changed = _patch(service, admin, user, disabled=True)
    assert (changed.status_code, changed.json()["user"]["disabled"]) == (200, True)
    assert _status(service, token) == "revoked-token"
    assert service.client.post("/v1/tokens", json={"user": user, "password": PASSWORD}).status_code == 401
    assert _patch(service, admin, user, disabled=False).json()["user"]["disabled"] is False
    assert _status(service, token) == "revoked-token"
    assert _status(service, service.log_in(user)) == "live"


def test_changing_audiences_changes_the_users_salts(service: Serving, admin: dict[str, str]) -> None:
    user = service.new_user(VERIFY)
    own, privileged = service.log_in(user), service.log_in(user, VERIFY)
    changed = _patch(service, admin, user, audiences=["billing"])
    assert changed.json()["user"]["audiences"] == ["billing"]
    assert (_status(service, own), _status(service, privileged)) == ("revoked-token", "revoked-token")
    refused = service.client.post("/v1/tokens", json={"user": user, "password": PASSWORD, "audience": VERIFY})
    assert refused.status_code == 403


def test_audiences_that_stay_the_same_take_nothing_back(service: Serving, admin: dict[str, str]) -> None:
    user = service.new_user("billing")
    token = service.log_in(user)
    assert _patch(service, admin, user, audiences=["billing", "billing"]).status_code == 200
    assert _status(service, token) == "live"


def test_a_password_set_by_an_administrator_takes_back_everything(service: Serving, admin: dict[str, str]) -> None:
    user = service.new_user()
    token = service.log_in(user)
    assert _patch(service, admin, user, password="set by the administrator").status_code == 200
    assert _status(service, token) == "revoked-token"
    assert service.client.post("/v1/tokens", json={"user": user, "password": PASSWORD}).status_code == 401
    assert service.log_in(user, password="set by the administrator")


@pytest.mark.parametrize(
    "change", [{}, {"disabled": None}, {"disabled": "yes"}, {"audiences": ["no such!"]}, {"password": "short"},
               {"user": "other"}, {"disabled": True, "audiences": ["NO"]}],
)  # fmt: skip
def test_a_change_that_says_nothing_or_nonsense_changes_nothing(
    service: Serving, admin: dict[str, str], change: dict[str, Any]
) -> None:
    user = service.new_user()
    token = service.log_in(user)
    assert _patch(service, admin, user, **change).status_code == 400
    assert _status(service, token) == "live"


def test_an_unknown_user_is_neither_shown_nor_changed(service: Serving, admin: dict[str, str]) -> None:
    shown = service.client.get("/v1/users/nobody%20at%20all", headers=admin)
    assert (shown.status_code, shown.json()["type"]) == (404, "urn:capsvc:problem:unknown-user")
    assert _patch(service, admin, "nobody at all", disabled=True).status_code == 404
    assert service.client.get("/v1/users/%00%1b", headers=admin).status_code == 404


@pytest.mark.parametrize("audience", [None, VERIFY, "billing"])
def test_an_administrators_other_capabilities_administer_nothing(service: Serving, audience: str | None) -> None:
    user = service.new_user(ADMIN, VERIFY, "billing")
    token = bearer(service.log_in(user, audience))
    assert _add(service, token, f"{user}-added").status_code == 401
    assert service.client.get("/v1/users", headers=token).status_code == 401
    assert service.client.get(f"/v1/users/{user}", headers=token).status_code == 401
    assert _patch(service, token, user, disabled=True).status_code == 401


def test_an_administrators_capability_can_be_narrowed_to_looking(service: Serving) -> None:
    token = narrow(service.token(ADMIN), "method in GET HEAD", "path ^= /v1/users")
    assert service.client.get("/v1/users", headers=bearer(token)).status_code == 200
    assert _patch(service, bearer(token), service.new_user(), disabled=True).status_code == 403


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service with 250 users and an administrator."""
    home = make_home(tmp_path_factory.mktemp("crowd") / "home")
    with closing(home.open_store()) as store:
        store.add_users([NewUser(f"u{number:03}", hashed()) for number in range(250)], now())
    with serving(home) as running:
        yield running


def test_pages_of_users_are_complete_and_in_order(crowd: Serving) -> None:
    admin = crowd.new_user(ADMIN)
    headers = bearer(crowd.log_in(admin, ADMIN))
    names: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        page = crowd.client.get("/v1/users", headers=headers, params={"after": after}).json()
        names += [row["user"] for row in page["users"]]
        after = page["next"]
        pages += 1
    assert names == sorted([admin, *(f"u{number:03}" for number in range(250))])
    assert pages == 3
