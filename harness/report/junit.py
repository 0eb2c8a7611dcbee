"""JUnit XML: a suite per candidate, a test case per rule that ran.

`<failure>` is the candidate's fault, `<error>` is ours, and `<skipped>` is what nobody looked at, with the reason.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.core import text as sanitize
from harness.core.verdict import Screened, Severity, Undecided
from harness.report.code_hosts import known_rules, rule_ids
from harness.report.wording import SCREENED_ALONE, assignments

if TYPE_CHECKING:
    from harness.core.result import CheckReport, CheckResult
    from harness.core.rules import Rule
    from harness.core.verdict import Finding


def write_junit(report: CheckReport) -> str:
    """Write the report as JUnit XML; the texts are legal XML 1.0 whatever the candidate wrote."""
    rules = known_rules(report)
    top = ET.Element("testsuites", name="harness")
    for result in report.results:
        top.append(_suite(result, rules))
    for count in ("tests", "failures", "errors", "skipped"):
        top.set(count, str(sum(int(suite.get(count, "0")) for suite in top)))
    top.set("time", f"{sum(float(suite.get('time', '0')) for suite in top):.6f}")
    ET.indent(top)
    # Two colons or hashes stand in no tag of ours: what is replaced is text.
    body = _unattached(sanitize.part_in_markup(ET.tostring(top, encoding="unicode")))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _suite(result: CheckResult, rules: dict[str, Rule]) -> ET.Element:
    suite = ET.Element("testsuite", name=sanitize.path(result.path))
    for rule_id in rule_ids(result):
        findings = [finding for finding in result.verdict.findings if finding.rule == rule_id]
        known = rules.get(rule_id)
        name = known.name if known else next((f.name for f in findings), "")
        case = _case(suite, result, f"{rule_id} {name}".strip())
        state = result.properties.get(rule_id, "failed" if findings else "passed")
        _outcome(case, findings, state, result.not_run.get(rule_id, ""))
        _time(case, result, rule_id)
    if isinstance(result.verdict, Undecided):
        case = _case(suite, result, "verdict")
        error = ET.SubElement(case, "error", type="undecided", message=sanitize.one_line(result.verdict.reason))
        error.text = sanitize.clean(f"{result.verdict.reason}\n{result.verdict.remedy}".strip())
    elif isinstance(result.verdict, Screened):
        ET.SubElement(_case(suite, result, "verdict"), "skipped", message=sanitize.one_line(SCREENED_ALONE))
    elif not len(suite):
        _case(suite, result, "verdict")
    _time(suite, result, "total" if "total" in result.timings else "screen")
    for count, tag in (("tests", None), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(1 for c in suite if tag is None or c.find(tag) is not None)))
    if result.output:
        ET.SubElement(suite, "system-out").text = sanitize.clean(result.output)
    return suite


def _case(suite: ET.Element, result: CheckResult, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", name=sanitize.one_line(name), classname=sanitize.path(result.path))


def _time(element: ET.Element, result: CheckResult, name: str) -> None:
    seconds = result.timings.get(name)
    if seconds is not None and math.isfinite(seconds):
        element.set("time", f"{seconds:.6f}")


def _outcome(case: ET.Element, findings: list[Finding], state: str, why: str) -> None:
    errors = [f for f in findings if f.severity is Severity.ERROR]
    if errors:
        failure = ET.SubElement(case, "failure", type=errors[0].rule, message=sanitize.one_line(errors[0].message))
        failure.text = "\n\n".join(_body(f) for f in errors)
    elif state == "failed" and not findings:
        ET.SubElement(case, "failure", message="The rule is broken; the finding stands under another rule.")
    elif state == "not-run":
        ET.SubElement(case, "skipped", message=sanitize.one_line(f"not run: {why}" if why else "not run"))
    if others := [f for f in findings if f.severity is not Severity.ERROR]:
        ET.SubElement(case, "system-out").text = "\n\n".join(_body(f) for f in others)


def _body(finding: Finding) -> str:
    lines = [f"{finding.severity.value} {finding.rule} {finding.name}", finding.message]
    if finding.location is not None and finding.location.line > 0:
        lines.append(f"line {finding.location.line}")
    lines += assignments(finding.counterexample or {})
    if finding.fix:
        lines.append(f"fix: {finding.fix}")
    if finding.detail:
        lines.append(finding.detail)
    return "\n".join(sanitize.clean(line) for line in lines)


def _unattached(text: str) -> str:
    """Part `[[ATTACHMENT|path]]`, by which Jenkins, GitLab and Azure are told to publish a file of theirs."""
    return re.sub(r"\[(?=\[\s*\w+\s*\|)", "[ ", text)
