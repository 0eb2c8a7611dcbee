"""What one check of one candidate produced, ready for every report format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.facts import LossFacts
    from harness.core.verdict import Json, Verdict


@dataclass(frozen=True)
class CheckResult:
    """One candidate, one verdict.

    `facts` and `environment` are JSON-ready. `properties` maps each rule id that ran to "passed",
    "failed", "warned" or "not-run", and `not_run` says why of the last kind. `machine` tells where it was
    made, and `timings` how long it took (seconds, for the phases and for each rule): the only parts that
    differ between two runs. `output` is what the candidate printed: untrusted, capped, to be escaped
    wherever it is shown.
    """

    path: str
    sha256: str
    name: str
    verdict: Verdict
    facts: Mapping[str, Json] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    not_run: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Json] = field(default_factory=dict)
    machine: Mapping[str, Json] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    output: str = ""

    @property
    def loss_facts(self) -> LossFacts:
        """The facts, to be asked by name."""
        from harness.core.facts import LossFacts  # noqa: PLC0415 - slow to import, and the screen alone finds none

        return LossFacts(self.facts)


@dataclass(frozen=True)
class CheckReport:
    """All results of one command, in the order of the given paths.

    `excluded` are the files that somebody asked to leave out. `screened_ok` says that the screen alone was enough for
    whoever asked.
    """

    profile: str
    seed: int
    results: tuple[CheckResult, ...]
    excluded: tuple[str, ...] = ()
    screened_ok: bool = False

    @property
    def exit_code(self) -> int:
        """0 where every candidate is accepted; else 3 for one undecided, 1 for one rejected, 3 for one not judged.

        What was only screened is as good as accepted where `screened_ok` says so, and nothing at all is not.
        """
        words = {r.verdict.word for r in self.results}
        if "undecided" in words:
            return 3
        if "rejected" in words:
            return 1
        return 0 if words and words <= ({"accepted", "screened"} if self.screened_ok else {"accepted"}) else 3
