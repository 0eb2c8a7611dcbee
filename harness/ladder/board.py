"""Who is ahead on a ladder: every measured run, by the highest rung it was measured at, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.gate import interval
from harness.ladder.profile import load

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.ledger.records import Run

_ALPHA = 0.05


@dataclass(frozen=True)
class Standing:
    """One run's place: the mean of a rung's gate metric over its seeds, with its 95 % interval."""

    run: Run
    rung: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int


def standings(ledger: Ledger, profile: str) -> list[Standing]:
    """All runs of a ladder that were measured, the best first. Raises UserError for an unknown ladder."""
    ladder = load(profile)
    order = {plan.name: place for place, plan in enumerate(ladder.rungs)}
    metrics = {plan.name: plan.gate.metric for plan in ladder.rungs if plan.gate is not None}
    found = []
    for run in ledger.runs(profile_digest=ladder.digest, limit=1_000_000):
        measured = {rung: scores for rung, scores in ledger.scores(run.id).items() if rung in metrics}
        if not measured:
            continue
        rung = max(measured, key=order.__getitem__)
        values = [s.value for s in measured[rung] if s.metric == metrics[rung]]
        low, high = interval(values, _ALPHA)
        mean = float(np.mean(values)) if values else float("nan")
        found.append(Standing(run, rung, metrics[rung], mean, low, high, len(values)))
    # A run that ended by a guard rail stands below all that did not, whatever its score.
    return sorted(found, key=lambda s: (-s.run.rung, -order[s.rung], -np.nan_to_num(s.mean, nan=-np.inf), s.run.id))
