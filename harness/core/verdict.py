"""What a check ends in: findings, and the sum type `Verdict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Whatever JSON can carry. Non-finite floats are written as the strings "NaN", "Infinity", "-Infinity".
Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


class Severity(StrEnum):
    """How much a finding weighs: only an error rejects."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Location:
    """A place in the candidate's own text (lines and columns count from 1; 0 means unknown)."""

    line: int
    column: int = 0


@dataclass(frozen=True)
class Finding:
    """A broken rule, with the smallest counterexample that was found.

    `rule` is the immutable id (`P302`), `name` its kebab-case name (`finite-value`). `message` says
    what was seen and `fix` what to change, one sentence each. `counterexample` holds plain numbers
    that a person can paste. `detail` is untrusted text (a traceback, captured output), already capped.
    """

    rule: str
    name: str
    severity: Severity
    message: str
    fix: str = ""
    counterexample: Mapping[str, Json] | None = None
    location: Location | None = None
    detail: str = ""


@dataclass(frozen=True)
class Accepted:
    """Every rule has an outcome, and none is broken. `findings` holds warnings and notes only."""

    findings: tuple[Finding, ...] = ()

    word: str = field(default="accepted", init=False)


@dataclass(frozen=True)
class Rejected:
    """At least one finding is an error."""

    findings: tuple[Finding, ...]

    word: str = field(default="rejected", init=False)

    def __post_init__(self) -> None:
        """Refuse a rejection without a reason."""
        if not any(f.severity is Severity.ERROR for f in self.findings):
            raise ValueError("a rejection needs a finding of severity error")


@dataclass(frozen=True)
class Undecided:
    """The harness could not decide: a fault of ours, with the next step for a person."""

    reason: str
    remedy: str = ""
    findings: tuple[Finding, ...] = ()

    word: str = field(default="undecided", init=False)


@dataclass(frozen=True)
class Screened:
    """The screen refused nothing, and nothing was judged: not a word on what the loss is worth. Warnings and notes."""

    findings: tuple[Finding, ...] = ()

    word: str = field(default="screened", init=False)


#: What is said of such a candidate wherever there is room for a sentence.
NOT_JUDGED = "screened, not judged: no property was checked, and nothing is known of what it answers"

Verdict: TypeAlias = Accepted | Rejected | Undecided | Screened


def rejects(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(f.severity is Severity.ERROR for f in findings)


def refused(findings: tuple[Finding, ...]) -> Rejected | Undecided:
    """The verdict on a candidate that ended its check: what was not looked at can have passed nothing."""
    if rejects(findings):
        return Rejected(findings)
    return Undecided("the check ended early, with no finding that rejects", "report it, with the file", findings)


def decide(findings: tuple[Finding, ...], unanswered: Sequence[str]) -> Accepted | Rejected | Undecided:
    """The verdict on a candidate: `unanswered` names the rules that have no outcome, which leaves it undecided."""
    if rejects(findings):
        return Rejected(findings)
    if unanswered:
        reason = f"no verdict without an outcome of every rule, and there is none of {'; '.join(unanswered)}"
        remedy = "run the check again; if that changes nothing, install the harness anew (make setup), or report it"
        return Undecided(reason, remedy, findings)
    return Accepted(findings)
