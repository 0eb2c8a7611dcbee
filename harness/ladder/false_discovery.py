"""Many candidates, one threshold each, and chance alone makes some of them winners: control of false discoveries.

A gate's error is that of one candidate. A search that submits a thousand promotes fifty by luck at alpha .05. The e-BH
procedure (Wang and Ramdas, "False discovery rate control with e-values", arXiv 2009.02824) takes one e-value for each
candidate and names those that count as discoveries, such that of the named at most a share alpha is expected to be
false. It holds whatever the dependence between candidates (all are compared with the same baseline on the same seeds)
and however many seeds each of them got.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.evidence import by_t
from harness.ladder.gate import comparison, interval, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.ladder.gate import Measured
    from harness.ladder.plan import Ladder, RungPlan
    from harness.ledger import Ledger


@dataclass(frozen=True)
class Standing:
    """One candidate among many: its evidence, the evidence it would have needed, and whether it is a discovery."""

    run: int
    difference: float
    low: float
    high: float
    seeds: int
    evidence: float
    needed: float
    found: bool
    sentence: str


def e_bh(evidence: Mapping[int, float], alpha: float) -> tuple[frozenset[int], float]:
    """The discoveries among candidates by their e-values, and the evidence that was needed to be one.

    With K candidates and e-values in descending order: the largest k whose k-th is at least K / (k alpha). Raises
    ValueError for an e-value that is none (negative or NaN) and an alpha outside (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"a false-discovery rate lies between 0 and 1, and is not {alpha}")
    if odd := [key for key, e in evidence.items() if not e >= 0.0]:
        raise ValueError(f"the evidence of {odd[0]} is {evidence[odd[0]]}")
    ordered = sorted(evidence.values(), reverse=True)
    count = len(ordered)
    enough = [k for k, e in enumerate(ordered, 1) if e >= count / (k * alpha)]
    if not enough:
        return frozenset(), count / alpha
    needed = count / (enough[-1] * alpha)
    return frozenset(key for key, e in evidence.items() if e >= needed), needed


def among(
    runs: Mapping[int, Measured], baseline: Measured, plan: RungPlan, alpha: float, *, least: float = 0.0
) -> list[Standing]:
    """Which of these runs are better than the baseline of a rung by more than `least`; the most evidence first.

    `runs` are all that were measured there, losers included: who leaves some out makes discoveries of the others.
    """
    if plan.gate is None:
        raise ValueError(f"the rung {plan.name} measures nothing by seed")
    metric = plan.gate.metric
    differences = {run: paired(measured, baseline, metric) for run, measured in runs.items()}
    evidence = {run: by_t(values, least) for run, values in differences.items()}
    found, needed = e_bh(evidence, alpha)
    standings = []
    for run, values in differences.items():
        mean = float(np.mean(values)) if values else math.nan
        low, high = interval(values, alpha)
        told = comparison(
            metric, plan.baseline, (mean, low, high), confidence=1.0 - alpha, units=f"{len(values)} paired seeds"
        )
        word = "a discovery" if run in found else "no discovery"
        told += f"; evidence {evidence[run]:.3g} of {needed:.3g} needed among {len(runs)} candidates: {word}"
        standings.append(Standing(run, mean, low, high, len(values), evidence[run], needed, run in found, told))
    return sorted(standings, key=lambda s: (-s.evidence, s.run))


def over_ladder(
    ledger: Ledger,
    ladder: Ladder,
    rung: str,
    baseline: Callable[[RungPlan, int], Mapping[str, float]],
    alpha: float = 0.05,
) -> list[Standing]:
    """All runs of a ladder that were measured at a rung, as `among` has them.

    `baseline` gives the baseline's metrics for a seed, as `Baselines.scores` does. Raises ValueError for an unknown
    rung, and for one that measures nothing by seed.
    """
    plan = next((plan for plan in ladder.rungs if plan.name == rung), None)
    if plan is None:
        raise ValueError(f"the ladder {ladder.name} has no rung {rung!r}")
    metrics = {rung: plan.gate.metric} if plan.gate is not None else {}
    every = ledger.ladder_scores(ladder.digest, metrics)
    runs = {run: measured[rung] for run, measured in sorted(every.items())}
    seeds = sorted({seed for measured in runs.values() for seed in measured})
    return among(runs, {seed: baseline(plan, seed) for seed in seeds}, plan, alpha)
