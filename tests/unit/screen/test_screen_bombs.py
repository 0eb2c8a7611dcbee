"""Texts that exist to exhaust a parser end in a finding, in seconds: S105 and S106."""

import sys

import pytest
from processor import at_most
from screening import LOSS, candidate, faults, findings, read

from harness.core import errors
from harness.screen import process, screen

HEAD = b"def loss(pc, pr, rc, rr):\n"


@pytest.mark.parametrize(
    "data",
    [
        b"(" * 100_000,
        b"x = " + b"[" * 100_000,
        b"x = " + b"{1:" * 50_000,
        b"x = " + b"+".join([b"1"] * 100_000),
        b"x = " + b"-" * 200_000 + b"1",
        b"x = " + b"not " * 50_000 + b"1",
        b"x = a" + b".b" * 100_000,
        b"x = a" + b"()" * 100_000,
        b"x = a" + b"[0]" * 60_000,
        b"x = " + b"lambda:" * 30_000 + b"1",
        b"x = " + b"1 if 1 else " * 20_000 + b"1",
        b"".join(b" " * i + b"if 1:\n" for i in range(200)) + b" " * 200 + b"pass",
        b"if 1: pass\n" + b"elif 1: pass\n" * 15_000,
        b"x = 1" + b" < 1" * 60_000,
        b"pass\n" * 50_000,
        b"x = " + b"9" * 10_000,
        HEAD + b"    return pc * 0x" + b"f" * 10_000,
        HEAD + b"    return pc" + b".abs()" * 90,
        b'{"code": ' + b"[" * 100_000,
        b"match x:\n case " + b"[" * 190 + b"1" + b"]" * 190 + b": pass",
    ],
    ids=lambda data: data[:24].decode(),
)
def test_too_complex(data):
    with at_most(10.0):
        assert "S106" in {finding.rule for finding in findings(data)}


@pytest.mark.parametrize(
    "data",
    [b"`" * 200_000, b'{"' * 60_000, b"```\n" * 60_000, b"a b\n" + b" " * 200_000, b'"code"' + b" " * 200_000],
    ids=lambda data: data[:8].decode(),
)
def test_reading_replies_takes_no_longer_with_their_length(data):
    with at_most(2.5):
        assert findings(data)


@pytest.mark.parametrize("expression", ["9 ** 9 ** 9", "'a' * 10 ** 12", "1 << 10 ** 12", "(1,) * 10 ** 12"])
def test_constants_are_not_folded(expression):
    with at_most(1.0):
        read(f"def loss(pc, pr, rc, rr):\n    return {expression}\n")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("def loss(pc, pr, rc, rr)\n    return pc\n", (1, 25)),
        ("x = 1\nif x:\nreturn x\n", (3, 1)),
        ("def loss(pc):\n    return pc +\n", (2, 16)),
        ("if x:\n    y\n  z\n", (3, 4)),
        ("x = 'é' + (1 2)\n", (1, 12)),
    ],
)
def test_syntax_errors_have_a_line_and_a_column(source, place):
    (finding,) = findings(source)
    assert finding.rule == "S105"
    assert (finding.location.line, finding.location.column) == place


def test_ordinary_depth_passes():
    chain = " + ".join(f"pc * {i}" for i in range(60))
    nested = "(" * 80 + "pc" + ")" * 80
    assert faults(f"def loss(pc, pr, rc, rr):\n    x = {nested}\n    return {chain} + x" + ".abs()" * 20) == []


def test_a_process_that_dies_of_its_input_is_the_candidates_fault(monkeypatch):
    start = process._START.replace("main(sys.argv[3:])", "print('ready', flush=True); import os; os.abort()")
    monkeypatch.setattr(process, "_START", start)
    (finding,) = findings(LOSS)
    assert finding.rule == "S106"


@pytest.mark.parametrize(
    ("code", "seconds"),
    [("import time; time.sleep(60)", 1), ("print('x' * 10**7)", 60), ("raise SystemExit(3)", 60)],
)
def test_hangs_floods_and_exits_are_the_candidates_fault(monkeypatch, code, seconds):
    monkeypatch.setattr(process, "_START", f"print('ready', flush=True)\n{code}")
    monkeypatch.setattr(process, "_READ_SECONDS", float(seconds))
    assert [finding.rule for finding in findings(LOSS)] == ["S106"]


@pytest.mark.parametrize("code", ["raise ImportError('RestrictedPython')", "pass", "print('steady')"])
def test_a_process_that_does_not_start_is_our_fault(monkeypatch, code):
    monkeypatch.setattr(process, "_START", code)
    with pytest.raises(errors.InfrastructureError) as error:
        screen(candidate(LOSS))
    assert error.value.remedy


def test_an_interpreter_that_is_missing_is_our_fault(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(errors.InfrastructureError):
        screen(candidate(LOSS))


@pytest.mark.parametrize(
    "answer",
    [
        "nothing",
        "[]",
        "{}",
        '{"defect": "KeyError"}',
        '{"faults": []}',
        '{"faults": [["S101", "m", -1, 0, null]]}',
        '{"faults": [["S999", "m", 1, 0, null]]}',
        '{"faults": [["S101", "m", true, 0, null]]}',
        '{"text": "x", "lines": [], "source": "x", "name": "x", "plan": ["f", "function", [], []]}',
        '{"text": "x", "lines": [1], "source": "x", "name": "x", "plan": ["f", "other", [], []]}',
        '{"text": "x", "lines": [1], "source": "x", "name": "x", "plan": ["f()", "function", [], []]}',
        '{"text": "x", "lines": [1], "source": "x", "name": "x", "plan": ["f", "function", ["secret"], []]}',
        '{"text": "x", "lines": [1], "source": "x", "name": "x", "plan": ["f", "function", ["beta", "beta"], []]}',
        '{"text": 1, "lines": [1], "source": "x", "name": "x", "plan": ["f", "function", [], []]}',
    ],
)
def test_answers_are_checked_field_by_field(monkeypatch, answer):
    monkeypatch.setattr(process, "_START", f"print('ready', flush=True); print({answer!r})")
    with pytest.raises(errors.InfrastructureError):
        screen(candidate(LOSS))
