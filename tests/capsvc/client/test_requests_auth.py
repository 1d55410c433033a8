"""RequestsAuth: what it sends, where it sends nothing, and what it learns."""

from __future__ import annotations

from email.utils import formatdate
from io import BytesIO
from typing import Any

import pytest

from capsvc.client import RequestsAuth
from capsvc.client.clock import Clocks
from caveats import decode
from caveats.opaque import Digest
from tests.capsvc.client.test_binding import NOW, TOKEN
from tests.capsvc.client.test_httpx_auth import EXPIRED, HOME

requests = pytest.importorskip("requests")


def far(*answers: tuple[int, dict[str, str]]) -> tuple[Any, list[Any]]:
    """Make a session whose every request ends here, and the list of those requests."""
    sent, left = [], list(answers)

    class Adapter(requests.adapters.BaseAdapter):  # type: ignore[misc]
        def send(self, request: Any, **options: Any) -> Any:
            sent.append(request)
            answer = requests.Response()
            answer.status_code, headers = left.pop(0) if left else (200, {})
            answer.headers.update(headers)
            answer.url, answer.request, answer.raw, answer.connection = request.url, request, BytesIO(), self
            return answer

        def close(self) -> None:
            pass

    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return session, sent


def said(request: Any) -> dict[str, str]:
    scheme, _, copy = request.headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    written = [each.identifier.decode() for each in decode(copy).unverified_caveats[5:]]
    return {each.split(" ")[0]: each.split(" ", 2)[2] for each in written}


def auth(**more: Any) -> RequestsAuth:
    return RequestsAuth(TOKEN, HOME, clocks=Clocks(lambda: NOW), **more)


def test_each_request_carries_a_copy_of_its_own_and_never_the_original() -> None:
    session, sent = far()
    session.get(f"{HOME}:443/a b", params={"x": 1}, auth=auth())
    session.post(HOME, data="é", auth=auth())
    assert said(sent[0]) | {"request": ""} == {
        "time": "2026-09-21T14:13:50Z", "method": "GET", "host": "api.example.org", "path": "/a%20b",
        "query": Digest().fact(b"x=1"), "body": Digest().fact(b""), "request": "",
    }  # fmt: skip
    assert (said(sent[1])["path"], said(sent[1])["body"]) == ("/", Digest().fact("é".encode()))
    assert all(TOKEN not in str(each.headers) for each in sent)


def test_no_other_origin_gets_a_token_by_itself_or_by_a_redirect() -> None:
    session, sent = far((307, {"Location": "https://evil.example.org/take"}), (401, {"WWW-Authenticate": EXPIRED}))
    assert session.get(f"{HOME}/a", auth=auth()).status_code == 401
    session.get("http://api.example.org/", auth=auth())
    assert ["Authorization" in each.headers for each in sent] == [True, False, False]


def test_who_is_redirected_to_cannot_choose_what_is_asked_for_in_our_name() -> None:
    back = [(307, {"Location": "https://evil.example.org/"}), (307, {"Location": f"{HOME}/delete"}), (401, {})]
    session, sent = far(*back)
    assert session.post(f"{HOME}/a", auth=auth()).status_code == 401
    assert ["Authorization" in each.headers for each in sent] == [True, False, False]


def test_a_redirect_within_the_origin_gets_a_copy_of_its_own_once_it_was_refused() -> None:
    session, sent = far((303, {"Location": "/b?y=2"}), (403, {}))
    assert session.post(f"{HOME}/a", data=b"body", auth=auth()).status_code == 200
    last = said(sent[-1])
    assert (len(sent), last["method"], last["path"], last["body"]) == (3, "GET", "/b", Digest().fact(b""))


@pytest.mark.parametrize(("off", "learns"), [(200, True), (302, False)])
def test_the_clock_is_learned_from_a_refusal_and_never_more_than_five_minutes(off: int, learns: bool) -> None:
    session, sent = far((401, {"WWW-Authenticate": EXPIRED, "Date": formatdate(NOW + off, usegmt=True)}))
    assert session.post(f"{HOME}/a", data=b"x", auth=auth()).status_code == (200 if learns else 401)
    assert len(sent) == (2 if learns else 1)
    assert (said(sent[-1])["time"] != said(sent[0])["time"]) == learns


def test_a_stream_needs_its_digest() -> None:
    session, sent = far()
    with pytest.raises(ValueError, match=r"auth\.for_body"):
        session.post(f"{HOME}/a", data=BytesIO(b"012"), auth=auth())
    session.post(f"{HOME}/a", data=BytesIO(b"012"), auth=auth().for_body(Digest().fact(b"012")))
    session.post(f"{HOME}/a", data=BytesIO(b"012"), auth=auth(bind_body=False))
    assert said(sent[0])["body"] == Digest().fact(b"012")
    assert sent[0].body.tell() == 0, "nobody has read the stream"
    assert "body" not in said(sent[1])


def test_a_stream_is_rewound_for_a_redirect_and_not_sent_where_it_cannot_be() -> None:
    session, sent = far((307, {"Location": "/b"}), (403, {}))
    told = auth().for_body(Digest().fact(b"012"))
    assert session.post(f"{HOME}/a", data=BytesIO(b"012"), auth=told).status_code == 200
    assert (said(sent[-1])["path"], sent[-1].body.tell()) == ("/b", 0)
    session, sent = far((307, {"Location": "/b"}), (403, {}))
    assert session.post(f"{HOME}/a", data=(each for each in (b"0", b"12")), auth=told).status_code == 403
    assert len(sent) == 2


def test_a_redirect_back_to_the_same_place_gets_a_copy_of_its_own() -> None:
    session, sent = far((302, {"Location": "/a", "Set-Cookie": "seen=1"}), (401, {"WWW-Authenticate": "replayed"}))
    assert session.get(f"{HOME}/a", auth=auth()).status_code == 200
    assert len({each.headers["Authorization"] for each in sent}) == 2


def test_law_8_the_repr_holds_no_token() -> None:
    assert TOKEN[-43:] not in repr(auth())
