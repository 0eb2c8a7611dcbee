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
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
