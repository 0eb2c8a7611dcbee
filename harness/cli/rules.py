"""`harness rules`: the catalogue, for people, for programs and for the documentation."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from harness.checks import catalogue as rules
from harness.core.text import markdown_block
from harness.report.json_report import pretty
from harness.report.text import emit, make_console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.rules import Rule
    from harness.core.verdict import Json

_STAGES = {
    "S": ("The screen", "Found by reading the text, before anything runs."),
    "W": ("The wire", "Found when the candidate is loaded and called in its sandbox, at any moment."),
    "P": (
        "The properties",
        "Found by asking the candidate for values and gradients, and judging the answers.",
    ),
}


@click.command("rules")
@click.option("--json", "as_json", is_flag=True, help="Print the catalogue as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the documentation page docs/rules.md.")
def rules_command(*, as_json: bool, as_markdown: bool) -> None:
    """List every rule."""
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown cannot be had together.")
    catalogue = rules.all_rules()
    if as_json:
        click.echo(rules_json(catalogue), nl=False)
    elif as_markdown:
        click.echo(rules_markdown(catalogue), nl=False)
    else:
        emit(make_console(sys.stdout), rules_table(catalogue))


def rules_json(catalogue: Iterable[Rule]) -> str:
    """Write the catalogue as `harness.rules/v1`."""
    listed: list[Json] = [{**dataclasses.asdict(rule), "severity": rule.severity.value} for rule in catalogue]
    return pretty({"schema": "harness.rules/v1", "rules": listed}) + "\n"


def rules_markdown(catalogue: Iterable[Rule]) -> str:
    """Write the documentation page of the rules."""
    listed = list(catalogue)
    lines = [
        "# The rules",
        "",
        (
            "This page is made by `harness rules --markdown` from the declarations in the code; "
            "`harness explain RULE` prints one rule of it. An id never changes and is never used again. "
            "A rule of severity error rejects a candidate; a warning or a note is reported."
        ),
        "",
        "| rule | severity | what it asks |",
        "|---|---|---|",
        *(f"| [{r.id} {r.name}](#{r.id.lower()}-{r.name}) | {r.severity.value} | {_cell(r.summary)} |" for r in listed),
    ]
    for letter, (title, words) in _STAGES.items():
        of_stage = [rule for rule in listed if rule.id.startswith(letter)]
        if of_stage:
            lines += ["", f"## {title}", "", words]
        for rule in of_stage:
            lines += _section(rule)
    return "\n".join(lines) + "\n"


def _section(rule: Rule) -> list[str]:
    about = f"Severity {rule.severity.value}, {rule.stability}, since profile {rule.introduced_in}."
    parts = [
        f"### {rule.id} {rule.name}",
        rule.summary,
        rule.why,
        f"**Fix:** {rule.fix}",
        f"Before:\n\n{markdown_block(rule.before, 'python')}",
        f"After:\n\n{markdown_block(rule.after, 'python')}",
        about,
    ]
    return [line for part in parts for line in ("", part)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def rules_table(catalogue: Iterable[Rule]) -> Table:
    """Lay out the catalogue for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("rule", "name", "severity"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it asks")
    for rule in catalogue:
        stability = "" if rule.stability == "stable" else f" ({rule.stability})"
        table.add_row(
            Text(rule.id, style="bold"),
            Text(rule.name),
            Text(rule.severity.value),
            Text(rule.summary + stability),
        )
    return table
