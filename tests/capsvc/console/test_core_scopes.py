"""The console's JavaScript core says what a macaroon can still do, and why a request is refused, as the Python does."""

from __future__ import annotations

from collections import Counter
from typing import Any

from caveats import Authority, Macaroon, Request, Scope, Vocabulary, encode, explain, prove, scope
from caveats.explanation import _authority
from tests.capsvc.console import generation
from tests.capsvc.console.generation import seeded
from tests.capsvc.console.javascript import Case, Core, as_text, case, said, vocabulary
from tests.capsvc.console.test_core import BARE, NEAR, SOME, decoding, minted
from tests.capsvc.console.test_core_predicates import loaded
from tests.caveats import boundaries as near
from tests.caveats import strategies as some


def scoped(of: Scope) -> dict[str, Any]:
    """A scope as the core gives it."""
    return {
        "predicates": list(map(str, of.predicates)),
        "redundant": list(of.redundant),
        "contradictions": [
            {"attribute": each.attribute, "positions": list(each.positions), "text": str(each)}
            for each in of.contradictions
        ],
        "notUnderstood": [
            {"position": each.position, "predicate": each.predicate, "reason": each.reason}
            for each in of.not_understood
        ],
        "thirdParties": [{"position": each.position, "location": each.caveat.location} for each in of.third_parties],
        "permitsNothing": of.permits_nothing,
    }


def scoping(of: Any, declared: dict[str, str]) -> Case:
    """A macaroon's text, or a list of predicates, to compute the scope of."""
    told = of if isinstance(of, str) else list(map(said, of))
    return case(lambda: scoped(scope(of, vocabulary(declared))), "scope", of=told, vocabulary=declared)


def test_thousands_of_scopes_say_the_same_of_what_is_left_redundant_and_contradictory(core: Core) -> None:
    random = seeded(1)
    cases = core.agree(scoping(generation.stated(random), NEAR) for _ in range(2000))
    seen = Counter(name for each in cases for name, value in dict(each.ours).items() if value)
    assert min(seen[name] for name in ("predicates", "redundant", "contradictions")) >= 400, seen


def test_the_scope_of_many_predicates_on_one_attribute_is_the_same(core: Core) -> None:
    random = seeded(2)
    names = sorted(near.VOCABULARY)
    cases = [scoping([generation.predicate_on(name, random) for _ in range(5)], NEAR) for name in names * 20]
    core.agree(cases)


def test_lists_stand_in_the_order_of_code_points_and_not_of_the_units_of_utf_16(core: Core) -> None:
    items = "\U0001f600 \uff5e \ue000 \ufeff \u00e9 \U00010000 a"
    texts = [f"label in {items}", f"action in {items}", "resource in " + items, f"folder ^= {items}"]
    assert core.agree([scoping(texts, NEAR)])[0].ours["predicates"][0].startswith("label in a \u00e9 \ue000 \ufeff")
    token = encode(BARE.append(b"action = read"))
    core.agree([explaining(token, {"action": items.split()}, NEAR)])


def test_hostile_lists_of_predicates_are_answered_alike(core: Core) -> None:
    nested = [f"path ^= {'/a' * size}" for size in range(1, 64)]
    lists = [f"path in {' '.join(f'/{at}/{more}' for more in range(20))}" for at in (1, 1, 2)] * 20
    networks = [f"ip in {' '.join(f'10.{at}.{more}.0/24' for more in range(6))}" for at in range(2)] * 30
    numbers = [f"amount in {' '.join(map(str, range(at, 30)))}" for at in range(30)] * 2
    long = [f"amount = {'9' * 8000}", "%20" * 2700, f"path ^= {'/' * 8000}", f"path ^= /{'%' * 8000}", "a " * 4000]
    core.agree(scoping(each, NEAR) for each in (nested, lists, networks, numbers, long))


def test_the_scopes_of_macaroons_name_what_is_not_understood_and_third_parties_alike(core: Core) -> None:
    random = seeded(3)
    cases = [scoping(encode(each.macaroon), SOME) for each in minted()]
    mixed = [some.append(each.macaroon, generation.stated(random, most=1)) for each in minted()]
    cases += [scoping(encode(each), NEAR) for each in mixed]
    seen = Counter(name for each in core.agree(cases) for name, value in dict(each.ours).items() if value)
    assert min(seen[name] for name in ("notUnderstood", "thirdParties")) >= 50, seen


def test_one_scope_is_narrower_than_another_for_both_or_for_neither(core: Core) -> None:
    random, cases = seeded(4), []
    for _ in range(1200):
        one, other = generation.stated(random, most=1), generation.stated(random, most=1)
        one += other if random.random() < 0.4 else []
        if random.random() < 0.4:
            name = random.choice(sorted(near.VOCABULARY))
            one, other = ([generation.predicate_on(name, random)] for _ in range(2))
        cases.append(narrower(one, other))
    third = encode(BARE.entrust("there", b"key", b"ask", bytes(24)))
    others = [encode(BARE), third, encode(BARE.entrust("", b"another key", b"ask", bytes(24)))]
    cases += [narrower(one, other) for one in others for other in others]
    seen = Counter(dict(each.ours)["answer"] for each in core.agree(cases))
    assert min(seen[True], seen[False]) >= 200, seen


