"""The code quality report of GitLab: findings only, since it has no place for a failure of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.verdict import Screened, Severity
from harness.report import code_hosts
from harness.report.wording import SCREENED_ALONE

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.result import CheckReport
    from harness.core.verdict import Json

_SEVERITY = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def write_gitlab(report: CheckReport, root: Path | None = None) -> str:
    """Write a JSON array of issues, each with a fingerprint of its own that no moved line changes."""
    issues: list[Json] = []
    for each in code_hosts.numbered(report, root):
        finding, shown = each.finding, code_hosts.shown(each.result.path, root)
        description = sanitize.one_line(f"{finding.rule} {finding.name}: {finding.message}")
        line = max(1, finding.location.line) if finding.location else 1
        issues.append(_issue(description, finding.rule, each.fingerprint, _SEVERITY[finding.severity], shown, line))
    for result in report.results:
        # A report without issues would look like that of candidates that were judged.
        if isinstance(result.verdict, Screened):
            fingerprint = code_hosts.fingerprint("screened", code_hosts.uri(result.path, root)[0])
            shown = code_hosts.shown(result.path, root)
            issues.append(_issue(SCREENED_ALONE, "screened", fingerprint, "info", shown, 1))
    return sanitize.part_in_json(json.dumps(issues, indent=2, allow_nan=False)) + "\n"


def _issue(description: str, check: str, fingerprint: str, severity: str, path: str, line: int) -> Json:
    return {
        "description": description,
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }
