"""Markup: no text gets out of where it was put."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from caveats.markup import Markup, element, together

TEXTS = st.one_of(st.text(), st.sampled_from(["</b>", '"><i>', "<script>", "&lt;", "a'b", "<!--", "]]>"]))


class Read(HTMLParser):
    """What a browser makes of one element: the tags, their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS, TEXTS)
def test_a_text_stays_the_text_of_its_element_and_an_attribute_its_value(text: str, value: str) -> None:
    read = Read(element("b", text, title=value))
    assert (read.tags, read.text) == ([("b", [("title", value)])], text)


def test_only_markup_stays_markup_and_what_is_joined_to_it_is_text_again() -> None:
    bold = element("b", "a")
    assert element("p", bold, "<b>") == "<p><b>a</b>&lt;b&gt;</p>"
    assert element("p", bold + "<i>") == "<p>&lt;b&gt;a&lt;/b&gt;&lt;i&gt;</p>"
    assert together("&", bold) == "&amp;<b>a</b>"
    assert isinstance(together("&", bold), Markup)


def test_an_attributes_name_is_written_with_dashes() -> None:
    assert element("td", aria_label="x", class_="y", colspan=2) == '<td aria-label="x" class="y" colspan="2"></td>'
