"""Checks, what each of them found, and what they come to together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Exit codes: the sandbox can be trusted; it cannot, and that is no candidate's fault.
TRUSTED, REFUSED = 0, 3


class Result(Enum):
    """How one check ended. A warning can be waived, and `--strict` does not."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True)
class Check:
    """One thing that has to hold on this host. The id is immutable and never used again."""

    id: str
    name: str
    asks: str
    remedy: str

    def ok(self, seen: str) -> Outcome:
        """It holds."""
        return Outcome(self, Result.OK, seen)

    def warning(self, seen: str, remedy: str = "") -> Outcome:
        """It does not hold, or nobody can tell, and a check may go on all the same."""
        return Outcome(self, Result.WARNING, seen, remedy or self.remedy)

    def failed(self, seen: str, remedy: str = "") -> Outcome:
        """It does not hold."""
        return Outcome(self, Result.FAILED, seen, remedy or self.remedy)

    def not_applicable(self, why: str) -> Outcome:
        """There is nothing to look at here."""
        return Outcome(self, Result.NOT_APPLICABLE, why)

    def holds(self, *, when: bool, seen: str) -> Outcome:
        """Ok or failed."""
        return self.ok(seen) if when else self.failed(seen)


@dataclass(frozen=True)
class Outcome:
    """What one check found: `seen` is for people, and may hold words of the engine's."""

    check: Check
    result: Result
    seen: str
    remedy: str = ""


@dataclass(frozen=True)
class Examination:
    """Everything that was found out about this host. `about` names what was examined."""

    outcomes: tuple[Outcome, ...]
    about: dict[str, str]
    strict: bool
    seconds: float

    def count(self, result: Result) -> int:
        """How many checks ended so."""
        return sum(o.result is result for o in self.outcomes)

    @property
    def trusted(self) -> bool:
        """Whether candidates may be run here: nothing failed, and under `--strict` nothing was waived."""
        return not self.count(Result.FAILED) and not (self.strict and self.count(Result.WARNING))

    @property
    def exit_code(self) -> int:
        """0 or 3: what is wrong with a host is never the fault of a candidate."""
        return TRUSTED if self.trusted else REFUSED
