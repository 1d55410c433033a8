"""The console's JavaScript core reads the predicates and facts that the Python reads, and refuses in the same words."""

from __future__ import annotations

import json
import unicodedata
from base64 import b64decode
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from caveats import Request
from caveats.encoding import encode_item
from tests.capsvc.console import generation
from tests.capsvc.console.generation import seeded
from tests.capsvc.console.javascript import Case, Core, case, said, vocabulary
from tests.capsvc.console.test_core import NEAR, SOME, generated
from tests.caveats import boundaries as near
from tests.caveats import strategies as some

VECTORS = Path(__file__).parents[2] / "vectors"


def reading(text: str | bytes, declared: dict[str, str]) -> Case:
    """A predicate to read."""

    def read() -> dict[str, Any]:
        found = vocabulary(declared).parse(text)
        return {
            "attribute": found.attribute,
            "operator": found.operator,
            "items": list(found.items),
            "type": found.type.name,
            "printed": str(found),
        }

    return case(read, "parse", text=said(text), vocabulary=declared)


def valid(count: int) -> list[str]:
    """So many lists of ten predicates, joined."""
    texts: list[str] = []

    @generated(count)
    @given(st.lists(some.predicates, min_size=10, max_size=10))
    def collect(them: list[str]) -> None:
        texts.extend(them)

    collect()
    return texts


def test_thousands_of_predicates_are_read_alike_and_print_back(core: Core) -> None:
    random = seeded(1)
    cases = [reading(text, SOME) for text in valid(150)]
    cases += [reading(text, NEAR) for _ in range(500) for text in generation.stated(random)]
    assert all(each.is_answered for each in core.agree(cases))
    assert len(cases) >= 2000


def test_thousands_of_altered_predicates_are_read_and_refused_alike_in_the_same_words(core: Core) -> None:
    random = seeded(2)
    texts = valid(100) + [text for _ in range(300) for text in generation.stated(random)]
    altered: list[str | bytes] = [generation.predicate(text, random) for text in texts for _ in range(2)]
    altered += [text.encode() + random.randbytes(random.randrange(3)) for text in texts[:1000]]
    seen = Counter(each.is_answered for each in core.agree(reading(text, NEAR) for text in altered))
    assert min(seen[True], seen[False]) >= 400, seen


def test_thousands_of_spellings_of_networks_are_read_and_refused_alike_in_the_same_words(core: Core) -> None:
    random = seeded(3)
    texts = [f"ip in {encode_item(generation.network(random))}" for _ in range(5000)]
    seen = Counter(str(each.ours)[:40] for each in core.agree(reading(text, {}) for text in texts if text[-1] != " "))
    assert sum("'attribute'" in each for each in seen.elements()) >= 1000
    assert sum("write this network" in each for each in seen.elements()) >= 100, seen


