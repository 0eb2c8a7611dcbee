"""The report on a terminal.

Texts reach Rich as `Text` objects, in which neither markup nor emoji codes mean anything, and only after
`sanitize`: what a candidate wrote cannot colour, move or forge a line.
"""

from __future__ import annotations

import io
import os
import re
from typing import IO, TYPE_CHECKING

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.core import text as sanitize
from harness.core.verdict import Screened, Severity, Undecided
from harness.report.terminal import Terminal
from harness.report.wording import SCREENED_ALONE, assignments, fact_rows, not_run, stability_story, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from harness.core.result import CheckReport, CheckResult
    from harness.core.verdict import Finding

_SYMBOLS = {"accepted": "✓", "screened": "~", "rejected": "✗", "undecided": "?"}
_ASCII = {"accepted": "+", "screened": "~", "rejected": "x", "undecided": "?"}
_STYLES = {
    "accepted": "bold green",
    "screened": "bold yellow",
    "rejected": "bold red",
    "undecided": "bold yellow",
}
_SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
#: Width of the report where no terminal says otherwise, in columns.
WIDTH = 100


def make_console(stream: IO[str], environment: Mapping[str, str] | None = None) -> Console:
    """Give a console on a stream: NO_COLOR beats FORCE_COLOR beats what the stream is."""
    env = os.environ if environment is None else environment
    tty = stream.isatty()
    if env.get("NO_COLOR"):
        colour = False
    elif env.get("FORCE_COLOR"):
        colour = env["FORCE_COLOR"] != "0"
    else:
        colour = tty and env.get("TERM") != "dumb"
    return Terminal(
        file=stream,
        # Rich's own reading of the environment is left out: the order of the two variables is ours.
        _environ={k: env[k] for k in ("TERM", "COLORTERM", "COLUMNS", "LINES") if k in env},
        color_system="auto" if colour and tty else "standard" if colour else None,
        force_terminal=colour,
        no_color=not colour,
        width=None if tty or env.get("COLUMNS") else WIDTH,
        legacy_windows=False,
    )


def write_text(report: CheckReport) -> str:
    """Write the report as plain text, without colour."""
    stream = io.StringIO()
    print_report(report, make_console(stream, {}))
    return stream.getvalue()


def print_report(report: CheckReport, console: Console) -> None:
    """Print a block for each candidate, and a table when there are several."""
    parts: list[RenderableType] = [_block(result, console) for result in report.results]
    if len(report.results) > 1:
        parts.append(_summary(report, console))
    # In a group, since texts side by side are joined and wrapped together.
    emit(console, *parts, Group(Text(tally(report), no_wrap=True, overflow="ignore")))


def emit(console: Console, *parts: RenderableType) -> None:
    """Print, without commands to a log's reader, and without the blanks that Rich fills lines with up to the width."""
    with console.capture() as capture:
        console.print(*parts, sep="\n")
    text = sanitize.part_commands(re.sub(r"[ \t]+$", "", capture.get(), flags=re.MULTILINE))
    # A letter that the stream's encoding lacks must not cost the verdict.
    console.file.write(text.encode(console.encoding, "backslashreplace").decode(console.encoding))
    console.file.flush()


def _symbol(word: str, console: Console) -> str:
    return (_SYMBOLS if console.encoding.lower().startswith("utf") else _ASCII)[word]


def _block(result: CheckResult, console: Console) -> RenderableType:
    verdict = result.verdict
    about = Text().append(sanitize.path(result.path), style="bold")
    about.append(f"  {sanitize.name(result.name)}")
    about.append(f"  sha256 {sanitize.one_line(result.sha256)[:12]}", style="dim")
    # In a column of its own, so that a long path never begins a line: there it could pass for a verdict.
    head = Table.grid(padding=(0, 2))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    head.add_row(Text(f"{_symbol(verdict.word, console)} {verdict.word.upper()}", style=_STYLES[verdict.word]), about)
    parts: list[RenderableType] = [head]
    if isinstance(verdict, Undecided):
        parts.append(_indented(_sentence("The harness could not decide: ", verdict.reason)))
        if verdict.remedy:
            parts.append(_indented(_sentence("What to do: ", verdict.remedy, label="bold")))
    if isinstance(verdict, Screened):
        parts.append(_indented(Text(SCREENED_ALONE)))
    parts += [_indented(_finding(finding)) for finding in verdict.findings]
    if rows := fact_rows(result.loss_facts):
        parts.append(_indented(_table(rows)))
    parts += [_indented(Text(sanitize.one_line(s))) for s in (*stability_story(result.loss_facts), *not_run(result))]
    return Group(*parts, Text())


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, 2))


def _sentence(label_text: str, text: str, label: str = "") -> Text:
    return Text(label_text, style=label).append(Text(sanitize.one_line(text), style="not bold"))


def _finding(finding: Finding) -> RenderableType:
    style = _SEVERITY_STYLES[finding.severity]
    head = Text(finding.severity.value, style=style)
    head.append(f" {finding.rule} {finding.name}", style=f"bold {style}")
    if finding.location is not None and finding.location.line > 0:
        column = f", column {finding.location.column}" if finding.location.column > 0 else ""
        head.append(f"  line {finding.location.line}{column}", style="dim")
    body: list[RenderableType] = [Text(sanitize.one_line(finding.message))]
    if finding.counterexample:
        lines = "\n".join(assignments(finding.counterexample))
        body += [Text("counterexample", style="dim"), _indented(Text(lines))]
    if finding.fix:
        body.append(_sentence("fix: ", finding.fix, label="bold"))
    return Group(head, *(_indented(part) for part in body))


def _table(rows: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(Text(label), Text(sanitize.one_line(text)))
    return table


def _summary(report: CheckReport, console: Console) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("verdict", no_wrap=True)
    table.add_column("candidate", overflow="fold")
    table.add_column("findings", overflow="fold")
    for result in report.results:
        word = result.verdict.word
        rules = list(dict.fromkeys(f"{f.rule} {f.name}" for f in result.verdict.findings))
        shown = rules[:3] + ([f"and {len(rules) - 3} more"] if len(rules) > 3 else [])
        table.add_row(
            Text(f"{_symbol(word, console)} {word}", style=_STYLES[word]),
            Text(sanitize.path(result.path)),
            Text(sanitize.one_line(", ".join(shown))),
        )
    return table
