"""Evidence that may be looked at as often as one likes: e-processes.

An e-process starts at 1 and is, while a null hypothesis holds, at most 1 in expectation at any time somebody chooses to
stop. By Ville's inequality it then ever reaches 1/alpha with probability alpha at most. So a gate that promotes at
e >= 1/alpha errs with probability alpha at most, whether it looks once or after each prompt.

Two kinds, for two units:

- `by_bets`: effects in [-1, 1], one for each prompt. A gambler stakes a share of its capital on each effect; the share
  is spread over a grid, so that nothing has to be tuned and the order of prompts does not matter (Waudby-Smith and
  Ramdas, "Estimating means of bounded random variables by betting", arXiv 2010.09686). It speaks of one trained model.
- `by_t`: differences over paired seeds, normal with an unknown spread. The likelihood ratio of Student's t against
  effects of several sizes (Perez-Ortiz and others, "E-statistics, group invariance and anytime-valid testing",
  arXiv 2208.07610). It speaks of the loss.

The gate for effects of single prompts decides by bets: it is valid at every look, and about one trained model only. An
effect is a number in [-1, 1] for one prompt: +1 where a judge prefers the candidate's model in both orders, -1 where it
prefers the baseline's, or a difference of rewards. The gate may look after each prompt, if their order is drawn by
chance and knows nothing of the answers: sets are published by category, and whoever goes through them in that order
meets another mean at each look. With probability 1 - alpha it never decides wrongly then. That says nothing about
another training run: whether the *loss* is better is asked with seeds as the unit (`harness.ladder.gate`).

Judges like long answers. `at_equal_length` counts no win that may be length's: a prompt whose answer is longer than the
baseline's is taken together with one whose answer is shorter by as much or more, and where there is none, a win of it
counts as a tie. So a judge with a taste for length alone, of whatever shape, gives a mean of 0 at the most, if it
takes from a shorter answer what it gives to one that is longer by as much. Not covered: a judge that rewards length and
does not punish its want; and what the price is, fewer promotions of what is longer everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.gate import comparison, falls_short, left_open, suffices
from harness.ledger.records import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.core.verdict import Json

    Array = NDArray[np.float64]

#: Shares of the most that may be staked without going bankrupt. Effects of .02 want the smallest, .3 the largest.
_STAKES = np.geomspace(0.05, 0.9, 6)
#: Sizes of the effect, in standard deviations of a seed's difference, against which `by_t` holds "none".
_SIZES = (0.5, 1.0, 2.0, 4.0, 8.0)


def by_bets(effects: Sequence[float] | Array, null: float = 0.0) -> Array:
    """Evidence that the mean effect is above `null`, after each effect; shape (n,), 1 means none.

    Effects lie in [-1, 1] and `null` in (-1, 1); to ask whether the mean is below, turn the signs of both. Raises
    ValueError otherwise: one value beyond would void the guarantee.
    """
    values = _bounded(effects)
    if not -1.0 < null < 1.0:
        raise ValueError(f"a mean effect to hold against lies within -1 and 1, and is not {null}")
    with np.errstate(over="ignore"):  # evidence without bound is infinite
        capital: Array = np.exp(_log_mean(np.cumsum(_log_bets(values, null), axis=0)))
    return capital


def interval_by_bets(effects: Sequence[float] | Array, alpha: float) -> tuple[float, float]:
    """An interval for the mean effect that is right with probability 1 - alpha at all looks together.

    All means are in it that neither side's evidence at alpha / 2 speaks against. (-1, 1) where there are no effects.
    """
    values = _bounded(effects)
    low, high = _bound(values, alpha / 2.0), -_bound(-values, alpha / 2.0)
    return (low, high) if low <= high else (float(values.mean()), float(values.mean()))


@dataclass(frozen=True)
class Unit:
    """The prompts, by number, whose mean is one effect; where `capped`, a win counts as a tie."""

    prompts: tuple[int, ...]
    capped: bool = False

    def effect(self, effects: Mapping[int, float]) -> float:
        """The effect; of single prompts they are in [-1, 1]."""
        mean = sum(effects[number] for number in self.prompts) / len(self.prompts)
        return min(mean, 0.0) if self.capped else mean


def single(prompts: Iterable[int]) -> list[Unit]:
    """Each prompt by itself, in this order."""
    return [Unit((number,)) for number in prompts]


def at_equal_length(gaps: Mapping[int, float], order: Sequence[int]) -> list[Unit]:
    """Prompts as they count at equal length, in the order in which they are whole when asked in `order`.

    `gaps` are lengths of answers less those that they are compared with, by the number of a prompt. Each longer one is
    taken with the shorter one that is most like it, of those that differ by as much or more; the largest first.
    """
    shorter = sorted((number for number in order if gaps[number] < 0), key=lambda n: (-gaps[n], n))
    units = single(number for number in order if gaps[number] == 0)
    for number in sorted((n for n in order if gaps[n] > 0), key=lambda n: (-gaps[n], n)):
        other = next((n for n in shorter if -gaps[n] >= gaps[number]), None)
        if other is None:
            units.append(Unit((number,), capped=True))
        else:
            shorter.remove(other)
            units.append(Unit((number, other)))
    units += single(shorter)
    place = {number: at for at, number in enumerate(order)}
    return sorted(units, key=lambda unit: max(place[number] for number in unit.prompts))


def effects_of(units: Sequence[Unit], effects: Mapping[int, float]) -> list[float]:
    """The effect of each unit, in their order, as far as all their prompts have one."""
    return [unit.effect(effects) for unit in units if all(number in effects for number in unit.prompts)]


def by_t(differences: Sequence[float], null: float = 0.0) -> float:
    """Evidence that the mean of normal differences is above `null`, on all of them; 1 for fewer than two.

    Valid however the number of seeds came about, as long as the differences chose it. A difference that is NaN or
    infinite is a training that fell apart: no evidence at all, 0.
    """
    values = np.asarray(differences, dtype=np.float64) - null
    if not np.isfinite(values).all():
        return 0.0
    n = values.size
    if n < 2:
        return 1.0
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    t = mean * math.sqrt(n) / spread if spread > 0.0 else math.copysign(math.inf, mean) if mean else 0.0
    ratios = [_log_ratio(t, n, size) for size in _SIZES]
    return float(np.exp(np.logaddexp.reduce(ratios) - math.log(len(ratios))))


def _bounded(effects: Sequence[float] | Array) -> Array:
    values = np.asarray(effects, dtype=np.float64)
    if not (np.abs(values) <= 1.0).all():  # NaN is not, either
        raise ValueError("an effect of one prompt lies between -1 and 1")
    return values


def _log_bets(values: Array, null: float) -> Array:
    """Logarithm of what each stake makes of each value, shape (n, stakes)."""
    out: Array = np.log1p(_STAKES * ((values[:, None] - null) / (1.0 + null)))
    return out


def _log_mean(capital: Array) -> Array:
    """Logarithm of the mean capital over all stakes, from logarithms in the last axis."""
    out: Array = np.logaddexp.reduce(capital, axis=-1) - math.log(_STAKES.size)
    return out


def _bound(values: Array, alpha: float) -> float:
    """The largest mean that the evidence speaks against. Each stake's capital falls as the null rises."""
    needed = -math.log(alpha)

    def speaks(null: float) -> bool:
        return bool(_log_mean(_log_bets(values, null).sum(axis=0)) >= needed)

    low, high = -1.0 + 1e-9, 1.0 - 1e-9
    if not speaks(low):
        return -1.0
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if speaks(middle) else (low, middle)
    return low


