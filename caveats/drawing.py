"""Drawings: the figures beside what is shown: a rail of signatures, marks of verdicts, a bar of time.

The figures hold no text, so that nothing strays where a page strips them and keeps the rest, and no figure
means something by its colour alone. Lengths in per cent let a figure grow with what stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from caveats.markup import Markup, element

_LEVEL = 16
"""How far below the top of its row a step of the rail is drawn: at the height of one line of text."""

_KEY = "M13 3.5a4 4 0 1 0 .01 0zM13 11.5v12M13 16.5h4.5M13 21h3.5"
_SHACKLE, _LOCK = "M9 16v-3.5a4 4 0 0 1 8 0v3.5", "M6.5 16h13v9h-13z"
_CIRCLE, _DIAMOND = "M13 11.5a4.5 4.5 0 1 0 .01 0z", "M13 9.5 19.5 16 13 22.5 6.5 16z"
_STEPS = {
    "service": ("cv-ours", _CIRCLE, "currentColor", 4.5),
    "holder": ("cv-ink", _CIRCLE, "none", 4.5),
    "third party": ("cv-third", _DIAMOND, "none", 6.5),
}
"""How a step is drawn, by whose it is: class, path, what fills it, and how far it reaches up and down."""

_ICONS = {
    "met": ("cv-good", "M2 7.5 5.5 11 12 3"),
    "unmet": ("cv-bad", "M3 3 11 11M11 3 3 11"),
    "not understood": ("cv-bad", "M4 4.2a3 3 0 1 1 4.6 2.5Q7 7.6 7 9M7 12.5v.01"),
    "needs a discharge": ("cv-third", "M7 1 13 7 7 13 1 7z"),
    "decided by the salt column": ("cv-soft", "M2 3h10M2 7h10M2 11h10"),
}
_PARTS: Mapping[str, Mapping[str, str]] = {
    "over": {"class_": "cv-ours", "fill": "currentColor", "opacity": "0.35"},
    "left": {"class_": "cv-ours", "fill": "currentColor"},
    "cut off": {"class_": "cv-ours", "fill": "none", "stroke": "currentColor"},
    "now": {"class_": "cv-ink", "fill": "currentColor"},
}
"""What the parts of a bar look like: told apart in grey too."""


def key_step() -> Markup:
    """Draw where the rail of signatures begins: the root key, and the first signature that it makes."""
    return _rail("the root key signs the identifier", "cv-ours", _path(_KEY), _line("23.5", "100%"))


def step(whose: str) -> Markup:
    """Draw a step of the rail: the signature so far comes in as a key, and the next one goes out."""
    class_, path, fill, reach = _STEPS[whose]
    drawn = (*_into(_LEVEL - reach - 1), _path(path, fill), _line(f"{_LEVEL + reach}", "100%"))
    return _rail("the signature so far is the key that signs this caveat", class_, *drawn)


def seal() -> Markup:
    """Draw where the rail ends: the last signature, closed."""
    return _rail("the last signature is the seal", "cv-ours", *_into(7), _path(_SHACKLE), _path(_LOCK, "currentColor"))


def icon(verdict: str) -> Markup:
    """Draw the mark of a verdict; the word for it stands beside it."""
    class_, path = _ICONS[verdict]
    return _mark(class_, _path(path))


def bar(label: str, expires: float, now: float | None) -> Markup:
    """Draw a window as a bar: what is over, what is left, and in outline what was cut off.

    ``expires`` and ``now`` are fractions of the window. Where nobody said the time, nothing is over.
    """
    over = 0.0 if now is None else min(now, expires)
    parts = [
        _block("cut off", x=0, y=6, width="100%", height=10, rx=2),
        _block("over", x=0, y=6, width=_percent(over), height=10, rx=2),
        _block("left", x=_percent(over), y=6, width=_percent(expires - over), height=10, rx=2),
    ]
    if now is not None:
        parts.append(_block("now", x=_percent(now), y=2, width=3, height=18, transform="translate(-1.5)"))
    return element(
        "svg", *parts, class_="cv-bar", width="100%", height=22, overflow="visible", role="img", aria_label=label
    )


def swatch(part: str) -> Markup:
    """Draw what a part of a bar looks like, for its legend: ``over``, ``left``, ``cut off`` or ``now``."""
    if part == "now":
        return _mark("", _block(part, x="5.5", y=0, width=3, height=14))
    return _mark("", _block(part, x=1, y=2, width=12, height=10, rx=2))


def _block(part: str, **where: str | int) -> Markup:
    return element("rect", **_PARTS[part], **where)


def _rail(label: str, class_: str, *drawn: Markup) -> Markup:
    return element("svg", *drawn, class_=class_, width=30, height=30, role="img", aria_label=label)


def _into(tip: float) -> tuple[Markup, Markup]:
    """The signature so far, as an arrow that comes from the row above."""
    return _line("0", f"{tip - 4}"), element("path", d=f"M10 {tip - 5}h6l-3 5z", fill="currentColor", class_="cv-soft")


def _line(start: str, end: str) -> Markup:
    return element("line", x1=13, y1=start, x2=13, y2=end, stroke="currentColor", stroke_width="1.5", class_="cv-soft")


def _path(d: str, fill: str = "none") -> Markup:
    return element(
        "path", d=d, fill=fill, stroke="currentColor", stroke_width=2, stroke_linejoin="round", stroke_linecap="round"
    )


def _mark(class_: str, drawn: Markup) -> Markup:
    return element("svg", drawn, class_=f"cv-mark {class_}".rstrip(), width=14, height=14, aria_hidden="true")


def _percent(part: float) -> str:
    return f"{100 * part:.2f}%"
