"""By what a run was measured, as its events in the ledger tell: the evaluation of each rung, and the tuned values.

They are read by whoever goes on with the run, compares it with others, or shows it. Whether this code would measure the
same today is answered from them, too.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.core.digests import json_digest
from harness.core.errors import HarnessError
from harness.images import current
from harness.ladder.rungs import TRAINED, evaluation_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.program import Program
    from harness.core.verdict import Json
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Event


#: The event that says under which evaluation an attempt measures a rung's seeds.
MEASURED = "measured-by"


def measured_by(ledger: Ledger, run: int) -> dict[str, tuple[float, str]]:
    """By rung, when its seeds were last begun and the digest of the evaluation, tuned values left out of it."""
    return of_events([event for event in ledger.events(run) if event.kind == MEASURED])


def of_events(events: Sequence[Event]) -> dict[str, tuple[float, str]]:
    """The same, from the events of a run that say so."""
    return {str(e.detail["rung"]): (e.time, str(e.detail.get("untuned", e.detail["evaluation"]))) for e in events}


#: The event that tells what a tuning came to.
KIND = "tuned"
#: What the "rungs" begin with under which the trials' scores stand in the ledger; the tuning's digest follows.
RUNG = "tuning"
#: The metrics of a trial: what it was worth, and before each parameter's name, the value that was tried.
OBJECTIVE, VALUE = "objective", "param."


@dataclass(frozen=True)
class Tuned:
    """The values that a candidate goes on with. `tuning` is the digest of how they were found.

    `score` is what they reached on the seeds of the tuning, `middle` what the middle of the ranges did; None where it
    fell apart.
    """

    values: Mapping[str, float]
    tuning: str
    trials: int
    score: float | None
    middle: float | None

    def as_detail(self) -> dict[str, Json]:
        """The event's detail."""
        return asdict(self)

    def told(self) -> str:
        """One sentence for people."""
        values = ", ".join(f"{name} = {value:.6g}" for name, value in self.values.items())
        score, middle = ("none" if one is None else f"{one:.4g}" for one in (self.score, self.middle))
        return f"{values} after {self.trials} trials: {score} on seeds of their own, and {middle} in the middle"


def tuned_of(events: Sequence[Event], tuning: str | None = None) -> Tuned | None:
    """The last tuning of a run, or the last of that digest; None where there is none."""
    for event in reversed(events):
        if event.kind == KIND and tuning in {None, event.detail["tuning"]}:
            detail: dict[str, object] = dict(event.detail)
            return Tuned(**detail)  # type: ignore[arg-type] # written by `as_detail`
    return None


def with_values(program: Program, tuned: Tuned | None) -> Program:
    """The program at the tuned values of the parameters that it declares, by name; as it is where there are none."""
    if tuned is None:
        return program
    return program.at({p.name: tuned.values[p.name] for p in program.plan.parameters if p.name in tuned.values})


def evaluation_with(evaluation: str, program: Program | None) -> str:
    """The digest of an evaluation with the values that were chosen in it; the same where none were."""
    if program is None or not program.chosen:
        return evaluation
    what = {"evaluation": evaluation, "constants": program.constants}
    return json_digest(what)


def by_other_code(ledger: Ledger, ladder: Ladder, run: int) -> bool:
    """Whether a rung of a run was certainly measured by other code, or in another image.

    Nothing is known of that where no image is there. What training rungs train by only a worker knows: they are not
    looked at, the rungs before them are.
    """
    kept: dict[str, set[str]] = {}
    for one in ledger.promotions(run):
        kept.setdefault(one["rung"], set()).add(one["evaluation"])
    kept |= {rung: {digest} for rung, (_, digest) in measured_by(ledger, run).items()}
    plans = [plan for plan in ladder.rungs if plan.name in kept and plan.kind not in TRAINED]
    images = _images() if plans else []
    return bool(images) and any(
        kept[plan.name].isdisjoint(evaluation_digest(ladder, plan, image) for image in images) for plan in plans
    )


def _images() -> list[str]:
    """The digests of today's images that are there, either of which may have been the one."""
    found = []
    for variant in ("cpu", "cuda"):
        with contextlib.suppress(HarnessError):
            found.append(current(variant).digest)
    return found
