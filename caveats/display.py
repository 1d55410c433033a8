"""Display: a macaroon, a scope, an explanation or a capability as a person looks at it in a notebook.

As HTML with inline SVG, light and dark, and as text. Neither holds a signature or a salt (law 8), and what
strangers wrote stands escaped. No clock is read here (law 7): what is left of a time is said where the
caller says the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from caveats import drawing
from caveats.attribute import time_text
from caveats.capability import Capability
from caveats.encoding import encode_item
from caveats.explanation import Explained, Explanation, explain
from caveats.interchange import AnyMacaroon, decode, encode
from caveats.macaroon import Caveat, Macaroon
from caveats.markup import Markup, element, together
from caveats.opaque import Salt
from caveats.page import chips, code, fact, heads, marked, more, note, page, part, summary, table, title
from caveats.predicate import SHOWN_CHARACTERS, Predicate, printable, shown
from caveats.proven import BELOW
from caveats.request import Request
from caveats.scope import Scope, weakest
from caveats.span import in_words, left, seconds
from caveats.wire import encode_binary

_MOST_ITEMS = 40
"""So many values of one predicate are shown, and then how many more there are."""


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """A value as a person looks at it: ``str`` gives the text, and a notebook takes the HTML."""

    text: str
    html: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Shown {self.text.partition(chr(10))[0]}>"

    def _repr_html_(self) -> str:
        return self.html


def show(
    value: AnyMacaroon | Scope | Explanation | Capability, at: datetime | int | float | str | None = None
) -> Shown:
    """Show a macaroon, whatever stands for one, a scope, an explanation or a capability.

    ``at`` is a moment as :func:`caveats.time_text` takes it: a macaroon and a capability then say what time
    they have left. A macaroon is decoded and not verified. Raises DecodeError for a text that is no macaroon,
    TypeError for another thing, and ValueError or TypeError for what is no moment.
    """
    now = None if at is None else time_text(at)
    if isinstance(value, Scope):
        return _show_scope(value)
    if isinstance(value, Explanation):
        return _show_explanation(value)
    if isinstance(value, Capability):
        return _show_capability(value, now)
    return _show_macaroon(decode(value), now)


def _show_macaroon(macaroon: Macaroon, now: str | None) -> Shown:
    found = explain(macaroon, Request()).caveats  # for whose each caveat is
    location, identifier = shown(macaroon.unverified_location), shown(macaroon.unverified_identifier)
    hint = ("location ", code(location), ", an unsigned hint") if location else ("no location",)
    expires = _earliest_end(macaroon)
    size, ends = f"{_count(len(found), 'caveat')}, {_size(macaroon)}", f"expires {expires}" if expires else "no expiry"
    remaining = "" if now is None or not expires else left(expires, now)
    lines = [
        f"macaroon, decoded and not verified: {size}",
        "",
        f"location    {location or '(none)'}",
        f"identifier  {identifier}",
    ]
    lines += [f"{each.position:>4}  {each.whose:<11}  {each.predicate}" for each in found]
    lines += ["signature   sealed, never shown", f"expires     {expires or 'never'}{remaining and ', '}{remaining}"]

    steps = [
        _step("id", drawing.key_step(), together(code(identifier), more("identifier, names the root key; ", *hint)), "")
    ]
    for each, caveat in zip(found, macaroon.unverified_caveats, strict=True):
        steps.append(_step(f"{each.position}", drawing.step(each.whose), _caveat(caveat), each.whose))
    sealed = together("signature, sealed", more("Its value is never shown. Whoever has the root key can verify it."))
    steps.append(_step("end", drawing.seal(), sealed, ""))
    rail = element("th", element("span", "signed", class_="cv-hidden"), scope="col", class_="cv-rail")
    html = page(
        title("Macaroon", "unverified", remaining),
        summary(f"{size}; {ends}"),
        table("the chain of a macaroon", (rail, *heads("#", "caveat", "whose")), steps),
        note("Each signature is the key that makes the next one, so no caveat can be taken out again."),
    )
    return Shown("\n".join(lines), html)


def _step(place: str, drawn: Markup, said: Markup, whose: str) -> Markup:
    return element(
        "tr",
        element("td", drawn, class_="cv-rail"),
        element("th", place, scope="row"),
        element("td", said, class_="cv-wide"),
        _whose(whose),
    )


def _whose(whose: str) -> Markup:
    tone = {"service": "cv-ours", "third party": "cv-third"}.get(whose, "cv-soft")
    return element("td", whose, class_=f"cv-tight {tone}")


def _caveat(caveat: Caveat) -> Markup:
    text = shown(caveat.identifier)
    size = (more(f"{len(caveat.identifier):,} bytes in all"),) if len(text) > SHOWN_CHARACTERS else ()
    if not caveat.is_third_party:
        return together(code(text), *size) if text else element("span", "(empty)", class_="cv-soft")
    return together("third party at ", _where(caveat), more("identifier ", code(text)), *size)


def _where(caveat: Caveat) -> str:
    return code(shown(caveat.location)) if caveat.location else "an unnamed place"


def _show_scope(scope: Scope) -> Shown:
    nothing = "permits nothing"
    redundant = _redundant(scope.redundant)
    lines = [f"scope: {nothing}" if scope.permits_nothing else "scope"]
    lines += map("  {}".format, (*str(scope).splitlines(), *([redundant] if redundant else [])))
    html = page(
        title("Scope", nothing if scope.permits_nothing else ""),
        _scope_table(scope),
        *([note(f"{redundant.capitalize()}. The scope is the same without.")] if redundant else []),
    )
    return Shown("\n".join(lines), html)


def _redundant(positions: tuple[int, ...]) -> str:
    named = ", ".join(map(str, positions))
    return named and f"redundant: caveat{'s' * (len(positions) > 1)} {named}"


def _scope_table(scope: Scope) -> Markup:
    rows = [*_refusals(scope), *_permissions(scope)]
    for third in scope.third_parties:
        said = "needs a discharge from ", _where(third.caveat)
        rows.append(fact(f"caveat {third.position}", marked(drawing.icon("needs a discharge"), *said)))
    if not rows:
        return summary(str(scope))
    return table("what a scope permits", heads("attribute", "permitted"), rows)


def _refusals(scope: Scope) -> Iterator[Markup]:
    for unknown in scope.not_understood:
        said = marked(drawing.icon("not understood"), "not understood: ", code(unknown.predicate))
        yield fact(f"caveat {unknown.position}", said, more(printable(unknown.reason)))
    for each in scope.contradictions:
        words = str(each).removeprefix(f"{each.attribute}: ")
        yield fact(each.attribute, marked(drawing.icon("unmet"), "nothing: ", words))


def _permissions(scope: Scope) -> Iterator[Markup]:
    for attribute, predicates in groupby(scope.predicates, lambda each: each.attribute):
        yield fact(attribute, *(element("div", *_demand(each)) for each in predicates))


def _demand(predicate: Predicate) -> Iterator[str]:
    """An operator and its values, each apart; of a salt only the name."""
    items = [printable(encode_item(each)) for each in predicate.items]
    if isinstance(predicate.type, Salt):
        items = [f"{predicate.operand[0]}/…"]
    yield from (code(predicate.operator), chips(items[:_MOST_ITEMS]))
    if len(items) > _MOST_ITEMS:
        yield f" and {len(items) - _MOST_ITEMS:,} more"


def _show_explanation(explanation: Explanation) -> Shown:
    count, refusing = len(explanation.caveats), len(explanation.unmet)
    verdict = f"{refusing} of {_count(count, 'caveat')} {'refuses' if refusing == 1 else 'refuse'} the request."
    if not refusing:
        verdict = "No caveat refuses the request. That is no permit: only a verifier gives one."
    rows: list[Markup] = []
    for discharge, group in groupby(explanation.caveats, lambda each: each.discharge):
        if discharge is not None:
            rows.append(element("tr", element("th", f"discharge {discharge}", colspan=4, scope="rowgroup")))
        rows += map(_verdict, group)
    checklist = table("every caveat and its verdict", heads("verdict", "#", "caveat", "whose"), rows)
    parts = [title("Explanation", "unverified"), summary(verdict), *([checklist] if rows else [])]
    return Shown(str(explanation), page(*parts))


def _verdict(each: Explained) -> Markup:
    return element(
        "tr",
        element("td", marked(drawing.icon(each.verdict), each.verdict), class_="cv-verdict"),
        element("th", f"{each.position}", scope="row"),
        element(
            "td",
            code(each.predicate),
            *([more(each.reason)] if each.reason else []),
            *([element("div", f"\N{RIGHTWARDS ARROW} {each.instead}")] if each.instead else []),
            class_="cv-wide",
        ),
        _whose(each.whose),
    )


def _show_capability(capability: Capability, now: str | None) -> Shown:
    user, audience, expires = printable(capability.user), capability.audience or "(none)", capability.expires
    remaining = "" if now is None else left(expires, now)
    if now is not None and now < capability.not_before:
        remaining = f"begins in {in_words(seconds(now, capability.not_before))}"
    third = capability.holders.count(None)
    narrowed = f"by {_count(capability.narrowings, 'caveat')} of holders" if capability.narrowings else "by nobody"
    narrowed += f", {third} of them for third parties" if third else ""
    narrowed += f"; {_count(len(capability.discharged), 'predicate')} in discharges" if capability.discharged else ""
    scope = Scope(weakest((*capability.predicates, *capability.discharge_predicates)))
    salts = capability.salt_names
    lines = [
        f"capability of {user}{remaining and ', '}{remaining}",
        "",
        f"audience    {audience}",
        f"begins      {capability.not_before}",
        f"expires     {expires}",
        f"ends        {capability.not_after}",
        f"revoked by  {', '.join(salts)}; nonce {capability.nonce}",
        f"narrowed    {narrowed}",
        "",
        "scope",
        *map("  {}".format, str(scope).splitlines()),
    ]
    facts = (
        fact("user", code(user)),
        fact("audience", audience if capability.audience is None else code(audience)),
        fact("window", *_window(capability, now)),
        fact("revoked by", chips(salts), more("nonce ", code(capability.nonce))),
        fact("narrowed", narrowed),
    )
    html = page(
        title("Capability", remaining),
        table("a capability", (), facts),
        part("What it permits"),
        _scope_table(scope),
    )
    return Shown("\n".join(lines), html)


def _window(capability: Capability, now: str | None) -> Iterator[Markup]:
    begins, expires, ends = capability.not_before, capability.expires, capability.not_after
    whole = max(seconds(begins, ends), 1)
    expired, passed = (min(max(seconds(begins, each) / whole, 0), 1) for each in (expires, now or begins))
    label = f"from {begins} to {ends}, expires {expires}"
    yield drawing.bar(label if now is None else f"{label}, at {now}", expired, None if now is None else passed)
    yield _legend("left" if now is None else "over", "begins ", begins)
    yield _legend("left", "expires ", expires)
    if expires != ends:
        yield _legend("cut off", "ends ", ends, ", cut off by a caveat")
    if now is not None:
        yield _legend("now", "at ", now)


def _legend(part: str, said: str, moment: str, more: str = "") -> Markup:
    return marked(drawing.swatch(part), said, code(moment), more, class_="cv-more")


def _earliest_end(macaroon: Macaroon) -> str:
    """The earliest end that stands in a macaroon, whoever wrote it; empty where none does."""
    ends = []
    for each in macaroon.unverified_caveats:
        if each.identifier.startswith(BELOW) and not each.is_third_party:
            with suppress(ValueError):
                ends.append(time_text(each.identifier[len(BELOW) :].decode("ascii")))
    return min(ends, default="")


def _size(macaroon: Macaroon) -> str:
    try:
        return f"{len(encode_binary(macaroon)):,} bytes, {len(encode(macaroon)):,} characters as text"
    except ValueError:  # half a character, or a first-party caveat that says where: made by hand, never decoded
        return "of no size: nothing can write it"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
