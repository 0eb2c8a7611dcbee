"""The one sentence that sums a report up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.report.sanitize import one_line

if TYPE_CHECKING:
    from harness.result import CheckReport


def tally(report: CheckReport) -> str:
    """Count the verdicts, and name the profile and the seed."""
    words = Counter(result.verdict.word for result in report.results)
    counts = [f"{words[word]} {word}" for word in ("accepted", "rejected", "undecided") if words[word]]
    return f"{', '.join(counts) or 'nothing checked'} (profile {one_line(report.profile)}, seed {report.seed})"
