"""What CI services read: JUnit XML, workflow commands, code quality issues."""

from __future__ import annotations

import json
import os
import re
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile_texts import HOSTILE
from junitparser import JUnitXml
from report_samples import FLOOD, RAISES, hostile_report, report, result

from harness.core.verdict import Accepted, Location, Rejected, Severity, Undecided
from harness.report import Format, github, write

CASES = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-z]+=[^,:\r\n]*)(?:,[a-z]+=[^,:\r\n]*)*)::([^\r\n]*)")


def suites(made) -> list[Any]:
    return list(JUnitXml.fromstring(write(made, Format.JUNIT).encode()))


def commands(made) -> list[tuple[str, dict[str, str], str]]:
    out = []
    for line in write(made, Format.GITHUB).splitlines():
        match = COMMAND.fullmatch(line)
        assert match, line[:200]
        out.append((match[1], dict(p.split("=", 1) for p in match[2].split(",")), match[3]))
    return out


def test_junit_has_a_case_for_each_rule_that_ran():
    accepted, rejected, undecided = suites(report())
    assert [c.name for c in accepted] == ["S105 syntax-error", "W202 raises", "W203 time-limit"]
    assert [c.result[0].__class__.__name__ if c.result else None for c in accepted] == [None, None, "Skipped"]
    (failed,) = (c for c in rejected if c.result)
    assert failed.name == "W202 raises"
    assert failed.result[0].type == "W202"
    assert "line 12" in failed.result[0].text
    assert 'policy_chosen_logps = [-12.5, float("nan")]' in failed.result[0].text
    assert (rejected.failures, rejected.errors, rejected.tests) == (1, 0, 3)
    (case,) = undecided
    assert (case.name, case.result[0].__class__.__name__) == ("verdict", "Error")
    assert (undecided.failures, undecided.errors) == (0, 1)


def test_junit_warnings_do_not_fail_a_case():
    (suite,) = suites(report(result(Accepted((FLOOD,)), properties={"W207": "warned"})))
    assert (suite.failures, suite.errors) == (0, 0)
    assert "It prints at every call." in next(iter(suite)).system_out


def test_junit_tells_a_broken_rule_without_a_finding_of_its_own():
    (suite,) = suites(report(result(Rejected((RAISES,)), properties={"S105": "failed", "W202": "failed"})))
    assert suite.failures == 2


def test_junit_has_a_case_even_when_no_rule_is_named():
    (suite,) = suites(report(result(properties={})))
    assert [c.name for c in suite] == ["verdict"]


@CASES
def test_junit_of_hostile_text_is_xml_with_the_same_cases(text):
    raw = write(hostile_report(text), Format.JUNIT)
    assert "<!" not in raw
    root = ET.fromstring(raw)  # noqa: S314 - our own text, which is what is tested
    assert {e.tag for e in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out"
    }  # fmt: skip
    assert [s.failures for s in suites(hostile_report(text))] == [1, 0, 0]


def test_an_annotation_names_file_line_and_rule():
    error, warning, undecided = commands(report())
    assert error[:2] == (
        "error",
        {"file": "examples/band.py", "line": "12", "col": "5", "title": "W202 raises"},
    )
    assert error[2].startswith("it raised RuntimeError on a batch of 3 at beta 0.05%0Abeta = 0.05%0A")
    assert warning[1] == {"file": "examples/band.py", "title": "W207 output-flood"}
    assert undecided[:2] == ("error", {"file": "examples/late.py", "title": "undecided"})


def test_an_accepted_candidate_is_no_annotation():
    assert write(report(result()), Format.GITHUB) == ""


def test_annotations_keep_to_the_services_limits_and_count_the_rest():
    note = replace(FLOOD, severity=Severity.NOTE)
    made = report(result(Rejected((RAISES,) * 14 + (FLOOD,) * 13 + (note,) * 12)), result(Undecided("why")))
    kinds = [kind for kind, _, _ in commands(made)]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"error": 10, "warning": 10, "notice": 10}
    assert commands(made)[-1] == ("notice", {"title": "harness"}, "11 more findings are in the step summary")


@CASES
def test_hostile_text_forges_no_workflow_command(text):
    made = commands(hostile_report(text))
    assert [kind for kind, _, _ in made] == ["error", "warning", "error", "warning"]
    assert all(p["file"].startswith("examples/") for _, p, _ in made)


def test_the_step_summary_is_appended_where_ci_names_one(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    assert github.append_step_summary(report(), {"GITHUB_STEP_SUMMARY": str(path)}) == path
    assert path.read_text() == "before\n" + write(report(), Format.MARKDOWN)
    assert github.append_step_summary(report(), {}) is None


@pytest.mark.parametrize("kind", ["a named pipe", "a symbolic link", "a device", "a folder"])
def test_the_step_summary_is_written_to_files_alone(tmp_path, kind):
    path = tmp_path / "summary.md"
    make = {"a named pipe": os.mkfifo, "a symbolic link": lambda p: p.symlink_to("/dev/null"), "a folder": Path.mkdir}
    path = Path("/dev/null") if kind == "a device" else path
    make.get(kind, lambda _: None)(path)
    caught = []

    def append():
        try:
            github.append_step_summary(report(), {"GITHUB_STEP_SUMMARY": str(path)})
        except OSError as error:
            caught.append(str(error))

    thread = threading.Thread(target=append, daemon=True)
    thread.start()
    thread.join(120)
    assert len(caught) == 1, "it waits, or took it"
    assert kind in caught[0]


def test_the_step_summary_keeps_to_its_size(tmp_path):
    path = tmp_path / "summary.md"
    many = report(*[result(Rejected((replace(RAISES, detail="ρ" * 4000),) * 3))] * 120)
    github.append_step_summary(many, {"GITHUB_STEP_SUMMARY": str(path)})
    assert 800_000 < path.stat().st_size <= github.SUMMARY_LIMIT
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n\nThe summary is too long for this page; the other reports have the rest.\n")
    assert len(re.findall("^```", text, re.MULTILINE)) % 2 == 0
    assert text.count("<details>") == text.count("</details>")


def test_code_quality_issues_are_complete():
    error, warning = json.loads(write(report(), Format.GITLAB))
    assert error["location"] == {"path": "examples/band.py", "lines": {"begin": 12}}
    assert (error["severity"], error["check_name"]) == ("critical", "W202")
    assert (warning["severity"], warning["location"]["lines"]) == ("minor", {"begin": 1})
    assert set(error) == {"description", "check_name", "fingerprint", "severity", "location"}


def test_code_quality_fingerprints_are_unique_and_ignore_lines():
    def prints(*findings):
        issues = json.loads(write(report(result(Rejected(findings))), Format.GITLAB))
        return [issue["fingerprint"] for issue in issues]

    assert len(set(prints(RAISES, RAISES, FLOOD))) == 3
    assert prints(RAISES) == prints(replace(RAISES, location=Location(77, 3)))


@CASES
def test_code_quality_of_hostile_text_is_whole(text):
    issues = json.loads(write(hostile_report(text), Format.GITLAB))
    assert len(issues) == 3
    assert all("\n" not in issue["description"] and len(issue["description"]) < 1200 for issue in issues)
