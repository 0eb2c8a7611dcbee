"""What a proposer is told about a proposal that failed: each finding with its numbers and its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.discover import prompts
from harness.discover.reading import SENTENCES
from harness.llm import quoting
from harness.report.wording import assignments
from harness.screen.rules import UNUSABLE_REPLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.verdict import Finding
    from harness.discover.proposers.base import Known

_FINDINGS = 5
_NUMBERS = 6
_AGAIN = "Correct it, and answer with the whole JSON object again."


def unreadable(kind: str, findings: Sequence[Finding] = ()) -> str:
    """For a reply that no candidate was taken from; `findings` say what was met in it."""
    told = [f"{finding.message} {finding.fix}" for finding in findings if finding.rule == UNUSABLE_REPLY.id]
    return SENTENCES[kind] + (f"\nWhat was met: {quoting.sentence(told[0])}" if kind == "not-json" and told else "")


def rejected(findings: Sequence[Finding], source: str) -> str:
    """For a candidate that broke rules: the sentences quote it, so they are fenced."""
    lines = []
    for finding in findings[:_FINDINGS]:
        lines.append(f"{finding.rule} {finding.name}: {quoting.sentence(finding.message)}")
        if finding.location is not None and (line := _line(source, finding.location.line)):
            lines.append(f"  in the line: {line}")
        if finding.counterexample:
            numbers = assignments(finding.counterexample)[:_NUMBERS]
            lines.append("  for example at " + ", ".join(quoting.sentence(number, 160) for number in numbers))
        if finding.fix:
            lines.append(f"  what to change: {quoting.sentence(finding.fix)}")
    more = len(findings) - _FINDINGS
    told = f"\nand {more} more findings." if more > 0 else ""
    return f"Your loss was rejected. What the checks found:\n{prompts.data(chr(10).join(lines))}{told}\n{_AGAIN}"


def known(loss: Known) -> str:
    """For a function that was judged before in this run."""
    return (
        f"Your loss computes the same function as {quoting.name(loss.name)}, which is known: {prompts.score(loss)}. "
        "Other names or another way to write it make no difference. Propose one that computes something else."
    )


def short(findings: Sequence[Finding]) -> str:
    """One sentence, for the list of failures."""
    first = findings[0]
    fix = f" - {quoting.sentence(first.fix, 160)}" if first.fix else ""
    return f"{first.rule} {first.name}: {quoting.sentence(first.message, 200)}{fix}"


def _line(source: str, number: int) -> str:
    """A line of code, unless it holds a text or a comment, which may say anything."""
    lines = source.splitlines()
    if not 0 < number <= len(lines):
        return ""
    line = lines[number - 1].strip()
    return "" if any(mark in line for mark in "\"'#") or not line.isascii() else quoting.sentence(line, 160)
