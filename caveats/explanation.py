"""The explanation: every caveat of a macaroon held against a request, in words that one can act on.

It is for whoever holds a macaroon and wonders why it was refused. Nothing is proven here, and what
nothing proves permits nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

from caveats.authority import AUTHORITY_CAVEATS, Authority, KeyName
from caveats.errors import DischargeError, InvalidMacaroon, PredicateError
from caveats.interchange import AnyMacaroon, decode
from caveats.macaroon import Caveat, Macaroon
from caveats.predicate import NOT_UNDERSTOOD, OUT_OF_PLACE, shown
from caveats.request import Request
from caveats.vocabulary import Vocabulary

Whose = Literal["service", "holder", "third party"]
Verdict = Literal["met", "unmet", "not understood", "needs a discharge", "decided by the salt column"]


class Explained(NamedTuple):
    """One caveat and what a request makes of it.

    ``position`` counts caveats from 0 within their macaroon; ``discharge`` is None for the root, else the
    position of the discharge as it was given. ``predicate`` is printable and holds no salt. ``reason``
    and ``instead``, what would have to differ, are empty where it is met.
    """

    position: int
    predicate: str
    whose: Whose
    verdict: Verdict
    reason: str = ""
    instead: str = ""
    discharge: int | None = None

    def __str__(self) -> str:
        """Say it in one line: predicate, reason, and what would have to differ."""
        return f"{self.predicate}{self.reason and ': '}{self.reason}{self.instead and '; '}{self.instead}"

    @property
    def place(self) -> str:
        """Name where it stands."""
        inside = "" if self.discharge is None else f"discharge {self.discharge}, "
        return f"{inside}caveat {self.position}"


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """What a request makes of every caveat: the root's in their order, then those of the discharges.

    It holds no salt and no signature. Printed, it is a checklist of one line a caveat.
    """

    caveats: tuple[Explained, ...]

    @property
    def unmet(self) -> tuple[Explained, ...]:
        """The caveats that refuse the request; what the salt column decides is not among them."""
        return tuple(each for each in self.caveats if each.verdict not in ("met", "decided by the salt column"))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each refusal as one sentence: where, what, why, and what would have to differ."""
        return tuple(f"{each.place}: {each}" for each in self.unmet)

    def __str__(self) -> str:
        rows = [(each.place, each.whose, each.verdict, str(each)) for each in self.caveats]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
        lines = ["  ".join((*map(str.ljust, row, widths), row[3])) for row in rows]
        return "\n".join(("decoded, not verified", *lines))

    def __repr__(self) -> str:
        return f"<Explanation of {len(self.caveats)} caveats, {len(self.unmet)} of them unmet, unverified>"

    def __bool__(self) -> NoReturn:
        raise TypeError("an explanation is not a boolean: it proves nothing")


def explain(
    macaroon: AnyMacaroon,
    request: Request,
    vocabulary: Vocabulary | None = None,
    discharges: Iterable[AnyMacaroon] = (),
) -> Explanation:
    """Hold every caveat of a macaroon, and of its discharges, against a request; decoded, not verified.

    The vocabulary is the request's unless another is given, which must read the same facts. The user and
    the audience are those that the macaroon itself names, as for a verifier, unless the request says
    others; it may say ``salt`` too. Whether discharges are bound is for a verifier to say. Raises DecodeError,
    and DischargeError for one that is repeated or left over.
    """
    root, sent = decode(macaroon), tuple(map(decode, discharges))
    _demand_each_is_asked_for(root, sent)
    authority = _authority(root)
    facts = {**_named(authority), **request.facts}
    hearing = _Hearing(
        facts,
        request.vocabulary if vocabulary is None else vocabulary,
        {each.unverified_identifier for each in sent},
        {},
    )
    minted = AUTHORITY_CAVEATS if authority else 0
    found = [
        hearing.explain(caveat, position, None, "service" if position < minted else "holder")
        for position, caveat in enumerate(root.unverified_caveats)
    ]
    for discharge, each in enumerate(sent):
        for position, caveat in enumerate(each.unverified_caveats):
            found.append(hearing.explain(caveat, position, discharge, "third party"))
    return Explanation(tuple(found))


def _demand_each_is_asked_for(root: Macaroon, sent: tuple[Macaroon, ...]) -> None:
    """Refuse what every verifier would, whatever the request (law 6)."""
    left = {each.unverified_identifier: each for each in sent}
    if len(left) != len(sent):
        raise DischargeError("two discharges with one identifier")
    asking = [root]
    while asking:
        asked = {each.identifier for each in asking.pop().unverified_caveats if each.is_third_party}
        asking += [left.pop(identifier) for identifier in asked & left.keys()]
    if left:
        raise DischargeError("a discharge was sent that no caveat asks for")


class _Hearing(NamedTuple):
    """What caveats are held against; ``answered`` are the discharges' identifiers, ``salts`` those seen so far."""

    facts: Mapping[str, Any]
    vocabulary: Vocabulary
    answered: Set[bytes]
    salts: dict[str, bytes]

    def explain(self, caveat: Caveat, position: int, discharge: int | None, whose: Whose) -> Explained:
        if caveat.is_third_party:
            where = shown(caveat.location) or "an unnamed place"
            predicate = f"third party at {where}"
            if caveat.identifier in self.answered:
                return Explained(position, predicate, "third party", "met", discharge=discharge)
            reason, instead = "no discharge answers it", f"get one from {where}"
            return Explained(position, predicate, "third party", "needs a discharge", reason, instead, discharge)
        verdict, reason, instead = self._judge(caveat.identifier, discharge is not None)
        return Explained(position, shown(caveat.identifier), whose, verdict, shown(reason), shown(instead), discharge)

    def _judge(self, identifier: bytes, in_discharge: bool) -> _Judgement:
        try:
            predicate = self.vocabulary.parse(identifier)
        except PredicateError as wrong:
            return "not understood", str(wrong), NOT_UNDERSTOOD
        attribute = predicate.attribute
        if in_discharge and attribute in ("salt", "nonce"):
            return "unmet", *OUT_OF_PLACE
        if attribute == "salt":
            name, salt = predicate.operand
            if self.salts.setdefault(name, salt) != salt:
                return "unmet", "an earlier caveat has another salt of that name", "use a copy without it"
            if attribute not in self.facts:
                return "decided by the salt column", "", ""
        reason = predicate.refusal(self.facts)
        if reason is None:
            return "met", "", ""
        return "unmet", reason, predicate.instead(self.facts)


_Judgement = tuple[Verdict, str, str]
"""A verdict, its reason, and what would have to differ."""


def _authority(root: Macaroon) -> Authority | None:
    """What a service says in the root, unverified; None where it is not of a service's shape."""
    first = root.unverified_caveats[:AUTHORITY_CAVEATS]
    try:
        key_name = KeyName.unverified(root.unverified_identifier)
        return Authority.read(key_name, tuple(each.identifier for each in first if not each.is_third_party))
    except InvalidMacaroon:
        return None


def _named(authority: Authority | None) -> dict[str, Any]:
    """The facts that a verifier takes from authority."""
    if authority is None:
        return {}
    audience = authority.key_name.audience
    return {"user": authority.user} | ({"audience": frozenset({audience})} if audience else {})
