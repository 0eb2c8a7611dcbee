"""What one check of one candidate produced, ready for every report format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.verdict import Json, Verdict


@dataclass(frozen=True)
class CheckResult:
    """One candidate, one verdict.

    `facts` and `environment` are JSON-ready. `properties` maps each rule id that ran to "passed",
    "failed", "warned" or "not-run". `timings` (seconds) is the only part that differs between two runs.
    `output` is what the candidate printed: untrusted, capped, to be escaped wherever it is shown.
    """

    path: str
    sha256: str
    name: str
    verdict: Verdict
    facts: Mapping[str, Json] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Json] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    output: str = ""


@dataclass(frozen=True)
class CheckReport:
    """All results of one command, in the order of the given paths."""

    profile: str
    seed: int
    results: tuple[CheckResult, ...]

    @property
    def exit_code(self) -> int:
        """0 all accepted, 1 one rejected or more, 3 one undecided or more: the worst wins."""
        words = {r.verdict.word for r in self.results}
        if "undecided" in words:
            return 3
        return 1 if "rejected" in words else 0
