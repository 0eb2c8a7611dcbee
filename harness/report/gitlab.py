"""The code quality report of GitLab: findings only, since it has no place for a failure of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.report import logs, places, sanitize
from harness.verdict import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from harness.result import CheckReport
    from harness.verdict import Json

_SEVERITY = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def write_gitlab(report: CheckReport, root: Path | None = None) -> str:
    """Write a JSON array of issues, each with a fingerprint of its own that no moved line changes."""
    issues: list[Json] = []
    for each in places.numbered(report, root):
        finding = each.finding
        inside = places.relative(each.result.path, root)
        issues.append(
            {
                "description": sanitize.one_line(f"{finding.rule} {finding.name}: {finding.message}"),
                "check_name": finding.rule,
                "fingerprint": each.fingerprint,
                "severity": _SEVERITY[finding.severity],
                "location": {
                    "path": sanitize.path(each.result.path if inside is None else inside),
                    "lines": {"begin": max(1, finding.location.line) if finding.location else 1},
                },
            }
        )
    return logs.part_in_json(json.dumps(issues, indent=2, allow_nan=False)) + "\n"
