"""The code quality report of GitLab: findings only, since it has no place for a failure of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.verdict import NOT_JUDGED, Screened, Severity
from harness.report import code_hosts
from harness.report.wording import sentence

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.result import CheckReport
    from harness.core.verdict import Json

_SEVERITY = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def write_gitlab(report: CheckReport, root: Path | None = None) -> str:
    """Write a JSON array of issues, each with a fingerprint of its own that no moved line changes."""
    issues: list[Json] = []
    for each in code_hosts.numbered(report, root):
        finding = each.finding
        description = sanitize.one_line(f"{finding.rule} {finding.name}: {finding.message}")
        where = _place(each.result.path, max(1, finding.location.line) if finding.location else 1, root)
        issues.append(_issue(description, finding.rule, each.fingerprint, _SEVERITY[finding.severity], where))
    for result in report.results:
        # A report without issues would look like that of candidates that were judged.
        if isinstance(result.verdict, Screened):
            fingerprint = code_hosts.fingerprint("screened", code_hosts.uri(result.path, root)[0])
            where = _place(result.path, 1, root)
            issues.append(_issue(sentence(NOT_JUDGED), "screened", fingerprint, "info", where))
    return sanitize.part_in_json(json.dumps(issues, indent=2, allow_nan=False)) + "\n"


def _issue(description: str, check: str, fingerprint: str, severity: str, location: Json) -> Json:
    return {
        "description": description,
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": location,
    }


def _place(path: str, line: int, root: Path | None) -> Json:
    inside = code_hosts.relative(path, root)
    return {"path": sanitize.path(path if inside is None else inside), "lines": {"begin": line}}
