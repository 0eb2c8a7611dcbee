"""Workflow commands, which a CI service shows as annotations, and the step summary."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import text as sanitize
from harness.core.files import open_to_write
from harness.core.verdict import NOT_JUDGED, Location, Screened, Severity, Undecided
from harness.report import code_hosts
from harness.report.wording import assignments, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.result import CheckReport
    from harness.core.verdict import Finding

#: How many annotations of each kind the service keeps for a step.
LIMIT = 10
#: The service's limit for a step summary is a mebibyte; stay clear of it.
SUMMARY_LIMIT = 900_000
_CUT = b"The summary is too long for this page; the other reports have the rest."
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


@dataclass(frozen=True)
class _Annotation:
    command: str
    path: str
    title: str
    message: str
    place: Location | None = None


def write_github(report: CheckReport, root: Path | None = None) -> str:
    """Write one workflow command a line; what is over the service's limits is counted in a last notice."""
    room = {"error": LIMIT, "warning": LIMIT, "notice": LIMIT - 1}
    lines, left_out = [], 0
    for annotation in _annotations(report):
        if room[annotation.command] > 0:
            room[annotation.command] -= 1
            lines.append(_line(annotation, root))
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


def _annotations(report: CheckReport) -> list[_Annotation]:
    out = []
    for result in report.results:
        verdict = result.verdict
        if isinstance(verdict, Undecided):
            text = f"{verdict.reason}\n{verdict.remedy}".strip()
            out.append(_Annotation("error", result.path, "undecided", text))
        if isinstance(verdict, Screened):
            out.append(_Annotation("warning", result.path, "not judged", sentence(NOT_JUDGED)))
        out += [
            _Annotation(_COMMANDS[f.severity], result.path, f"{f.rule} {f.name}", _message(f), f.location)
            for f in verdict.findings
        ]
    return out


def _message(finding: Finding) -> str:
    lines = [finding.message, *assignments(finding.counterexample or {})]
    if finding.fix:
        lines.append(f"Fix: {finding.fix}")
    return "\n".join(sanitize.clean(line, sanitize.LINE_CAP) for line in lines)


def _line(annotation: _Annotation, root: Path | None) -> str:
    inside = code_hosts.relative(annotation.path, root)
    shown = sanitize.path(annotation.path if inside is None else inside)
    properties = {"file": shown}
    if annotation.place is not None and annotation.place.line > 0:
        properties["line"] = str(annotation.place.line)
        if annotation.place.column > 0:
            properties["col"] = str(annotation.place.column)
    properties["title"] = annotation.title
    listed = ",".join(f"{k}={sanitize.workflow_property(v)}" for k, v in properties.items())
    return f"::{annotation.command} {listed}::{sanitize.workflow_data(annotation.message)}"
