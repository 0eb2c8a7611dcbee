"""Bytes and characters: S101 to S104 and S111."""

import pytest
from screening import LOSS, findings, read

from harness.core.candidate import SIZE_LIMIT
from harness.core.look_alike import look_alike
from harness.screen.text import check_text


def seen(source):
    return [(f.rule, f.location and f.location.line, f.location and f.location.column) for f in findings(source)]


@pytest.mark.parametrize("data", [b"", b"\n\n  \t\n", b"# only a comment\n\n# and another\n"])
def test_empty(data):
    assert [f.rule for f in findings(data)] == ["S101"]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xef\xbb\xbfx = 1\n", (1, 1)),
        ("x = 1\n".encode("utf-16"), (1, 1)),
        (b"x = 1\ny = '\xff'\n", (2, 6)),
        ("y = 'é' # ".encode() + b"\xc3", (1, 11)),
        (b"x = 1\n\0y = 2\n", (2, 1)),
        (b"x = '\xed\xa0\x80'\n", (1, 6)),
    ],
)
def test_not_utf8(data, place):
    assert seen(data) == [("S102", *place)]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"# -*- coding: utf-7 -*-\nx = 1\n", 1),
        (b"#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n", 2),
        (b"\r# coding=utf-16\r", 2),
    ],
)
def test_coding_cookie(data, line):
    assert [(f.rule, f.location.line) for f in findings(data)] == [("S103", line)]


@pytest.mark.parametrize(
    "data", ["# -*- coding: utf-8 -*-\n", "# coding: UTF8\n", "x = 1\n# coding: utf-7\n", "\n\n# coding: latin-1\n"]
)
def test_cookies_that_python_takes_for_utf8_or_ignores(data):
    assert "faults" not in read(data + LOSS)


@pytest.mark.parametrize("size", [SIZE_LIMIT + 1, 10_000_000])
def test_too_large(size):
    assert [f.rule for f in findings(b"#" * size)] == ["S104"]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("x = 1\ny = '\u202e abc'\n", (2, 6)),
        ("x\u200b = 1\n", (1, 2)),
        ("# \u2066 comment\n", (1, 3)),
        ("x = 1  # \x1b[31m\n", (1, 10)),
        ("x = 1\u2028y = 2\n", (1, 6)),
        ("ㅤ = 1\n".replace("ㅤ", "\u3164"), (1, 1)),
        ("x = 1 \U000e0041\n", (1, 7)),
    ],
)
def test_hidden_characters(source, place):
    found = seen(source)
    assert found == [("S111", *place)]


def test_each_hidden_character_is_named_up_to_a_limit():
    complaints = check_text("\u200b\n" * 50)
    assert [c.line for c in complaints] == list(range(1, 21))
    assert "U+200B" in complaints[0].message


@pytest.mark.parametrize("text", ["# naïve β ≥ ρ → τ ✅ ⚠️\n", "x = 'größer 日本'\n", "\tx = 1\f\r\n"])
def test_visible_characters_pass(text):
    assert check_text(text) == []


@pytest.mark.parametrize("name", ["β", "ρ", "τ_0", "Δx", "log_π", "größe", "σ_β", "ν", "变量", "beta"])
def test_honest_identifiers(name):
    assert look_alike(name) == ""


@pytest.mark.parametrize(
    "name", ["bеta", "рс", "ｅｘｅｃ", "x₁", "ſum", "𝐞𝐱𝐞𝐜", "Αlpha", "ο", "xν", "µ", "a日", "ԁata"]
)
def test_look_alike_identifiers(name):
    assert look_alike(name)


@pytest.mark.parametrize(("line", "column"), [("bеta = 1", 5), ("'é', ｅｖａｌ('1')", 10)])
def test_look_alikes_are_found_in_the_text_as_written(line, column):
    source = f"def loss(pc, pr, rc, rr):\n    {line}\n    return pc\n"
    fault = next(f for f in read(source)["faults"] if f[0] == "S111")
    assert fault[2:4] == [2, column]


def test_greek_in_a_loss_passes():
    source = "def loss(pc, pr, rc, rr, beta):\n    ρ = (pc - pr) - (rc - rr)\n    return -F.logsigmoid(beta * ρ)\n"
    assert "faults" not in read(source)
