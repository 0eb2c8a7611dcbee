"""The report in Markdown, for step summaries and merge request comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.verdict import Screened, Undecided
from harness.report.wording import SCREENED_ALONE, assignments, fact_rows, not_run, stability_story, tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.core.result import CheckReport, CheckResult
    from harness.core.verdict import Finding

_SYMBOLS = {"accepted": "✅", "screened": "🔎", "rejected": "❌", "undecided": "❔"}


def write_markdown(report: CheckReport) -> str:
    """Write a summary table and a section for each candidate."""
    return join(parts(report))


def parts(report: CheckReport) -> Iterator[str]:
    """Give the heading with the summary table, and then a section for each candidate."""
    lines = ["# Harness report", "", f"{tally(report)}.", ""]
    if len(report.results) > 1:
        lines += ["| verdict | candidate | rules |", "|---|---|---|"]
        lines += [_row(r) for r in report.results]
        lines.append("")
    yield "\n".join(lines)
    for result in report.results:
        yield "\n".join(_section(result))


def join(texts: Iterable[str]) -> str:
    """Put parts together to a page that ends in one newline."""
    return "\n".join(texts).rstrip() + "\n"


def _row(result: CheckResult) -> str:
    rules = sorted({f"{f.rule} {f.name}" for f in result.verdict.findings})
    listed = sanitize.markdown(", ".join(rules)) if rules else ""
    word = result.verdict.word
    return f"| {_SYMBOLS[word]} {word} | {sanitize.markdown_code(sanitize.path(result.path))} | {listed} |"


def _section(result: CheckResult) -> Iterator[str]:
    verdict = result.verdict
    yield f"## {_SYMBOLS[verdict.word]} {verdict.word}: {sanitize.markdown_code(sanitize.path(result.path))}"
    yield ""
    name = sanitize.markdown(sanitize.name(result.name))
    yield f"Loss: {name}, sha256 `{sanitize.one_line(result.sha256)[:12]}`"
    yield ""
    if isinstance(verdict, Undecided):
        yield f"**The harness could not decide:** {sanitize.markdown(verdict.reason)}"
        yield ""
        if verdict.remedy:
            yield f"**What to do:** {sanitize.markdown(verdict.remedy)}"
            yield ""
    if isinstance(verdict, Screened):
        yield f"**{SCREENED_ALONE}**"
        yield ""
    for finding in verdict.findings:
        yield from _finding(finding)
    if rows := fact_rows(result.loss_facts):
        yield "| fact | |"
        yield "|---|---|"
        for label, text in rows:
            yield f"| {label} | {sanitize.markdown(text)} |"
        yield ""
    for told in (*stability_story(result.loss_facts), *not_run(result)):
        yield f"- {sanitize.markdown(told)}"
    yield ""


def _finding(finding: Finding) -> Iterator[str]:
    place = f", line {finding.location.line}" if finding.location and finding.location.line > 0 else ""
    title = f"**{finding.severity.value} {finding.rule} {finding.name}**{place}"
    yield f"{title}: {sanitize.markdown(finding.message)}"
    yield ""
    if finding.counterexample:
        yield sanitize.markdown_quote("\n".join(assignments(finding.counterexample)), "python")
        yield ""
    if finding.fix:
        yield f"Fix: {sanitize.markdown(finding.fix)}"
        yield ""
    if finding.detail:
        yield "<details><summary>detail</summary>"
        yield ""
        yield sanitize.markdown_quote(finding.detail, "text")
        yield ""
        yield "</details>"
        yield ""
