"""ID tokens: what is read of one, and what one that is proven has to say."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsvc.errors import IdTokenExpired, IdTokenRefused
from capsvc.identity.id_token import USABLE_SECONDS, IdToken, Login, accept, unproven
from tests.capsvc.identity.issuing import b64

NOW, SKEW, DAY = 1_795_000_000, 30, 86_400
CLIENT = "capsvc"
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example", "aud": CLIENT, "sub": "248289761001", "iat": NOW - 5, "exp": NOW + 300,
}  # fmt: skip
HEADER = {"alg": "RS256", "kid": "one", "typ": "JWT"}


def _text(claims: Any = CLAIMS, header: Any = HEADER) -> str:
    return ".".join(
        (*(b64(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in (header, claims)), "c2lnbg")
    )


def _accepted(now: int = NOW, **changed: Any) -> Login:
    said = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not ...}
    return accept(IdToken.read(_text(said)), CLIENT, now, SKEW)


def test_what_is_read_of_an_id_token_stays_unverified() -> None:
    token = IdToken.read(_text())
    assert (token.unverified_algorithm, token.unverified_key_id) == ("RS256", "one")
    assert token.unverified_issuer == "https://idp.example"
    assert "248289761001" not in repr(token) + repr(_accepted())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        _text() + "=",
        _text() + "\n",
        " " + _text(),
        _text().replace(".", "..", 1),
        _text()[:-1] + "+",
        _text()[:-1] + "h",  # spare bits that are not zero: another spelling of the same signature
        json.dumps({"payload": "", "signatures": []}),
        _text({**CLAIMS, "padding": "x" * 13_000}),
        _text(b"[]"),
        _text(b"null"),
        _text(b"\xff"),
        _text(b'{"sub":"\\ud800"}'),
        _text(json.dumps(CLAIMS)[:-1].encode() + b', "sub": "somebody else"}'),
        _text(json.dumps({**CLAIMS, "a": {}})[:-2].encode() + b'{"b":1,"b":2}}'),
        _text(json.dumps(CLAIMS)[:-1].encode() + b', "x": NaN}'),
        _text(b"[" * 5000 + b"]" * 5000),
        _text(header=b'{"alg":"RS256","kid":"one","alg":"none"}'),
        _text(header={**HEADER, "crit": ["exp"]}),
        _text(header={**HEADER, "b64": False}),
        _text(header={**HEADER, "jwk": {}}),
        _text(header={**HEADER, "jku": "https://evil.example/keys"}),
        _text(header={**HEADER, "x5u": "https://evil.example/x"}),
        _text(header={**HEADER, "typ": "at+jwt"}),
        _text(header={**HEADER, "typ": "logout+jwt"}),
        _text(header={**HEADER, "typ": 5}),
        _text(header={**HEADER, "kid": 5}),
        _text(header={**HEADER, "kid": ""}),
        _text(header={**HEADER, "alg": 5}),
        _text(header={"kid": "one"}),
        _text(header=[]),
    ],
)
def test_whatever_is_no_plain_id_token_gets_the_one_answer(text: str) -> None:
    with pytest.raises(IdTokenRefused) as refused:
        IdToken.read(text)
    assert str(refused.value) == str(unproven())


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: f"{b64(raw)}.{b64(raw)}.{b64(raw)}"))
def test_any_text_is_an_id_token_or_that_answer(text: str) -> None:
    try:
        token = IdToken.read(text)
    except IdTokenRefused as refused:
        told = str(refused)
    else:
        told = str(unproven()) if isinstance(token.unverified_claims, dict) else ""
    assert told == str(unproven())


def test_a_proven_one_says_its_subject_and_how_long_it_may_be_used() -> None:
    login = _accepted()
    assert (login.subject, len(login.marks)) == ("248289761001", 1)
    assert login.begins < "2026-11-18T11:06:35Z" < login.ends
    assert len(_accepted(jti="j").marks) == 2


def test_marks_are_those_of_the_signed_bytes_and_of_the_number() -> None:
    assert _accepted(jti="j").marks[1] == _accepted(jti="j", nonce="n").marks[1]
    assert _accepted(jti="j").marks[0] != _accepted(jti="j", nonce="n").marks[0]
    assert _accepted(jti="j").marks[1] != _accepted(jti="k").marks[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": ...},
        {"aud": []},
        {"aud": ["another"]},
        {"aud": CLIENT.upper()},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"azp": ""},
        {"aud": {CLIENT: 1}},
    ],
)
def test_one_for_another_client_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(IdTokenRefused, match="another client"):
        _accepted(**changed)


def test_one_for_several_is_taken_where_this_client_asked_for_it() -> None:
    assert _accepted(aud=["another", CLIENT], azp=CLIENT)
    assert _accepted(aud=[CLIENT])


@pytest.mark.parametrize("changed", [{"typ": "Bearer"}, {"typ": "Logout"}, {"events": {}}, {"token_use": "access"}])
def test_another_kind_of_token_of_the_same_provider_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(IdTokenRefused, match="no ID token"):
        _accepted(**changed)
    assert _accepted(typ="ID", token_use="id")


@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("value", ["1795000000", True, None, -1, 1e300, [], {}])
def test_a_time_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(IdTokenRefused, match="no time in seconds"):
        _accepted(**{name: value})


@pytest.mark.parametrize("name", ["iat", "exp"])
def test_a_time_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(IdTokenRefused, match="no time in seconds"):
        _accepted(**{name: ...})


def test_it_is_taken_within_the_skew_and_no_second_longer() -> None:
    for now in (NOW - 5 - SKEW, NOW + 299 + SKEW):
        assert _accepted(now)
    with pytest.raises(IdTokenRefused, match="from the future"):
        _accepted(NOW - 6 - SKEW)
    with pytest.raises(IdTokenExpired):
        _accepted(NOW + 300 + SKEW)


def test_it_is_for_a_login_now_however_long_it_says_that_it_lives() -> None:
    last = NOW - 5 + USABLE_SECONDS + SKEW
    assert _accepted(last - 1, exp=NOW + DAY)
    with pytest.raises(IdTokenExpired):
        _accepted(last, exp=NOW + DAY)


def test_one_that_is_not_valid_yet_is_refused() -> None:
    with pytest.raises(IdTokenRefused, match="from the future"):
        _accepted(nbf=NOW + SKEW + 1)
    assert _accepted(nbf=NOW + SKEW)


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_a_clock_that_is_a_day_off_is_told_to_be_compared(off: int) -> None:
    with pytest.raises(IdTokenRefused, match="compare the clocks") as refused:
        _accepted(NOW + off)
    assert isinstance(refused.value, IdTokenExpired) == (off > 0)
    assert f"it is 2026-11-{'19' if off > 0 else '17'}T" in str(refused.value)


@given(st.integers(-700, 60), st.integers(-60, DAY))
def test_a_used_one_is_forgotten_only_where_no_clock_within_the_skew_takes_it_any_more(issued: int, ends: int) -> None:
    said = {"iat": NOW + issued, "exp": NOW + ends}
    try:
        login = _accepted(**said)
    except IdTokenRefused:
        return
    forgotten = int(datetime.fromisoformat(login.ends).timestamp()) + 1
    for other in (forgotten - SKEW, forgotten + SKEW):
        with pytest.raises(IdTokenExpired):
            _accepted(other, **said)


@pytest.mark.parametrize("subject", [..., "", "x" * 256, 5, None, ["a"], "a\0b", "a\nb", "\x7f"])
def test_a_subject_that_is_none_is_refused(subject: Any) -> None:
    with pytest.raises(IdTokenRefused, match="sub"):
        _accepted(sub=subject)


@pytest.mark.parametrize("number", ["", "x" * 256, 5, ["a"]])
def test_a_number_that_is_none_is_refused(number: Any) -> None:
    with pytest.raises(IdTokenRefused, match="jti"):
        _accepted(jti=number)


def test_no_refusal_repeats_what_the_token_says() -> None:
    for changed in ({"aud": "s3cret"}, {"sub": "s3cret\n"}, {"exp": "s3cret"}, {"azp": "s3cret"}, {"typ": "s3cret"}):
        with pytest.raises(IdTokenRefused) as refused:
            _accepted(**changed)
        assert "s3cret" not in str(refused.value)
