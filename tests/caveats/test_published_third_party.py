"""Published third-party caveats: how they are sealed, discharged and bound, and every published scenario."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from caveats import DischargeError, Format, InvalidMacaroon, Macaroon, decode, encode, prove
from tests.caveats.published import (
    VECTORS,
    as_bytes,
    built,
    from_json_v1,
    is_json_v1,
    named,
    over,
    respelled,
    unmet,
    verdict,
)

THIRD_PARTY = VECTORS["third_party"]
FORMATS = {"token_v1": Format.V1, "token_v2": Format.V2, "v1": Format.V1, "v2": Format.V2}
README = named(THIRD_PARTY)["readme/third-party"]
DISCHARGES = {
    f"{name}/{position}": (entry, discharge)
    for name, entry in named(THIRD_PARTY, "discharges").items()
    for position, discharge in enumerate(entry["discharges"])
}
FORMS = {
    f"{name}/{form}": (entry, form, pair)
    for name, entry in named(THIRD_PARTY, "forms").items()
    for form, pair in entry["forms"].items()
}
SCENARIOS = {
    f"{name}/{position}": (scenario, case)
    for name, scenario in named(VECTORS["third_party_scenarios"]["scenarios"]).items()
    for position, case in enumerate(scenario["cases"])
}
EXTRA = named(VECTORS["third_party_scenarios"]["extra"])
DISCHARGE_ERRORS = {
    "cannot find discharge": "no unused discharge answers",
    "signature mismatch": "does not hold",
    "discharge not used": "that no caveat asks for",
    "discharge used more than once": "no unused discharge answers",
}
TWO_DISCHARGES = "one caveat, two discharges"


def read(text: str) -> Macaroon:
    return from_json_v1(text) if is_json_v1(text) else decode(respelled(text))


def presented(macaroons: Sequence[dict[str, Any]]) -> tuple[Macaroon, list[Macaroon]]:
    root, *discharges = map(built, macaroons)
    return root, [root.bind(each) for each in discharges]


@over(named(THIRD_PARTY, "signature_hex"))
def test_a_third_party_caveat_gives_the_published_signature(case: dict[str, Any]) -> None:
    assert built(case).signature.hex() == case["signature_hex"]


@over(
    {
        f"{name}/{caveat['cid']}": (entry, position)
        for name, entry in named(THIRD_PARTY, "caveats").items()
        for position, caveat in enumerate(entry["caveats"])
        if caveat.keys() & {"vid_b64", "vid_hex"}
    }
)
def test_a_third_party_caveat_is_sealed_as_published(case: tuple[dict[str, Any], int]) -> None:
    entry, position = case
    caveat, published = built(entry).unverified_caveats[position], entry["caveats"][position]
    sealed = as_bytes(published["vid_b64"]) if "vid_b64" in published else bytes.fromhex(published["vid_hex"])
    assert (caveat.identifier.decode(), caveat.verification_id, caveat.location) == (
        published["cid"],
        sealed,
        published["cl"],
    )


@over({field: README[field] for field in ("token_v1", "token_v2", "json_v1")})
def test_each_published_form_of_the_readme_holds_the_same_macaroon(case: str) -> None:
    assert read(case) == built(README)


@over(named(README["json_v2"]))
def test_each_published_json_of_the_readme_holds_the_same_macaroon(case: dict[str, Any]) -> None:
    assert read(case["text"]) == built(README)


@over({field: field for field in ("token_v1", "token_v2")})
def test_the_macaroon_of_the_readme_is_written_as_published(case: str) -> None:
    assert encode(built(README), FORMATS[case]) == respelled(README[case])


@over({name: each for name, each in DISCHARGES.items() if "unbound_hex" in each[1]})
def test_a_discharge_has_the_published_signature_before_it_is_bound(case: tuple[dict[str, Any], Any]) -> None:
    assert built(case[1]).signature.hex() == case[1]["unbound_hex"]


@over(DISCHARGES)
def test_a_discharge_has_the_published_signature_once_bound(case: tuple[dict[str, Any], Any]) -> None:
    entry, discharge = case
    assert built(entry).bind(built(discharge)).signature.hex() == discharge["bound_hex"]


@over({f"{each['discharge']} {n}": (each, n) for each in README["expect"] for n in range(3)})
def test_the_readme_is_authorized_only_with_its_bound_discharge(case: tuple[dict[str, Any], int]) -> None:
    expected, position = case
    root, discharge = built(README), built(README["discharges"][position])
    sent = {"bound": [root.bind(discharge)], "unbound": [discharge], None: []}[expected["discharge"]]
    holds = [README["caveats"][0]["cid"], *README["discharges"][position]["caveats"]]
    assert verdict(root, README["key_text"].encode(), holds, sent) == expected["verdict"]


def test_the_readme_publishes_three_discharges_and_three_expectations() -> None:
    assert len(README["discharges"]) == len(README["expect"]) == 3


@over({name: each for name, each in DISCHARGES.items() if "expect" not in each[0]})
def test_a_discharge_without_published_verdict_is_proven_with_its_root(case: tuple[dict[str, Any], Any]) -> None:
    entry, discharge = case
    root = built(entry)
    proof = prove(root, entry["key_text"].encode(), [root.bind(built(discharge))])
    assert unmet(proof, []) == [entry["caveats"][0]["cid"], *discharge["caveats"]]


@over(FORMS)
def test_a_published_pair_of_root_and_discharge_has_its_verdict(case: tuple[dict[str, Any], str, list[str]]) -> None:
    entry, _, pair = case
    root, discharge = map(read, pair)
    key, holds = entry["key_text"].encode(), entry["satisfy_exact"]
    assert verdict(root, key, holds, [discharge]) == entry["expect"] == "authorized"
    assert verdict(root, key, holds) == "unauthorized"
    assert [verdict(root, key, holds[:n] + holds[n + 1 :], [discharge]) for n in range(len(holds))] == [
        "unauthorized"
    ] * len(holds)


@over({name: each for name, each in FORMS.items() if each[1] in FORMATS})
def test_a_published_pair_is_written_as_published(case: tuple[dict[str, Any], str, list[str]]) -> None:
    _, form, pair = case
    assert [encode(read(each), FORMATS[form]) for each in pair] == list(map(respelled, pair))


@over(named(THIRD_PARTY, "forms"))
def test_all_forms_of_a_published_pair_hold_the_same_two_macaroons(case: dict[str, Any]) -> None:
    pairs = [tuple(map(read, pair)) for pair in case["forms"].values()]
    assert all(one == other for one, other in pairwise(pairs))
    assert case.get("identifier", "").encode() in (b"", pairs[0][0].unverified_identifier)
    assert case.get("location", "") in ("", pairs[0][0].unverified_location)


@over({name: each for name, each in SCENARIOS.items() if each[1]["error"] is None})
def test_a_scenario_without_error_is_authorized(case: tuple[dict[str, Any], Any]) -> None:
    scenario, expected = case
    root, discharges = presented(scenario["macaroons"])
    proof = prove(root, scenario["macaroons"][0]["key"].encode(), discharges)
    assert len(proof.discharges) == len(discharges)
    assert unmet(proof, expected["true"]) == []


def is_condition(error: str | None) -> bool:
    return (error or "").startswith("condition")


@over(
    {
        name: each
        for name, each in SCENARIOS.items()
        if is_condition(each[1]["error"]) and not name.startswith(TWO_DISCHARGES)
    }
)
def test_a_scenario_with_an_unmet_condition_is_proven_and_names_it(case: tuple[dict[str, Any], Any]) -> None:
    scenario, expected = case
    root, discharges = presented(scenario["macaroons"])
    proof = prove(root, scenario["macaroons"][0]["key"].encode(), discharges)
    named_condition = expected["error"].removeprefix("condition").removesuffix("not met").strip()
    (missing,) = unmet(proof, expected["true"])
    assert named_condition in (missing, "")


@over(
    {
        name: each
        for name, each in SCENARIOS.items()
        if each[1]["error"] in DISCHARGE_ERRORS and not name.startswith(TWO_DISCHARGES)
    }
)
def test_a_scenario_with_a_wrong_discharge_is_refused_for_it(case: tuple[dict[str, Any], Any]) -> None:
    scenario, expected = case
    root, discharges = presented(scenario["macaroons"])
    with pytest.raises(DischargeError, match=DISCHARGE_ERRORS[expected["error"]]):
        prove(root, scenario["macaroons"][0]["key"].encode(), discharges)


@over({name: each for name, each in SCENARIOS.items() if name.startswith(TWO_DISCHARGES)})
def test_two_discharges_with_one_identifier_are_refused_before_any_condition(
    case: tuple[dict[str, Any], Any],
) -> None:
    root, discharges = presented(case[0]["macaroons"])
    with pytest.raises(DischargeError, match="two discharges with one identifier"):
        prove(root, case[0]["macaroons"][0]["key"].encode(), discharges)


def test_every_published_error_of_a_scenario_is_one_that_is_tested() -> None:
    errors = {case["error"] for _, case in SCENARIOS.values()}
    assert {each for each in errors if each and not is_condition(each)} == DISCHARGE_ERRORS.keys()


def test_two_discharges_cannot_hide_the_predicates_of_either() -> None:
    (case,) = (each for each in EXTRA.values() if "predicates_checked_sorted" in each)
    root, discharges = presented(case["macaroons"])
    key = case["macaroons"][0]["key"].encode()
    with pytest.raises(DischargeError, match="two discharges with one identifier"):
        prove(root, key, discharges)
    seen = {text for each in discharges for text in unmet(prove(root, key, [each]), [])}
    assert sorted(seen) == case["predicates_checked_sorted"]


def extra(about: str) -> str:
    (case,) = (each for each in EXTRA.values() if about in each["about"])
    verdict: str = case["verdict"]
    return verdict


def nested() -> tuple[Macaroon, Macaroon, Macaroon]:
    root = Macaroon.mint(b"root", "root").entrust("one", b"1", b"first")
    return root, Macaroon.mint(b"1", "first").entrust("two", b"2", b"second"), Macaroon.mint(b"2", "second")


def test_circular_discharges_are_refused() -> None:
    root, first, second = nested()
    circular = [root.bind(first), root.bind(second.entrust("one", b"1", b"first"))]
    assert verdict(root, b"root", [], circular) == extra("circular discharges") == "unauthorized"
    with pytest.raises(DischargeError, match="no unused discharge answers"):
        prove(root, b"root", circular)


def test_nested_discharges_are_both_bound_to_the_root() -> None:
    root, first, second = nested()
    assert verdict(root, b"root", [], [root.bind(first), root.bind(second)]) == extra("BOTH discharges are bound")
    with pytest.raises(DischargeError, match="does not hold"):
        prove(root, b"root", [root.bind(first), first.bind(second)])


def test_a_discharge_alone_authorizes_nothing() -> None:
    root, _, discharge = nested()
    assert extra("presented alone") == "unauthorized"
    for alone in (discharge, root.bind(discharge)):
        with pytest.raises(InvalidMacaroon):
            prove(alone, b"root")
    with pytest.raises(InvalidMacaroon):
        prove(root.bind(discharge), b"2")