def narrower(one: Any, other: Any) -> Case:
    """Two subjects of scopes to compare."""

    def compared() -> dict[str, Any]:
        return {"answer": scope(one, near.VOCABULARY).is_narrower_than(scope(other, near.VOCABULARY))}

    return case(compared, "narrower", one=one, other=other, vocabulary=NEAR)


def explaining(token: str, facts: dict[str, Any], declared: dict[str, str]) -> Case:
    """A token and a request to explain."""
    return case(
        lambda: {"caveats": explained(token, facts, vocabulary(declared))},
        "explain",
        token=token,
        facts={name: said(value) for name, value in facts.items()},
        vocabulary=declared,
    )


def explained(token: str, facts: dict[str, Any], words: Vocabulary) -> list[dict[str, Any]]:
    """The Python's explanation as the core gives it."""
    names = ("position", "predicate", "whose", "verdict", "reason", "instead")
    found = explain(token, Request(words, **facts)).caveats
    return [{name: getattr(each, name) for name in names} for each in found]


def test_thousands_of_explanations_say_the_same_of_every_caveat(core: Core) -> None:
    random, cases = seeded(5), []
    for _ in range(1500):
        texts = generation.stated(random)
        root = some.authority("a", random.choice(("b", None))).mint(b"root key", "")
        if random.random() < 0.2:
            place = random.choice(("", "https://hr.example", "\u202eplace"))
            root = BARE.append(random.randbytes(9)).entrust(place, b"key", b"ask", bytes(24))
        elif random.random() < 0.2:
            root = Macaroon.mint(b"key", "k1").append(*(each.identifier for each in root.unverified_caveats[:4]))
        token = encode(some.append(root, texts))
        cases.append(explaining(token, generation.asked(texts, random), NEAR))
    seen: Counter[str] = Counter()
    for each in core.agree(cases):
        for caveat in dict(each.ours)["caveats"]:
            seen.update((caveat["verdict"], caveat["whose"]))
    assert len(seen) == 8
    assert min(seen.values()) >= 200, seen


def test_authority_is_seen_where_a_root_has_its_shape_and_nowhere_else(core: Core) -> None:
    random, cases = seeded(6), []
    for _ in range(800):
        user, audience = random.choice(("alice", "Zoë", "a b")), random.choice((None, "billing", "b-.x", "a" * 64))
        root = some.authority(user, audience).mint(b"root key", "")
        texts = [*(each.identifier for each in root.unverified_caveats), b"method = GET"]
        identifier, change = root.unverified_identifier, random.randrange(5)
        if change == 1:
            random.shuffle(texts)
        elif change == 2:
            identifier = generation.edited(identifier.decode(), random, ("k", "0", "/", "\n", "-", "A", "é")).encode()
        elif change == 3:
            at = random.randrange(5)
            texts[at] = generation.predicate(texts[at].decode(), random).encode("utf-8", "surrogatepass")
        bare = BARE.entrust("", b"key", b"ask", bytes(24)) if change == 4 else BARE
        macaroon = Macaroon("", identifier, bare.unverified_caveats, bare.signature).append(*texts)
        cases.append(case(lambda of=macaroon: named(_authority(of)), "authority", token=encode(macaroon)))
    seen = Counter(dict(each.ours)["authority"] is None for each in core.agree(cases))
    assert min(seen[True], seen[False]) >= 100, seen


def named(authority: Authority | None) -> dict[str, Any]:
    """Authority as the core gives it: without its salt."""
    return {
        "authority": authority
        and {
            "keyId": authority.key_name.key_id,
            "audience": authority.key_name.audience,
            "nonce": authority.nonce,
            "user": authority.user,
            "saltName": authority.salt_name,
            "notBefore": authority.not_before,
            "notAfter": authority.not_after,
        }
    }


def test_the_vectors_of_verdicts_are_decoded_scoped_and_explained_alike(core: Core) -> None:
    cases = loaded("verdicts.json")["cases"]
    decoded = core.agree(decoding(each["token"]) for each in cases)
    for each in [each for each, found in zip(cases, decoded, strict=True) if found.is_answered]:
        words, facts = vocabulary(each["vocabulary"]), {**each["request"], "time": each["now"]}
        digests = {name: words[name].fact(facts[name].encode()) for name in ("body", "query") if name in facts}
        explanation = explaining(each["token"], {**facts, **digests}, each["vocabulary"])
        core.agree([explanation, scoping(each["token"], each["vocabulary"])])


def test_the_vectors_of_verdicts_are_proven_alike(core: Core) -> None:
    cases = []
    for each in loaded("verdicts.json")["cases"]:
        key = bytes.fromhex(each["root_key_hex"])
        found = case(lambda of=each, key=key: {"proof": prove(of["token"], key)}, "prove")
        cases.append((found.is_answered, {"do": "prove", "token": each["token"], "key": as_text(key)}))
    answers = core.answers(*(command for _, command in cases))
    assert [isinstance(each, dict) for each in answers] == [proven for proven, _ in cases]
    assert len({proven for proven, _ in cases}) == 2
