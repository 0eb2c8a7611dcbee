"""Workflow commands, which a CI service shows as annotations, and the step summary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.files import open_to_write
from harness.core.verdict import Screened, Severity, Undecided
from harness.report import code_hosts
from harness.report.wording import SCREENED_ALONE, assignments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.core.result import CheckReport
    from harness.core.verdict import Finding, Location

#: How many annotations of each kind the service keeps for a step.
LIMIT = 10
#: The service's limit for a step summary is a mebibyte; stay clear of it.
SUMMARY_LIMIT = 900_000
_CUT = b"The summary is too long for this page; the other reports have the rest."
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def write_github(report: CheckReport, root: Path | None = None) -> str:
    """Write one workflow command a line; what is over the service's limits is counted in a last notice."""
    room = {"error": LIMIT, "warning": LIMIT, "notice": LIMIT - 1}
    lines, left_out = [], 0
    for command, line in _annotations(report, root):
        if room[command] > 0:
            room[command] -= 1
            lines.append(line)
        else:
            left_out += 1
    if left_out:
        lines.append(f"::notice title=harness::{left_out} more findings are in the step summary")
    return "".join(f"{line}\n" for line in lines)


def append_step_summary(report: CheckReport, environment: Mapping[str, str]) -> Path | None:
    """Append the Markdown report to the file that GITHUB_STEP_SUMMARY names; None where it is not set.

    Raises OSError where that file cannot be written, or is a link, a pipe or a device.
    """
    from harness.report import markdown  # noqa: PLC0415 - most runs are not in CI

    target = environment.get("GITHUB_STEP_SUMMARY")
    if not target:
        return None
    # Cut between candidates: a fence that stays open would swallow whatever the step writes next.
    whole = [part.encode("utf-8", "replace") for part in markdown.parts(report)]
    kept: list[bytes] = []
    room = SUMMARY_LIMIT - len(_CUT)
    for part in whole:
        room -= len(part) + 1
        if room < 0:
            break
        kept.append(part)
    if len(kept) < len(whole):
        kept.append(_CUT)
    with os.fdopen(open_to_write(Path(target), os.O_WRONLY | os.O_APPEND), "ab") as file:
        file.write(markdown.join(part.decode("utf-8") for part in kept).encode("utf-8"))
    return Path(target)


def _annotations(report: CheckReport, root: Path | None) -> Iterator[tuple[str, str]]:
    """Each command's word, and its line."""
    for result in report.results:
        verdict = result.verdict
        if isinstance(verdict, Undecided):
            text = f"{verdict.reason}\n{verdict.remedy}".strip()
            yield "error", _line("error", result.path, "undecided", text, root)
        if isinstance(verdict, Screened):
            yield "warning", _line("warning", result.path, "not judged", SCREENED_ALONE, root)
        for f in verdict.findings:
            command = _COMMANDS[f.severity]
            yield command, _line(command, result.path, f"{f.rule} {f.name}", _message(f), root, f.location)


def _message(finding: Finding) -> str:
    lines = [finding.message, *assignments(finding.counterexample or {})]
    if finding.fix:
        lines.append(f"Fix: {finding.fix}")
    return "\n".join(sanitize.clean(line, sanitize.LINE_CAP) for line in lines)


def _line(command: str, path: str, title: str, message: str, root: Path | None, place: Location | None = None) -> str:
    properties = {"file": code_hosts.shown(path, root)}
    if place is not None and place.line > 0:
        properties["line"] = str(place.line)
        if place.column > 0:
            properties["col"] = str(place.column)
    properties["title"] = title
    listed = ",".join(f"{k}={sanitize.workflow_property(v)}" for k, v in properties.items())
    return f"::{command} {listed}::{sanitize.workflow_data(message)}"
