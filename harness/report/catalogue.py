"""The rules that a report speaks of.

The property suite is imported only when a report names a property: a static check stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.protocol.rules import WIRE_RULES
from harness.screen.rules import SCREEN_RULES

if TYPE_CHECKING:
    from harness.core.result import CheckReport, CheckResult
    from harness.core.rules import Rule
    from harness.core.verdict import Finding


def rule_ids(result: CheckResult) -> list[str]:
    """Give the ids of the rules that ran or were broken, in order of id."""
    return sorted({*result.properties, *(f.rule for f in result.verdict.findings)})


def findings_by_rule(result: CheckResult) -> dict[str, list[Finding]]:
    """Sort the findings of a result under their rule ids."""
    out: dict[str, list[Finding]] = {}
    for finding in result.verdict.findings:
        out.setdefault(finding.rule, []).append(finding)
    return out


def known_rules(report: CheckReport) -> dict[str, Rule]:
    """Give the declarations of the rules that a report names, by id; unknown ids are left out."""
    named = {rule for result in report.results for rule in rule_ids(result)}
    rules = [*SCREEN_RULES, *WIRE_RULES]
    if any(rule.startswith("P") for rule in named):
        from harness.property_tests import property_rules  # noqa: PLC0415 - brings Hypothesis along

        rules += property_rules()
    return {rule.id: rule for rule in rules if rule.id in named}
