"""The report on a terminal."""

from __future__ import annotations

import io
import re

import pytest
from hostile_texts import HOSTILE
from report_samples import FLOOD, hostile_report, report, result
from test_report_sanitize import is_harmless

from harness.core.verdict import Accepted
from harness.report import Format, write
from harness.report.text import make_console, print_report

SGR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(made, environment, stream=None):
    stream = stream or Terminal()
    print_report(made, make_console(stream, {"COLUMNS": "100", **environment}))
    return stream.getvalue()


def test_a_block_tells_verdict_finding_numbers_and_fix():
    text = write(report(), Format.TEXT)
    assert "✗ REJECTED  examples/band.py  banded  sha256 5f5f5f5f5f5f\n  error W202 raises  line 12, column 5\n" in text
    assert '      policy_chosen_logps = [-12.5, float("nan")]\n' in text
    assert "    fix: Make the function work for the printed batch.\n" in text
    assert "? UNDECIDED" in text
    assert "What to do: Start it: systemctl start docker." in text
    assert "1 accepted, 1 rejected, 1 undecided (profile 2026.1, seed 0)\n" in text


def test_the_facts_and_the_stability_story_of_discopop():
    text = " ".join(write(report(result()), Format.TEXT).split())
    assert "slope at rho = 0 0.0392132 (beta 0.05); DPO has -0.025; it rises" in text
    assert "local minima 0.785924 at rho -2.3714" in text
    assert "Outside the operating domain, NaN or infinity begins at rho <= " in text
    assert "-88.73 for beta 1, -35.49 for beta 2.5, -17.75 for beta 5." in text
    assert "Inside the operating domain" not in text


def test_a_band_inside_the_domain_is_told_first():
    text = " ".join(write(report(report().results[1]), Format.TEXT).split())
    assert "Inside the operating domain, NaN or infinity begins at rho >= 3.11 for beta 0.025" in text
    assert text.index("Inside the") < text.index("Outside the")


def test_one_candidate_has_no_summary_table():
    assert "findings" not in write(report(result()), Format.TEXT)
    assert "findings" in write(report(), Format.TEXT)


@pytest.mark.parametrize("missing", [*result().facts, "curve stability", " ".join(result().facts)])
@pytest.mark.parametrize("format_", [Format.TEXT, Format.HTML, Format.MARKDOWN])
def test_any_fact_may_be_absent(missing, format_):
    facts = {k: v for k, v in result().facts.items() if k not in missing.split()}
    write(report(result(facts=facts)), format_)


def test_malformed_facts_are_an_error_of_ours():
    curve = {"beta": 0.05, "rho": [1.0, 2.0], "value": [1.0], "slope": [1.0]}
    with pytest.raises(ValueError, match="differ in length"):
        write(report(result(facts={"curve": curve, "value_at_zero": 1.0})), Format.TEXT)


@pytest.mark.parametrize(
    ("environment", "tty", "colour"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "1"}, False, True),
    ],
)
def test_no_color_beats_force_color_beats_the_terminal(environment, tty, colour):
    text = shown(report(), environment, Terminal() if tty else io.StringIO())
    assert ("\x1b[" in text) is colour


def test_the_surrounding_environment_has_no_say(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in shown(report(), {}, io.StringIO())
    assert "\x1b" not in write(report(), Format.TEXT)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_can_neither_colour_nor_move(text):
    plain = write(hostile_report(text), Format.TEXT)
    assert is_harmless(plain)
    coloured = shown(hostile_report(text), {"FORCE_COLOR": "1", "TERM": "xterm-256color"})
    assert is_harmless(SGR.sub("", coloured))
    assert len(plain) < 60_000


def test_lines_have_no_blanks_at_their_end():
    assert not re.search(r"[ \t]+$", shown(report(), {}, io.StringIO()), flags=re.MULTILINE)


def test_markup_is_shown_as_it_stands():
    made = report(result(Accepted((FLOOD,)), name="[bold red]x[/] :smile:"))
    assert "[bold red]x[/] :smile:" in write(made, Format.TEXT)


def test_a_stream_that_is_not_unicode_gets_plain_symbols():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    print_report(report(), make_console(stream, {}))
    stream.flush()
    assert b"x REJECTED" in stream.buffer.getvalue()