def _log_ratio(t: float, n: int, size: float) -> float:
    """Logarithm of the density of `t` under an effect of `size` standard deviations, over that under none.

    With v = n - 1, u = t / sqrt(t^2 + v) and m = size sqrt(n) it is the integral over w > 0 of
    w^v exp(-w^2 / 2 + m u w - m^2 / 2), over the same for m = 0. The integrand is log-concave and no wider than a
    normal density, so a grid of ten units on both sides of its peak has all of it.
    """
    v, m = n - 1, size * math.sqrt(n)
    u = math.copysign(1.0, t) if math.isinf(t) else t / math.sqrt(t * t + v)
    peak = (m * u + math.sqrt((m * u) ** 2 + 4.0 * v)) / 2.0
    w = np.linspace(max(peak - 10.0, 1e-9), peak + 10.0, 2001)
    log = v * np.log(w) - w * w / 2.0 + m * u * w - m * m / 2.0
    top = float(log.max())
    whole = top + math.log(float(np.trapezoid(np.exp(log - top), w)))
    return whole - ((v - 1) / 2.0 * math.log(2.0) + math.lgamma((v + 1) / 2.0))


@dataclass(frozen=True)
class PromptGate:
    """Promote where the mean effect is above -margin, reject where it is below, each with error `alpha` / 2.

    `most` is the number of prompts after which there are no more; `undecided` says what follows when they leave it
    open. `metric` names the effect, `against` the baseline and `units` what an effect is one of, for the sentence.
    """

    margin: float
    alpha: float
    most: int
    undecided: str = "reject"
    metric: str = "preference"
    against: str = "the baseline"
    units: str = "prompts"

    def decide(self, effects: Sequence[float] | NDArray[np.float64]) -> Decision | None:
        """The decision on the effects so far, or None while it is open and more prompts are to come.

        Raises ValueError for an effect outside [-1, 1], and for a margin that is not within -1 and 1.
        """
        values = np.asarray(effects, dtype=np.float64)
        for_it = by_bets(values, -self.margin)
        against_it = by_bets(-values, self.margin)
        needed = 2.0 / self.alpha
        # What was enough once stays enough: the guarantee is about ever crossing. But for what the mean speaks against
        # by now, as it may where prompts were not in an order of chance.
        mean, never = (float(values.mean()) if len(values) else 0.0), len(values) + 1
        crossed = (
            _first(for_it, needed) if mean >= -self.margin else never,
            _first(against_it, needed) if mean <= -self.margin else never,
        )
        if not len(values) or (min(crossed) > len(values) and len(values) < self.most):
            return None
        low, high = interval_by_bets(values, self.alpha)
        found, confidence = (float(values.mean()), low, high), 1.0 - self.alpha
        told = comparison(
            self.metric,
            self.against,
            found,
            confidence=confidence,
            units=f"{len(values)} {self.units} of one trained model",
        )
        detail: dict[str, Json] = {
            "metric": self.metric,
            "prompts": len(values),
            "difference": float(values.mean()),
            "low": low,
            "high": high,
            "margin": self.margin,
            "against": self.against,
            "alpha": self.alpha,
            "evidence_for": float(for_it.max()),
            "evidence_against": float(against_it.max()),
        }
        if crossed[0] < crossed[1]:
            return Decision("promote", f"{told}: {suffices(self.margin, self.against, confidence, found)}", detail)
        if crossed[1] < crossed[0]:
            return Decision("reject", f"{told}: {falls_short(self.margin, self.against, confidence)}", detail)
        end = left_open(self.margin, self.against, self.undecided, "prompt")
        return Decision(self.undecided, f"{told}: {end}", detail)


def _first(evidence: NDArray[np.float64], needed: float) -> int:
    """How many prompts it took to get there; one more than there are where it never did."""
    reached = np.flatnonzero(evidence >= needed)
    return int(reached[0]) + 1 if reached.size else evidence.size + 1
