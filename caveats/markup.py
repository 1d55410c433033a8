"""Markup: elements of HTML and SVG in which every text is escaped, whatever it holds.

A plain text that becomes part of an element is escaped; only what is markup already stays as it is.
So what a stranger wrote cannot open a tag or end an attribute, and forgetting to escape is not possible.
"""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already. Joined to plain text it is plain text again, and is escaped."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str | int) -> Markup:
    """Write an element around its content.

    In an attribute's name ``_`` stands for ``-``, and one at the end for nothing: ``class_``, ``aria_label``.
    """
    named = ((name.rstrip("_").replace("_", "-"), escape(str(value))) for name, value in attributes.items())
    opening = "".join((name, *(f' {attribute}="{value}"' for attribute, value in named)))
    return Markup(f"<{opening}>{together(*content)}</{name}>")


def together(*content: str) -> Markup:
    """Write several contents behind each other, without an element around them."""
    return Markup("".join(each if isinstance(each, Markup) else escape(each) for each in content))
