"""The gate between two rungs: a paired comparison with a baseline on the same seeds, by interval, and guard rails.

The question is whether the candidate is worse than the baseline by more than a margin. After each look the interval of
the mean difference is computed (Student's t, from scipy); the allowed error is shared out equally over the planned
looks (Bonferroni), so that looking often does not make a wrong decision likelier. Below the margin: rejected. Above:
promoted. In between: another seed, while there are any. A negative margin asks for more: better by at least that much.
Not covered: differences that are far from normal in a handful of seeds, which is why guard rails on single metrics
stand beside it. Effects of single prompts have a gate of their own, in `harness.ladder.evidence`.

What any gate found is said here too, in a sentence with numbers: "better than dpo by 0.012 (score), 95 % interval 0.004
to 0.020".
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import InfrastructureError
from harness.ledger.records import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.verdict import Json

    #: For each seed, each metric.
    Measured = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class GuardRail:
    """A metric that must stay within bounds at every seed, whatever the score says."""

    metric: str
    least: float = -math.inf
    most: float = math.inf

    def holds(self, value: float) -> bool:
        """Whether a value is within the bounds; NaN is out of any."""
        return self.least <= value <= self.most

    def told(self, seed: int, value: float) -> str:
        """What is wrong with a value that is not."""
        bound = f"at least {self.least:g}" if not value >= self.least else f"at most {self.most:g}"
        return f"{self.metric} is {value:.4g} for seed {seed}, and has to be {bound}"


@dataclass(frozen=True)
class Difference:
    """Candidate minus baseline over paired seeds: the mean, and its interval at a gate's level."""

    mean: float
    low: float
    high: float
    seeds: int


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

    @property
    def level(self) -> str:
        """What its intervals are, for the head of a column: all that is told of differences is of this one level."""
        looks = f", right at all {len(self.looks)} looks" if len(self.looks) > 1 else ""
        return f"{100.0 * (1.0 - self.alpha):.4g} % interval{looks}"

    def difference(self, candidate: Measured, baseline: Measured, metric: str | None = None) -> Difference:
        """What the gate sees at these seeds, in its own metric or another; NaN, and no interval, where one is none."""
        metric = self.metric if metric is None else metric
        values = [candidate[s].get(metric, math.nan) - baseline[s].get(metric, math.nan) for s in sorted(candidate)]
        finite = [value if math.isfinite(value) else math.nan for value in values]
        mean = float(np.mean(finite)) if finite else math.nan
        return Difference(mean, *interval(finite, self.alpha / len(self.looks)), len(finite))

    def decide(self, candidate: Measured, baseline: Measured) -> Decision | None:
        """The decision on the seeds so far, or None while it is open and more seeds are planned.

        A candidate whose metric is not finite where the baseline's is, is rejected at once: no later seed can mend it,
        and nothing differs between the two but the loss. Raises ValueError where the baseline lacks a seed that the
        candidate has. Raises InfrastructureError where a metric is not there, where the baseline's is not finite, and
        where it breaks a rail that the candidate breaks: of the candidate that says nothing.
        """
        if missing := set(candidate) - set(baseline):
            raise ValueError(f"the baseline was not measured for the seeds {sorted(missing)}")
        if stopped := self._stopped(candidate, baseline):
            return stopped
        if len(candidate) not in self.looks:
            return None
        found = self.difference(candidate, baseline)
        span, confidence = (found.mean, found.low, found.high), 1.0 - self.alpha
        detail: dict[str, Json] = {
            "metric": self.metric,
            "seeds": found.seeds,
            "difference": found.mean,
            "low": found.low,
            "high": found.high,
            "margin": self.margin,
            "against": self.against,
            "alpha": self.alpha,
            "looks": len(self.looks),
        }
        looks = f", right at all {len(self.looks)} looks" if len(self.looks) > 1 else ""
        units = f"{found.seeds} paired seeds{looks}"
        told = comparison(self.metric, self.against, span, confidence=confidence, units=units)
        if found.high < -self.margin:
            return Decision("reject", f"{told}: {falls_short(self.margin, self.against, confidence)}", detail)
        if found.low > -self.margin:
            return Decision("promote", f"{told}: {suffices(self.margin, self.against, confidence, span)}", detail)
        if len(candidate) < self.looks[-1]:
            return None
        end = left_open(self.margin, self.against, self.undecided, "look")
        return Decision(self.undecided, f"{told}: {end}", detail)

    def _stopped(self, candidate: Measured, baseline: Measured) -> Decision | None:
        """What ends it at any seed: a metric out of bounds, or a score that is no number."""
        absent: list[tuple[int, str]] = []
        for rail in self.rails:
            for seed, metrics in sorted(candidate.items()):
                if rail.metric not in metrics:
                    absent.append((seed, rail.metric))
                elif not rail.holds(metrics[rail.metric]):
                    told = rail.told(seed, metrics[rail.metric])
                    theirs = baseline[seed].get(rail.metric)
                    if theirs is not None and not rail.holds(theirs):
                        raise InfrastructureError(
                            f"{told}, and {self.against} breaks that rail too, with {theirs:.4g}",
                            remedy="mend the rail, or the settings that even the baseline falls apart with",
                        )
                    return self._ended(rail.metric, told, metrics, theirs, len(candidate))
        absent += [(seed, self.metric) for seed, metrics in sorted(candidate.items()) if self.metric not in metrics]
        for seed, metric in absent[:1]:
            raise InfrastructureError(
                f"the rung gave no {metric} for seed {seed}, and its gate reads it",
                remedy="report this with `harness show`: a ladder's metrics are checked when it is named",
            )
        paired(candidate, baseline, self.metric)
        for seed, metrics in sorted(candidate.items()):
            if not math.isfinite(metrics[self.metric]):
                told = f"{self.metric} is {metrics[self.metric]} for seed {seed}, and has to be finite"
                return self._ended(self.metric, told, metrics, baseline[seed][self.metric], len(candidate))
        return None

    def _ended(
        self, metric: str, told: str, metrics: Mapping[str, float], theirs: float | None, seeds: int
    ) -> Decision:
        """A rejection for one metric of one seed, with what tells that it is the candidate's doing."""
        diverged = metrics.get("finite", 1.0) < 1.0 or not math.isfinite(metrics[metric])
        why = ": its training did not stay finite" if diverged else ""
        beside = f" ({self.against}: {theirs:.4g})" if theirs is not None else ""
        return Decision("reject", f"{told}{why}{beside}", {"rail": metric, "seeds": seeds})


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
    values = np.asarray(differences, dtype=np.float64)
    if values.size < 2 or not np.isfinite(values).all():
        return -math.inf, math.inf
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    if error == 0.0:
        return mean, mean
    half = _quantile(1.0 - alpha / 2.0, values.size - 1) * error
    return mean - half, mean + half


