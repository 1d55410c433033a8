"""A page: the parts that every display is put together from, and the one style that they have.

The parts are plain elements in a plain order, so that a page reads well where its style was stripped.
"""

from __future__ import annotations

from collections.abc import Iterable

from caveats.markup import Markup, element, together

# Notebooks style bare tables and code, some with two classes: the doubled class goes before theirs. Light is the
# rule; the reader's system makes it dark, and a notebook's own theme decides over that. Paper and ink change
# together, so that the text is legible on whatever page it lands.
_STYLE = Markup("""<style>
.cv-show{--cv-ink:#1f2328;--cv-soft:#59636e;--cv-line:#d9dee3;--cv-paper:#fff;--cv-chip:#f1f3f5;
--cv-ours:#0b5cad;--cv-third:#8a4b00;--cv-good:#00695c;--cv-bad:#b3261e}
@media (prefers-color-scheme:dark){.cv-show{--cv-ink:#e3e6ea;--cv-soft:#9ba5b0;--cv-line:#3a4048;--cv-paper:#16191d;
--cv-chip:#262b31;--cv-ours:#7db8f5;--cv-third:#eeb368;--cv-good:#63cdbb;--cv-bad:#ff9a8d}}
[data-jp-theme-light=true] .cv-show,.vscode-light .cv-show{--cv-ink:#1f2328;--cv-soft:#59636e;--cv-line:#d9dee3;
--cv-paper:#fff;--cv-chip:#f1f3f5;--cv-ours:#0b5cad;--cv-third:#8a4b00;--cv-good:#00695c;--cv-bad:#b3261e}
[data-jp-theme-light=false] .cv-show,.vscode-dark .cv-show{--cv-ink:#e3e6ea;--cv-soft:#9ba5b0;--cv-line:#3a4048;
--cv-paper:#16191d;--cv-chip:#262b31;--cv-ours:#7db8f5;--cv-third:#eeb368;--cv-good:#63cdbb;--cv-bad:#ff9a8d}
.cv-show.cv-show{box-sizing:border-box;max-width:780px;padding:14px 16px 10px;border:1px solid var(--cv-line);
border-radius:8px;background:var(--cv-paper);color:var(--cv-ink);
font:14px/1.5 system-ui,-apple-system,Segoe UI,Roboto,Noto Sans,DejaVu Sans,sans-serif;text-align:left}
.cv-show.cv-show p{margin:0 0 4px;color:inherit}
.cv-show.cv-show p.cv-note{margin:8px 0 0;padding-top:7px;border-top:1px solid var(--cv-line)}
.cv-show.cv-show p.cv-part{margin:12px 0 0;font-weight:600}
.cv-show.cv-show .cv-title{font-size:15px;font-weight:600}
.cv-show.cv-show .cv-badge{margin-left:6px;padding:1px 8px;border:1px solid currentColor;border-radius:10px;
font-size:12px;font-weight:500;white-space:nowrap}
.cv-show.cv-show table{width:100%;margin:6px 0 0;border:0;border-collapse:collapse;table-layout:auto;
font-size:14px;color:inherit;background:none}
.cv-show.cv-show thead{border:0}
.cv-show.cv-show table tbody tr{background:none}
.cv-show.cv-show th,.cv-show.cv-show td{padding:5px 12px 5px 0;border:0;border-top:1px solid var(--cv-line);
text-align:left;vertical-align:top;font-weight:400;line-height:1.5;color:inherit;background:none}
.cv-show.cv-show td:last-child{padding-right:0}
.cv-show.cv-show thead th{padding-top:2px;padding-bottom:3px;border-top:0;color:var(--cv-soft);font-size:12px}
.cv-show.cv-show tbody th{color:var(--cv-soft);white-space:nowrap}
.cv-show.cv-show td.cv-wide{width:99%;overflow-wrap:anywhere}
.cv-show.cv-show td.cv-tight{white-space:nowrap}
.cv-show.cv-show td.cv-verdict{min-width:128px}
.cv-show.cv-show .cv-marked{padding-left:20px;text-indent:-20px}
.cv-show.cv-show .cv-marked+.cv-more{padding-left:20px}
.cv-show.cv-show code.cv-code{padding:0;border:0;background:none;color:inherit;white-space:pre-wrap;
overflow-wrap:anywhere;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace}
.cv-show.cv-show code.cv-code.cv-chip{padding:1px 6px;border-radius:4px;background:var(--cv-chip);
box-decoration-break:clone;-webkit-box-decoration-break:clone}
.cv-show.cv-show .cv-more,.cv-show.cv-show .cv-more code.cv-code{font-size:12px}
.cv-show.cv-show svg.cv-mark{display:inline-block;max-width:none;height:14px;margin:0 2px 0 0;vertical-align:-2px}
.cv-show.cv-show th.cv-rail,.cv-show.cv-show td.cv-rail{position:relative;min-width:30px;width:30px;
padding:0;border-top:0}
.cv-show.cv-show td.cv-rail svg{position:absolute;left:0;top:0;width:30px;height:100%;margin:0;overflow:visible}
.cv-show.cv-show svg.cv-bar{display:block;width:100%;height:22px;margin:0 0 5px;overflow:visible}
.cv-show.cv-show .cv-hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.cv-show.cv-show .cv-ink{color:var(--cv-ink)}
.cv-show.cv-show .cv-soft{color:var(--cv-soft)}
.cv-show.cv-show .cv-ours{color:var(--cv-ours)}
.cv-show.cv-show .cv-third{color:var(--cv-third)}
.cv-show.cv-show .cv-good{color:var(--cv-good)}
.cv-show.cv-show .cv-bad{color:var(--cv-bad)}
@media (max-width:560px){.cv-show.cv-show{padding:12px 10px 8px}
.cv-show.cv-show th,.cv-show.cv-show td{padding-right:8px}
.cv-show.cv-show td.cv-tight{white-space:normal}
.cv-show.cv-show td.cv-verdict{min-width:66px}}
</style>""")


