"""What the properties said of a candidate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.core.verdict import rejects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Finding

#: How a rule may have gone, from the best to the worst: a rule goes as the worst of its tests.
_WORSE = ("passed", "warned", "not-run", "failed")


@dataclass
class Outcome:
    """What the properties said: findings in order, and for each rule id how it went, and why where it did not run.

    `seconds` has the time that each rule took.
    """

    findings: list[Finding] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def went(self, rule: str, how: str, why: str = "") -> None:
        """Note how a rule went in one test, or at one setting: what was worse before stays."""
        before = self.properties.get(rule)
        if before is not None and _WORSE.index(how) <= _WORSE.index(before):
            return
        self.properties[rule] = how
        self.not_run.pop(rule, None)
        if how == "not-run":
            self.not_run[rule] = why

    def took(self, rule: str, seconds: float) -> None:
        """Note the time that a test of a rule took."""
        self.seconds[rule] = self.seconds.get(rule, 0.0) + seconds

    def unanswered(self, allowed: Mapping[str, str]) -> list[str]:
        """The rules that leave a candidate undecided, each with what is wrong.

        A rule may be not run for the one reason that the profile allows it (`allowed`, by rule id), and a broken one
        has a finding.
        """
        out = []
        for rule, how in self.properties.items():
            why = self.not_run.get(rule, "")
            if how == "not-run" and why != allowed.get(rule):
                out.append(f"{rule} ({why or 'not run'})")
            elif how == "failed" and not rejects(self.findings):
                out.append(f"{rule} (broken, by no finding that rejects)")
        return out
