"""Who is ahead on a ladder: every measured run, by the highest rung it was measured at, with intervals.

Beside them stand the baselines, and each run's difference from its own on the same seeds, at the level of the gate that
decided. Ladders are told apart by their digests: runs of two of one name are never ranked against one another.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.curves import by_seed
from harness.ladder.evaluations import measured_by
from harness.ladder.gate import Difference, interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.ladder.gate import Gate
    from harness.ladder.plan import Ladder
    from harness.ledger import Ledger
    from harness.ledger.records import Run

    #: For each seed, each metric.
    Seeds = dict[int, dict[str, float]]

_ALPHA = 0.05
_BASELINE = re.compile(r"baseline-(\d{1,9})\.json")


@dataclass(frozen=True)
class Standing:
    """One run's place: the mean of a rung's gate metric over its seeds, with its 95 % interval.

    `difference` is the run's less the baseline's, `against`, on the same seeds; None where those were not kept.
    `evaluation` tells by which code and image it was measured, and when; `outdated`, that it is not by those of the
    run that was measured last at this rung.
    """

    run: Run
    rung: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    against: str
    difference: Difference | None
    evaluation: tuple[float, str] | None = None
    outdated: bool = False


@dataclass(frozen=True)
class Reference:
    """What a rung's baseline reached, on the seeds that any run was measured at.

    `settled` is false where runs met other values at the same seed, as after a change of the harness: then the newest
    run's count here, and each run is compared with those that it met.
    """

    name: str
    rung: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    settled: bool


def standings(ledger: Ledger, ladder: Ladder) -> list[Standing]:
    """All runs of a ladder that were measured, the best first."""
    order = {plan.name: place for place, plan in enumerate(ladder.rungs)}
    gates = {plan.name: plan.gate for plan in ladder.rungs if plan.gate is not None}
    found = []
    for run in ledger.runs(profile_digest=ladder.digest, limit=1_000_000):
        measured = {rung: by_seed(scores) for rung, scores in ledger.scores(run.id).items() if rung in gates}
        if not measured:
            continue
        rung = max(measured, key=order.__getitem__)
        gate = gates[rung]
        mean, low, high, count = _mean(measured[rung], gate.metric)
        difference = _difference(ledger, run, rung, gate, measured[rung])
        by = measured_by(ledger, run.id).get(rung)
        found.append(Standing(run, rung, gate.metric, mean, low, high, count, gate.against, difference, by))
    newest: dict[str, tuple[float, str]] = {}
    for one in found:
        if one.evaluation is not None:
            newest[one.rung] = max(newest.get(one.rung, one.evaluation), one.evaluation)
    found = [replace(s, outdated=bool(s.evaluation and s.evaluation[1] != newest[s.rung][1])) for s in found]
    # A run that ended by a guard rail stands below all that did not, whatever its score.
    return sorted(found, key=lambda s: (-s.run.rung, -order[s.rung], -np.nan_to_num(s.mean, nan=-np.inf), s.run.id))


def references(ledger: Ledger, ladder: Ladder, rows: list[Standing]) -> list[Reference]:
    """The baselines of the rungs that these runs stand at."""
    out = []
    for plan in ladder.rungs:
        known: Seeds = {}
        settled = True
        for row in sorted(rows, key=lambda row: row.run.id):
            if plan.gate is None or row.rung != plan.name:
                continue
            for seed, metrics in baselines_of(ledger, row.run.id).get(plan.name, {}).items():
                settled = settled and known.get(seed, metrics).get(plan.gate.metric) == metrics.get(plan.gate.metric)
                known[seed] = metrics
        if plan.gate is not None and known:
            mean = _mean(known, plan.gate.metric)
            out.append(Reference(plan.baseline, plan.name, plan.gate.metric, *mean, settled))
    return out


def baselines_of(ledger: Ledger, run: int) -> dict[str, Seeds]:
    """What the baselines reached at a run's rungs, as they were kept with it; by rung and seed."""
    out: dict[str, Seeds] = {}
    for one in ledger.attachments(run):
        if found := _BASELINE.fullmatch(one.name):
            metrics = json.loads(ledger.document(one.sha256))
            out.setdefault(one.rung, {})[int(found[1])] = {name: float(value) for name, value in metrics.items()}
    return out


def _difference(ledger: Ledger, run: Run, rung: str, gate: Gate, measured: Seeds) -> Difference | None:
    """From what was kept with the run; from what its gate wrote down where runs are older than that."""
    baseline = baselines_of(ledger, run.id).get(rung, {})
    if baseline and set(measured) <= set(baseline):
        return gate.difference(measured, baseline)
    told = {name: decision.detail for name, decision in ledger.decisions(run.id)}.get(rung, {})
    numbers = [told.get(name) for name in ("difference", "low", "high", "seeds")]
    if None in numbers:
        return None
    mean, low, high, seeds = (float(str(number)) for number in numbers)
    return Difference(mean, low, high, int(seeds))


def _mean(measured: Mapping[int, Mapping[str, float]], metric: str) -> tuple[float, float, float, int]:
    values = [metrics[metric] for _, metrics in sorted(measured.items()) if metric in metrics]
    return (float(np.mean(values)) if values else float("nan"), *interval(values, _ALPHA), len(values))
