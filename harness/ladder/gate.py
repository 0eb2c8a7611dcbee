"""The gate between two rungs: a paired comparison with a baseline on the same seeds, by interval, and guard rails.

The question is whether the candidate is worse than the baseline by more than a margin. After each look the interval of
the mean difference is computed (Student's t, from scipy); the allowed error is shared out equally over the planned
looks (Bonferroni), so that looking often does not make a wrong decision likelier. Below the margin: rejected. Above:
promoted. In between: another seed, while there are any. A negative margin asks for more: better by at least that much.
Not covered: differences that are far from normal in a handful of seeds, which is why guard rails on single metrics
stand beside it. Effects of single prompts have a gate of their own, `harness.ladder.prompt_gate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InfrastructureError
from harness.ladder.sentence import comparison, falls_short, suffices
from harness.ledger.records import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.verdict import Json

    #: For each seed, each metric.
    Measured = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class GuardRail:
    """A metric that must stay within bounds at every seed, whatever the score says."""

    metric: str
    least: float = -math.inf
    most: float = math.inf

    def broken(self, measured: Measured) -> str:
        """What is out of bounds, and where; empty where nothing is. NaN is out of any bounds."""
        for seed, metrics in sorted(measured.items()):
            value = metrics.get(self.metric, math.nan)
            if not self.least <= value <= self.most:
                bound = f"at least {self.least:g}" if not value >= self.least else f"at most {self.most:g}"
                return f"{self.metric} is {value:.4g} for seed {seed}, and has to be {bound}"
        return ""


@dataclass(frozen=True)
class Gate:
    """What a rung has to show: `metric` not worse than the baseline's by `margin`, with error `alpha`.

    `looks` are the numbers of seeds after which is looked, ascending. `undecided` says what follows when the last look
    leaves it open: "promote" where a rung is to kill only what is clearly worse, else "reject". `against` is the
    baseline's name, for the sentence.
    """

    metric: str
    margin: float
    alpha: float
    looks: tuple[int, ...]
    undecided: str = "promote"
    rails: tuple[GuardRail, ...] = ()
    against: str = "the baseline"

    def decide(self, candidate: Measured, baseline: Measured) -> Decision | None:
        """The decision on the seeds so far, or None while it is open and more seeds are planned.

        A candidate whose metric is missing or not finite is rejected at once: no later seed can mend it. Raises
        ValueError where the baseline lacks a seed that the candidate has, InfrastructureError where it is not finite.
        """
        if missing := set(candidate) - set(baseline):
            raise ValueError(f"the baseline was not measured for the seeds {sorted(missing)}")
        if stopped := self._stopped(candidate):
            return stopped
        if len(candidate) not in self.looks:
            return None
        seeds = sorted(candidate)
        differences = paired(candidate, baseline, self.metric)
        low, high = interval(differences, self.alpha / len(self.looks))
        mean = float(np.mean(differences))
        detail: dict[str, Json] = {
            "metric": self.metric,
            "seeds": len(seeds),
            "difference": mean,
            "low": low,
            "high": high,
            "margin": self.margin,
            "against": self.against,
            "alpha": self.alpha,
            "looks": len(self.looks),
        }
        looks = f", right at all {len(self.looks)} looks" if len(self.looks) > 1 else ""
        told = comparison(
            self.metric,
            self.against,
            (mean, low, high),
            confidence=1.0 - self.alpha,
            units=f"{len(seeds)} paired seeds{looks}",
        )
        if high < -self.margin:
            return Decision("reject", f"{told}: {falls_short(self.margin)}", detail)
        if low > -self.margin:
            return Decision("promote", f"{told}: {suffices(self.margin)}", detail)
        if len(seeds) < self.looks[-1]:
            return None
        return Decision(self.undecided, f"{told}: still open after the last look", detail)

    def _stopped(self, candidate: Measured) -> Decision | None:
        """What ends it at any seed: a metric out of bounds, or a score that is no number."""
        for rail in self.rails:
            if broken := rail.broken(candidate):
                return Decision("reject", broken, {"rail": rail.metric, "seeds": len(candidate)})
        for seed, metrics in sorted(candidate.items()):
            value = metrics.get(self.metric, math.nan)
            if not math.isfinite(value):
                told = f"{self.metric} is {value} for seed {seed}, and has to be finite"
                return Decision("reject", told, {"rail": self.metric, "seeds": len(candidate)})
        return None


def paired(candidate: Measured, baseline: Measured, metric: str) -> list[float]:
    """Candidate minus baseline, seed by seed in ascending order; NaN where the candidate has no finite value.

    Raises InfrastructureError where the baseline has none: nothing can be said of the candidate then.
    """
    for seed in candidate:
        if not math.isfinite(baseline[seed].get(metric, math.nan)):
            raise InfrastructureError(
                f"the baseline's {metric} for seed {seed} is not finite",
                remedy="choose a baseline that trains with these settings",
            )
    values = [(candidate[seed].get(metric, math.nan), baseline[seed][metric]) for seed in sorted(candidate)]
    return [own - base if math.isfinite(own) else math.nan for own, base in values]


def interval(differences: Sequence[float], alpha: float) -> tuple[float, float]:
    """Student's two-sided interval of a mean at error `alpha`; infinitely wide for fewer than two values."""
    from scipy import stats  # noqa: PLC0415 - takes a second to import, and most commands never decide

    values = np.asarray(differences, dtype=np.float64)
    if values.size < 2 or not np.isfinite(values).all():
        return -math.inf, math.inf
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    if error == 0.0:
        return mean, mean
    half = float(stats.t.ppf(1.0 - alpha / 2.0, values.size - 1)) * error
    return mean - half, mean + half
