"""Untrusted text is harmless after `sanitize`, and ordinary text is itself."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hostile_texts import HOSTILE
from processor import at_most
from rich.console import Console

from harness.core import text as sanitize

CASES = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def is_harmless(text: str) -> bool:
    allowed = all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"} for c in text)
    text.encode("utf-8")
    return allowed


@CASES
def test_cleaned_text_holds_no_control_bidi_or_invisible_character(text):
    assert is_harmless(sanitize.clean(text))
    assert is_harmless(sanitize.one_line(text))
    assert "\n" not in sanitize.one_line(text)
    assert is_harmless(sanitize.path(text))
    assert "\n" not in sanitize.path(text)


@CASES
def test_lengths_are_capped_and_the_cut_is_told(text):
    assert len(sanitize.clean(text)) < sanitize.BLOCK_CAP + 60
    assert len(sanitize.path(text)) < 10 * sanitize.PATH_CAP


def test_a_cut_names_the_length_of_the_whole():
    assert sanitize.clean("A" * 1_000_000, 10) == "AAAAAAAAAA ... [cut: 1000000 characters in all]"


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x1bP", "\x9d", "\x1b]8;;\x1b", "[", "`", "\u202e"])
def test_a_megabyte_of_half_sequences_takes_no_time(piece):
    text = piece * (1_000_000 // len(piece))
    with at_most(1.0):
        for make in (sanitize.clean, sanitize.path, sanitize.terminal, sanitize.html, sanitize.markdown):
            make(text)


def test_escape_sequences_go_as_a_whole():
    assert sanitize.clean("a\x1b[31mred\x1b[0m b") == "ared b"
    assert sanitize.clean("\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x07") == "click"
    assert sanitize.clean("\x9b31mred") == "red"


@pytest.mark.parametrize(
    "text", ["rho <= -88.73 for β = 1", "naïve π², 中文", "tab\tand\nnewline", "", "100 % [1.0, 2.0] & co."]
)
def test_ordinary_text_stays(text):
    assert sanitize.clean(text) == text


def test_different_paths_never_look_the_same():
    alike = ["a.py", "a\u200b.py", "\u0430.py", "\uff41.py", "\u202ea.py", "a\u2024py", "a.py ", " a.py", "a\u00a0.py"]
    others = ["a\x1b.py", "a\\x1b.py", "a\ud800.py", "a\n.py", "a\\n.py", "a b", "a  b", "\u00e9", "e\u0301"]
    paths = alike + others
    shown = {unicodedata.normalize("NFKC", sanitize.path(p)) for p in paths}
    assert len(shown) == len(paths)
    assert sum(path.isascii() for path in shown) == len(paths) - 1, "the accent is a letter like any other"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("losses/dpo_v2.py", "losses/dpo_v2.py"),
        ("a b/c+d (1).py", "a b/c+d (1).py"),
        ("na\u00efve-\u03b2/\u4e2d\u6587.py", "na\u00efve-\u03b2/\u4e2d\u6587.py"),
        ("\u0434\u0430/x.py", "\\u0434\\u0430/x.py"),  # a script with Latin twins
    ],
)
def test_ordinary_paths_and_names_stay(text, shown):
    assert sanitize.path(text) == sanitize.name(text) == shown


def test_marks_stay_on_their_letters_and_no_tower_is_built():
    assert sanitize.clean("e\u0301 n\u0303") == "e\u0301 n\u0303"
    assert sanitize.clean("\u0338x \u0338y\n\u0338") == "x y\n"
    assert sanitize.clean("e" + "\u0301" * 1000 + "f") == "e" + "\u0301" * 4 + "f"


@CASES
def test_rich_prints_the_escaped_text_literally(text):
    stream = io.StringIO()
    Console(file=stream, width=10_000, emoji=False, highlight=False, force_terminal=True).print(
        f"{sanitize.terminal(text)}[bold][/bold]", style=None, soft_wrap=True
    )
    assert stream.getvalue() == sanitize.one_line(text) + "\n"


@CASES
def test_workflow_texts_stay_on_one_line_and_in_their_place(text):
    assert re.fullmatch(r"[^\r\n]*", sanitize.workflow_data(text))
    assert not re.search(r"[\r\n:,]", sanitize.workflow_property(text))
    assert not re.search(r"%(?!25|0A|0D|3A|2C)", sanitize.workflow_property(text))


def test_workflow_escapes_can_be_undone():
    assert sanitize.workflow_data("50 %\nand %0A") == "50 %25%0Aand %250A"
    assert sanitize.workflow_property("a:b,c%") == "a%3Ab%2Cc%25"


@CASES
def test_html_has_no_markup_left(text):
    assert not re.search(r"[<>\"']", sanitize.html(text))


@pytest.mark.parametrize("text", ["a`b", "``", "```\ncode\n```", "`" * 50, "|", ""])
def test_code_spans_and_blocks_cannot_be_closed_from_inside(text):
    block = sanitize.markdown_block(text).split("\n")
    assert block[0] == block[-1]
    assert all(block[0] not in line for line in block[1:-1])
    span = sanitize.markdown_code(text)
    opening = re.match("`+", span)
    assert opening is not None
    fence = opening.group()
    assert span.endswith(fence)
    assert not re.search(rf"(?<!`){fence}(?!`)", span[len(fence) : -len(fence)])
