"""Reward against divergence over betas, with intervals over seeds; and rewards of losses at equal divergence.

Every interval is Student's over seeds, of one mean by itself at 95 %: several of them are not right all at once.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.ladder.gate import interval
from harness.plots.frontier_curves import Curve, Estimate, Point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: For each seed, each metric, those of single betas by names such as `kl_at_0.5`.
    BySeed = Mapping[int, Mapping[str, float]]

ALPHA = 0.05
#: Rewards are compared at so many divergences between the ends of the first loss's frontier, where nobody names others.
_COMPARED = 5
_AT = re.compile(r"^reward_at_(?P<beta>[0-9.e+-]+)$")


def estimate(values: Sequence[float]) -> Estimate:
    """The mean over seeds, with its interval."""
    return Estimate(float(np.mean(values)), *interval(values, ALPHA), len(values))


def curve_of(name: str, measured: BySeed, divergence: str = "kl") -> Curve:
    """The curve of a loss from its metrics by seed, as the rung gives them with several betas.

    Raises ValueError where there are no metrics of single betas.
    """
    betas = sorted({float(m["beta"]) for one in measured.values() for key in one if (m := _AT.match(key))})
    if not betas:
        raise ValueError(f"the metrics of {name} hold no single betas")
    points, lost = [], []
    for beta in betas:
        reached = [_at(one, beta, divergence) for one in measured.values() if f"reward_at_{beta:g}" in one]
        if all(math.isfinite(kl) and math.isfinite(reward) for kl, reward in reached):
            kls, rewards = zip(*reached, strict=True)
            points.append(Point(beta, estimate(kls), estimate(rewards)))
        else:
            lost.append(beta)
    before = [m["reference_reward"] for m in measured.values() if "reference_reward" in m]
    return Curve(name, tuple(points), tuple(lost), sum(before) / len(before) if before else math.nan)


def _at(metrics: Mapping[str, float], beta: float, divergence: str) -> tuple[float, float]:
    return metrics.get(f"{divergence}_at_{beta:g}", math.nan), metrics.get(f"reward_at_{beta:g}", math.nan)


@dataclass(frozen=True)
class AtEqual:
    """What losses reach at one divergence in nats: their rewards, and those less the first loss's on the same seeds.

    None where a loss did not come to this divergence at every seed.
    """

    kl: float
    rewards: Mapping[str, Estimate | None]
    differences: Mapping[str, Estimate | None]


def frontier(metrics: Mapping[str, float], divergence: str) -> list[tuple[float, float]]:
    """The most reward with no more than so much divergence: the corners (divergence, reward) of one seed's betas.

    They are the points that no other one beats with no more divergence and no less reward; the last of them holds as
    far as the loss was measured.
    """
    betas = [float(m["beta"]) for key in metrics if (m := _AT.match(key))]
    points = [_at(metrics, beta, divergence) for beta in betas]
    measured = sorted((p for p in points if all(map(math.isfinite, p))), key=lambda p: (p[0], -p[1]))
    out: list[tuple[float, float]] = []
    for kl, reward in measured:
        if not out or reward > out[-1][1]:
            out.append((kl, reward))
    return [*out, (measured[-1][0], out[-1][1])] if out and measured[-1][0] > out[-1][0] else out


def _reward_at(points: Sequence[tuple[float, float]], kl: float) -> float:
    """The reward on straight lines between the points; NaN beyond the ends: nothing is extrapolated."""
    if not points or not points[0][0] <= kl <= points[-1][0]:
        return math.nan
    kls, rewards = zip(*points, strict=True)
    return float(np.interp(kl, kls, rewards))


def at_equal(measured: Mapping[str, BySeed], divergence: str, at: Sequence[float] = ()) -> list[AtEqual]:
    """The rewards of losses at the same divergences, those of the first loss's frontier where `at` names none.

    All losses have to be measured at the same seeds, as `harness frontier` measures them.
    """
    frontiers = {
        name: {seed: frontier(one, divergence) for seed, one in by_seed.items()} for name, by_seed in measured.items()
    }
    if not frontiers:
        return []
    first = next(iter(frontiers))
    out = []
    for kl in at or _between(list(frontiers[first].values())):
        reached = {name: {s: _reward_at(points, kl) for s, points in by.items()} for name, by in frontiers.items()}
        rewards = {name: _estimate(list(by.values())) for name, by in reached.items()}
        less = {
            name: _estimate([by[seed] - reached[first].get(seed, math.nan) for seed in by])
            for name, by in reached.items()
            if name != first
        }
        out.append(AtEqual(kl, rewards, less))
    return out


def _estimate(values: list[float]) -> Estimate | None:
    return estimate(values) if values and all(map(math.isfinite, values)) else None


def _between(frontiers: Sequence[Sequence[tuple[float, float]]]) -> list[float]:
    """Round divergences that all these frontiers hold, from one end to the other, each as many times the one before."""
    if not frontiers or not all(frontiers):
        return []
    low, high = max(points[0][0] for points in frontiers), min(points[-1][0] for points in frontiers)
    if low >= high:
        return []
    spaced = np.geomspace(max(low, high / 100.0), high, _COMPARED + 2)[1:-1]
    return [float(f"{value:.3g}") for value in spaced]