@functools.cache
def _quantile(share: float, freedom: int) -> float:
    """Student's t below which a share lies: what `scipy.stats.t.ppf` computes, without the second of its import."""
    from scipy.special import stdtrit  # noqa: PLC0415 - most commands never decide

    return float(stdtrit(freedom, share))


def comparison(metric: str, against: str, found: tuple[float, float, float], *, confidence: float, units: str) -> str:
    """Say a difference from `against` in `metric`: `found` is (mean, low, high), `units` what it rests on.

    A negative difference is told as "worse", with the interval turned round, so that words and figures agree.
    """
    mean, low, high = found
    if math.isnan(mean):
        return f"not comparable with {against} ({metric} is not a number), {units}"
    if mean < 0.0:
        mean, low, high = -mean, -high, -low
        word = "worse than"
    else:
        word = "better than" if mean > 0.0 else "no different from"
    digits = _digits((high - low) / 2.0)
    by = f" by {mean:.{digits}f}" if mean > 0.0 else ""
    percent = f"{_percent(confidence)} interval"
    spread = f"{percent} {low:.{digits}f} to {high:.{digits}f}" if math.isfinite(high - low) else f"no {percent} yet"
    return f"{word} {against}{by} ({metric}), {spread}, {units}"


def falls_short(margin: float, against: str, confidence: float) -> str:
    """Why what lies wholly below -margin is rejected."""
    by = f" by more than {margin:g}" if margin > 0.0 else f" by {-margin:g}" if margin < 0.0 else ""
    return f"{'worse' if margin > 0.0 else 'not better'} than {against}{by} with {_percent(confidence)}"


def suffices(margin: float, against: str, confidence: float, found: tuple[float, float, float]) -> str:
    """What it is worth to lie wholly above -margin; `found` is (mean, low, high), as in `comparison`."""
    mean, low, high = found
    if margin <= 0.0:
        by = f" by more than {-margin:g}" if margin else ""
        return f"better than {against}{by} with {_percent(confidence)}"
    told = f"not worse than {against} by more than {margin:g} with {_percent(confidence)}"
    if low > 0.0:
        return told
    estimate = f"the estimate is {mean:.{_digits((high - low) / 2.0)}f}"
    return f"{told}, and worse: {estimate}" if high < 0.0 else f"{told}; it may still be worse: {estimate}"


def left_open(margin: float, against: str, undecided: str, units: str) -> str:
    """What becomes of what lies on both sides of -margin when there is no more to come."""
    told = f"still open after the last {units}"
    if undecided == "reject":
        return f"{told}, and so it is rejected"
    may = f"it may be worse than {against} by more than {margin:g}"
    if margin <= 0.0:
        may = f"it may not be better than {against}" + (f" by {-margin:g}" if margin else "")
    return f"{told}, and so it is promoted: {may}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.4g} %"


def _digits(half: float) -> int:
    """Decimal places with which half the width of the interval has one digit that counts, and two at least."""
    if not (math.isfinite(half) and half > 0.0):
        return 3
    return min(max(-math.floor(math.log10(half)), 2), 8)
