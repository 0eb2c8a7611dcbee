"""The curve of a loss over the margin rho, and what can be read off it: extrema, where it is not convex.

Everything but the margin is held: lengths, progress, and the reference, so that what bends the curve is the loss and
not the questions. Where answers are not finite nothing is said of them, and it is said that nothing is.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from harness.core.numbers import number, numbers
from harness.protocol.batch_types import PairBatch

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer
    from harness.subject.preference import PreferenceSubject

#: The beta at which curves are drawn: the DiscoPOP paper's (arXiv 2406.08414).
BETA = 0.05
#: Both completions of every pair of the curve: so many tokens of one nat each under the reference.
LENGTH = 64.0
PROGRESS = 0.5
#: Reach of the curve in nats, its step, and the reach and step of the closer look around zero.
REACH, STEP = 100.0, 0.5
NEAR, NEAR_STEP = 10.0, 0.125


def pairs_along(rho: np.ndarray, beta: float, *, by_reference: bool = False) -> PairBatch:
    """Pairs with these margins, half of each made by the chosen and half by the rejected completion, float64.

    The policy makes the margin, or the reference does where `by_reference`: to a loss of rho alone that is the same.
    """
    level, lengths = np.full(rho.shape, -LENGTH), np.full(rho.shape, LENGTH)
    moved = (level + rho / 2, level - rho / 2)
    vectors = (level, level, *reversed(moved)) if by_reference else (*moved, level, level)
    return PairBatch.of((*vectors, lengths, lengths), beta, PROGRESS)


def along(
    subject: PreferenceSubject, rho: np.ndarray, *, pointwise: bool, by_reference: bool = False, beta: float = BETA
) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope d(value)/d(rho) at each rho, each in a batch of its own kind, float64.

    A batch statistic is taken over pairs that are all alike, which is the one curve that it has.
    """
    alike = max(2, subject.smallest_batch)
    if pointwise:
        pieces = [pairs_along(p, beta, by_reference=by_reference) for p in np.array_split(rho, min(4, rho.size))]
        answers = subject.answers(pieces)
        if all(a.shape != () for a in answers):
            values = np.concatenate([a.values for a in answers])
            slopes = np.concatenate([_slope(a) * a.values.size for a in answers])
            return values, slopes
        alike = 1
    answers = subject.answers([pairs_along(np.full(alike, r), beta, by_reference=by_reference) for r in rho])
    return np.array([a.mean for a in answers]), np.array([float(_slope(a).sum()) for a in answers])


def _slope(answer: Answer) -> np.ndarray:
    """Slope over rho when it moves half by chosen and half by rejected."""
    return (answer.grad_chosen.astype(np.float64) - answer.grad_rejected) / 2


def curve(subject: PreferenceSubject, *, pointwise: bool) -> dict[str, Json]:
    """Value and slope over rho at BETA, with DPO beside it; slope at zero, extrema, convexity.

    `convex`, `minima` and `maxima` are None where no answer is finite; where some are not, they speak of the finite
    ones, and `finite_where` says which these are.
    """
    half = np.concatenate([np.arange(0.0, NEAR, NEAR_STEP), np.arange(NEAR, REACH + STEP / 2, STEP)])
    rho = np.concatenate([-half[:0:-1], half])
    value, slope = along(subject, rho, pointwise=pointwise)
    by_reference, _ = along(subject, rho, pointwise=pointwise, by_reference=True)
    middle, x = rho.size // 2, BETA * rho
    return {
        "value_at_zero": number(float(value[middle])),
        # Of a value that is no number there is no slope, whatever the gradient says.
        "slope_at_zero": number(float(slope[middle]) if np.isfinite(value[middle]) else np.nan),
        **_shape(subject, rho, value, slope, pointwise=pointwise),
        "curve": {
            "beta": BETA,
            "length": LENGTH,
            "progress": PROGRESS,
            "rho": numbers(rho),
            "value": numbers(value),
            "slope": numbers(slope),
            "value_by_reference": numbers(by_reference),
            "dpo_value": numbers(np.logaddexp(0.0, -x)),
            "dpo_slope": numbers(-BETA / (1.0 + np.exp(x))),
        },
    }


def _shape(
    subject: PreferenceSubject, rho: np.ndarray, value: np.ndarray, slope: np.ndarray, *, pointwise: bool
) -> dict[str, Json]:
    """What the finite part of the curve is like."""
    fine = np.isfinite(value) & np.isfinite(slope)
    where = _runs(rho, fine)
    if not fine.any():
        return {"convex": None, "non_convex_where": [], "minima": None, "maxima": None, "finite_where": where}
    known = np.where(fine, slope, 0.0)
    scale = max(float(np.abs(known).max()), 1e-12)
    # Only neighbours that are both finite say something of the bend between them.
    bent = (np.diff(known) < -1e-6 * scale) & fine[:-1] & fine[1:]
    minima, maxima = _extrema(subject, rho, np.where(fine, slope, np.nan), pointwise=pointwise)
    found: dict[str, Json] = {
        "convex": not bool(bent.any()),
        "non_convex_where": _runs(rho, bent),
        "minima": minima,
        "maxima": maxima,
    }
    return found if fine.all() else found | {"finite_where": where}


def _runs(rho: np.ndarray, flags: np.ndarray) -> list[Json]:
    """Intervals of rho where the flags are set: one for each rho, or one for each step to the next."""
    step = rho.size - flags.size
    runs = [list(run) for flag, run in itertools.groupby(range(flags.size), flags.__getitem__) if flag]
    return [[float(rho[run[0]]), float(rho[run[-1] + step])] for run in runs]


def _extrema(
    subject: PreferenceSubject, rho: np.ndarray, slope: np.ndarray, *, pointwise: bool
) -> tuple[list[Json], list[Json]]:
    """Local minima and maxima inside the curve: changes of sign of the slope, refined by bisection."""
    found: tuple[list[Json], list[Json]] = ([], [])
    signs = np.sign(slope)
    for i in range(rho.size - 1):
        left, right = signs[i], signs[i + 1]
        if not (left * right < 0 or (left != 0 and right == 0 and i + 2 < rho.size and signs[i + 2] == -left)):
            continue
        low, high = rho[i], rho[min(i + 2 if right == 0 else i + 1, rho.size - 1)]
        for _ in range(6):
            grid = np.linspace(low, high, 9)
            _, inner = along(subject, grid, pointwise=pointwise)
            flips = np.flatnonzero(np.sign(inner[:-1]) * np.sign(inner[1:]) <= 0)
            if not flips.size:
                break
            low, high = grid[flips[0]], grid[flips[0] + 1]
        place = np.array([(low + high) / 2])
        value, _ = along(subject, place, pointwise=False)
        entry: Json = {"rho": float(f"{place[0]:.6g}"), "value": number(float(f"{value[0]:.9g}"))}
        found[0 if left < 0 else 1].append(entry)
    return found
