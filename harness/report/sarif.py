"""SARIF 2.1.0, the part of it that code scanning services read.

Our own failures are notifications of an unsuccessful run, never results.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.verdict import Location, Screened, Severity, Undecided
from harness.core.version import __version__
from harness.report import code_hosts
from harness.report.code_hosts import known_rules
from harness.report.wording import SCREENED_ALONE, assignments, strict

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.result import CheckReport, CheckResult
    from harness.core.rules import Rule
    from harness.core.verdict import Finding, Json
    from harness.report.code_hosts import Located

#: Limits of the code-scanning service.
RESULT_LIMIT = 25_000
GZIP_LIMIT = 10_000_000
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_WEIGHT = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def write_sarif(report: CheckReport, root: Path | None = None) -> str:
    """Write the report as one SARIF run, cut down to the service's limits, errors first."""
    located = sorted(code_hosts.numbered(report, root), key=lambda each: _WEIGHT[each.finding.severity])
    limit = RESULT_LIMIT
    while True:
        log = json.dumps(_log(report, located, limit, root), indent=2, allow_nan=False)
        text = sanitize.part_in_json(log) + "\n"
        if len(text) <= GZIP_LIMIT or len(gzip.compress(text.encode(), 6)) <= GZIP_LIMIT or limit <= 1:
            return text
        limit = min(limit, len(located)) // 2


def _log(report: CheckReport, located: list[Located], limit: int, root: Path | None) -> dict[str, Json]:
    rules = known_rules(report)
    descriptors: dict[str, dict[str, Json]] = {rule_id: _descriptor(rule) for rule_id, rule in sorted(rules.items())}
    for each in located:
        descriptors.setdefault(each.finding.rule, _bare_descriptor(each.finding))
    order = {rule_id: index for index, rule_id in enumerate(sorted(descriptors))}
    notices = _notifications(report, root)
    judged = sum(1 for result in report.results if not isinstance(result.verdict, Screened))
    if len(located) > limit:
        notices.append(_notification("warning", f"{len(located) - limit} further findings were left out."))
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "harness",
                        "version": __version__,
                        "semanticVersion": __version__,
                        "rules": [descriptors[rule_id] for rule_id in sorted(descriptors)],
                    }
                },
                "invocations": [
                    {
                        # A run that left something undecided is none to rely upon, unless that is what was asked for.
                        "executionSuccessful": not any(_unsettled(report, r) for r in report.results),
                        "exitCode": report.exit_code,
                        "toolExecutionNotifications": list(notices),
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "automationDetails": {"id": f"harness/{sanitize.one_line(report.profile)}/"},
                "results": [_result(each, order, root) for each in located[:limit]],
                "properties": {"judged": judged, "notJudged": len(report.results) - judged},
            }
        ],
    }


def _descriptor(rule: Rule) -> dict[str, Json]:
    help_text = f"{rule.why}\n\nTo fix it: {rule.fix}\n\nBefore:\n{rule.before}\n\nAfter:\n{rule.after}"
    help_markdown = (
        f"{rule.why}\n\n**To fix it:** {rule.fix}\n\nBefore:\n\n"
        f"{sanitize.markdown_block(rule.before, 'python')}\n\nAfter:\n\n"
        f"{sanitize.markdown_block(rule.after, 'python')}"
    )
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": help_text, "markdown": help_markdown},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {
            "tags": ["preference-loss", rule.stability],
            "introducedIn": rule.introduced_in,
            "precision": "very-high",
        },
    }


def _bare_descriptor(finding: Finding) -> dict[str, Json]:
    return {
        "id": finding.rule,
        "name": finding.name,
        "shortDescription": {"text": finding.name},
        "defaultConfiguration": {"level": finding.severity.value},
    }


def _result(each: Located, order: dict[str, int], root: Path | None) -> Json:
    finding = each.finding
    properties: dict[str, Json] = {"candidateSha256": sanitize.one_line(each.result.sha256)}
    text = f"{_text(finding.message)} Fix: {_text(finding.fix)}" if finding.fix else _text(finding.message)
    if finding.counterexample is not None:
        properties["counterexample"] = strict(dict(finding.counterexample))
        text = f"{text} Counterexample: {_text('; '.join(assignments(finding.counterexample)))}"
    return {
        "ruleId": finding.rule,
        "ruleIndex": order[finding.rule],
        "level": finding.severity.value,
        "message": {"text": text},
        "locations": [_location(each.result.path, finding.location, root)],
        "partialFingerprints": {"harnessFinding/v1": each.fingerprint},
        "properties": properties,
    }


def _location(path: str, place: Location | None, root: Path | None) -> Json:
    uri, inside = code_hosts.uri(path, root)
    artifact: dict[str, Json] = {"uri": uri}
    if inside:
        artifact["uriBaseId"] = "%SRCROOT%"
    # The service wants a line; the first one stands for the whole file.
    region: dict[str, Json] = {"startLine": max(1, place.line) if place else 1}
    if place and place.line > 0 and place.column > 0:
        region["startColumn"] = place.column
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _notifications(report: CheckReport, root: Path | None) -> list[dict[str, Json]]:
    out = []
    for result in report.results:
        if isinstance(result.verdict, Undecided):
            remedy = f" {_text(result.verdict.remedy)}" if result.verdict.remedy else ""
            notice = _notification("error", f"Undecided: {_text(result.verdict.reason)}{remedy}")
        elif isinstance(result.verdict, Screened):
            notice = _notification("warning", SCREENED_ALONE)
        else:
            continue
        notice["locations"] = [_location(result.path, None, root)]
        out.append(notice)
    return out


def _unsettled(report: CheckReport, result: CheckResult) -> bool:
    return isinstance(result.verdict, Undecided) or (isinstance(result.verdict, Screened) and not report.screened_ok)


def _notification(level: str, text: str) -> dict[str, Json]:
    return {"level": level, "message": {"text": text}}


def _text(text: str) -> str:
    """One line in which no viewer sees an embedded link `[text](target)`."""
    return sanitize.one_line(text).replace("](", "] (")
