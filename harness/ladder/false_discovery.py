"""Many candidates, one threshold each, and chance alone makes some of them winners: control of false discoveries.

A gate's error is that of one candidate. A search that submits a thousand promotes fifty by luck at alpha .05. The e-BH
procedure (Wang and Ramdas, "False discovery rate control with e-values", arXiv 2009.02824) takes one e-value for each
candidate and names those that count as discoveries, such that of the named at most a share alpha is expected to be
false. It holds whatever the dependence between candidates (all are compared with the same baseline on the same seeds)
and however many seeds each of them got.

A family is what is tested together: every function that came to a rung, whether it was measured there or fell apart,
once. Whoever ended below it is not counted: its end was decided on other seeds, and says nothing of these. The promise
is for losses that were chosen without these seeds. A search that is told of them chooses by their luck, and that is no
false discovery which this could see: a held-out rung is for that, whose seeds no search is told of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.board import KeptBaselines
from harness.ladder.evidence import by_t
from harness.ladder.gate import comparison, interval, paired
from harness.ladder.rungs import JUDGED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from harness.ladder.gate import Measured
    from harness.ladder.plan import Ladder, RungPlan
    from harness.ledger import Ledger
    from harness.ledger.records import Run


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


@dataclass(frozen=True)
class Family:
    """What was tested together at a rung, the most evidence first, and the evidence that a discovery needed.

    `unmeasured` of the standings have no seed yet, or fell before their first; `repeated` runs were of a function that
    is counted already, and `below` ended, or stand, below the rung: neither are among the standings.
    """

    plan: RungPlan
    alpha: float
    standings: tuple[Standing, ...]
    needed: float
    unmeasured: int
    repeated: int
    below: int

    @property
    def discoveries(self) -> tuple[int, ...]:
        """The runs that are better than the baseline, the most evidence first."""
        return tuple(one.run for one in self.standings if one.found)


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
    runs: Mapping[int, Measured],
    baselines: Mapping[int, Measured],
    plan: RungPlan,
    alpha: float,
    *,
    least: float = 0.0,
    fallen: Collection[int] = (),
) -> list[Standing]:
    """Which of these runs are better than the baseline of a rung by more than `least`; the most evidence first.

    `runs` are all that came there, losers included: who leaves some out makes discoveries of the others. `baselines` is
    what the baseline reached at the same seeds, by run; a run that it was not kept with has no evidence, 1. Those in
    `fallen` broke a rail, or fell before their first seed: whatever they scored until then, their evidence is 0.
    """
    if plan.gate is None:
        raise ValueError(f"the rung {plan.name} measures nothing by seed")
    metric = plan.gate.metric
    differences = {
        run: paired(measured, baselines[run], metric)
        if measured and set(measured) <= set(baselines.get(run, ()))
        else []
        for run, measured in runs.items()
    }
    evidence = {run: 0.0 if run in fallen else by_t(values, least) for run, values in differences.items()}
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


def families(ledger: Ledger, ladder: Ladder, alpha: float) -> list[Family]:
    """For each rung of a ladder that measures by seed, all that a ledger's runs came to there.

    Each rung is a family of its own, with the rate `alpha`. Raises ValueError for a rate outside (0, 1).
    """
    # A judge's evidence is of one training each: it says nothing of a loss, and is in no family.
    gates = {plan.name: plan.gate.metric for plan in ladder.rungs if plan.gate is not None and plan.kind not in JUDGED}
    every, runs = ledger.ladder_scores(ladder.digest, gates), ledger.runs(profile_digest=ladder.digest)
    decisions, kept = ledger.ladder_decisions(ladder.digest), KeptBaselines(ledger, ladder)
    out = []
    for place, plan in enumerate(ladder.rungs):
        if plan.name not in gates:
            continue
        came = [run for run in runs if run.rung >= place or plan.name in every.get(run.id, {})]
        once = _once(came)
        measured = {run: every.get(run, {}).get(plan.name, {}) for run in once}
        said = {run: decisions.get(run, {}).get(plan.name) for run in once}
        fallen = {
            run
            for run, one in said.items()
            if one is not None and one.decision == "reject" and ("rail" in one.detail or not measured[run])
        }
        standings = among(measured, {run: kept.of(run, plan.name) for run in once}, plan, alpha, fallen=fallen)
        needed = standings[0].needed if standings else math.nan
        unmeasured = sum(not seeds for seeds in measured.values())
        counts = unmeasured, len(came) - len(once), len(runs) - len(came)
        out.append(Family(plan, alpha, tuple(standings), needed, *counts))
    return out


def _once(runs: Sequence[Run]) -> list[int]:
    """The first run of each function, by number: chosen by nothing that was measured."""
    first: dict[str, int] = {}
    for run in sorted(runs, key=lambda one: one.id):
        first.setdefault(run.function or run.candidate, run.id)
    return list(first.values())
