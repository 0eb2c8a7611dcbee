"""The one declaration of a rule, from which explain, the docs page, SARIF and JUnit are made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.verdict import Finding, Location, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.verdict import Json

_ID = re.compile(r"[SWP][1-9][0-9]{2}")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: Longest piece of untrusted text that a finding carries, in characters.
DETAIL_CAP = 4000


@dataclass(frozen=True)
class Rule:
    """A rule. The id is immutable and never reused; S is the screen, W the wire, P a property.

    `summary` is one sentence in the present tense, `why` a short paragraph, `fix` one sentence to
    act on. `before` and `after` are small pieces of code that break and keep the rule.
    """

    id: str
    name: str
    severity: Severity
    summary: str
    why: str
    fix: str
    before: str
    after: str
    introduced_in: str = "2026.1"
    stability: str = "stable"

    def __post_init__(self) -> None:
        """Refuse malformed ids and empty texts, so that no report carries them."""
        if not _ID.fullmatch(self.id) or not _NAME.fullmatch(self.name):
            raise ValueError(f"malformed rule id or name: {self.id} {self.name}")
        for text in (self.summary, self.why, self.fix, self.before, self.after):
            if not text.strip():
                raise ValueError(f"rule {self.id} lacks one of its texts")
        if self.stability not in {"stable", "preview", "deprecated"}:
            raise ValueError(f"rule {self.id}: unknown stability {self.stability}")

    def finding(
        self,
        message: str,
        *,
        fix: str | None = None,
        counterexample: Mapping[str, Json] | None = None,
        location: Location | None = None,
        detail: str = "",
        severity: Severity | None = None,
    ) -> Finding:
        """Make a finding of this rule; `fix` and `severity` default to the rule's own."""
        return Finding(
            rule=self.id,
            name=self.name,
            severity=severity or self.severity,
            message=message,
            fix=self.fix if fix is None else fix,
            counterexample=counterexample,
            location=location,
            detail=detail[:DETAIL_CAP],
        )