def test_every_character_that_both_know_is_taken_or_refused_in_a_text_alike(core: Core) -> None:
    known = (chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs"))
    texts: dict[bool, list[str]] = {True: [], False: []}
    for each in known:
        texts[unicodedata.is_normalized("NFC", each)].append(encode_item(each))
    together = [f"label in {' '.join(texts[True][at : at + 500])}" for at in range(0, len(texts[True]), 500)]
    assert all(each.is_answered for each in core.agree(reading(text, SOME) for text in together))
    alone = core.agree(reading(f"label = {each}", SOME) for each in texts[False])
    assert len(alone) >= 1000
    assert not any(each.is_answered for each in alone)


def test_names_that_every_object_has_are_no_attributes_operators_or_types(core: Core) -> None:
    for name in ("__proto__", "constructor", "toString", "hasOwnProperty"):
        core.agree(reading(text, {}) for text in (f"{name} = x", f"user {name} x", f"salt = {name}/{'A' * 22}"))
        assert core.answer("parse", text="user = x", vocabulary={"x": name})[0] == "TypeError"
        assert core.answer("refusal", predicate="user = x", facts={name: "x"})[0] == "FactError"
    for declared in ({"user": "text"}, {"A": "text"}, {"a" * 33: "text"}, {"x": "digest"}):
        assert core.answer("parse", text="user = x", vocabulary=declared)[0] == "TypeError"


def refusing(predicate: str, **facts: Any) -> Case:
    """A predicate that facts meet or not, or facts that are wrong."""

    def refusal() -> dict[str, Any]:
        found, request = near.VOCABULARY.parse(predicate), Request(near.VOCABULARY, **facts)
        reason = found.refusal(request.facts)
        return {"reason": reason, "instead": "" if reason is None else found.instead(request.facts)}

    told = {name: said(value) for name, value in facts.items()}
    return case(refusal, "refusal", "FactError", predicate=predicate, facts=told, vocabulary=NEAR)


def is_met(found: Case) -> bool:
    """Whether the facts of a case meet its predicate."""
    return isinstance(found.ours, dict) and found.ours["reason"] is None


def test_thousands_of_paths_meet_the_same_caveats_for_the_same_reasons(core: Core) -> None:
    random, cases = seeded(4), []
    for _ in range(4000):
        attribute, fact = random.choice(("path", "resource")), generation.path(random)
        caveat = generation.predicate_on(attribute, random)
        facts: dict[str, Any] = {attribute: fact.lstrip("/") if attribute == "resource" else fact}
        if random.random() < 0.4:
            facts |= generation.asked([caveat], random)
        if "path" in facts and random.random() < 0.3:
            facts["path"] = facts["path"].encode("utf-8", "surrogatepass")
        cases.append(refusing(caveat, **facts))
    seen = Counter(map(is_met, core.agree(cases)))
    assert min(seen[True], seen[False]) >= 300, seen


def test_thousands_of_addresses_come_from_the_same_networks(core: Core) -> None:
    random = seeded(5)
    facts = [random.choice((generation.address(random), random.choice(near.FACTS["ip"]))) for _ in range(2000)]
    cases = [refusing(f"ip in {' '.join(random.choices(near.VALUES['ip'], k=2))}", ip=fact) for fact in facts]
    seen = Counter(map(is_met, core.agree(cases)))
    assert min(seen[True], seen[False]) >= 100, seen


def test_thousands_of_facts_of_every_type_are_read_and_refused_alike(core: Core) -> None:
    random, cases = seeded(6), []
    names = sorted({*near.VOCABULARY} - {"ip", "net"})
    for _ in range(3000):
        name = random.choice(names)
        fact = random.choice(near.FACTS.get(name, near.VALUES[name]))
        if isinstance(fact, str) and random.random() < 0.5:
            fact = generation.predicate(fact, random)
        cases.append(refusing(generation.predicate_on(name, random), **{name: fact}))
    seen = Counter(map(is_met, core.agree(cases)))
    assert min(seen[True], seen[False]) >= 300, seen


def said_by_request(name: str, value: Any) -> str | None:
    """What a request says of a wrong fact."""
    try:
        Request(near.VOCABULARY, **{name: value})
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def test_a_fact_of_another_kind_is_refused_in_the_same_words(core: Core) -> None:
    wrong: list[Any] = [True, 1.5, [1], [""], {"a": 1}, -1, 2**30]
    for name in sorted(near.VOCABULARY):
        for value in wrong:
            words = said_by_request(name, value)
            if words is not None:
                answer = core.answer("refusal", predicate="method = GET", facts={name: value}, vocabulary=NEAR)
                assert answer == ("FactError", words)
    absent = core.answer("refusal", predicate="method = GET", facts={"unknown": None, "user": None})
    assert absent == {"reason": "the request does not say its method", "instead": "say the method"}


def loaded(name: str) -> dict[str, Any]:
    """One file of the language-neutral vectors."""
    found: dict[str, Any] = json.loads((VECTORS / name).read_text("ascii"))
    return found


def test_the_vectors_of_predicates_have_the_same_answers(core: Core) -> None:
    vectors = loaded("predicates.json")
    texts = [each["text"] if "text" in each else b64decode(each["text_b64"]) for each in vectors["cases"]]
    cases = core.agree(reading(text, vectors["vocabulary"]) for text in texts)
    assert [each.is_answered for each in cases] == [each["parses"] for each in vectors["cases"]]


def test_the_vectors_of_paths_have_the_same_answers(core: Core) -> None:
    vectors = loaded("paths.json")
    cases = vectors["cases"] + vectors["resources"]
    facts: list[dict[str, Any]] = [
        {"resource": each["resource"]}
        if "resource" in each
        else {"path": each["path"] if "path" in each else b64decode(each["path_b64"])}
        for each in cases
    ]
    agreed = core.agree(refusing(each["caveat"], **fact) for each, fact in zip(cases, facts, strict=True))
    assert list(map(is_met, agreed)) == [each["met"] for each in cases]
