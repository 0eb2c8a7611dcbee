"""The one sentence that sums a report up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.core.text import one_line

if TYPE_CHECKING:
    from harness.core.result import CheckReport, CheckResult


#: The verdicts, in the order in which they are counted.
WORDS = ("accepted", "screened", "rejected", "undecided")


def tally(report: CheckReport) -> str:
    """Count the verdicts, and name the profile and the seed."""
    words = Counter(result.verdict.word for result in report.results)
    counts = [f"{words[word]} {word}" for word in WORDS if words[word]]
    if report.excluded:
        counts.append(f"{len(report.excluded)} excluded")
    return f"{', '.join(counts) or 'nothing checked'} (profile {one_line(report.profile)}, seed {report.seed})"


def sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


def not_run(result: CheckResult) -> list[str]:
    """A sentence for each reason for which rules were not run, with the rules."""
    rules: dict[str, list[str]] = {}
    for rule, why in sorted(result.not_run.items()):
        rules.setdefault(why, []).append(rule)
    return [f"Not run: {', '.join(named)} ({why})." for why, named in rules.items()]
