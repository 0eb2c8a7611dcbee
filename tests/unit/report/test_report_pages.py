"""The HTML page and the Markdown report hold no markup but ours."""

from __future__ import annotations

import builtins
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from report_samples import report, result

from harness.report import Format, write

VOID = {"meta"}


class Page(HTMLParser):
    """Collects what a browser would act on, and checks that tags are balanced."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.ids, self.text = set(), [], [], ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.note(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self.note(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def note(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]


def check(page: Page) -> None:
    assert not page.tags & {"script", "iframe", "object", "embed", "img", "link", "form", "base", "foreignobject"}
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert "javascript:" not in value.lower()
        if name in {"href", "xlink:href", "src"}:
            assert value.startswith("#"), (tag, name, value)
    assert len(page.ids) == len(set(page.ids))


@pytest.fixture(scope="module")
def page():
    return write(report(), Format.HTML)


def test_the_page_is_self_contained(page):
    check(Page(page))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_page_shows_verdicts_findings_facts_and_pictures(page):
    text = Page(page).text
    for expected in (
        "1 accepted, 1 rejected, 1 undecided",
        "error W202 raises, line 12",
        'policy_chosen_logps = [-12.5, float("nan")]',
        "0.846574 (beta 0.05)",
        "-88.73 for beta 1, -35.49 for beta 2.5",
        "The engine stopped answering.",
    ):
        assert expected in text
    assert page.count("<svg ") == 4


def test_every_reference_inside_a_picture_has_its_target(page):
    ids = set(Page(page).ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= ids


def test_pictures_follow_the_theme(page):
    pictures = "".join(re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL))
    assert "var(--accent)" in pictures
    assert not re.search(r"#[0-9a-f]{6}\b", pictures)
    used = set(re.findall(r"var\(--([a-z]+)\)", page))
    defined = re.findall(r"--([a-z]+): #", page)
    assert all(defined.count(name) == 2 for name in used), "once for light and once for dark"


def test_without_matplotlib_the_page_says_what_is_missing(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr("harness.plots.plots.importlib.import_module", absent)
    made = write(report(result()), Format.HTML)
    assert "<svg" not in made
    assert "No pictures: pictures need matplotlib" in made


def markdown(made):
    return (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(write(made, Format.MARKDOWN))
    )


def test_markdown_reads_as_headings_tables_and_code():
    tokens = markdown(report())
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert headings[1:] == [
        "✅ accepted: `examples/discopop.py`",
        "❌ rejected: `examples/band.py`",
        "❔ undecided: `examples/late.py`",
    ]
    fences = [t.content for t in tokens if t.type == "fence"]
    assert 'beta = 0.05\npolicy_chosen_logps = [-12.5, float("nan")]\nrho = [3.75, 1.0]\n' in fences