def page(*parts: Markup) -> Markup:
    """Put parts below each other, with the style around them."""
    return element("div", _STYLE, *parts, class_="cv-show")


def title(name: str, *badges: str) -> Markup:
    """Write what a page shows, and in badges, where there are any, what has to be seen first."""
    said = (part for badge in badges if badge for part in (" ", element("span", badge, class_="cv-badge")))
    return element("p", element("strong", name, class_="cv-title"), *said)


def summary(text: str) -> Markup:
    """Write what there is to know before looking closer."""
    return element("p", text, class_="cv-soft")


def part(name: str) -> Markup:
    """Write the title of a part of a page."""
    return element("p", name, class_="cv-part")


def note(text: str) -> Markup:
    """Write what is worth knowing about the whole, below it."""
    return element("p", text, class_="cv-soft cv-note cv-more")


def table(label: str, heads: tuple[Markup, ...], rows: Iterable[Markup]) -> Markup:
    """Write a table; ``label`` names it for who cannot see it."""
    head = [element("thead", element("tr", *heads))] if heads else []
    return element("table", *head, element("tbody", *rows), aria_label=label)


def heads(*names: str) -> tuple[Markup, ...]:
    """Write the headers of columns."""
    return tuple(element("th", name, scope="col") for name in names)


def fact(name: str, *said: str) -> Markup:
    """Write a row of two cells: a name, and what is said of it."""
    return element("tr", element("th", name, scope="row"), element("td", *said, class_="cv-wide"))


def code(text: str, class_: str = "cv-code") -> Markup:
    """Write a text as it stands, letter by letter; what is written from right to left turns nothing around it."""
    return element("code", text, class_=class_, dir="ltr")


def chips(texts: Iterable[str]) -> Markup:
    """Write several such texts, each apart."""
    return together(*(part for text in texts for part in (" ", code(text, "cv-code cv-chip"))))


def marked(mark: Markup, *said: str, class_: str = "") -> Markup:
    """Write, on a line of its own, something with a small mark before it."""
    return element("div", mark, " ", *said, class_=f"cv-marked {class_}".rstrip())


def more(*said: str) -> Markup:
    """Write, on a line of its own, what is of less weight."""
    return element("div", *said, class_="cv-more cv-soft")
