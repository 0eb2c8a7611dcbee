"""Facts about a loss: what it is like, whether or not anything is wrong with it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.batches import batch_of, plain
from harness.judge.identity import fingerprint

if TYPE_CHECKING:
    from harness.judge.subject import Subject
    from harness.oracle.batch import Answer, Batch
    from harness.verdict import Json

#: The beta at which curves are drawn: the DiscoPOP paper's (arXiv 2406.08414).
BETA = 0.05
#: Reach of the curve in nats, its step, and the reach and step of the closer look around zero.
REACH, STEP = 100.0, 0.5
NEAR, NEAR_STEP = 10.0, 0.125


def number(value: float) -> Json:
    """A number as JSON can carry it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def numbers(values: np.ndarray) -> list[Json]:
    """Numbers as JSON can carry them, to 9 significant digits."""
    return [number(float(f"{v:.9g}")) for v in values]


def facts(subject: Subject) -> dict[str, Json]:
    """Collect the facts. Needs a live sandbox; raises what the oracle raises."""
    plan = subject.oracle.program.plan
    wanted = ("beta", "chosen_lengths", "rejected_lengths", "progress")
    batch = batch_of(subject.fill([1.0, -2.0, 0.5, 3.0, -0.75, 2.5]), BETA, seed=11, dtype=np.float64)
    first = subject.answer(batch)
    pointwise = _pointwise(subject, batch, first)
    out: dict[str, Json] = {
        "smallest_batch": subject.smallest_batch,
        "reduced": first.shape == (),
        "statistic": "pointwise" if pointwise else "batch",
        "reference_free": _reference_free(subject, batch, first),
        "uses": [w for w in wanted if plan.wants(w)],
        "fingerprint": fingerprint(subject),
    }
    return out | curve(subject, pointwise=pointwise)


def _pointwise(subject: Subject, batch: Batch, whole: Answer) -> bool:
    """Whether each pair's value is the same with other company."""
    if subject.smallest_batch > 1:
        return False
    alone = subject.answers([batch.take([i]) for i in range(batch.pairs)])
    values = np.array([a.mean for a in alone])
    together = np.array([values.mean()]) if whole.shape == () else values
    return bool(np.allclose(together, whole.values, rtol=1e-9, atol=1e-12, equal_nan=True))


def _reference_free(subject: Subject, batch: Batch, first: Answer) -> bool:
    """Whether the reference's log-probabilities change nothing."""
    moved = replace(
        batch,
        reference_chosen=batch.reference_chosen - 3.0,
        reference_rejected=batch.reference_rejected - np.linspace(0.0, 2.0, batch.pairs),
    )
    return subject.answer(moved).values.tobytes() == first.values.tobytes()


def _along(subject: Subject, rho: np.ndarray, beta: float, *, pointwise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope d(value)/d(rho) at each rho, each in a batch of its own kind, float64.

    A batch statistic is taken over pairs that are all alike, which is the one curve that it has.
    """
    alike = max(2, subject.smallest_batch)
    if pointwise:
        answers = subject.answers([plain(piece, beta, dtype=np.float64) for piece in np.array_split(rho, 4)])
        if all(a.shape != () for a in answers):
            values = np.concatenate([a.values for a in answers])
            slopes = np.concatenate([_slope(a) * a.values.size for a in answers])
            return values, slopes
        alike = 1
    answers = subject.answers([plain(np.full(alike, r), beta, dtype=np.float64) for r in rho])
    return np.array([a.mean for a in answers]), np.array([float(_slope(a).sum()) for a in answers])


def _slope(answer: Answer) -> np.ndarray:
    """Slope over rho when it moves half by chosen and half by rejected."""
    return (answer.grad_chosen.astype(np.float64) - answer.grad_rejected) / 2


def curve(subject: Subject, *, pointwise: bool) -> dict[str, Json]:
    """Value and slope over rho at BETA, with DPO beside it; slope at zero, extrema, convexity."""
    half = np.concatenate([np.arange(0.0, NEAR, NEAR_STEP), np.arange(NEAR, REACH + STEP / 2, STEP)])
    rho = np.concatenate([-half[:0:-1], half])
    value, slope = _along(subject, rho, BETA, pointwise=pointwise)
    middle = rho.size // 2
    minima, maxima = _extrema(subject, rho, slope, pointwise=pointwise)
    second = np.diff(slope)
    scale = max(float(np.nanmax(np.abs(slope), initial=0.0)), 1e-12)
    bent = second < -1e-6 * scale
    x = BETA * rho
    return {
        "value_at_zero": number(float(value[middle])),
        "slope_at_zero": number(float(slope[middle])),
        "convex": not bool(bent.any()),
        "non_convex_where": _runs(rho, bent),
        "minima": minima,
        "maxima": maxima,
        "curve": {
            "beta": BETA,
            "rho": numbers(rho),
            "value": numbers(value),
            "slope": numbers(slope),
            "dpo_value": numbers(np.logaddexp(0.0, -x)),
            "dpo_slope": numbers(-BETA / (1.0 + np.exp(x))),
        },
    }


def _runs(rho: np.ndarray, bent: np.ndarray) -> list[Json]:
    """Intervals of rho in which the slope falls."""
    runs: list[Json] = []
    start = None
    for i, flag in enumerate([*bent, False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            runs.append([float(rho[start]), float(rho[i])])
            start = None
    return runs


def _extrema(subject: Subject, rho: np.ndarray, slope: np.ndarray, *, pointwise: bool) -> tuple[list[Json], list[Json]]:
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
            _, inner = _along(subject, grid, BETA, pointwise=pointwise)
            flips = np.flatnonzero(np.sign(inner[:-1]) * np.sign(inner[1:]) <= 0)
            if not flips.size:
                break
            low, high = grid[flips[0]], grid[flips[0] + 1]
        place = np.array([(low + high) / 2])
        value, _ = _along(subject, place, BETA, pointwise=False)
        entry: Json = {"rho": float(f"{place[0]:.6g}"), "value": number(float(f"{value[0]:.9g}"))}
        found[0 if left < 0 else 1].append(entry)
    return found
