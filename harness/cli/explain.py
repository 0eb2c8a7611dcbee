"""`harness explain RULE`: what a rule asks for, why, and how to keep it."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from harness.checks import catalogue as rules
from harness.core.errors import UserError
from harness.report.text import emit, make_console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.core.rules import Rule


@click.command("explain")
@click.argument("rule")
def explain_command(rule: str) -> None:
    """Say what RULE asks for, why it matters, and how to keep it. RULE is an id or a name."""
    found = rules.find_rule(rule)
    if found is None:
        raise UserError(f"there is no rule {rule!r:.60}", remedy=_suggestion(rule))
    emit(make_console(sys.stdout), render(found))


def render(rule: Rule) -> RenderableType:
    """Lay out the explanation of one rule for a terminal."""
    head = Text(f"{rule.id} {rule.name}", style="bold")
    about = f"{rule.severity.value}, {rule.stability}, since profile {rule.introduced_in}"
    return Group(
        head.append(f"  {about}", style="not bold dim"),
        Text(),
        Text(rule.summary),
        Text(),
        _part("Why", rule.why),
        _part("Fix", rule.fix),
        _part("Before", rule.before, style="red"),
        _part("After", rule.after, style="green"),
    )


def _part(title: str, text: str, style: str = "") -> RenderableType:
    return Group(Text(title, style="bold"), Padding(Text(text, style=style), (0, 0, 1, 2)))


def _suggestion(key: str) -> str:
    names = {}
    for rule in rules.all_rules():
        names[rule.id.lower()] = names[rule.name] = rule
    near = difflib.get_close_matches(key.lower(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {names[near[0]].id} ({names[near[0]].name})? " if near else ""
    return f"{hint}`harness rules` lists them all."
