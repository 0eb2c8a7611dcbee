"""Every attack, in every place, through every format, before a judge that knows nothing of how it was made safe."""

from __future__ import annotations

import importlib
import io
import pkgutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hostile_texts import HOSTILE
from page_judges import judge_html, judge_markdown, judge_svg
from report_samples import LRML_FACTS, PLACES, hostile_report, report
from text_judges import judge_github, judge_gitlab, judge_json, judge_junit, judge_sarif, judge_terminal
from tiers import soon

import harness.report
from harness.core import text as sanitize
from harness.plots import canvas, plots
from harness.report import Format, write
from harness.report.text import make_console, print_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.core.result import CheckReport

WORDS = ["rejected", "undecided", "accepted"]
RULES = ["W202", "W202", "W202"]


def on_terminal(made: CheckReport, *, width: int = 100, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    print_report(made, make_console(stream, {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(width)}))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


#: A way to write a report, and its judge.
FORMATS: dict[str, tuple[Callable[[CheckReport], str], Callable[[str], None]]] = {
    "text": (partial(write, format=Format.TEXT), partial(judge_terminal, words=WORDS)),
    "colours": (on_terminal, partial(judge_terminal, words=WORDS, coloured=True)),
    "narrow": (partial(on_terminal, width=40), partial(judge_terminal, words=WORDS, coloured=True)),
    "ascii": (partial(on_terminal, encoding="ascii"), partial(judge_terminal, words=WORDS, coloured=True)),
    "json": (partial(write, format=Format.JSON), partial(judge_json, words=WORDS)),
    "sarif": (partial(write, format=Format.SARIF), partial(judge_sarif, rules=RULES)),
    "gitlab": (partial(write, format=Format.GITLAB), partial(judge_gitlab, rules=RULES)),
    "junit": (partial(write, format=Format.JUNIT), partial(judge_junit, counts=[(1, 0), (0, 1), (0, 0)])),
    "github": (
        partial(write, format=Format.GITHUB),
        partial(judge_github, commands=["error", "warning", "error", "warning"]),
    ),
    "html": (partial(write, format=Format.HTML), partial(judge_html, words=WORDS)),
    "markdown": (partial(write, format=Format.MARKDOWN), partial(judge_markdown, words=WORDS, fences=6)),
}
#: Without the curve and the map, of which nothing is a candidate's text: they take most of the time.
BARE = {key: value for key, value in LRML_FACTS.items() if key not in {"curve", "stability"}}

#: Every attack in one format, the formats in turn; then every attack in every other format.
PAIRS = sorted(
    ((format_, attack) for format_ in FORMATS for attack in HOSTILE),
    key=lambda pair: (list(HOSTILE).index(pair[1]) - list(FORMATS).index(pair[0])) % len(FORMATS) > 0,
)


def fallen(format_: str, texts: dict[str, str], *places: str) -> set[str]:
    """The attacks that the judge of a format notices."""
    make, judge = FORMATS[format_]
    noticed = set()
    for name, text in texts.items():
        try:
            judge(make(hostile_report(text, *places, facts=BARE)))
        except (AssertionError, ValueError, SyntaxError):  # the last two: it is no JSON, no XML any more
            noticed.add(name)
    return noticed


@pytest.mark.parametrize("pair", soon(PAIRS, len(HOSTILE)), ids="-".join)
def test_an_attack_is_text_in_every_place(pair):
    format_, attack = pair
    make, judge = FORMATS[format_]
    for places in PLACES:
        judge(make(hostile_report(HOSTILE[attack], *places, facts=BARE)))
    judge(make(hostile_report(HOSTILE[attack], facts=BARE)))


# What a drawing or its page could take for markup or mathematics; the name is the one text in a picture.
@pytest.mark.parametrize("attack", ["html", "svg", "css", "xml", "math", "nfc", "bidi"])
def test_an_attack_is_text_on_a_page_with_a_picture(attack):
    made = hostile_report(HOSTILE[attack], facts={"curve": LRML_FACTS["curve"]}).results[0]
    judge_html(write(report(made), Format.HTML), ["rejected"])
    with canvas.settings():
        ((_, figure),) = plots._figures(made)
        judge_svg(canvas.to_svg(figure))


# The judges are worth what they notice once nothing is made safe any more.
EXPECTED = {
    "text": {"ansi", "cursor", "bidi", "tags", "blanks", "marks", "workflow", "old-workflow", "gitlab-sections"},
    "colours": {"ansi", "osc-link", "clipboard", "device-control", "c1", "overwrite", "isolates", "azure"},
    "narrow": {"ansi", "workflow-wrapped", "teamcity", "nul"},
    "ascii": {"old-workflow", "workflow-wrapped"},
    "json": {"ansi", "bidi", "marks", "nul", "surrogate", "old-workflow", "azure", "long"},
    "sarif": {"ansi", "bidi", "marks", "nul", "surrogate", "teamcity", "long"},
    "gitlab": {"ansi", "bidi", "nul", "workflow", "azure", "long"},
    "junit": {"ansi", "nul", "surrogate", "bidi", "workflow", "old-workflow", "long"},
    "github": {"ansi", "bidi", "workflow", "percent", "old-workflow", "long"},
    "html": {"html", "html-context", "svg", "css", "nfc", "bidi", "ansi", "nul", "xml", "workflow"},
    "markdown": {"markdown", "references", "addresses", "table", "fences", "quick-action", "html", "workflow", "emoji"},
}


@pytest.fixture
def naked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made safe: each function that does is the identity, wherever it was imported to."""
    mean = {
        name: function
        for name, function in vars(sanitize).items()
        if callable(function) and getattr(function, "__module__", "") == sanitize.__name__ and name[0].islower()
    }

    def identity(text: str, *_: Any) -> str:
        return text

    writers = pkgutil.iter_modules(harness.report.__path__, "harness.report.")
    for module in (sanitize, *(importlib.import_module(info.name) for info in writers)):
        for name, function in mean.items():
            if getattr(module, name, None) is function:
                monkeypatch.setattr(module, name, identity)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.usefixtures("naked")
def test_the_judge_notices_text_that_nobody_made_safe(format_):
    chosen = {name: HOSTILE[name] for name in EXPECTED[format_]}
    assert fallen(format_, chosen) == EXPECTED[format_]


@pytest.mark.parametrize("format_", FORMATS)
def test_the_judge_has_nothing_against_ordinary_text(format_):
    assert (
        fallen(format_, {"plain": "it raised ValueError: rho <= -88.73 for \u03b2 = 1, na\u00efve, 100 % sure."})
        == set()
    )


#: Each step by which text is made safe, and an attack that gets through where it is left out.
STEPS = [
    ("sanitize._settled", "text", "marks"),
    ("sanitize._spelt_word", "gitlab", "blanks"),
    ("sanitize.part_commands", "text", "workflow-wrapped"),
    ("sanitize.part_commands", "github", "azure"),
    ("sanitize.part_commands", "markdown", "workflow"),
    ("sanitize.part_in_json", "json", "old-workflow"),
    ("sanitize.part_in_json", "sarif", "azure"),
    ("sanitize.part_in_json", "gitlab", "teamcity"),
    ("sanitize.part_in_markup", "junit", "workflow"),
    ("sanitize.part_in_markup", "html", "workflow"),
    ("junit._unattached", "junit", "attachment"),
    ("sarif._text", "sarif", "sarif-link"),
    ("sanitize.html", "html", "html"),
    ("sanitize.markdown", "markdown", "references"),
    ("sanitize.markdown_code", "markdown", "table"),
    ("sanitize.markdown_quote", "markdown", "fences"),
    ("sanitize.workflow_data", "github", "workflow"),
    ("sanitize.workflow_property", "github", "percent"),
]


@pytest.mark.parametrize(("step", "format_", "attack"), STEPS)
def test_each_step_is_needed(step, format_, attack, monkeypatch):
    module, _, name = step.partition(".")
    where = sanitize.__name__ if module == "sanitize" else f"harness.report.{module}"
    monkeypatch.setattr(f"{where}.{name}", lambda text, *_: text)
    assert fallen(format_, {attack: HOSTILE[attack]}) == {attack}
