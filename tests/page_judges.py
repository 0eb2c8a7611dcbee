"""Judges of the reports that people read as pages: HTML, Markdown, pictures. See `text_judges`."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from text_judges import judge_characters, judge_composition, judge_log

_SHAPES = {"id", "style", "d", "transform", "x", "y", "width", "height", "clip-path"}
_PLAIN = "head title style body header main h1 h2 h3 table tr th td strong pre details summary figure figcaption"
_HTML: dict[str, set[str]] = {
    **{tag: set() for tag in _PLAIN.split()},
    "html": {"lang"},
    "meta": {"charset", "name", "content", "http-equiv"},
    "a": {"href"},
    "section": {"id"},
    **{tag: {"class"} for tag in ("span", "p", "div")},
    "svg": {"role", "class", "xmlns", "xmlns:xlink", "width", "height", "viewbox", "version"},
    "use": {"xlink:href", "x", "y", "style"},
    **dict.fromkeys(("g", "path", "defs", "text", "rect", "clippath"), _SHAPES),
}


class _Page(HTMLParser):
    """Reads a page as a browser does, and holds each tag and attribute against those of the template."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.badges: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _HTML, tag
        for name, value in attrs:
            assert name in _HTML[tag], (tag, name)
            if "href" in name:
                assert re.fullmatch(r"#[\w-]+", value or ""), value
            if name == "style":
                assert not re.search(r"url\((?!#)|expression|import", value or "")
        if (badge := dict(attrs).get("class") or "").startswith("badge "):
            self.badges.append(badge.removeprefix("badge "))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        judge_characters(data)

    def handle_decl(self, decl: str) -> None:
        assert decl == "DOCTYPE html"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:80]}")

    handle_pi = unknown_decl = handle_comment


def judge_html(text: str, words: list[str]) -> None:
    judge_log(text)
    judge_composition(text)
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.badges == words * (2 if len(words) > 1 else 1)
    assert len(text) < 1_000_000
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(style) == 1
    assert not re.search(r"@import|url\(", style[0])


_DETAILS = {"<details><summary>detail</summary>\n", "</details>\n"}
#: What code hosts make references, mentions, emoji, mathematics and links of, in running text.
_REFERENCE = re.compile(r"@\w|#\d|://|www\.|\bGH-\d|(?<![\w&])[!~%^&]\w|\$\w|:\w+:", re.IGNORECASE)


def judge_markdown(text: str, words: list[str], fences: int) -> None:
    """`fences` is the number of code blocks."""
    judge_characters(text)
    judge_log(text)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    inside = [child for token in tokens for child in token.children or []]
    kinds = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    assert {child.type for child in inside} <= kinds, {child.type for child in inside} - kinds
    assert {token.content for token in tokens if token.type == "html_block"} <= _DETAILS
    assert not {token.type for token in tokens} & {"code_block", "blockquote_open", "ordered_list_open", "hr"}
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert [heading.partition(" ")[2].partition(":")[0] for heading in headings[1:]] == words
    assert sum(token.type == "fence" for token in tokens) == fences
    for child in inside:
        if child.type == "text":
            assert not _REFERENCE.search(child.content), child.content[:200]
    _judge_rows(text)
    # GitLab looks for its quick actions outside of what this takes for code.
    outside = re.sub(r"^```.*?\n```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^\s*/\w", outside, re.MULTILINE)
    prose = re.sub(r"`+.*?`+", "", re.sub(r"\\[!-/:-@\[-`{-~]", "", outside))
    assert "$" not in prose, "mathematics"


def _judge_rows(text: str) -> None:
    """Each row of a table has the cells of its heading, as GitHub's scanner counts them."""
    cells = 0
    for line in re.sub(r"^```.*?\n```$", "", text, flags=re.MULTILINE | re.DOTALL).split("\n"):
        if not line.startswith("|"):
            cells = 0
            continue
        # An escape is a backslash and the character of punctuation after it, another backslash included.
        bars = len(re.sub(r"\\[!-/:-@\[-`{-~]", "", line).split("|")) - 2
        cells = cells or bars
        assert bars == cells, line[:200]


def judge_svg(data: bytes) -> None:
    """A drawing: no script, link, picture or text from elsewhere."""
    root = ET.fromstring(data)  # noqa: S314 - our own text, which is what is tested
    for element in root.iter():
        tag = element.tag.rpartition("}")[2].lower()
        assert tag in {*_HTML, "metadata", "rdf", "work", "type", "format", "agent", "creator"}, tag
        assert tag not in {"a", "script", "image", "foreignobject"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            if name.endswith("href"):
                assert value.startswith("#")
        judge_characters(element.text or "")
